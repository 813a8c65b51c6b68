/** Display names without characters that reverse text, hide, or imitate another name. */

/**
 * Control characters, bidirectional controls, and letters without any width. The joiners U+200C and U+200D stay: words
 * of some languages, and many emoji, need them.
 */
const UNSEEN =
  /[\p{Cc}\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\u2800\u3164\uFEFF\uFFA0\uFFF9-\uFFFB]/gu;
const SEEN = /[\p{L}\p{N}\p{P}\p{S}]/u;
const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

/** What is left of a name, or nothing where nothing of it can be seen. */
export function cleanName(name: string): string {
  const clean = name.replace(/\s+/gu, " ").replace(UNSEEN, "").trim().normalize("NFC");
  return SEEN.test(clean) ? clean : "";
}

/** The name to show; `guest` stands for those who have none. */
export function nameOf({ name }: { readonly name: string }, { guest }: { readonly guest: string }): string {
  const clean = cleanName(name);
  return clean === "" ? guest : clean;
}

const SENTENCE_NAME_MAX = 48;

/** For a sentence of plain text: not too long, and a name of the other writing direction leaves the rest in order. */
export function inSentence(name: string): string {
  const letters = [...name];
  const short = letters.length > SENTENCE_NAME_MAX ? `${letters.slice(0, SENTENCE_NAME_MAX - 1).join("")}…` : name;
  return isolated(short);
}

export function isolated(text: string): string {
  return RIGHT_TO_LEFT.test(text) ? `\u2068${text}\u2069` : text;
}
