/** The application's view of a room: plain objects, recreated whenever something changes. */
import type { CaptureSnapshot } from "./capture";
import type { RoomError } from "./errors";
import type { LocalMedia } from "./local-media";
import type {
  Bandwidth,
  CallState,
  ChatMessage,
  ConnectionState,
  EstimateReason,
  Features,
  GuestInfo,
  MediaKind,
  Mid,
  ParticipantId,
  ParticipantInfo,
  RecordingInfo,
  TrackId,
  TrackInfo,
  TrackSource,
} from "./protocol.gen";
import type { Quality } from "./quality";
import type { Connection, State } from "./state";
import { connection } from "./state";
import { type AllGrants, DEFAULT_GRANTS } from "./token";

export interface RoomSnapshot {
  readonly connection: Connection;
  /** The reason the room ended; `null` if the user left. */
  readonly error: RoomError | null;
  readonly self: Participant | null;
  /** A locked room admits no new participants. */
  readonly isLocked: boolean;
  readonly call: Call;
  /** The features of the room; the buttons of others should be hidden. */
  readonly features: Features;
  /** The other participants, in the order in which they joined, without a large room's audience. */
  readonly participants: readonly Participant[];
  /** The number of participants who may only watch and are not listed, the user included; `listAudience` names them. */
  readonly audience: number;
  readonly microphone: CaptureSnapshot;
  readonly camera: CaptureSnapshot;
  /** The current recording, or the last one. */
  readonly recording: RecordingInfo | null;
  /** The uplink is too slow for the user's camera, which is paused. */
  readonly isAudioOnly: boolean;
  /** The user's shared screen. */
  readonly screen: MediaStreamTrack | null;
  /** Chat messages in order; the user's own unsent messages come last. */
  readonly chat: readonly Message[];
  /** Raised hands, earliest first. */
  readonly hands: readonly ParticipantId[];
  /** The waiting guests, longest wait first; empty for users who may not admit them. */
  readonly guests: readonly GuestInfo[];
  /** The participants whom a moderator shows large to everybody. */
  readonly spotlight: readonly ParticipantId[];
  /** True if the user may publish. */
  readonly publishes: boolean;
  /** One for each audio slot; play all of them, as speakers move between slots. */
  readonly audioTracks: readonly MediaStreamTrack[];
  /** The chosen speaker; `null` for the default. */
  readonly speakerId: string | null;
}

/** The call in the room; times are in milliseconds since 1970. */
export interface Call {
  readonly state: CallState;
  /** The moderator's text while the call is paused or ending. */
  readonly reason: string | null;
  readonly startsAt: number | null;
  readonly startedAt: number | null;
  /** The time at which the call ends by itself. */
  readonly endsAt: number | null;
}

export interface Message {
  /** Unique in the room; does not change when the message is sent. */
  readonly id: string;
  /** Position in the room's chat; `null` while sending. */
  readonly number: number | null;
  readonly participant: ParticipantId;
  readonly name: string;
  readonly isSelf: boolean;
  /** Milliseconds since 1970; `null` while sending. */
  readonly sentAt: number | null;
  readonly text: string;
}

export interface Participant {
  readonly id: ParticipantId;
  readonly name: string;
  readonly isSelf: boolean;
  readonly connection: ConnectionState;
  readonly speaking: boolean;
  readonly grants: AllGrants;
  /** The role that gave the grants; `participant` if the token named none. */
  readonly role: string;
  /** The application's own facts about the participant. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Limits on the participant's media; empty if there are none. */
  readonly bandwidth: Bandwidth;
  readonly hasHandUp: boolean;
  /** The quality of the received media; for the user, of their own path. Absent if too little was received. */
  readonly quality: Quality | null;
  readonly tracks: readonly Track[];
}

export interface Track {
  readonly id: TrackId;
  readonly kind: MediaKind;
  readonly source: TrackSource;
  readonly muted: boolean;
  /** The video is paused because this client's downlink is too slow. */
  readonly paused: boolean;
  /** The reason the video is smaller than its tile or paused; absent if this client's downlink is not the reason. */
  readonly limit: Limit | null;
  /** Its video is not sent, because this browser cannot decode the publisher's codec. */
  readonly undecodable: boolean;
  /** The media track; absent while it plays in none of this client's slots. */
  readonly media: MediaStreamTrack | null;
}

/** The media node's decision about a video, in bits per second. */
export interface Limit {
  /** The estimated rate of this client's downlink. */
  readonly estimateBps: number;
  /** The reason for the estimate; `null` if the node does not tell. */
  readonly reason: EstimateReason | null;
  /** The rate of the largest layer that the tile could show. */
  readonly wantedBps: number;
  /** The rate of the layer that is sent; `null` while none is sent. */
  readonly givenBps: number | null;
}

export interface Sources {
  readonly state: State;
  readonly error: RoomError | null;
  readonly isAudioOnly: boolean;
  readonly speaking: ReadonlySet<ParticipantId>;
  readonly quality: ReadonlyMap<ParticipantId, Quality>;
  readonly local: LocalMedia;
  readonly speakerId: string | null;
  readonly audioTracks: readonly MediaStreamTrack[];
  slotTrack(mid: Mid): MediaStreamTrack | null;
  /** A track that arrives from the participant directly; `null` while the node's is shown. */
  directTrack(participant: ParticipantId, source: TrackSource): MediaStreamTrack | null;
}

export function snapshot(sources: Sources): RoomSnapshot {
  const { state, error, local, speakerId, audioTracks } = sources;
  const inOrder = [...state.roster].sort((a, b) => a.joined_at - b.joined_at || (a.id < b.id ? -1 : 1));
  const everybody = inOrder.map((info) => participant(info, sources));
  return {
    connection: connection(state),
    error,
    self: everybody.find(({ isSelf }) => isSelf) ?? null,
    isLocked: state.room?.locked ?? false,
    call: call(state),
    features: state.room?.features ?? ALL_FEATURES,
    participants: everybody.filter(({ isSelf }) => !isSelf),
    audience: state.room?.audience ?? 0,
    recording: state.recording,
    microphone: local.microphone.snapshot,
    camera: local.camera.snapshot,
    isAudioOnly: sources.isAudioOnly,
    screen: local.screen.video,
    chat: messages(state),
    hands: inOrder
      .filter((info) => info.hand_raised_at !== undefined)
      .sort((a, b) => (a.hand_raised_at ?? 0) - (b.hand_raised_at ?? 0))
      .map(({ id }) => id),
    guests: mayAdmit(info(state)) ? state.guests : NOBODY,
    spotlight: state.room?.spotlight ?? NO_SPOTLIGHT,
    publishes: state.publishes,
    audioTracks,
    speakerId,
  };
}

function call({ room }: State): Call {
  const { state = "created", reason = null, starts_at: startsAt = null, started_at: startedAt = null, ends_at: endsAt = null } = room ?? {};
  return { state, reason, startsAt, startedAt, endsAt };
}

const ALL_FEATURES: Features = { chat: true, screen_share: true, file_transfer: true, recording: true, whiteboard: true, reactions: true };
const NOBODY: readonly GuestInfo[] = [];
const NO_SPOTLIGHT: readonly ParticipantId[] = [];
const NO_ATTRIBUTES: Readonly<Record<string, string>> = {};
const UNLIMITED: Bandwidth = {};

function mayAdmit(of: ParticipantInfo | undefined): boolean {
  return of?.grants?.moderate === true || of?.grants?.admit === true;
}

function info({ roster, self }: State): ParticipantInfo | undefined {
  return roster.find(({ id }) => id === self);
}

function participant(info: ParticipantInfo, sources: Sources): Participant {
  const isSelf = info.id === sources.state.self;
  return {
    id: info.id,
    name: info.name,
    isSelf,
    connection: info.connection,
    speaking: sources.speaking.has(info.id),
    grants: { ...DEFAULT_GRANTS, ...info.grants },
    role: info.role ?? "participant",
    attributes: info.attributes ?? NO_ATTRIBUTES,
    bandwidth: info.bandwidth ?? UNLIMITED,
    hasHandUp: info.hand_raised_at !== undefined,
    quality: sources.quality.get(info.id) ?? null,
    tracks: info.tracks.map((track) => (isSelf ? ownTrack(track, sources) : remoteTrack(info.id, track, sources))),
  };
}

function remoteTrack(from: ParticipantId, { id, kind, source, muted }: TrackInfo, { state, slotTrack, directTrack }: Sources): Track {
  const slot = state.slots.find(({ track }) => track === id);
  const limit = slot === undefined ? null : limitOf(state, slot.mid);
  const undecodable = slot !== undefined && state.undecodable.includes(slot.mid);
  return { id, kind, source, muted, paused: limit?.givenBps === null, undecodable, limit, media: directTrack(from, source) ?? (slot === undefined ? null : slotTrack(slot.mid)) };
}

function limitOf({ limits: { estimateBps, reason, slots } }: State, mid: Mid): Limit | null {
  const limit = slots.find((limited) => limited.mid === mid);
  return limit === undefined ? null : { estimateBps, reason, wantedBps: limit.wanted_bps, givenBps: limit.given_bps };
}

function ownTrack({ id, kind, source, muted }: TrackInfo, { local }: Sources): Track {
  const device = source === "microphone" ? local.microphone.snapshot : source === "camera" ? local.camera.snapshot : null;
  // The user's own change shows at once, before the edge knows about it.
  const isMuted = device === null ? muted : !device.on;
  return { id, kind, source, muted: isMuted, paused: false, undecodable: false, limit: null, media: local.track(source) };
}

function messages({ chat, outbox, self, roster }: State): Message[] {
  const known = chat.map(({ message, number, participant, name, sent_at: sentAt, text }) => ({
    id: `${participant}/${message}`,
    number,
    participant,
    name,
    isSelf: participant === self,
    sentAt,
    text,
  }));
  const participant = self ?? "";
  const name = roster.find(({ id }) => id === self)?.name ?? "";
  const written = outbox.map(({ message, text }) => ({
    id: `${participant}/${message}`,
    number: null,
    participant,
    name,
    isSelf: true,
    sentAt: null,
    text,
  }));
  return [...known, ...written];
}

/** New chat messages, without history and without the user's own messages. */
export function messagesSince(before: State, after: State): Message[] {
  if (before.chat === after.chat) {
    return [];
  }
  // A message's id alone is its author's choice, and numbers begin anew in a new room.
  const keyOf = ({ number, participant, message }: ChatMessage): string => `${number} ${participant}/${message}`;
  const known = new Set(before.chat.map(keyOf));
  const news = new Set(after.chat.filter((message) => !known.has(keyOf(message))).map(({ number }) => number));
  return messages(after).filter(({ number, isSelf }) => number !== null && number > after.chatBefore && news.has(number) && !isSelf);
}

/** A video that the downlink paused or resumed. */
export interface Pause {
  readonly participant: ParticipantId;
  readonly track: TrackId;
  readonly paused: boolean;
}

/** Pauses and resumptions between two snapshots. */
export function pausesSince(before: RoomSnapshot, after: RoomSnapshot): Pause[] {
  const pausedIn = ({ participants }: RoomSnapshot): Set<TrackId> =>
    new Set(participants.flatMap(({ tracks }) => tracks.filter(({ paused }) => paused).map(({ id }) => id)));
  const [was, is] = [pausedIn(before), pausedIn(after)];
  return after.participants.flatMap(({ id: participant, tracks }) =>
    tracks.filter(({ id }) => was.has(id) !== is.has(id)).map(({ id: track, paused }) => ({ participant, track, paused })),
  );
}
