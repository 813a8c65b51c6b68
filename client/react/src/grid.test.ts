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

  test("never stand over the edge, but are scrolled where they would be too small", () => {
    for (let count = 1; count <= 25; count += 1) {
      for (const [width, height] of [[1600, 900], [390, 700], [360, 640], [320, 320], [300, 170], [3000, 400]] as const) {
        const { columns, width: across, height: down } = layout(count, width, height, 8);
        const where = `${count} on ${width} × ${height}`;
        expect(columns * across + (columns - 1) * 8, where).toBeLessThanOrEqual(width);
        expect(across, where).toBeGreaterThanOrEqual(124);
        const rows = Math.ceil(count / columns);
        const overhang = rows * down + (rows - 1) * 8 - height;
        // One more column would make the tiles too small.
        expect(overhang <= 0 || (width - columns * 8) / (columns + 1) < 124, where).toBe(true);
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
