/** Finds links in messages. */

export interface Part {
  readonly text: string;
  readonly isLink: boolean;
}

/** Up to a space, a quotation mark, a letter without width, or punctuation that addresses only have percent-encoded. */
const LINK =
  /https?:\/\/[^\s<>"\u201C\u201D\u2018\u2019\u00AB\u00BB\u200B-\u200F\u2060\uFEFF\u2014\u2026\u3001\u3002\u3008-\u3011\uFF01\uFF08\uFF09\uFF0C\uFF1A\uFF1B\uFF1F]+/giu;
/** Characters that end a sentence rather than a link. */
const AFTER = /[.,;:!?'*_~`]$/u;
const PAIRS: ReadonlyMap<string, string> = new Map([
  [")", "("],
  ["]", "["],
  ["}", "{"],
]);

/** Splits a text at its links, in order. */
export function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const link = withoutEnd(match[0]);
    const isInWord = /[\p{L}\p{N}]$/u.test(text.slice(0, match.index).slice(-2));
    if (isInWord || !URL.canParse(link)) {
      continue;
    }
    if (match.index > end) {
      parts.push({ text: text.slice(end, match.index), isLink: false });
    }
    parts.push({ text: link, isLink: true });
    end = match.index + link.length;
  }
  return end < text.length ? [...parts, { text: text.slice(end), isLink: false }] : parts;
}

/** A closing bracket belongs to the link if its opening one does, otherwise to the sentence. */
function withoutEnd(link: string): string {
  const counts = new Map<string, number>();
  const count = (letter: string): number => counts.get(letter) ?? 0;
  for (const letter of link) {
    counts.set(letter, count(letter) + 1);
  }
  let end = link.length;
  for (; end > 0; end -= 1) {
    const last = link.charAt(end - 1);
    const opener = PAIRS.get(last);
    const isOutside = opener === undefined ? AFTER.test(last) : count(last) > count(opener);
    if (!isOutside) {
      break;
    }
    counts.set(last, count(last) - 1);
  }
  return link.slice(0, end);
}
