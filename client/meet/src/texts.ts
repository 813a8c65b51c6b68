/** Chooses the language, and words errors in it. */
import type { RoomError } from "@rotunda/client";
import { de } from "./texts/de";
import { en } from "./texts/en";
import type { Texts } from "./texts/texts";

export type { Texts } from "./texts/texts";

/** The languages by their browser codes. */
export const LANGUAGES = { en, de } as const;
export type Language = keyof typeof LANGUAGES;

/** The browser's first preferred language that the app supports. */
export function languageFor(wanted: readonly string[]): Language {
  const known = wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => Object.hasOwn(LANGUAGES, tag));
  return (known as Language | undefined) ?? "en";
}

/** The language in the browser's regional form: for `de` and a browser that prefers `de-AT`, the latter. */
export function localeFor(language: Language, wanted: readonly string[]): string {
  return wanted.find((tag) => tag.slice(0, 2).toLowerCase() === language && isLocale(tag)) ?? language;
}

/** Some systems name a language as no standard does, `en-US@posix`, and every use of such a name fails. */
function isLocale(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}

/** An error in words; a newer edge may send codes that the dictionary lacks. */
export function errorText(texts: Texts, error: unknown): string {
  const { code, device } = (typeof error === "object" && error !== null ? error : {}) as Partial<RoomError>;
  const ofDevice: Readonly<Record<string, string>> = device === "microphone" || device === "camera" ? texts.deviceErrors[device] : {};
  const words = [ofDevice, texts.errors].find((all) => Object.hasOwn(all, String(code))) as Readonly<Record<string, string>> | undefined;
  return words?.[String(code)] ?? texts.failed;
}

/** The reasons the devices cannot be used, each once. */
export function deviceErrorTexts(texts: Texts, errors: readonly (RoomError | null)[]): string[] {
  return [...new Set(errors.flatMap((error) => (error === null ? [] : [errorText(texts, error)])))];
}
