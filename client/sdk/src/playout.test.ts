import { describe, expect, test } from "vitest";
import { Playout } from "./playout";

interface Second {
  readonly rttMs: number | null;
  /** Requests for retransmissions. */
  readonly nacks: number;
}

/** Plays seconds of one video track; returns the wait after each. */
function play(seconds: readonly Second[]): (number | null | undefined)[] {
  const playout = new Playout();
  let total = 0;
  const stream = { bufferedMs: 0, released: 0, packets: 0, lost: 0, bytes: 0, frames: 0, freezes: 0, plis: 0, jitterMs: null, width: 1_280 };
  return seconds.map(({ rttMs, nacks }, second) => {
    total += nacks;
    const streams = [
      { ...stream, track: "picture", nacks: total, lines: 720 },
      { ...stream, track: "sound", nacks: total, width: null, lines: null },
    ];
    const waits = playout.take({ atMs: second * 1_000, rttMs, streams });
    expect(waits.has("sound")).toBe(false);
    return waits.get("picture");
  });
}

const times = (count: number, second: Second): Second[] => Array.from({ length: count }, () => second);

describe("playout", () => {
  test("video waits for retransmissions while a distant node's packets are lost, and ten seconds longer", () => {
    const waits = play([...times(2, { rttMs: 200, nacks: 0 }), ...times(3, { rttMs: 200, nacks: 6 }), ...times(11, { rttMs: 200, nacks: 0 })]);
    expect(waits).toEqual([null, null, ...Array.from({ length: 12 }, () => 300), null, null]);
  });

  test("nothing waits near the node, nor for a rare loss", () => {
    expect(play(times(4, { rttMs: 20, nacks: 6 }))).toEqual([null, null, null, null]);
    const rare = [0, 1, 2, 3, 4].map((second) => ({ rttMs: 200, nacks: second === 2 ? 0.5 : 0 }));
    expect(play(rare)).toEqual([null, null, null, null, null]);
  });

  test("the wait follows the round trip, within bounds and without trembling", () => {
    const trips = [200, 200, 210, 260, null, 260, 900].map((rttMs) => ({ rttMs, nacks: 6 }));
    expect(play(trips)).toEqual([null, 300, 300, 360, 360, 360, 500]);
  });

  test("frames are in time soon after the path has become longer in the middle of the call", () => {
    const { lateFrames, waits } = watch(20, (playout, look) => playout.take(look).get("picture") ?? null);
    // Until the first sample, and one that shows the shortfall.
    expect(lateFrames.slice(3)).toEqual(Array.from({ length: 17 }, () => 0));
    expect(Math.max(...waits)).toBeLessThanOrEqual(450);
    expect(waits.at(-1)).toBe(300);
    // A wait that ignores the browser's notion of the delay is too short until the browser has noticed.
    const ignorant = watch(20, (_, { atMs }) => (atMs >= 1_000 ? 300 : null));
    expect(ignorant.lateFrames.slice(3, 13).every((late) => late > 0)).toBe(true);
    expect(ignorant.lateFrames.slice(-3)).toEqual([0, 0, 0]);
  });
});

/**
 * Plays seconds of a call whose round trip has just grown from 0 to 200 ms, in the way of libwebrtc: every second frame
 * of 20 per second is complete only with a retransmission, and does not count among the 150 frames after which the
 * browser takes the delay as it is. Returns the late frames and the wait of each second.
 */
function watch(seconds: number, decide: (playout: Playout, look: Parameters<Playout["take"]>[0]) => number | null): { lateFrames: number[]; waits: number[] } {
  const [oneWayMs, rttMs, ownWaitMs, decodeMs] = [100, 200, 50, 20];
  const playout = new Playout();
  const [lateFrames, waits]: [number[], number[]] = [[], []];
  let [punctual, bufferedMs, released, waitMs] = [0, 0, 0, ownWaitMs];
  for (let second = 0; second < seconds; second += 1) {
    let late = 0;
    for (let frame = 0; frame < 20; frame += 1) {
      const isRepaired = frame % 2 === 0;
      punctual += isRepaired ? 0 : 1;
      // Relative to the arrival of the frame's first packet.
      const expectedMs = punctual > 150 ? 0 : -oneWayMs;
      const dueMs = Math.max(0, expectedMs + waitMs - decodeMs);
      const completeMs = isRepaired ? rttMs + 20 : 5;
      late += completeMs > dueMs && isRepaired ? 1 : 0;
      bufferedMs += Math.max(dueMs, completeMs);
      released += 1;
    }
    lateFrames.push(late);
    const stream = { track: "picture", packets: 0, lost: 0, bytes: 0, frames: 0, freezes: 0, plis: 0, jitterMs: null, width: 1_280, lines: 720 };
    const look = { atMs: 1_000 * second, rttMs, streams: [{ ...stream, nacks: 10 * second, bufferedMs, released }] };
    waitMs = decide(playout, look) ?? ownWaitMs;
    waits.push(waitMs);
  }
  return { lateFrames, waits };
}
