import { expect, test } from "vitest";
import { shortcutOf } from "./use-shortcuts";

test.each([
  ["an English keyboard", "m", "KeyM", "m"],
  ["a capital letter", "M", "KeyM", "m"],
  ["a Cyrillic keyboard", "ь", "KeyM", "m"],
  ["a Greek keyboard", "μ", "KeyM", "m"],
  ["a Hebrew keyboard", "צ", "KeyM", "m"],
  ["a French keyboard, whose M is elsewhere", "m", "Semicolon", "m"],
  ["a Dvorak keyboard goes by the letter, not by the place", "v", "Period", "v"],
  ["a Japanese keyboard that composes", "Process", "KeyM", "m"],
  ["Escape", "Escape", "Escape", "Escape"],
  ["another sign", "?", "Slash", "?"],
])("%s", (_, key, code, expected) => {
  expect(shortcutOf({ key, code })).toBe(expected);
});
