import { describe, expect, test } from "vitest";
import { AudioOnly } from "./audio-only";

/**
 * Plays the available rate of each second, in kbit/s; returns the seconds at which video stops or resumes, and the
 * user's notifications.
 */
function play(seconds: readonly (number | null)[], lost: (second: number) => number = () => 0): string[] {
  const audioOnly = new AudioOnly();
  return seconds.flatMap((kbps, second) => {
    const availableBps = kbps === null ? null : kbps * 1_000;
    const look = { atMs: second * 1_000, availableBps, lostPercent: lost(second), hasPicture: true };
    if (!audioOnly.take(look)) {
      return [];
    }
    const { sends, isTold } = audioOnly.state;
    return [`${second}: ${sends ? "sends" : "stops"}${isTold ? ", told" : ""}`];
  });
}

const for_ = (seconds: number, kbps: number | null): (number | null)[] => Array.from({ length: seconds }, () => kbps);

describe("audio only", () => {
  test("begins when the uplink is too slow for five seconds, and ends when a try of ten seconds succeeds", () => {
    expect(play([...for_(2, 300), ...for_(20, 90), ...for_(20, 300)])).toEqual(["7: stops, told", "22: sends, told", "32: sends"]);
  });

  test("does not begin at a short drop, nor where nothing is known", () => {
    expect(play([...for_(5, 90), 300, ...for_(5, 90), 300])).toEqual([]);
    expect(play(for_(20, null))).toEqual([]);
    expect(play(for_(20, 100))).toEqual([]);
  });

  test("begins when most packets are lost", () => {
    expect(play(for_(7, null), () => 31)).toEqual(["5: stops, told"]);
    expect(play(for_(7, null), () => 30)).toEqual([]);
  });

  test("is left more and more rarely, and the user is told once", () => {
    const events = play(for_(400, 90)).filter((event) => event.includes("stops"));
    expect(events.map((event) => Number.parseInt(event, 10))).toEqual([5, 26, 62, 128, 254, 380]);
    expect(events.every((event) => event.endsWith("told"))).toBe(true);
  });

  test("is over when there is no picture any more", () => {
    const audioOnly = new AudioOnly();
    for (let second = 0; second <= 5; second += 1) {
      audioOnly.take({ atMs: second * 1_000, availableBps: 1, lostPercent: 0, hasPicture: true });
    }
    expect(audioOnly.state).toEqual({ sends: false, isTold: true });
    expect(audioOnly.take({ atMs: 6_000, availableBps: 1, lostPercent: 0, hasPicture: false })).toBe(true);
    expect(audioOnly.state).toEqual({ sends: true, isTold: false });
  });
});
