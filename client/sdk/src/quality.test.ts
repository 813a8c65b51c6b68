import { describe, expect, test } from "vitest";
import type { Look, Quality } from "./quality";
import { QualityMeter, grade } from "./quality";

describe("grades", () => {
  const table: [number | null, number, Quality][] = [
    [0, 0, "excellent"],
    [99, 0.9, "excellent"],
    [100, 0, "good"],
    [0, 1, "good"],
    [199, 2.9, "good"],
    [200, 0, "fair"],
    [0, 3, "fair"],
    [399, 4.9, "fair"],
    [400, 0, "poor"],
    [0, 5, "poor"],
    [null, 0.5, "excellent"],
  ];
  // Holds S0-QUAL-02, S-A7-12.
  test.each(table)("round trip %s ms, loss %s %%: %s", (rttMs, loss, expected) => {
    expect(grade(rttMs, loss)).toBe(expected);
  });
});

describe("measuring", () => {
  const whose = (track: string): string | null => (track === "none" ? null : track.slice(0, 3));
  const look = (second: number, streams: [string, number, number][], rttMs: number | null = 20, sentLost = 0): Look => ({
    atMs: second * 1_000,
    streams: streams.map(([track, packets, lost]) => ({ track, packets, lost })),
    rttMs,
    sentLost,
  });

  test("loss is of those whose packets they are, own sound and pictures together", () => {
    const meter = new QualityMeter();
    meter.take(look(0, [["ada-a", 0, 0], ["ada-v", 0, 0], ["bob-a", 0, 0]]), "me", whose);
    const grades = meter.take(look(1, [["ada-a", 50, 0], ["ada-v", 45, 5], ["bob-a", 50, 0]]), "me", whose);
    expect(grades).toEqual(new Map([["ada", "poor"], ["bob", "excellent"], ["me", "excellent"]]));
  });

  // Holds S-A7-02.
  test("an old loss is forgotten", () => {
    const meter = new QualityMeter();
    meter.take(look(0, [["ada-a", 0, 0]]), null, whose);
    expect(meter.take(look(1, [["ada-a", 50, 10]]), null, whose)?.get("ada")).toBe("poor");
    let last;
    for (let second = 2; second <= 6; second += 1) {
      last = meter.take(look(second, [["ada-a", 50 * second, 10]]), null, whose);
    }
    expect(last?.get("ada")).toBe("excellent");
  });

  test("of few packets, or none, nothing is said", () => {
    const meter = new QualityMeter();
    meter.take(look(0, [["ada-a", 0, 0]]), null, whose);
    expect(meter.take(look(1, [["ada-a", 5, 5]]), null, whose)?.has("ada")).toBe(false);
  });

  // Holds S-A7-03.
  test("one's own grade is of the round trip and of what the other side misses", () => {
    const meter = new QualityMeter();
    expect(meter.take(look(0, [], 250), "me", whose)?.get("me")).toBe("fair");
    expect(new QualityMeter().take(look(0, [], 20, 0.02), "me", whose)?.get("me")).toBe("good");
    expect(new QualityMeter().take(look(0, [], null), "me", whose)?.has("me")).toBe(false);
  });

  // Holds S0-QUAL-01.
  test("looks that come too soon are not taken", () => {
    const meter = new QualityMeter();
    meter.take(look(0, []), "me", whose);
    expect(meter.take(look(0.999, []), "me", whose)).toBeNull();
    expect(meter.take(look(1, []), "me", whose)).not.toBeNull();
  });
});
