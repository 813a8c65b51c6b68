import { describe, expect, test } from "vitest";
import { lastRowColumn, layout } from "./grid";

describe("tiles", () => {
  test.each([
    [1, 1600, 900, 1],
    [2, 1600, 900, 2],
    [3, 1600, 900, 2],
    [4, 1600, 900, 2],
    [5, 1600, 900, 3],
    [9, 1600, 900, 3],
    [2, 400, 800, 1],
    [4, 360, 640, 1],
    [4, 400, 800, 1],
    [9, 400, 800, 2],
  ])("%i on %i × %i stand in %i columns", (count, width, height, columns) => {
    expect(layout(count, width, height, 8).columns).toBe(columns);
  });

  test("never stand over the edge", () => {
    for (let count = 1; count <= 25; count += 1) {
      for (const [width, height] of [[1600, 900], [390, 700], [360, 640], [320, 320], [3000, 400]] as const) {
        const { columns, width: across, height: down } = layout(count, width, height, 8);
        expect(columns * across + (columns - 1) * 8).toBeLessThanOrEqual(width);
        const rows = Math.ceil(count / columns);
        expect(rows * down + (rows - 1) * 8).toBeLessThanOrEqual(height);
      }
    }
  });

  test("of a last row that is not full stand in the middle", () => {
    expect([0, 1, 2].map((index) => lastRowColumn(index, 3, 2))).toEqual([null, null, 2]);
    expect([0, 1, 2, 3].map((index) => lastRowColumn(index, 4, 2))).toEqual([null, null, null, null]);
  });

  test("that have no room are nothing, not negative", () => {
    expect(layout(9, 0, 0, 8)).toEqual({ columns: 1, width: 0, height: 0 });
  });
});
