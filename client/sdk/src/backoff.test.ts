import { describe, expect, test } from "vitest";
import { backoffMs, random } from "./backoff";

describe("back-off", () => {
  const bounds: [failures: number, random: number, ms: number][] = [
    [0, 0, 0],
    [0, 0.999, 249],
    [1, 0.5, 250],
    [4, 0.5, 2_000],
    [5, 0.5, 4_000],
    [60, 0.5, 4_000],
    [10_000, 0.999_999, 7_999],
  ];
  test.each(bounds)("after %i failures with %f: %i ms", (failures, value, ms) => {
    expect(backoffMs(failures, value)).toBe(ms);
  });

  test("each wait may be twice as long as the one before, up to eight seconds", () => {
    const spans = Array.from({ length: 8 }, (_, failures) => Math.round(backoffMs(failures, 1 - Number.EPSILON) / 10) * 10);
    expect(spans).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
  });

  test("random numbers are in [0, 1), differ, and repeat with their seed", () => {
    const draw = (seed: number): number[] => {
      const values: number[] = [];
      for (let count = 0; count < 1_000; count += 1) {
        const [value, next] = random(seed);
        values.push(value);
        seed = next;
      }
      return values;
    };
    const values = draw(7);
    expect(draw(7)).toEqual(values);
    expect(new Set(values).size).toBeGreaterThan(990);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(0.5, 1);
  });
});
