/** Types every text of the app, so that no language can lack one. */
import type { DeviceKind, Quality, Reaction, RoomError, TrackSource } from "@rotunda/client";

/** Those that may concern one of two devices; the others are the browser's. */
type DeviceErrorCode = Exclude<Extract<RoomError["code"], `device_${string}`>, "device_insecure" | "device_unsupported">;

export interface Texts {
  readonly language: string;
  readonly tagline: string;
  /** The page `/demo/broadcast`. */
  readonly demo: {
    readonly title: string;
    readonly explanation: string;
    readonly broadcast: string;
    readonly watch: string;
    readonly picture: string;
    readonly nobody: string;
    readonly receiving: string;
    watching(count: number): string;
    readonly log: string;
  };
  readonly record: string;
  readonly stopRecording: string;
  readonly recordingStarts: string;
  readonly recordingRuns: string;
  readonly recordedIfJoined: string;
  /** Shown while the storage does not answer. */
  readonly recordingHolds: string;
  readonly recordingLacksSpace: string;
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
  /** Marks the user's own name, as a separate word. */
  readonly you: string;
  /** In place of "figure", for screen readers. */
  readonly yourTile: string;
  readonly skipToBar: string;
  readonly call: string;
  readonly mute: string;
  readonly unmute: string;
  readonly youAreMuted: string;
  readonly mutedHint: string;
  readonly mutedHintExplained: string;
  readonly cameraOff: string;
  readonly cameraOn: string;
  readonly openPicture: string;
  readonly closePicture: string;
  readonly flipCamera: string;
  readonly shareScreen: string;
  readonly stopScreen: string;
  readonly youShare: string;
  readonly screenOf: (name: string) => string;
  readonly showScreenOf: (name: string) => string;
  readonly unpinScreenOf: (name: string) => string;
  readonly fullScreen: string;
  readonly cameraOf: (name: string) => string;
  readonly speakerView: string;
  readonly gridView: string;
  readonly page: (page: number, pages: number) => string;
  readonly nextPage: string;
  readonly previousPage: string;
  readonly pinName: (name: string) => string;
  readonly unpinName: (name: string) => string;
  readonly volumeOf: (name: string) => string;
  readonly hideSelf: string;
  readonly showSelf: string;
  readonly raiseHand: string;
  readonly lowerHand: string;
  readonly react: string;
  readonly reactions: Readonly<Record<Reaction, string>>;
  readonly reacted: (name: string, reaction: string) => string;
  readonly chat: string;
  readonly chatUnread: (count: number) => string;
  readonly chatEmpty: string;
  readonly chatWrite: string;
  readonly messageTooLong: string;
  readonly newMessages: string;
  readonly send: string;
  readonly sending: string;
  readonly people: string;
  readonly inTheRoom: string;
  /** Participants who may only watch. */
  readonly audience: string;
  readonly viewers: (number: string, count: number) => string;
  readonly showNames: string;
  readonly moreNames: string;
  readonly refreshNames: string;
  readonly more: string;
  readonly devices: string;
  readonly copyLink: string;
  readonly linkCopied: string;
  readonly link: string;
  readonly lock: string;
  readonly unlock: string;
  readonly locked: string;
  readonly unlocked: string;
  readonly pauseCall: string;
  readonly resumeCall: string;
  readonly endForAll: string;
  readonly endConfirm: string;
  readonly leave: string;
  readonly close: string;
  readonly actionsFor: (name: string) => string;
  readonly muteName: (name: string) => string;
  readonly stopVideoOf: (name: string) => string;
  readonly blockMicrophoneOf: (name: string) => string;
  readonly allowMicrophoneOf: (name: string) => string;
  readonly blockCameraOf: (name: string) => string;
  readonly allowCameraOf: (name: string) => string;
  readonly spotlightName: (name: string) => string;
  readonly endSpotlight: string;
  readonly makeCohost: (name: string) => string;
  readonly endCohost: (name: string) => string;
  readonly makeHost: (name: string) => string;
  readonly roles: { readonly host: string; readonly cohost: string };
  /** A moderator took the microphone or the camera away. */
  readonly blocked: string;
  readonly guestWaits: (name: string) => string;
  readonly guestsWaiting: string;
  readonly admit: string;
  readonly admitName: (name: string) => string;
  readonly refuse: string;
  readonly refuseName: (name: string) => string;
  readonly removeName: (name: string) => string;
  readonly removeConnection: string;
  readonly removeConnectionConfirm: (name: string) => string;
  /** The title of the list, and the menu item that opens it. */
  readonly bans: string;
  readonly noBans: string;
  readonly bannedUntil: (time: string) => string;
  readonly bannedForGood: string;
  readonly bannedConnection: string;
  readonly liftBan: string;
  readonly liftBanOf: (name: string) => string;
  readonly lowerHandOf: (name: string) => string;
  readonly microphone: string;
  readonly camera: string;
  readonly speaker: string;
  readonly testSpeaker: string;
  readonly testPlays: string;
  readonly sounds: string;
  readonly none: string;
  /** The browser's default device. */
  readonly standard: string;
  readonly appearance: string;
  readonly themes: Readonly<Record<"auto" | "light" | "dark", string>>;
  readonly languageLabel: string;
  readonly automatic: string;
  readonly keyboard: string;
  readonly keys: Readonly<Record<"m" | "v" | "s" | "h" | "c" | "p" | "l" | "n" | "b" | "escape", string>>;
  readonly soundOn: string;
  readonly reconnecting: string;
  readonly reconnectingShort: string;
  /** `reason` is the moderator’s text. */
  paused(reason: string | null): string;
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
  readonly states: Readonly<Record<"microphoneOff" | "speaking" | "reconnecting" | "videoPaused" | "videoUndecodable" | "handUp" | "pinned", string>>;
  readonly diagnostics: string;
  readonly diagnosticsHint: string;
  readonly copyDiagnostics: string;
  readonly diagnosticsCopied: string;
  readonly path: Readonly<Record<"uplink" | "way" | "node", string>>;
  readonly sources: Readonly<Record<TrackSource, string>>;
  readonly trackOff: string;
  /** Nothing is sent or received, for example because the tile is not on screen. */
  readonly trackIdle: string;
  readonly layer: (layer: string) => string;
  readonly lossOf: (percent: string) => string;
  readonly jitterOf: (time: string) => string;
  readonly quality: Readonly<Record<Quality, string>>;
  readonly connectionOf: (name: string, quality: string) => string;
  readonly measured: Readonly<Record<"picture" | "video" | "sound" | "loss" | "jitter" | "roundTrip" | "layer" | "freezes" | "requests" | "ofSelf" | "ofOthers", string>> & {
    readonly size: (width: number, lines: number, framesPerSecond: number) => string;
    readonly requested: (packets: number, keyFrames: number) => string;
  };
  /** The reason a picture is small or paused: bit rates in words. */
  readonly limit: {
    readonly smaller: (estimate: string, wanted: string, given: string) => string;
    readonly paused: (estimate: string, wanted: string) => string;
  };
  /** For one device rather than both. */
  readonly deviceErrors: Readonly<Record<DeviceKind, Readonly<Record<DeviceErrorCode, string>>>>;
  readonly errors: Readonly<Record<RoomError["code"], string>>;
}
