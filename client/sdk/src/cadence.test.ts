import { expect, test } from "vitest";
import { Cadence, TICK_MS } from "./cadence";

/** The ticks at which the statistics are read; `1` is a tick at which packets arrive. */
function reads(arrivals: string, isAlive = true): string {
  const cadence = new Cadence();
  return [...arrivals].map((arrives, tick) => (cadence.isDue({ nowMs: tick * TICK_MS, arrives: arrives === "1", isAlive }) ? "x" : ".")).join("");
}

const table: [string, string, string][] = [
  ["once a second while packets arrive", "111111111111", "x...x...x..."],
  ["once a second while nobody sends anything", "000000000000", "x...x...x..."],
  ["at every tick once packets stop, and once a second when they are back", "1111100001111111", "x...xxxxx...x..."],
  ["at every tick for three seconds, then once a second: the others are silent", `1${"0".repeat(19)}`, "xxxxxxxxxxxx...x...x"],
];

// Holds S0-QUAL-01.
test.each(table)("the statistics are read %s", (_, arrivals, expected) => {
  expect(reads(arrivals)).toBe(expected);
});

test("the statistics are read at every tick until the transport works", () => {
  expect(reads("0000", false)).toBe("xxxx");
});
