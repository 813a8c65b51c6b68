import type {
  AttemptId,
  BanInfo,
  ChatMessage,
  ClientToEdge,
  ErrorCode,
  EstimateReason,
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
  /** True once the client has joined; from then on it reconnects automatically. */
  readonly admitted: boolean;
  readonly signaling: Signaling;
  readonly session: Session | null;
  readonly self: ParticipantId | null;
  /** Absent before the join. */
  readonly room: RoomInfo | null;
  readonly roster: readonly ParticipantInfo[];
  /** Names the last complete state of the roster that the edge has told; absent if it names none. */
  readonly rosterRevision: number | null;
  readonly slots: readonly SlotInfo[];
  /** The running recording, or the last known one. */
  readonly recording: RecordingInfo | null;
  /** The bans in the last answer. */
  readonly bans: readonly BanInfo[];
  /** The page in the last answer. */
  readonly audience: AudiencePage;
  /** The waiting guests; moderators only. */
  readonly guests: readonly GuestInfo[];
  readonly chat: readonly ChatMessage[];
  /** The number of the last message from before the user joined. */
  readonly chatBefore: number;
  /** The user's messages that the edge may not have yet. */
  readonly outbox: readonly OutgoingMessage[];
  readonly media: Media;
  readonly muted: Muted;
  /** Absent if the application never set one. */
  readonly view: View | null;
  readonly limits: Limits;
  /** Slots whose video codec this browser does not decode. */
  readonly undecodable: readonly Mid[];
  readonly told: Told;
  readonly requests: readonly PendingRequest[];
  readonly requestsMade: number;
  readonly attempt: Attempt;
  readonly deadlines: Deadlines;
  /** The time of the requested wake-up. */
  readonly wakeAtMs: number | null;
  readonly seed: number;
  /** If true, a new token can be obtained after the old one has expired. */
  readonly renewsToken: boolean;
  /** If true, the application wants to publish if permitted. */
  readonly wantsToPublish: boolean;
  /** If true, offers have sections for the user's audio and video. */
  readonly publishes: boolean;
}

/** The socket. `failures` counts failed attempts in a row; `refusal` is the last refusal. */
export interface Signaling {
  readonly at: "closed" | "opening" | "open" | "waiting";
  /** True once this socket has joined or resumed. */
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

/** An applied answer: its reason; `moved` is true if it came from another node than the previous one. */
export interface Connecting {
  readonly purpose: Purpose;
  readonly moved: boolean;
}

/** The cause of an offer. */
export type Purpose = "join" | NegotiateReason;

/** A pending offer: created by the browser, waiting for the socket, answered by the edge, or being applied. */
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

export interface PublishedSection {
  readonly mid: Mid;
  readonly source: TrackSource;
}

/** Sources that are not listed are not muted. */
export type Muted = Readonly<Partial<Record<TrackSource, boolean>>>;

/** Participants who are only counted, in the order of their ids. */
export interface AudiencePage {
  readonly participants: readonly ParticipantInfo[];
  /** For the next page; `null` on the last one. */
  readonly next: ParticipantId | null;
}

/** An unsent message; `ticket` names the promise that the shell keeps for it. */
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
  readonly reason: EstimateReason | null;
  readonly slots: readonly VideoLimit[];
}

export const NO_LIMITS: Limits = { estimateBps: 0, reason: null, slots: [] };

/** The layers of a published section that are in use. */
export interface WantedLayers {
  readonly mid: Mid;
  readonly rids: readonly string[];
}

/** The state that the edge has, as far as the client knows, so that only differences are sent. */
export interface Told {
  /** Without requests that the edge has not answered; absent for a section that it does not know. */
  readonly muted: Readonly<Record<Mid, boolean>>;
  /** Absent if it is unknown whether the edge received the last one. */
  readonly view: View | null;
}

/** An unanswered request; `ticket` names the promise that the shell keeps for it. */
export interface PendingRequest {
  readonly id: number;
  readonly type: ClientToEdge["type"];
  readonly ticket: number | null;
  /** The chat message that the request carries, if any. */
  readonly message: MessageId | null;
  /** The muting or unmuting that is requested, if any. */
  readonly mute: { readonly mid: Mid; readonly muted: boolean } | null;
  readonly sentAtMs: number;
}

/** Ids for join attempts: a prefix unique to this page, and a counter. */
export interface Attempt {
  readonly prefix: string;
  readonly count: number;
}

export type DeadlineName = "open" | "backoff" | "reply" | "ping" | "pong" | "media" | "renegotiate" | "view" | "mute";
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
    rosterRevision: null,
    slots: [],
    recording: null,
    bans: [],
    audience: { participants: [], next: null },
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
