/** Parses the edge's frames; an unknown frame is ignored and never throws. */
import type {
  BanInfo,
  ChatMessage,
  EdgeToClient,
  Grants,
  GuestInfo,
  IceServer,
  ParticipantInfo,
  RecordingInfo,
  RoomInfo,
  SlotInfo,
  TrackInfo,
  VideoLimit,
} from "./protocol.gen";

type Check = (value: unknown) => boolean;
type Shape<T> = { readonly [K in keyof T]-?: Check };

const text: Check = (value) => typeof value === "string";
const number: Check = (value) => typeof value === "number";
const flag: Check = (value) => typeof value === "boolean";
const orNull = (check: Check): Check => (value) => value === null || check(value);
const orAbsent = (check: Check): Check => (value) => value === undefined || check(value);
const list = (check: Check): Check => (value) => Array.isArray(value) && value.every(check);
const object = <T>(shape: Shape<T>): Check => {
  const checks = Object.entries<Check>(shape);
  return (value) => isObject(value) && checks.every(([key, check]) => check(value[key]));
};

const track = object<TrackInfo>({ id: text, mid: text, kind: text, source: text, muted: flag, csrc: number });
const grants = object<Grants>({ publish: flag, subscribe: flag, chat: flag, moderate: flag, record: flag });
const room = object<RoomInfo>({ locked: flag, metadata: text, participants_max: number });
const participant = object<ParticipantInfo>({
  id: text,
  name: text,
  metadata: orAbsent(text),
  grants: orAbsent(grants),
  joined_at: number,
  connection: text,
  hand_raised_at: orAbsent(number),
  tracks: list(track),
});
const slots = list(object<SlotInfo>({ mid: text, track: orNull(text), participant: orNull(text) }));
const iceServer = object<IceServer>({ urls: list(text), username: orAbsent(text), credential: orAbsent(text) });
const message = object<ChatMessage>({
  number,
  message: text,
  participant: text,
  name: text,
  sent_at: number,
  text,
});
const recording = object<RecordingInfo>({
  id: text,
  state: text,
  started_by: orNull(text),
  started_at: number,
  ended_at: orNull(number),
  code: orNull(text),
});
const ban = object<BanInfo>({ participant: text, name: text, banned_at: number, until: orNull(number) });
const guest = object<GuestInfo>({ participant: text, name: text, since: number });
const roster = list(participant);
const inReplyTo = orNull(number);

type Frames = { [M in EdgeToClient as M["type"]]: Shape<Omit<M, "type">> };

const FRAMES: Frames = {
  joined: {
    in_reply_to: inReplyTo,
    participant: text,
    session: text,
    resume_token: text,
    answer: text,
    room,
    roster,
    slots,
    ice_servers: list(iceServer),
    chat_last: number,
    recording: orNull(recording),
  },
  resumed: {
    in_reply_to: inReplyTo,
    resume_token: text,
    room,
    roster,
    slots,
    transport_dead: flag,
    ice_servers: list(iceServer),
    recording: orNull(recording),
  },
  negotiated: { in_reply_to: inReplyTo, session: text, answer: text, slots, ice_servers: list(iceServer) },
  done: { in_reply_to: inReplyTo },
  bans: { in_reply_to: inReplyTo, bans: list(ban) },
  guests_waiting: { guests: list(guest) },
  error: { in_reply_to: inReplyTo, code: text, message: text },
  refused: { code: text },
  participant_joined: { participant },
  participant_updated: { participant },
  room_updated: { room },
  track_muted: { mid: text },
  participant_left: { participant: text, reason: text },
  chat: { messages: list(message) },
  reacted: { participant: text, reaction: text },
  slots_changed: { slots },
  sections_needed: { audio: number, video: number },
  layers_wanted: { mid: text, rids: list(text) },
  video_limited: { estimate_bps: number, slots: list(object<VideoLimit>({ mid: text, wanted_bps: number, given_bps: orNull(number) })) },
  video_undecodable: { mids: list(text) },
  transport_dead: {},
  recording_updated: { recording },
  removed: { code: text, reason: orNull(text) },
};

const CHECKS: ReadonlyMap<string, Check> = new Map(
  Object.entries(FRAMES).map(([type, shape]) => [type, object(shape)]),
);

/** The message in a text frame, or `null` if this client does not know it. */
export function parseFrame(frame: string): EdgeToClient | null {
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch {
    return null;
  }
  if (!isObject(value) || typeof value["type"] !== "string") {
    return null;
  }
  const check = CHECKS.get(value["type"]);
  // The check above is what makes this cast true.
  return check?.(value) === true ? (value as unknown as EdgeToClient) : null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
