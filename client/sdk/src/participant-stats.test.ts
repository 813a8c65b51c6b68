import { describe, expect, test } from "vitest";
import type { Owner, ReceivedStream, SentStream, StatsLook } from "./participant-stats";
import { StatsMeter } from "./participant-stats";

const received = (counters: Partial<ReceivedStream>): ReceivedStream => ({
  track: "v",
  bufferedMs: 0,
  released: 0,
  packets: 0,
  lost: 0,
  bytes: 0,
  frames: 0,
  freezes: 0,
  nacks: 0,
  plis: 0,
  jitterMs: 4,
  width: 1_280,
  lines: 720,
  ...counters,
});
const layer = (rid: string, lines: number, counters: Partial<SentStream>): SentStream => ({
  ...received({ lines, width: (lines * 16) / 9 }),
  mid: "1",
  rid,
  lostPercent: 2,
  ...counters,
});
const owners = {
  received: (track: string): Owner | null => (track === "v" ? { participant: "ada", source: "camera" } : null),
  sent: (mid: string): Owner | null => (mid === "1" ? { participant: "me", source: "camera" } : null),
};
const grades = new Map([["ada", "good"]] as const);
const look = (second: number, streams: ReceivedStream[], sentStreams: SentStream[] = []): StatsLook => ({
  atMs: second * 1_000,
  rttMs: 42,
  streams,
  sentStreams,
});

describe("statistics of a participant", () => {
  // Holds S1-QUAL-01, S3-QUAL-03, S-A7-02, S-A7-12.
  test("are rates and shares of the last seconds, in bits per second, milliseconds and percent", () => {
    const meter = new StatsMeter();
    const totals = { packets: 90_000, lost: 4_000, bytes: 9_000_000, frames: 7_000, freezes: 30, nacks: 50, plis: 9 };
    expect(meter.take(look(100, [received(totals)]), owners, grades)).toEqual(new Map());
    const next = { packets: 90_099, lost: 4_001, bytes: 9_125_000, frames: 7_024, freezes: 31, nacks: 52, plis: 10 };
    expect(meter.take(look(101, [received(next)]), owners, grades).get("ada")).toEqual({
      roundTripMs: 42,
      quality: "good",
      tracks: [
        {
          source: "camera",
          layer: null,
          bitrateBps: 1_000_000,
          lossPercent: 1,
          jitterMs: 4,
          width: 1_280,
          lines: 720,
          framesPerSecond: 24,
          freezes: 1,
          nacks: 2,
          plis: 1,
        },
      ],
    });
  });

  test("are of the time that passed, however long it was", () => {
    const meter = new StatsMeter();
    meter.take(look(0, [received({})]), owners, grades);
    const [track] = meter.take(look(4, [received({ bytes: 500_000, frames: 60 })]), owners, grades).get("ada")?.tracks ?? [];
    expect([track?.bitrateBps, track?.framesPerSecond]).toEqual([1_000_000, 15]);
  });

  test("forget a loss after five looks, and a stream that begins anew counts from nothing", () => {
    const meter = new StatsMeter();
    meter.take(look(0, [received({})]), owners, grades);
    const losses: number[] = [];
    for (let second = 1; second <= 7; second += 1) {
      const stats = meter.take(look(second, [received({ packets: second * 90, lost: 10 })]), owners, grades);
      losses.push(Math.round(stats.get("ada")?.tracks[0]?.lossPercent ?? -1));
    }
    expect(losses).toEqual([10, 5, 4, 3, 2, 0, 0]);
    const [track] = meter.take(look(8, [received({ packets: 5 })]), owners, grades).get("ada")?.tracks ?? [];
    expect([track?.bitrateBps, track?.lossPercent]).toEqual([0, 0]);
  });

  // Holds S-A7-03.
  test("of what the user sends are what the node reports, layers together, and those that are off left out", () => {
    const meter = new StatsMeter();
    const layers = (bytes: number[]): SentStream[] => [
      layer("q", 180, { bytes: bytes[0] ?? 0, nacks: bytes[0] ?? 0 }),
      layer("h", 360, { bytes: bytes[1] ?? 0, lostPercent: 5 }),
      layer("f", 720, { bytes: bytes[2] ?? 0, lostPercent: null }),
    ];
    meter.take(look(0, [], layers([0, 0, 0])), owners, grades);
    const [track, ...others] = meter.take(look(1, [], layers([10_000, 50_000, 0])), owners, grades).get("me")?.tracks ?? [];
    expect(others).toEqual([]);
    expect(track).toMatchObject({ layer: "h", lines: 360, bitrateBps: 480_000, lossPercent: 5, nacks: 10_000 });
  });

  test("of sound have no picture, and a track of nobody is nobody's", () => {
    const meter = new StatsMeter();
    const sound = { width: null, lines: null };
    meter.take(look(0, [received(sound), received({ track: "x" })]), owners, grades);
    const stats = meter.take(look(1, [received({ ...sound, bytes: 5_000 }), received({ track: "x", bytes: 9 })]), owners, grades);
    expect([...stats.keys()]).toEqual(["ada"]);
    expect(stats.get("ada")?.tracks[0]).toMatchObject({ framesPerSecond: null, lines: null, bitrateBps: 40_000 });
  });
});
