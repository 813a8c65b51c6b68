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
  const stream = { packets: 0, lost: 0, bytes: 0, frames: 0, freezes: 0, plis: 0, jitterMs: null, width: 1_280 };
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
});
