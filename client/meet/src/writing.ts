/** The user's own messages before they are sent. */
import { CHAT_TEXT_BYTES_MAX } from "@rotunda/client";

/** Line breaks of other programs. */
const BREAKS = /\r\n|[\r\v\f\u0085\u2028\u2029]/gu;
/** The edge refuses these; they come along with phone numbers and with text copied from documents. */
const REFUSED = /(?![\n\t])[\p{Cc}\p{Cs}\u202A-\u202E\u2066-\u2069]/gu;
const SEEN = /[\p{L}\p{N}\p{P}\p{S}]/u;

/** The text as the edge accepts it; empty if nothing of it can be seen. */
export function textToSend(text: string): string {
  const clean = text.replace(BREAKS, "\n").replace(REFUSED, "").trim();
  return SEEN.test(clean) ? clean : "";
}

export function isTooLong(text: string): boolean {
  return new TextEncoder().encode(text).length > CHAT_TEXT_BYTES_MAX;
}

/** True if a key only confirms or cancels a word being composed. Safari reports that by the key code alone. */
export function isComposing({ isComposing: is, keyCode }: Pick<KeyboardEvent, "isComposing" | "keyCode">): boolean {
  return is || keyCode === 229;
}
