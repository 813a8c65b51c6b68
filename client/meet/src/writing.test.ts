import { expect, test } from "vitest";
import { isComposing, isTooLong, textToSend } from "./writing";

test.each([
  ["a phone number out of an address book", "\u202A+49 30 901820\u202C", "+49 30 901820"],
  ["Hebrew with isolates", "\u2067\u05E9\u05DC\u05D5\u05DD\u2069", "\u05E9\u05DC\u05D5\u05DD"],
  ["line breaks of a word processor", "one\vtwo\u2028three\r\nfour\ffive", "one\ntwo\nthree\nfour\nfive"],
  ["a NUL and an escape", "a\u0000b\u001B[0m", "ab[0m"],
  ["half an emoji", "a\uD83D", "a"],
  ["indented lines", "  a\n\tb\n", "a\n\tb"],
  ["an emoji of several parts", "\u{1F469}\u200D\u{1F4BB}", "\u{1F469}\u200D\u{1F4BB}"],
  ["Persian with a joiner", "\u0646\u0645\u06CC\u200C\u062E\u0648\u0627\u0647\u0645", "\u0646\u0645\u06CC\u200C\u062E\u0648\u0627\u0647\u0645"],
  ["zero-width letters", "\u200B\u2060\uFEFF", ""],
  ["blanks", " \n\u3000", ""],
])("%s is sent as the edge accepts it", (_, text, sent) => {
  expect(textToSend(text)).toBe(sent);
});

test("a message has as many bytes as the edge accepts", () => {
  expect(["a".repeat(2_000), "a".repeat(2_001), "ä".repeat(1_000), "ä".repeat(1_001)].map(isTooLong)).toEqual([false, true, false, true]);
});

test("Enter that confirms a Japanese word sends nothing, in Safari too", () => {
  expect([{ isComposing: true, keyCode: 13 }, { isComposing: false, keyCode: 229 }, { isComposing: false, keyCode: 13 }].map(isComposing)).toEqual([true, true, false]);
});
