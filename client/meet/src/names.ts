/** Display names without characters that reverse text, hide, or imitate another name. */
import { NAME_CHARS_MAX } from "@rotunda/client";

/** Control characters, and characters without width. */
const UNSEEN = /[\p{Cc}\p{Cs}\p{Default_Ignorable_Code_Point}\u2028\u2029\u2800\uFFF9-\uFFFB]/u;
const EMOJI = /\p{Extended_Pictographic}/u;
/** Characters that may end an emoji before it is joined to another one. */
const EMOJI_END = /[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F]/u;
/** Scripts whose letters change their shape beside a joiner. */
const JOINING =
  /[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Nko}\p{Script=Mongolian}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Adlam}]/u;
/** The flags of England, Scotland and Wales: a black flag followed by tags (UTS #51, annex C). */
const FLAG =
  /^\u{1F3F4}\u{E0067}\u{E0062}(?:\u{E0065}\u{E006E}\u{E0067}|\u{E0073}\u{E0063}\u{E0074}|\u{E0077}\u{E006C}\u{E0073})\u{E007F}/u;
/** More marks on one letter than any language has; they would be drawn over what is beside the name. */
const TOO_MANY_MARKS = /(\p{M}{6})\p{M}+/gu;
/** These would be drawn over what is before the name. */
const MARKS_FIRST = /^\p{M}+/u;
const SEEN = /[\p{L}\p{N}\p{P}\p{S}]/u;
const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

/** The visible part of a name; empty if nothing of it can be seen. */
export function cleanName(name: string): string {
  const letters = [...name.replace(/\s+/gu, " ")];
  const kept = letters.filter((letter, index) => !UNSEEN.test(letter) || isNeeded(letters, index));
  const clean = kept.join("").trim().replace(MARKS_FIRST, "").normalize("NFC").replace(TOO_MANY_MARKS, "$1");
  return SEEN.test(clean) ? clean : "";
}

/** True if a character without width changes how its neighbours look. Elsewhere it only imitates another name. */
function isNeeded(letters: readonly string[], index: number): boolean {
  const [before = "", letter = "", after = ""] = letters.slice(Math.max(0, index - 1), index + 2);
  switch (letter) {
    case "\u200C":
      return JOINING.test(before) && JOINING.test(after);
    case "\u200D":
      return (JOINING.test(before) && JOINING.test(after)) || (EMOJI_END.test(before) && EMOJI.test(after));
    case "\u180B":
    case "\u180C":
    case "\u180D":
    case "\u180F":
      return /\p{Script=Mongolian}/u.test(before);
    case "\uFE0E":
    case "\uFE0F":
      return EMOJI.test(before) || (/[0-9#*]/u.test(before) && after === "\u20E3");
    default:
      // Variants of a Chinese character, which names in Japanese need (UTS #37).
      return /[\u{E0100}-\u{E01EF}]/u.test(letter) ? /\p{Script=Han}/u.test(before) : isInFlag(letters, index);
  }
}

function isInFlag(letters: readonly string[], index: number): boolean {
  const start = letters.lastIndexOf("\u{1F3F4}", index);
  const flag = start === -1 ? null : FLAG.exec(letters.slice(start, start + 8).join(""));
  return flag !== null && index < start + [...flag[0]].length;
}

/** The name to join with. A name in an address has any length, and a character may become several when it is cleaned. */
export function nameToSend(name: string): string {
  return cleanName([...cleanName(name)].slice(0, NAME_CHARS_MAX).join(""));
}

/** The name to show; `guest` is the fallback for empty names. */
export function nameOf({ name }: { readonly name: string }, { guest }: { readonly guest: string }): string {
  const clean = cleanName(name);
  return clean === "" ? guest : clean;
}

const SENTENCE_NAME_MAX = 48;

/**
 * For a sentence of plain text: truncated, and isolated so that a name in the other writing direction does not reorder
 * the sentence.
 */
export function inSentence(name: string): string {
  const letters = [...name];
  const short = letters.length > SENTENCE_NAME_MAX ? `${letters.slice(0, SENTENCE_NAME_MAX - 1).join("")}…` : name;
  return isolated(short);
}

export function isolated(text: string): string {
  return RIGHT_TO_LEFT.test(text) ? `\u2068${text}\u2069` : text;
}
