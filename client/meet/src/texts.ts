/** Chooses the language, and puts errors into its words. */
import type { RoomError } from "@rotunda/client";
import { de } from "./texts/de";
import { en } from "./texts/en";
import type { Texts } from "./texts/texts";

export type { Texts } from "./texts/texts";

/** The languages, by their names in the browser. */
export const LANGUAGES = { en, de } as const;
export type Language = keyof typeof LANGUAGES;

/** The language that a browser asks for: the first that the app speaks. */
export function languageFor(wanted: readonly string[]): Language {
  const known = wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => Object.hasOwn(LANGUAGES, tag));
  return (known as Language | undefined) ?? "en";
}

/** The language as the browser's region has it: of `de` and a browser that prefers `de-AT`, the latter. */
export function localeFor(language: Language, wanted: readonly string[]): string {
  return wanted.find((tag) => tag.slice(0, 2).toLowerCase() === language) ?? language;
}

/** An error in words; a newer edge may know codes that the dictionary does not. */
export function errorText(texts: Texts, error: unknown): string {
  const { code, device } = (typeof error === "object" && error !== null ? error : {}) as Partial<RoomError>;
  const ofDevice: Readonly<Record<string, string>> = device === "microphone" || device === "camera" ? texts.deviceErrors[device] : {};
  const words = [ofDevice, texts.errors].find((all) => Object.hasOwn(all, String(code))) as Readonly<Record<string, string>> | undefined;
  return words?.[String(code)] ?? texts.failed;
}

/** What stands in the way of the devices, each thing once. */
export function deviceErrorTexts(texts: Texts, errors: readonly (RoomError | null)[]): string[] {
  return [...new Set(errors.flatMap((error) => (error === null ? [] : [errorText(texts, error)])))];
}
