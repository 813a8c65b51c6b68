/** All texts of the app in every language; the type ensures that none is missing. */
import type { DeviceKind, Quality, Reaction, RoomError } from "@rotunda/client";
import { de } from "./texts/de";
import { en } from "./texts/en";

/** The languages, by their names in the browser. */
export const LANGUAGES = { en, de } as const;
export type Language = keyof typeof LANGUAGES;

type DeviceErrorCode = "device_denied" | "device_missing" | "device_busy";

/** The texts of one language. */
export interface Texts {
  readonly language: string;
  readonly tagline: string;
  readonly record: string;
  readonly stopRecording: string;
  readonly recordingStarts: string;
  readonly recordingRuns: string;
  readonly recordingFinishes: string;
  readonly recordingEmpty: string;
  readonly recordingFailed: string;
  readonly recordings: string;
  readonly newRoom: string;
  readonly enterLabel: string;
  readonly enter: string;
  readonly roomHint: string;
  readonly notARoom: string;
  /** Followed by the invalid part of the link. */
  readonly badLink: string;
  readonly yourName: string;
  readonly namePlaceholder: string;
  readonly ready: string;
  readonly joining: string;
  readonly waiting: string;
  readonly waitingForPlace: string;
  readonly join: string;
  readonly cameraIsOff: string;
  readonly lookingForCamera: string;
  readonly yourCamera: string;
  readonly loudness: string;
  readonly joinWithout: string;
  readonly leftTitle: string;
  readonly overTitle: string;
  readonly joinAgain: string;
  readonly home: string;
  readonly theirReason: (reason: string) => string;
  readonly guest: string;
  readonly you: (name: string) => string;
  readonly skipToBar: string;
  readonly call: string;
  readonly mute: string;
  readonly unmute: string;
  readonly cameraOff: string;
  readonly cameraOn: string;
  readonly shareScreen: string;
  readonly stopScreen: string;
  readonly youShare: string;
  readonly screenOf: (name: string) => string;
  readonly fullScreen: string;
  readonly cameraOf: (name: string) => string;
  readonly raiseHand: string;
  readonly lowerHand: string;
  readonly react: string;
  readonly reactions: Readonly<Record<Reaction, string>>;
  readonly reacted: (name: string, reaction: string) => string;
  readonly chat: string;
  readonly chatUnread: (count: number) => string;
  readonly chatEmpty: string;
  readonly chatWrite: string;
  readonly newMessages: string;
  readonly send: string;
  readonly sending: string;
  readonly people: string;
  readonly inTheRoom: string;
  readonly more: string;
  readonly devices: string;
  readonly copyLink: string;
  readonly linkCopied: string;
  readonly link: string;
  readonly lock: string;
  readonly unlock: string;
  readonly locked: string;
  readonly unlocked: string;
  readonly endForAll: string;
  readonly endConfirm: string;
  readonly leave: string;
  readonly close: string;
  readonly actionsFor: (name: string) => string;
  readonly muteName: (name: string) => string;
  readonly guestWaits: (name: string) => string;
  readonly guestsWaiting: string;
  readonly admit: string;
  readonly admitName: (name: string) => string;
  readonly refuse: string;
  readonly refuseName: (name: string) => string;
  readonly remove: string;
  readonly removeName: (name: string) => string;
  readonly lowerHandOf: (name: string) => string;
  readonly microphone: string;
  readonly camera: string;
  readonly speaker: string;
  readonly none: string;
  /** The browser's default device. */
  readonly standard: string;
  readonly appearance: string;
  readonly themes: Readonly<Record<"auto" | "light" | "dark", string>>;
  readonly languageLabel: string;
  readonly automatic: string;
  readonly keyboard: string;
  readonly keys: Readonly<Record<"m" | "v" | "s" | "h" | "c" | "p" | "escape", string>>;
  readonly soundOn: string;
  readonly reconnecting: string;
  readonly reconnectingShort: string;
  readonly audioOnly: string;
  readonly audioOnlyOver: string;
  readonly videoPaused: string;
  readonly videoUndecodable: string;
  readonly alone: string;
  readonly joined: (name: string) => string;
  readonly left: (name: string) => string;
  readonly handUp: (name: string) => string;
  readonly wrote: (name: string, text: string) => string;
  readonly silenced: string;
  readonly nowUses: (device: string, label: string) => string;
  readonly interrupted: Readonly<Record<DeviceKind, string>>;
  readonly resumed: Readonly<Record<DeviceKind, string>>;
  readonly crashed: string;
  readonly crashedHint: string;
  readonly reload: string;
  readonly failed: string;
  readonly states: Readonly<Record<"microphoneOff" | "speaking" | "reconnecting" | "videoPaused" | "videoUndecodable" | "handUp", string>>;
  readonly quality: Readonly<Record<Quality, string>>;
  readonly connectionOf: (name: string, quality: string) => string;
  readonly measured: Readonly<Record<"picture" | "video" | "sound" | "loss" | "jitter" | "roundTrip" | "ofSelf" | "ofOthers", string>> & {
    readonly size: (width: number, lines: number, framesPerSecond: number) => string;
  };
  /** Why a picture is small or paused: bit rates in words. */
  readonly limit: {
    readonly smaller: (estimate: string, wanted: string, given: string) => string;
    readonly paused: (estimate: string, wanted: string) => string;
  };
  /** Of one device rather than of both. */
  readonly deviceErrors: Readonly<Record<DeviceKind, Readonly<Record<DeviceErrorCode, string>>>>;
  readonly errors: Readonly<Record<RoomError["code"], string>>;
}

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
