import { expect, test } from "vitest";
import { cleanName, inSentence, isolated, nameOf } from "./names";

test.each([
  ["turns the text around it", "Ada\u202Egnp.exe", "Adagnp.exe"],
  ["isolates the text around it", "\u2066Ada\u2069", "Ada"],
  ["is of zero-width letters", "\u200B\u2060\uFEFF", ""],
  ["is of joiners alone", "\u200D\u200C", ""],
  ["is of fillers alone", "\u3164\u2800", ""],
  ["has zero-width letters in it, to pass for another name", "A\u200Bd\u2060a", "Ada"],
  ["has line breaks and a NUL", "Ada\n\u0000Lovelace\t ", "Ada Lovelace"],
  ["is blank", " \u00A0 ", ""],
  ["is an emoji of several parts", "\u{1F469}\u200D\u{1F4BB}", "\u{1F469}\u200D\u{1F4BB}"],
  ["is written in two ways", "Ame\u0301lie", "Am\u00E9lie"],
  ["is Persian and needs its joiner", "\u0639\u0644\u06CC\u200C\u0631\u0636\u0627", "\u0639\u0644\u06CC\u200C\u0631\u0636\u0627"],
])("a name that %s", (_, name, shown) => {
  expect(cleanName(name)).toBe(shown);
});

test("who has no name is a guest", () => {
  expect(nameOf({ name: "\u200B" }, { guest: "Guest" })).toBe("Guest");
});

test("a name of 128 letters does not fill a notice", () => {
  expect(inSentence("W".repeat(128))).toHaveLength(48);
  expect(inSentence("Ada")).toBe("Ada");
});

test("a name of the other direction is isolated in a sentence, others are left alone", () => {
  expect(isolated("\u05D3\u05E0\u05D4")).toBe("\u2068\u05D3\u05E0\u05D4\u2069");
  expect(isolated("Ada")).toBe("Ada");
});
