/** Links in what people write. */

export interface Part {
  readonly text: string;
  readonly isLink: boolean;
}

const LINK = /https?:\/\/[^\s<>"\u201C\u201D\u2018\u2019\u00AB\u00BB]+/giu;
/** What ends a sentence rather than a link. */
const AFTER = /[.,;:!?'*_~\u3002\uFF0C\u2026]$/u;
const PAIRS: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

/** Cuts a text at its links, in order. */
export function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const link = withoutEnd(match[0]);
    if (!URL.canParse(link)) {
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

/** A bracket that is opened in the link belongs to it; one that is only closed belongs to the sentence. */
function withoutEnd(link: string): string {
  const last = link.at(-1) ?? "";
  const opener = Object.hasOwn(PAIRS, last) ? (PAIRS[last] ?? "") : null;
  const count = (letter: string): number => link.split(letter).length - 1;
  const isOutside = opener === null ? AFTER.test(last) : count(last) > count(opener);
  return isOutside ? withoutEnd(link.slice(0, -1)) : link;
}
