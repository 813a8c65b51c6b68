import { expect, test } from "vitest";
import type { Item, Placed } from "./arrangement";
import { pictured } from "./use-picture";

const RECT = { left: 0, top: 0, width: 1, height: 1 };

/** `[a] *b c`: a person in brackets is large, a star is a screen; capitals have a picture. */
function check(words: string): string | null {
  const tiles = words.split(" ").map((word): Placed => {
    const id = word.replace(/[[\]*]/g, "");
    return { item: { kind: word.includes("*") ? "screen" : "person", id }, isLarge: word.startsWith("["), rect: RECT };
  });
  const item = pictured({ tiles, page: 0, pages: 1, seats: 0 }, "ME", ({ id }: Item) => id === id.toUpperCase());
  return item === null ? null : `${item.kind === "screen" ? "*" : ""}${item.id}`;
}

test.each([
  ["[*A] B ME", "*A"],
  ["[A] B ME", "A"],
  ["[a] B ME", "B"],
  ["a B C ME", "B"],
  ["[ME] a B", "ME"],
  ["a ME", null],
])("of %s the picture is %s", (words, expected) => {
  expect(check(words)).toBe(expected);
});
