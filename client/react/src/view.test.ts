import { describe, expect, it } from "vitest";
import { mostImportantFirst } from "./view";

describe("who is served first on a slow downlink", () => {
  const cases: readonly [string, string, Record<string, number>, string | null, string][] = [
    ["equal tiles, as they are arranged", "a b c", { a: 300, b: 300, c: 300 }, null, "a b c"],
    ["a larger tile before smaller ones", "a b c", { a: 150, b: 700, c: 300 }, null, "b c a"],
    ["tiles that differ by a few lines, as they are arranged", "a b c", { a: 298, b: 301, c: 300 }, null, "a b c"],
    ["the speaker, even in the smallest tile", "a b c", { a: 700, b: 300, c: 150 }, "c", "c a b"],
    ["the speaker once, who is first anyway", "a b", { a: 700, b: 300 }, "a", "a b"],
    ["nobody because of a speaker who is not on screen", "a b", { a: 300, b: 300 }, "c", "a b"],
    ["only those on screen", "a b c", { c: 300, a: 300 }, null, "a c"],
    ["the tile of a person who also shares a screen, once", "b a b", { a: 300, b: 150 }, null, "a b"],
  ];
  it.each(cases)("%s", (_, order, lines, speaker, expected) => {
    expect(mostImportantFirst(order.split(" "), new Map(Object.entries(lines)), speaker).join(" ")).toBe(expected);
  });
});
