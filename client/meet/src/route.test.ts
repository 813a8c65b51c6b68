import { describe, expect, test } from "vitest";
import { layout } from "./grid";
import { newRoomName, readRoomName, readRoute } from "./route";

describe("the address", () => {
  test.each([
    ["/", "home"],
    ["/r/daily", "daily"],
    ["/r/daily/", "daily"],
    ["/r/a%2Fb", "home"],
    ["/r/", "home"],
    [`/r/${"x".repeat(65)}`, "home"],
    ["/other", "home"],
  ])("%s is %s", (path, expected) => {
    const route = readRoute(path, "");
    expect(route.page === "room" ? route.room : route.page).toBe(expected);
  });

  test("has devices on and the lobby shown unless it says otherwise", () => {
    const options = (query: string): unknown => {
      const route = readRoute("/r/x", query);
      return route.page === "room" ? [route.options.auto, route.options.microphone, route.options.camera] : null;
    };
    expect(options("")).toEqual([false, true, true]);
    expect(options("?auto=1&camera=0&microphone=0")).toEqual([true, false, false]);
  });
});

describe("a room's name", () => {
  test.each([
    ["daily", "daily"],
    [" team  sync ", "team-sync"],
    ["https://meet.example.org/r/daily?auto=1", "daily"],
    ["", null],
    ["a/b", null],
    ["ä", null],
  ])("%o is %o", (text, expected) => {
    expect(readRoomName(text)).toBe(expected);
  });

  test("that is made up can be used, and is never the same", () => {
    const names = Array.from({ length: 50 }, newRoomName);
    expect(names.map(readRoomName)).toEqual(names);
    expect(new Set(names).size).toBe(50);
  });
});

describe("tiles", () => {
  test.each([
    [1, 1600, 900, 1],
    [2, 1600, 900, 2],
    [3, 1600, 900, 2],
    [4, 1600, 900, 2],
    [5, 1600, 900, 3],
    [9, 1600, 900, 3],
    [2, 400, 800, 1],
    [4, 400, 800, 1],
    [9, 400, 800, 2],
  ])("%i on %i × %i stand in %i columns", (count, width, height, columns) => {
    expect(layout(count, width, height, 8).columns).toBe(columns);
  });

  test("never stand over the edge", () => {
    for (let count = 1; count <= 25; count += 1) {
      for (const [width, height] of [[1600, 900], [390, 700], [320, 320], [3000, 400]] as const) {
        const { columns, width: across, height: down } = layout(count, width, height, 8);
        expect(columns * across + (columns - 1) * 8).toBeLessThanOrEqual(width);
        const rows = Math.ceil(count / columns);
        expect(rows * down + (rows - 1) * 8).toBeLessThanOrEqual(height);
      }
    }
  });

  test("that have no room are nothing, not negative", () => {
    expect(layout(9, 0, 0, 8)).toEqual({ columns: 1, width: 0, height: 0 });
  });
});
