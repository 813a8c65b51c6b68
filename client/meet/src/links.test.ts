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
  ["a link in a Chinese sentence", "请点https://example.org/a加入", "请点{https://example.org/a}加入"],
  ["a link in a Japanese sentence", "リンクhttps://example.org/a?b=1です。ーhttps://example.orgー", "リンク{https://example.org/a?b=1}です。ー{https://example.org}ー"],
  ["a host in a Chinese sentence", "点https://example.org加入，或https://example.org:8080加入", "点{https://example.org}加入，或{https://example.org:8080}加入"],
  ["a host in Korean and Thai sentences", "https://example.org에서 ไปที่https://example.org/aแล้ว", "{https://example.org}에서 ไปที่{https://example.org/a}แล้ว"],
  ["a path with Korean particles, and one of Korean words", "https://example.org/a를 https://ko.wikipedia.org/wiki/한국", "{https://example.org/a}를 {https://ko.wikipedia.org/wiki/한국}"],
  ["a link behind a Cyrillic, Greek or accented word", "смотриhttps://a.org/я δεςhttps://a.org caféhttps://a.org", "смотри{https://a.org/я} δες{https://a.org} café{https://a.org}"],
  ["a host before a Cyrillic word", "https://a.orgи дальше", "{https://a.org}и дальше"],
  ["a path and a query of Chinese words", "看https://zh.wikipedia.org/wiki/中文维基 https://a.org/s?q=你好&p=世界#历史", "看{https://zh.wikipedia.org/wiki/中文维基} {https://a.org/s?q=你好&p=世界#历史}"],
  ["Chinese words in brackets", "https://zh.wikipedia.org/wiki/Set_(数学)说明 https://a.org/[甲] https://a.org/iPhone_手机", "{https://zh.wikipedia.org/wiki/Set_(数学)}说明 {https://a.org/[甲]} {https://a.org/iPhone_手机}"],
  ["a link of Chinese words in brackets", "(https://a.org/b/中文)加入 （https://a.org/b/中文）", "({https://a.org/b/中文})加入 （{https://a.org/b/中文}）"],
  ["words of Latin and other letters", "https://a.org/w/中文A版/b加入 https://a.org/w/タイA-1です", "{https://a.org/w/中文A版/b}加入 {https://a.org/w/タイA-1}です"],
  ["Japanese, Thai and Korean paths before punctuation", "https://ja.wikipedia.org/wiki/日本、https://th.wikipedia.org/wiki/ไทย, https://a.org/?q=한국를!", "{https://ja.wikipedia.org/wiki/日本}、{https://th.wikipedia.org/wiki/ไทย}, {https://a.org/?q=한국를}!"],
  ["a host and a slash in Chinese and Japanese sentences", "打开https://a.org/请点击这里 詳細はhttps://a.org/をご覧ください", "打开{https://a.org/}请点击这里 詳細は{https://a.org/}をご覧ください"],
  ["an empty fragment before a sentence", "https://a.org/#请点击 https://a.org/b#をご覧 https://a.org/b#c를", "{https://a.org/#}请点击 {https://a.org/b#}をご覧 {https://a.org/b#c}를"],
  ["a question mark before a sentence", "https://a.org/b?好吗", "{https://a.org/b}?好吗"],
  ["hosts that are not Latin", "https://例え.jp/a https://www.例え.テスト https://bücher.example/ö https://пример.рф", "{https://例え.jp/a} {https://www.例え.テスト} {https://bücher.example/ö} {https://пример.рф}"],
  ["a link before an Arabic comma, an emoji or a bullet", "https://a.org/b، https://a.org/c\u{1F600} https://a.org/d• x", "{https://a.org/b}، {https://a.org/c}\u{1F600} {https://a.org/d}• x"],
  ["Markdown", "[https://a.org](https://a.org) [https://a.org/b](https://a.org/b) [text](https://a.org/c)", "[{https://a.org}]({https://a.org}) [{https://a.org/b}]({https://a.org/b}) [text]({https://a.org/c})"],
  ["a table", "|https://a.org|x|https://a.org/b|", "|{https://a.org}|x|{https://a.org/b}|"],
  ["a list without blanks", "https://a.org,https://b.org;https://c.org", "{https://a.org},{https://b.org};{https://c.org}"],
  ["a link in a link", "https://a.org/?u=https://b.org https://web.example/2020/https://b.org", "{https://a.org/?u=https://b.org} {https://web.example/2020/https://b.org}"],
  ["signs behind a host", "https://a.org^x https://a.org} https://[::1]|x https://a.org%", "{https://a.org}^x {https://a.org}} {https://[::1]}|x {https://a.org}%"],
  ["a port that is none", "https://a.org:see https://a.org:99999 https://a.org:8080", "{https://a.org}:see {https://a.org}:99999 {https://a.org:8080}"],
  ["an unfinished bracket", "https://a.org/b(", "{https://a.org/b}("],
  ["capital letters", "HTTPS://EXAMPLE.ORG", "{HTTPS://EXAMPLE.ORG}"],
])("%s", (_, text, expected) => {
  expect(marked(text)).toBe(expected);
  expect(partsOf(text).map((part) => part.text).join("")).toBe(text);
});

test.each(["https://]", "xhttps://", ",https://a.org", "https://a.org|", "https://例", "https://a.org/加", "https://a.org/b/加", "/加(", "https://a.org/(加", "http://a.org\\"])(
  "many of %s cost no more than other letters",
  (piece) => {
    const text = piece.repeat(20_000);
    expect(partsOf(text).map((part) => part.text).join("")).toBe(text);
  },
);

test("brackets without end cost no more than other letters", () => {
  const brackets = ")".repeat(200_000);
  expect(marked(`https://example.org/a${brackets}`)).toBe(`{https://example.org/a}${brackets}`);
});
