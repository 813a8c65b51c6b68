/** Every error of a room, with its class and an English text for users. */
import type { DeviceKind } from "./device-kind";
import type { ErrorCode } from "./protocol.gen";

/** Errors raised in the browser, not by the edge. */
export type ClientErrorCode =
  | "device_denied"
  | "device_denied_by_system"
  | "device_denied_by_page"
  | "device_dismissed"
  | "device_missing"
  | "device_busy"
  | "device_unsuitable"
  | "device_insecure"
  | "device_unsupported"
  | "token_unavailable"
  | "unreachable"
  | "disconnected"
  | "media_unreachable"
  | "unsupported_browser"
  | "screen_denied"
  | "screen_denied_by_system"
  | "screen_denied_by_page"
  | "screen_unsupported"
  | "screen_failed";

/** The area an error belongs to, so that an application can react without knowing every code. */
export type ErrorClass =
  | "network_error"
  | "permission_error"
  | "device_error"
  | "signaling_error"
  | "security_error"
  | "media_error";

interface Description {
  readonly class: ErrorClass;
  readonly words: string;
}

const TOO_OLD: Description = {
  class: "signaling_error",
  words: "This page is out of date. Reload it and try again.",
};
const NOT_IN_ROOM: Description = { class: "signaling_error", words: "You’re no longer in the room. Join again." };
const REFUSED_MEDIA: Description = { class: "media_error", words: "The server doesn’t support this browser’s audio or video." };

const DESCRIPTIONS: Readonly<Record<ErrorCode | ClientErrorCode, Description>> = {
  malformed_frame: TOO_OLD,
  frame_too_large: TOO_OLD,
  unknown_message: TOO_OLD,
  invalid_message: TOO_OLD,
  unsupported_version: TOO_OLD,
  not_found: { class: "signaling_error", words: "This room doesn’t exist." },
  bad_token: { class: "security_error", words: "This invitation isn’t valid." },
  token_expired: { class: "security_error", words: "This invitation has expired. Ask for a new one." },
  issuer_unavailable: { class: "network_error", words: "The login service isn’t responding. Try again in a moment." },
  token_used: { class: "security_error", words: "This invitation has already been used. Ask for a new one." },
  wrong_room: { class: "security_error", words: "This invitation is for another room." },
  forbidden: { class: "security_error", words: "You’re not allowed to do that." },
  timeout: { class: "network_error", words: "The connection timed out. Try again." },
  rate_limited: { class: "signaling_error", words: "Too many requests. Wait a moment and try again." },
  not_joined: NOT_IN_ROOM,
  already_joined: NOT_IN_ROOM,
  room_full: { class: "signaling_error", words: "The room is full." },
  too_many_publishers: { class: "signaling_error", words: "Too many people are already sharing audio or video in this room." },
  room_locked: { class: "signaling_error", words: "The room is locked. Ask a host to unlock it." },
  room_closed: { class: "signaling_error", words: "The call was ended for everyone." },
  time_limit: { class: "signaling_error", words: "The call has reached its time limit." },
  not_started: { class: "signaling_error", words: "The call hasn’t started yet." },
  feature_off: { class: "permission_error", words: "This room doesn’t offer that." },
  not_invited: { class: "security_error", words: "Only invited people can join this room." },
  duplicate_identity: { class: "signaling_error", words: "You’re already in this room in another tab or on another device." },
  wrong_state: { class: "signaling_error", words: "That isn’t possible at this moment of the call." },
  session_expired: NOT_IN_ROOM,
  invalid_offer: REFUSED_MEDIA,
  too_many_sections: REFUSED_MEDIA,
  unsupported_media: REFUSED_MEDIA,
  unknown_participant: { class: "signaling_error", words: "This person has already left." },
  participant_away: { class: "network_error", words: "This person’s connection timed out. Try again." },
  unknown_track: { class: "signaling_error", words: "This microphone or camera is no longer in the call." },
  no_media_node: { class: "media_error", words: "No media server is available right now. Try again in a minute." },
  media_node_lost: { class: "media_error", words: "The media server went offline. Switching to another one…" },
  stale_epoch: { class: "signaling_error", words: "The room has moved. Join again." },
  replaced: { class: "signaling_error", words: "You joined from another tab or device." },
  unknown_room: { class: "signaling_error", words: "This room doesn’t exist." },
  bad_api_key: { class: "security_error", words: "This app isn’t allowed to do that." },
  invalid_request: { class: "signaling_error", words: "The server couldn’t process the request." },
  method_not_allowed: { class: "signaling_error", words: "The server couldn’t process the request." },
  unsupported_media_type: { class: "signaling_error", words: "The server couldn’t process the request." },
  body_too_large: { class: "signaling_error", words: "The server couldn’t process the request." },
  kicked: { class: "security_error", words: "A moderator removed you from the room." },
  banned: { class: "security_error", words: "A moderator banned you from this room." },
  not_admitted: { class: "security_error", words: "A moderator didn’t let you in." },
  too_many_bans: { class: "signaling_error", words: "This room has too many bans. Lift some first." },
  unknown_ban: { class: "signaling_error", words: "This person isn’t banned." },
  unknown_role: { class: "signaling_error", words: "There is no such role." },
  unknown_template: { class: "signaling_error", words: "There is no such template." },
  unknown_region: { class: "signaling_error", words: "There is no such region." },
  recording_unavailable: { class: "media_error", words: "Recording isn’t set up here." },
  recording_failed: { class: "media_error", words: "The recording failed." },
  too_many_recordings: { class: "media_error", words: "This room has too many recordings. Delete some first." },
  unknown_recording: { class: "media_error", words: "This recording doesn’t exist." },
  recording_not_over: { class: "media_error", words: "This recording hasn’t finished yet." },
  room_empty: { class: "media_error", words: "Nobody is in the room, so there is nothing to record." },
  storage_unavailable: { class: "media_error", words: "The recording storage isn’t responding. Try again in a moment." },
  disk_full: { class: "media_error", words: "The media server has no space left for the recording." },
  internal: { class: "signaling_error", words: "Something went wrong on the server." },
  device_denied: {
    class: "permission_error",
    words: "Your microphone or camera is blocked. Allow it in your browser’s address bar.",
  },
  device_denied_by_system: {
    class: "permission_error",
    words: "Your system blocks the microphone or camera. Allow it in the system’s privacy settings.",
  },
  device_denied_by_page: {
    class: "permission_error",
    words: "The website around this call blocks your microphone or camera. Open the call in its own tab.",
  },
  device_dismissed: {
    class: "permission_error",
    words: "Your browser asked about your microphone or camera and got no answer. Turn it on again.",
  },
  device_missing: { class: "device_error", words: "No microphone or camera found." },
  device_busy: { class: "device_error", words: "Your microphone or camera couldn’t be started. Another app may be using it." },
  device_unsuitable: { class: "device_error", words: "Your microphone or camera doesn’t have the requested features." },
  device_insecure: {
    class: "permission_error",
    words: "This page isn’t secure (https), so your browser blocks the microphone and camera.",
  },
  device_unsupported: {
    class: "device_error",
    words: "This browser gives pages no microphone or camera. Open the call in another browser.",
  },
  token_unavailable: { class: "security_error", words: "Couldn’t get an invitation to this room." },
  unreachable: { class: "network_error", words: "Can’t reach the server. Check your connection." },
  disconnected: { class: "network_error", words: "You’re not connected to the server right now." },
  media_unreachable: {
    class: "network_error",
    words: "Audio and video can’t get through. A firewall may be blocking them.",
  },
  screen_denied: { class: "permission_error", words: "Screen sharing was cancelled." },
  screen_denied_by_system: {
    class: "permission_error",
    words: "Your system blocks screen sharing. Allow it in the system’s privacy settings.",
  },
  screen_denied_by_page: {
    class: "permission_error",
    words: "The website around this call blocks screen sharing. Open the call in its own tab.",
  },
  screen_unsupported: { class: "device_error", words: "This browser can’t share the screen." },
  screen_failed: { class: "device_error", words: "Your screen couldn’t be captured." },
  unsupported_browser: { class: "media_error", words: "This browser doesn’t support video calls (no WebRTC)." },
};

/** An English text for users for each error. */
export const ERROR_WORDS = Object.fromEntries(
  Object.entries(DESCRIPTIONS).map(([code, { words }]) => [code, words]),
) as Readonly<Record<ErrorCode | ClientErrorCode, string>>;

// A newer edge may send codes that this client does not know.
const UNKNOWN: Description = { class: "signaling_error", words: "Something went wrong." };

/** An error of a room: `code` for programs, `words` for users, `message` for developers; `detail` comes from the edge or browser. */
export class RoomError extends Error {
  override readonly name = "RoomError";
  readonly code: ErrorCode | ClientErrorCode;
  readonly class: ErrorClass;
  readonly words: string;
  readonly detail: string;
  /** The device that failed; `null` if the error concerns no single device. */
  readonly device: DeviceKind | null;

  constructor(code: ErrorCode | ClientErrorCode, detail = "", options: ErrorOptions & { device?: DeviceKind } = {}) {
    super(detail === "" ? code : `${code}: ${detail}`, options);
    const description = Object.hasOwn(DESCRIPTIONS, code) ? DESCRIPTIONS[code] : UNKNOWN;
    this.code = code;
    this.class = description.class;
    this.words = description.words;
    this.detail = detail;
    this.device = options.device ?? null;
  }
}

/** A failure as the application receives it. */
export function asError({ code, detail }: { readonly code: ErrorCode | ClientErrorCode; readonly detail: string }): RoomError {
  return new RoomError(code, detail);
}
