/** The client's complete state: plain data that decides nothing. */
import type {
  AttemptId,
  BanInfo,
  ChatMessage,
  ClientToEdge,
  ErrorCode,
  GuestInfo,
  MessageId,
  Mid,
  NegotiateReason,
  ParticipantId,
  ParticipantInfo,
  RecordingInfo,
  RoomInfo,
  SessionId,
  SlotInfo,
  TrackSource,
  VideoLimit,
} from "../protocol.gen";
import { SLOTS_PER_KIND_DEFAULT } from "../protocol.gen";

/** The client's complete state; immutable plain data. */
export interface State {
  /** `active` from the first attempt to join until the end. */
  readonly phase: "idle" | "active" | "leaving" | "ended";
  /** Whether the client has ever joined; from then on it reconnects automatically. */
  readonly admitted: boolean;
  readonly signaling: Signaling;
  readonly session: Session | null;
  readonly self: ParticipantId | null;
  /** The room; absent before the join. */
  readonly room: RoomInfo | null;
  readonly roster: readonly ParticipantInfo[];
  readonly slots: readonly SlotInfo[];
  /** The running recording, or the last known one. */
  readonly recording: RecordingInfo | null;
  /** The bans in the last answer. */
  readonly bans: readonly BanInfo[];
  /** The waiting guests; moderators only. */
  readonly guests: readonly GuestInfo[];
  /** The known chat messages, in order. */
  readonly chat: readonly ChatMessage[];
  /** The number of the last message that was there before the user came. */
  readonly chatBefore: number;
  /** The user's messages that the edge may not have yet. */
  readonly outbox: readonly OutgoingMessage[];
  readonly media: Media;
  /** The sources that the user has muted. */
  readonly muted: Muted;
  /** The view; absent if the application never set one. */
  readonly view: View | null;
  readonly limits: Limits;
  /** Slots whose video comes in a codec that this browser does not read. */
  readonly undecodable: readonly Mid[];
  readonly told: Told;
  readonly requests: readonly PendingRequest[];
  readonly requestsMade: number;
  readonly attempt: Attempt;
  readonly deadlines: Deadlines;
  /** When the shell was last asked to wake the core. */
  readonly wakeAtMs: number | null;
  /** Seed of the next random number. */
  readonly seed: number;
  /** Whether a new token can be obtained when the old one has expired. */
  readonly renewsToken: boolean;
  /** Whether the application wants to publish, if permitted. */
  readonly wantsToPublish: boolean;
  /** Whether offers have sections for the user's sound and pictures. */
  readonly publishes: boolean;
}

/** The socket. `failures` counts failed attempts in a row; `refusal` is the last refusal. */
export interface Signaling {
  readonly at: "closed" | "opening" | "open" | "waiting";
  /** Whether this socket has joined or resumed. */
  readonly greeted: boolean;
  /** The credential that opened this socket: a socket opened with a resume secret can only resume. */
  readonly key: "token" | "secret";
  readonly failures: number;
  readonly refusal: ErrorCode | null;
}

export interface Session {
  readonly id: SessionId;
  readonly resumeToken: string;
}

/** The media transport and its negotiation. */
export interface Media {
  readonly transport: "none" | "connecting" | "up" | "lost";
  readonly negotiation: Negotiation | null;
  /** The answer with which the transport is connecting. */
  readonly connecting: Connecting | null;
  /** The reason for the next negotiation, if one is needed. */
  readonly wanted: NegotiateReason | null;
  readonly offersMade: number;
  /** ICE restarts in a row that the same node answered without success. */
  readonly vainRestarts: number;
  /** New transports in a row that did not connect. */
  readonly failures: number;
  readonly slots: SlotCounts;
  readonly published: readonly PublishedSection[];
}

/** An applied answer: its reason, and whether it came from a different node than the previous one. */
export interface Connecting {
  readonly purpose: Purpose;
  readonly moved: boolean;
}

/** The cause of an offer. */
export type Purpose = "join" | NegotiateReason;

/** An offer on its way: the browser makes it, it waits for the socket, the edge answers it, the browser applies that. */
export interface Negotiation {
  readonly offer: number;
  readonly purpose: Purpose;
  readonly stage: "making" | "made" | "sent" | "applying";
  readonly sdp: string;
  readonly sections: readonly PublishedSection[];
}

/** Receiving sections of each kind. */
export interface SlotCounts {
  readonly audio: number;
  readonly video: number;
}

/** One section that this client publishes. */
export interface PublishedSection {
  readonly mid: Mid;
  readonly source: TrackSource;
}

/** Sources that are not listed are not muted. */
export type Muted = Readonly<Partial<Record<TrackSource, boolean>>>;

/** A message on its way; `ticket` names the promise that the shell keeps for it. */
export interface OutgoingMessage {
  readonly message: MessageId;
  readonly text: string;
  readonly ticket: number;
  readonly isSent: boolean;
}

/** The participants on screen, most important first, and the height of their tiles. */
export interface View {
  readonly participants: readonly ParticipantId[];
  /** Absent if the application does not set it. */
  readonly lines: Lines | null;
}

export type Lines = Readonly<Record<ParticipantId, number>>;

/** The edge's default view. */
export const NO_VIEW: View = { participants: [], lines: null };

/** The slots limited by the downlink, and its estimated rate. */
export interface Limits {
  readonly estimateBps: number;
  readonly slots: readonly VideoLimit[];
}

export const NO_LIMITS: Limits = { estimateBps: 0, slots: [] };

/** The layers of a published section that are in use. */
export interface WantedLayers {
  readonly mid: Mid;
  readonly rids: readonly string[];
}

/** The state last sent to the edge, so that only differences are sent. */
export interface Told {
  readonly muted: Readonly<Record<Mid, boolean>>;
  /** Absent if it is unknown whether the edge received the last one. */
  readonly view: View | null;
}

/** A request without an answer yet; `ticket` names the promise that the shell keeps for it. */
export interface PendingRequest {
  readonly id: number;
  readonly type: ClientToEdge["type"];
  readonly ticket: number | null;
  /** The chat message that the request carries, if any. */
  readonly message: MessageId | null;
  readonly sentAtMs: number;
}

/** Ids for join attempts: a prefix unique to this page, and a counter. */
export interface Attempt {
  readonly prefix: string;
  readonly count: number;
}

/** The client's pending deadlines. */
export type DeadlineName = "open" | "backoff" | "reply" | "ping" | "pong" | "media" | "renegotiate" | "view";
export type Deadlines = Readonly<Partial<Record<DeadlineName, number>>>;

/** The initial parameters of a client. */
export interface Seed {
  readonly attemptPrefix: AttemptId;
  readonly seed: number;
  readonly muted: Muted;
  readonly renewsToken: boolean;
  readonly publishes: boolean;
}

/** A client before its first event. */
export function initial({ attemptPrefix, seed, muted, renewsToken, publishes }: Seed): State {
  return {
    phase: "idle",
    admitted: false,
    signaling: { at: "closed", greeted: false, key: "token", failures: 0, refusal: null },
    session: null,
    self: null,
    room: null,
    roster: [],
    slots: [],
    recording: null,
    bans: [],
    guests: [],
    chat: [],
    chatBefore: 0,
    outbox: [],
    media: {
      transport: "none",
      negotiation: null,
      connecting: null,
      wanted: null,
      offersMade: 0,
      vainRestarts: 0,
      failures: 0,
      slots: { audio: SLOTS_PER_KIND_DEFAULT, video: SLOTS_PER_KIND_DEFAULT },
      published: [],
    },
    muted,
    view: null,
    limits: NO_LIMITS,
    undecodable: [],
    told: { muted: {}, view: NO_VIEW },
    requests: [],
    requestsMade: 0,
    attempt: { prefix: attemptPrefix, count: 0 },
    deadlines: {},
    wakeAtMs: null,
    seed,
    renewsToken,
    wantsToPublish: publishes,
    publishes,
  };
}
