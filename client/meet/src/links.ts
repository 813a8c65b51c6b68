/** Finds links in messages. */

export interface Part {
  readonly text: string;
  readonly isLink: boolean;
}

/**
 * From the scheme, which is no part of a Latin word, to a blank, a quotation mark, anything but letters and digits
 * outside of ASCII, which addresses only have percent-encoded, or the next link of a list.
 */
const LINK = /(?<![A-Za-z0-9])https?:\/\/(?:(?!(?<=[,;()[\]{}|\\^])https?:\/\/)[!#-;=?-~\p{L}\p{M}\p{N}])+/giu;
/** The scheme and the host, with the port. */
const HOST = /^https?:\/\/[^/?#]*/iu;
/** A top-level domain is Latin or not, but never both: here the sentence goes on. */
const AFTER_HOST = /(?<=[A-Za-z0-9\]])[^\0-\x7F][^.]*$/u;
/** Letters of scripts without blanks between words, and of Korean, which adds particles to a word. */
const UNSPACED =
  /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{Script=Bopomofo}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}\p{Script=Hangul}]/u;
/** Signs in a path or query behind which a word begins, except the first slash. */
const BEFORE_WORD = /[/=&+_([{-]/;
const CLOSING = /[)\]}]/;
/** Characters that end a sentence rather than a link, and those that open something. */
const AFTER = /[.,;:!?'*_~`([{|\\^]$/u;
/** Up to the first character that no host has, and then up to the port or password. */
const SHORTER = [/^https?:\/\/(?:\[[\d:a-f]*\])?[^[\]|\\^{}`%]*/iu, /^https?:\/\/[\p{L}\p{M}\p{N}.-]+/iu];
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
    const link = linkIn(match[0]);
    if (link === null) {
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

/** The longest link that the text begins with. */
function linkIn(text: string): string | null {
  const host = HOST.exec(text)?.[0] ?? "";
  const after = AFTER_HOST.exec(host);
  const path = text.slice(host.length);
  const link = after === null ? host + path.slice(0, endOf(path)) : host.slice(0, after.index);
  const shorter = SHORTER.map((start) => start.exec(link)?.[0] ?? "");
  return [link, ...shorter].map(withoutEnd).find((candidate) => URL.canParse(candidate)) ?? null;
}

/** Letters without blanks belong to the link if its word begins with them, and otherwise to the sentence around it. */
function endOf(path: string): number {
  let isStart = false;
  let isOpen = false;
  let end = 0;
  for (const letter of path) {
    if (!UNSPACED.test(letter)) {
      isStart = end > 0 && BEFORE_WORD.test(letter);
      isOpen = isOpen && !isStart && !CLOSING.test(letter);
    } else if (isStart || isOpen) {
      [isStart, isOpen] = [false, true];
    } else {
      return end;
    }
    end += letter.length;
  }
  return end;
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
