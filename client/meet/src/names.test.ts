import { expect, test } from "vitest";
import { cleanName, inSentence, isolated, nameOf, nameToSend } from "./names";

test.each([
  ["turns the text around it", "Ada\u202Egnp.exe", "Adagnp.exe"],
  ["isolates the text around it", "\u2066Ada\u2069", "Ada"],
  ["is of zero-width letters", "\u200B\u2060\uFEFF", ""],
  ["is of joiners alone", "\u200D\u200C", ""],
  ["is of fillers alone", "\u3164\u2800", ""],
  ["has zero-width letters in it, to pass for another name", "A\u200Bd\u2060a", "Ada"],
  ["has a joiner between Latin letters", "A\u200Dda", "Ada"],
  ["has a non-joiner between Latin letters", "A\u200Cda", "Ada"],
  ["has a joiner at its end", "\u0639\u0644\u06CC\u200C", "\u0639\u0644\u06CC"],
  ["has a variation selector", "Ada\uFE0F", "Ada"],
  ["has a tag letter", "Ada\u{E0041}", "Ada"],
  ["has a flag's letters without the flag's end", "Ada\u{1F3F4}\u{E0067}\u{E0062}", "Ada\u{1F3F4}"],
  ["has a musical mark without width", "Ada\u{1D173}", "Ada"],
  ["is a red heart", "Ada \u2764\uFE0F", "Ada \u2764\uFE0F"],
  ["is a keycap", "1\uFE0F\u20E3", "1\uFE0F\u20E3"],
  ["is a digit with a selector", "1\uFE0F2", "12"],
  ["is a flag", "\u{1F3F4}\u{E0067}\u{E0062}\u{E0077}\u{E006C}\u{E0073}\u{E007F}", "\u{1F3F4}\u{E0067}\u{E0062}\u{E0077}\u{E006C}\u{E0073}\u{E007F}"],
  ["is a variant of a Chinese character", "\u845B\u{E0100}\u57CE", "\u845B\u{E0100}\u57CE"],
  ["is Hindi and needs its joiner", "\u0915\u094D\u200D\u0937", "\u0915\u094D\u200D\u0937"],
  ["has a hundred marks on one letter", `Z${"\u0301".repeat(100)}`, `\u0179${"\u0301".repeat(6)}`],
  ["begins with a mark", "\u0301\u0332Ada", "Ada"],
  ["has half a character", "Ada\uD83D", "Ada"],
  ["is Mongolian and needs its variant", "\u182C\u180B", "\u182C\u180B"],
  ["has a Mongolian variant after Latin", "A\u180Bda", "Ada"],
  ["has line breaks and a NUL", "Ada\n\u0000Lovelace\t ", "Ada Lovelace"],
  ["is blank", " \u00A0 ", ""],
  ["is an emoji of several parts", "\u{1F469}\u200D\u{1F4BB}", "\u{1F469}\u200D\u{1F4BB}"],
  ["is written in two ways", "Ame\u0301lie", "Am\u00E9lie"],
  ["is Persian and needs its joiner", "\u0639\u0644\u06CC\u200C\u0631\u0636\u0627", "\u0639\u0644\u06CC\u200C\u0631\u0636\u0627"],
])("a name that %s", (_, name, shown) => {
  expect(cleanName(name)).toBe(shown);
});

test("a name to join with has as many characters as the edge accepts, whatever it consists of", () => {
  expect(nameToSend("W".repeat(200))).toHaveLength(128);
  expect([...nameToSend("\u{1F600}".repeat(200))]).toHaveLength(128);
  // One character that is always written as two.
  expect([...nameToSend("\u0958".repeat(100))]).toHaveLength(128);
  expect(nameToSend(`${"W".repeat(127)} W`)).toHaveLength(127);
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
