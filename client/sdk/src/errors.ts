/** Every way a room says no, with its class and the words a person understands. */
import type { ErrorCode } from "./protocol.gen";

/** What goes wrong in the browser itself, before or beside the edge. */
export type ClientErrorCode =
  | "device_denied"
  | "device_missing"
  | "device_busy"
  | "token_unavailable"
  | "unreachable"
  | "disconnected"
  | "media_unreachable"
  | "unsupported_browser"
  | "screen_denied"
  | "screen_unsupported"
  | "screen_failed";

/** What part of a call an error belongs to, so that an application can react without knowing every code. */
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
  words: "This page and the server do not understand each other. Reload the page.",
};
const NOT_IN_ROOM: Description = { class: "signaling_error", words: "You are not in the room any more. Join again." };
const REFUSED_MEDIA: Description = { class: "media_error", words: "The server cannot use this browser's sound or video." };

const DESCRIPTIONS: Readonly<Record<ErrorCode | ClientErrorCode, Description>> = {
  malformed_frame: TOO_OLD,
  frame_too_large: TOO_OLD,
  unknown_message: TOO_OLD,
  invalid_message: TOO_OLD,
  unsupported_version: TOO_OLD,
  not_found: { class: "signaling_error", words: "This room does not exist." },
  bad_token: { class: "security_error", words: "This invitation is not valid." },
  token_expired: { class: "security_error", words: "This invitation has expired. Ask for a new one." },
  wrong_room: { class: "security_error", words: "This invitation is for another room." },
  forbidden: { class: "security_error", words: "You are not allowed to do that here." },
  timeout: { class: "network_error", words: "The server waited too long for this browser." },
  rate_limited: { class: "signaling_error", words: "Too many requests. Wait a moment and try again." },
  not_joined: NOT_IN_ROOM,
  already_joined: NOT_IN_ROOM,
  room_full: { class: "signaling_error", words: "The room is full." },
  too_many_publishers: { class: "signaling_error", words: "Too many people already share sound or video in this room." },
  room_locked: { class: "signaling_error", words: "The room is locked." },
  room_closed: { class: "signaling_error", words: "The room was closed." },
  session_expired: NOT_IN_ROOM,
  invalid_offer: REFUSED_MEDIA,
  too_many_sections: REFUSED_MEDIA,
  unsupported_media: REFUSED_MEDIA,
  unknown_participant: { class: "signaling_error", words: "This person has already left." },
  unknown_track: { class: "signaling_error", words: "The server does not know this microphone or camera." },
  no_media_node: { class: "media_error", words: "No media server is free at the moment. Try again in a minute." },
  media_node_lost: { class: "media_error", words: "The media server went away. Trying another one." },
  stale_epoch: { class: "signaling_error", words: "The room has moved. Join again." },
  replaced: { class: "signaling_error", words: "You joined from another tab or device." },
  unknown_room: { class: "signaling_error", words: "There is no such room." },
  bad_api_key: { class: "security_error", words: "The application may not do this." },
  invalid_request: { class: "signaling_error", words: "The request was not understood." },
  method_not_allowed: { class: "signaling_error", words: "The request was not understood." },
  unsupported_media_type: { class: "signaling_error", words: "The request was not understood." },
  body_too_large: { class: "signaling_error", words: "The request was too large." },
  kicked: { class: "security_error", words: "A moderator removed you from the room." },
  recording_unavailable: { class: "media_error", words: "Nothing can be recorded here." },
  recording_failed: { class: "media_error", words: "The recording failed." },
  too_many_recordings: { class: "media_error", words: "This room has as many recordings as it may. Delete some." },
  unknown_recording: { class: "media_error", words: "There is no such recording." },
  recording_not_over: { class: "media_error", words: "The recording is not finished yet." },
  room_empty: { class: "media_error", words: "Nobody is in the room, so there is nothing to record." },
  storage_unavailable: { class: "media_error", words: "The storage of recordings does not answer. Try again in a moment." },
  internal: { class: "signaling_error", words: "Something went wrong on the server." },
  device_denied: {
    class: "permission_error",
    words: "This page may not use your microphone or camera. Allow it in the browser's address bar.",
  },
  device_missing: { class: "device_error", words: "No microphone or camera was found." },
  device_busy: { class: "device_error", words: "Another program is using the microphone or camera." },
  token_unavailable: { class: "security_error", words: "Could not get an invitation to this room." },
  unreachable: { class: "network_error", words: "The server cannot be reached. Check your connection." },
  disconnected: { class: "network_error", words: "There is no connection to the server at the moment." },
  media_unreachable: {
    class: "network_error",
    words: "Sound and video do not get through. A firewall may block them.",
  },
  screen_denied: { class: "permission_error", words: "Nothing was chosen to be shown." },
  screen_unsupported: { class: "device_error", words: "This browser cannot share a screen." },
  screen_failed: { class: "device_error", words: "The screen could not be captured." },
  unsupported_browser: { class: "media_error", words: "This browser cannot make calls (no WebRTC)." },
};

// A newer edge may know codes that this client does not.
const UNKNOWN: Description = { class: "signaling_error", words: "Something went wrong." };

/** An error of a room: `code` for programs, `words` for people, `message` for developers; `detail` is what the other side said. */
export class RoomError extends Error {
  override readonly name = "RoomError";
  readonly code: ErrorCode | ClientErrorCode;
  readonly class: ErrorClass;
  readonly words: string;
  readonly detail: string;

  constructor(code: ErrorCode | ClientErrorCode, detail = "", options?: ErrorOptions) {
    super(detail === "" ? code : `${code}: ${detail}`, options);
    const description = Object.hasOwn(DESCRIPTIONS, code) ? DESCRIPTIONS[code] : UNKNOWN;
    this.code = code;
    this.class = description.class;
    this.words = description.words;
    this.detail = detail;
  }
}
