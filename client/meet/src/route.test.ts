import { describe, expect, test } from "vitest";
import { newRoomName, readRoomName, readRoute } from "./route";

describe("the address", () => {
  test.each([
    ["/", "home"],
    ["/r/daily", "daily"],
    ["/r/daily/", "daily"],
    ["/r/a%2Fb", "home"],
    ["/r/team%2Dsync%5F1", "team-sync_1"],
    ["/r/", "home"],
    [`/r/${"x".repeat(65)}`, "home"],
    ["/other", "home"],
    ["/demo/broadcast", "demo"],
    ["/demo/other", "home"],
  ])("%s is %s", (path, expected) => {
    const route = readRoute(path, "");
    expect(route.page === "room" ? route.room : route.page).toBe(expected);
  });

  test.each([
    ["/", null],
    ["/r/caf%C3%A9", "café"],
    ["/r/a%2Fb", "a/b"],
    ["/r/%FF", "%FF"],
    ["/other", "/other"],
    ["/r/", "/r/"],
  ])("%s is a bad link that says %o", (path, expected) => {
    const route = readRoute(path, "");
    expect(route.page === "home" ? route.badLink : route.page === "room" ? route.room : null).toBe(expected);
  });

  test("has devices on and the lobby shown unless it says otherwise", () => {
    const options = (query: string): unknown => {
      const route = readRoute("/r/x", query);
      return route.page === "room" ? [route.options.auto, route.options.microphone, route.options.camera] : null;
    };
    expect(options("")).toEqual([false, true, true]);
    expect(options("?auto=1&camera=0&microphone=0")).toEqual([true, false, false]);
  });

  test.each([
    ["", null],
    ["?codec=h264", "h264"],
    ["?codec=vp8", "vp8"],
    ["?codec=theora", null],
  ])("%o publishes in %o", (query, expected) => {
    const route = readRoute("/r/x", query);
    expect(route.page === "room" ? route.options.codec : undefined).toBe(expected);
  });

  test.each([
    ["", null],
    ["?profile=soulseer", "soulseer"],
    ["?profile=none", null],
  ])("%o follows the profile %s", (query, expected) => {
    const route = readRoute("/r/x", query);
    expect(route.page === "room" ? route.options.profile : undefined).toBe(expected);
  });
});

describe("a room's name", () => {
  test.each([
    ["daily", "daily"],
    [" team  sync ", "team-sync"],
    ["https://meet.example.org/r/daily?auto=1", "daily"],
    ["Join us: https://meet.example.org/r/daily.", "daily"],
    ["(https://meet.example.org/r/daily) at ten", "daily"],
    ["<https://meet.example.org/r/team%2Dsync>", "team-sync"],
    ["https://meet.example.org/r/daily/", "daily"],
    ["https://meet.example.org/r/caf%C3%A9", null],
    ["https://meet.example.org/r/daily.old", null],
    ["", null],
    ["a/b", null],
    ["ä", null],
  ])("%o is %o", (text, expected) => {
    expect(readRoomName(text)).toBe(expected);
  });

  // Holds S-A7-15.
  test("that is made up can be used and has 128 random bits", () => {
    const names = Array.from({ length: 2_000 }, newRoomName);
    expect(names.map(readRoomName)).toEqual(names);
    const letters = names.map((name) => name.replaceAll("-", ""));
    const variants = Array.from({ length: letters[0]?.length ?? 0 }, (_, at) => new Set(letters.map((text) => text[at])).size);
    expect(variants.reduce((bits, count) => bits + Math.log2(count), 0)).toBeGreaterThanOrEqual(128);
  });
});
