import { expect, test } from "vitest";
import { partsOf } from "./links";

/** The text with its links in braces. */
function marked(text: string): string {
  return partsOf(text)
    .map(({ text: part, isLink }) => (isLink ? `{${part}}` : part))
    .join("");
}

test.each([
  ["a link that ends in a bracket", "https://en.wikipedia.org/wiki/Set_(mathematics)", "{https://en.wikipedia.org/wiki/Set_(mathematics)}"],
  ["a link in brackets", "(see https://example.org/a)", "(see {https://example.org/a})"],
  ["a link with brackets in brackets", "(https://example.org/a_(b))", "({https://example.org/a_(b)})"],
  ["a link at the end of a sentence", "Go to https://example.org/a.", "Go to {https://example.org/a}."],
  ["a bracket and a full stop", "(https://example.org/a).", "({https://example.org/a})."],
  ["a link in quotes", "\u201Ehttps://example.org/a\u201C", "\u201E{https://example.org/a}\u201C"],
  ["an address of IPv6", "http://[::1]:8080/a", "{http://[::1]:8080/a}"],
  ["two links", "https://a.org https://b.org/?q=1,2&r=[3]", "{https://a.org} {https://b.org/?q=1,2&r=[3]}"],
  ["a link in wide brackets", "（https://example.org/a）「https://example.org/b」", "（{https://example.org/a}）「{https://example.org/b}」"],
  ["a link before Chinese punctuation", "https://example.org/a、https://example.org/b。次", "{https://example.org/a}、{https://example.org/b}。次"],
  ["a link before a dash or an ellipsis", "https://example.org/a\u2014next https://example.org/b\u2026", "{https://example.org/a}\u2014next {https://example.org/b}\u2026"],
  ["a link as code", "`https://example.org/a`", "`{https://example.org/a}`"],
  ["a link with a letter without width", "https://example.org/a\u200B", "{https://example.org/a}\u200B"],
  ["a word with a link's beginning", "xhttps://a.org", "xhttps://a.org"],
  ["no link", "http:// and javascript:alert(1)", "http:// and javascript:alert(1)"],
  ["capital letters", "HTTPS://EXAMPLE.ORG", "{HTTPS://EXAMPLE.ORG}"],
])("%s", (_, text, expected) => {
  expect(marked(text)).toBe(expected);
  expect(partsOf(text).map((part) => part.text).join("")).toBe(text);
});

test("brackets without end cost no more than other letters", () => {
  const brackets = ")".repeat(200_000);
  expect(marked(`https://example.org/a${brackets}`)).toBe(`{https://example.org/a}${brackets}`);
});
