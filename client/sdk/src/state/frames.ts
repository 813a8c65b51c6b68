import { parseFrame } from "../parse";
import type { EdgeToClient, ErrorCode, Mid, ParticipantId, ParticipantInfo, SlotInfo } from "../protocol.gen";
import { PONG, RETRYABLE_ERROR_CODES, SLOTS_PER_KIND_MAX } from "../protocol.gen";
import type { Event, PendingRequest, Purpose } from "../state";
import { NO_LIMITS } from "../state";
import { drop, end, greeted } from "./connection";
import { chat, reacted, settleWritten } from "./conversation";
import { DEFAULT_GRANTS } from "../token";
import { applyAnswer, negotiateRefused, rejoin, want } from "./media";
import type { Turn } from "./turn";

/** Codes after which the client never reconnects automatically. */
const FINAL: readonly ErrorCode[] = ["kicked", "banned", "replaced", "room_closed"];
/** Retrying may help eventually, but the user should decide whether to wait. */
const FINAL_FOR_JOIN: readonly ErrorCode[] = ["room_full", "room_locked", "too_many_publishers"];
/** The user may still join without publishing. */
const FINAL_FOR_PUBLISHING: readonly ErrorCode[] = ["forbidden", "too_many_publishers"];

/** Reasons whose offers any healthy node may answer. */
const MOVES: readonly Purpose[] = ["join", "transport_dead", "new_transport"];

export function received(turn: Turn, { text }: Extract<Event, { on: "frame" }>): void {
  const { phase, signaling } = turn.state;
  if (signaling.at !== "open" || (phase !== "active" && phase !== "leaving")) {
    return;
  }
  turn.settle("pong");
  if (text === PONG) {
    return;
  }
  const message = parseFrame(text);
  // A newer edge may say things that this client does not know; they are optional by definition.
  if (message !== null) {
    const handle = HANDLERS[message.type] as (turn: Turn, message: EdgeToClient) => void;
    handle(turn, message);
  }
}

type Message<T extends EdgeToClient["type"]> = Extract<EdgeToClient, { type: T }>;
type Handlers = { readonly [T in EdgeToClient["type"]]: (turn: Turn, message: Message<T>) => void };

const HANDLERS: Handlers = {
  joined,
  resumed,
  negotiated,
  done,
  bans,
  guests_waiting: (turn, { guests }) => turn.update({ guests }),
  error: requestFailed,
  refused,
  participant_joined: (turn, { participant }) => putParticipant(turn, participant),
  participant_updated: (turn, { participant }) => putParticipant(turn, participant),
  room_updated: (turn, { room }) => turn.update({ room }),
  track_muted: trackMuted,
  participant_left: (turn, { participant }) => removeParticipant(turn, participant),
  chat,
  reacted,
  slots_changed: (turn, { slots }) => turn.update({ slots: mergeSlots(turn.state.slots, slots) }),
  sections_needed: sectionsNeeded,
  layers_wanted: (turn, { mid, rids }) => turn.command({ do: "set_layers", layers: { mid, rids } }),
  video_limited: (turn, { estimate_bps: estimateBps, slots }) => turn.update({ limits: { estimateBps, slots } }),
  video_undecodable: (turn, { mids }) => turn.update({ undecodable: mids }),
  transport_dead: transportDead,
  recording_updated: (turn, { recording }) => turn.update({ recording }),
  removed: (turn, { code, reason }) => end(turn, { code, detail: reason ?? "" }),
};

function joined(turn: Turn, message: Message<"joined">): void {
  if (turn.answered(message.in_reply_to)?.type !== "join") {
    return;
  }
  const { participant: self, session: id, resume_token: resumeToken, room, roster, slots, recording } = message;
  turn.update({ admitted: true, self, session: { id, resumeToken }, room, slots, recording, guests: [] });
  putRoster(turn, roster);
  turn.update({ chat: [], chatBefore: message.chat_last });
  greeted(turn);
  learnOwnMuted(turn);
  applyAnswer(turn, message.answer, message.ice_servers);
}

function resumed(turn: Turn, message: Message<"resumed">): void {
  if (turn.answered(message.in_reply_to)?.type !== "resume") {
    return;
  }
  const { room, roster, slots, recording, resume_token: resumeToken } = message;
  const { session } = turn.state;
  // What is limited or undecodable follows.
  turn.update({ room, slots, recording, limits: NO_LIMITS, undecodable: [], guests: [], session: session && { ...session, resumeToken } });
  putRoster(turn, roster);
  greeted(turn);
  learnOwnMuted(turn);
  if (message.transport_dead) {
    transportDead(turn);
  }
}

function negotiated(turn: Turn, message: Message<"negotiated">): void {
  if (turn.answered(message.in_reply_to)?.type !== "negotiate") {
    return;
  }
  const { session } = turn.state;
  if (session !== null && session.id !== message.session) {
    // Another node begins with all layers, nothing limited and nothing undecodable, even where the browser keeps its transport.
    turn.update({ session: { ...session, id: message.session }, limits: NO_LIMITS, undecodable: [] });
    turn.command({ do: "set_layers", layers: null });
  }
  turn.update({ slots: message.slots });
  // Chromium restarts ICE with the next offer once its servers change, which nobody wants for the sake of more sections.
  const isSections = turn.state.media.negotiation?.purpose === "sections";
  applyAnswer(turn, message.answer, isSections ? null : message.ice_servers);
}

function done(turn: Turn, { in_reply_to }: Message<"done">): void {
  const request = turn.answered(in_reply_to);
  turn.settleTicket(request?.ticket ?? null, null);
  if (request !== null && request.message !== null) {
    settleWritten(turn, request.message, null);
  }
  if (request?.type === "leave") {
    end(turn, null);
  }
}

function bans(turn: Turn, message: Message<"bans">): void {
  const request = turn.answered(message.in_reply_to);
  turn.update({ bans: message.bans });
  turn.settleTicket(request?.ticket ?? null, null);
}

function requestFailed(turn: Turn, { in_reply_to, code, message }: Message<"error">): void {
  const request = turn.answered(in_reply_to);
  const failure = { code, detail: message };
  if (request !== null && FINAL.includes(code)) {
    turn.settleTicket(request.ticket, failure);
    end(turn, failure);
  } else if (request === null) {
    turn.report(code, message);
  } else {
    FAILED[request.type](turn, request, failure);
  }
}

type Failed = (turn: Turn, request: PendingRequest, failure: { code: ErrorCode; detail: string }) => void;

const report: Failed = (turn, request, { code, detail }) => {
  turn.settleTicket(request.ticket, { code, detail });
  if (request.ticket === null) {
    turn.report(code, detail);
  }
};

const FAILED: Readonly<Record<PendingRequest["type"], Failed>> = {
  join(turn, _request, failure) {
    if (turn.state.publishes && FINAL_FOR_PUBLISHING.includes(failure.code)) {
      turn.report(failure.code, failure.detail);
      turn.update({ publishes: false });
      rejoin(turn);
    } else if (failure.code === "token_used" && turn.state.renewsToken && turn.state.signaling.refusal !== "token_used") {
      // Another token is good for another join; a second one that was used says that this source has no other.
      turn.updateSignaling({ refusal: failure.code });
      drop(turn);
    } else if (mayRetry(failure.code) && !FINAL_FOR_JOIN.includes(failure.code)) {
      turn.updateSignaling({ refusal: failure.code });
      drop(turn);
    } else {
      end(turn, failure);
    }
  },
  resume(turn, _request, { code }) {
    if (mayRetry(code)) {
      turn.updateSignaling({ refusal: code });
      drop(turn);
    } else {
      rejoinElsewhere(turn);
    }
  },
  negotiate(turn, _request, failure) {
    const isNew = turn.state.media.negotiation?.purpose === "new_transport";
    // Either code may say that the participant is forgotten, and not only the connection.
    if (failure.code === "not_joined" || (failure.code === "session_expired" && isNew)) {
      rejoinElsewhere(turn);
    } else {
      negotiateRefused(turn, failure, mayRetry(failure.code));
    }
  },
  set_muted: report,
  view: report,
  chat(turn, { message }, failure) {
    settleWritten(turn, message ?? "", failure);
  },
  react: report,
  raise_hand: report,
  lower_hand: report,
  kick: report,
  list_bans: report,
  lift_ban: report,
  admit_guest: report,
  refuse_guest: report,
  mute_track: report,
  update_participant: report,
  update_room: report,
  end_room: report,
  start_recording: report,
  stop_recording: report,
  leave: (turn) => end(turn, null),
};

/** Joins anew on another socket: this one has joined once, or a resume secret opened it, and a token may be good for one join only. */
function rejoinElsewhere(turn: Turn): void {
  rejoin(turn);
  drop(turn);
}

function refused(turn: Turn, { code }: Message<"refused">): void {
  if (code === "session_expired" && turn.state.signaling.key === "secret") {
    rejoinElsewhere(turn);
    return;
  }
  // One fresh token may help; a second that has expired too says that this source has none.
  const isFirst = turn.state.signaling.refusal !== "token_expired";
  turn.updateSignaling({ refusal: code });
  const renews = code === "token_expired" && turn.state.renewsToken && isFirst;
  if (mayRetry(code) || renews) {
    drop(turn);
  } else {
    end(turn, { code, detail: "refused" });
  }
}

function sectionsNeeded(turn: Turn, { audio, video }: Message<"sections_needed">): void {
  const { slots } = turn.state.media;
  const atMost = (count: number): number => Math.min(count, SLOTS_PER_KIND_MAX);
  const needed = {
    audio: Math.max(slots.audio, atMost(audio)),
    video: Math.max(slots.video, atMost(video)),
  };
  if (needed.audio !== slots.audio || needed.video !== slots.video) {
    turn.updateMedia({ slots: needed });
    want(turn, "sections");
  }
}

function transportDead(turn: Turn): void {
  const { negotiation } = turn.state.media;
  if (negotiation !== null && negotiation.stage !== "applying" && MOVES.includes(negotiation.purpose)) {
    // Said before that offer was answered, so the answer takes it into account.
    return;
  }
  // The edge knows: whatever this client is waiting for on the old node will not come.
  turn.settle("media", "renegotiate");
  turn.updateMedia({ connecting: null });
  want(turn, "transport_dead");
}

/** What the edge believes of this client's own tracks. One that was open when the client was last heard was muted by a moderator meanwhile. */
function learnOwnMuted(turn: Turn): void {
  const own = turn.state.roster.find(({ id }) => id === turn.state.self);
  if (own === undefined) {
    return;
  }
  const { told } = turn.state;
  const silenced = own.tracks.filter(({ mid, muted }) => muted && told.muted[mid] === false);
  turn.update({ told: { ...told, muted: Object.fromEntries(own.tracks.map(({ mid, muted }) => [mid, muted])) } });
  silenced.forEach(({ mid }) => silence(turn, mid));
}

/** A moderator muted one of the user's tracks; it stays muted until the user unmutes it. */
function trackMuted(turn: Turn, { mid }: Message<"track_muted">): void {
  silence(turn, mid);
}

function silence(turn: Turn, mid: Mid): void {
  const { media, muted, told } = turn.state;
  const section = media.published.find((published) => published.mid === mid);
  if (section !== undefined) {
    turn.update({
      muted: { ...muted, [section.source]: true },
      told: { ...told, muted: { ...told.muted, [mid]: true } },
    });
    turn.command({ do: "silence", source: section.source });
  }
}

function putParticipant(turn: Turn, participant: ParticipantInfo): void {
  const { roster } = turn.state;
  const known = roster.some(({ id }) => id === participant.id);
  putRoster(
    turn,
    known ? roster.map((other) => (other.id === participant.id ? participant : other)) : [...roster, participant],
  );
}

/** Who is there now. Where a moderator took the right to publish from the user, or gave it, the next offer says what follows. */
function putRoster(turn: Turn, roster: readonly ParticipantInfo[]): void {
  const mayPublish = (known: readonly ParticipantInfo[]): boolean | undefined => {
    const own = known.find(({ id }) => id === turn.state.self);
    return own && (own.grants ?? DEFAULT_GRANTS).publish;
  };
  const [before, now] = [turn.state.roster, roster].map(mayPublish);
  turn.update({ roster });
  const { wantsToPublish, publishes, told } = turn.state;
  if (before === undefined || now === undefined || before === now || publishes === (wantsToPublish && now)) {
    return;
  }
  turn.update({ publishes: wantsToPublish && now, told: { ...told, muted: {} } });
  // The tracks are gone at the edge already.
  turn.updateMedia({ published: [] });
  want(turn, "sections");
}

function removeParticipant(turn: Turn, participant: ParticipantId): void {
  turn.update({
    roster: turn.state.roster.filter(({ id }) => id !== participant),
    slots: turn.state.slots.map((slot) =>
      slot.participant === participant ? { mid: slot.mid, track: null, participant: null } : slot,
    ),
  });
}

function mergeSlots(slots: readonly SlotInfo[], changed: readonly SlotInfo[]): SlotInfo[] {
  const merged = new Map(slots.map((slot) => [slot.mid, slot]));
  for (const slot of changed) {
    merged.set(slot.mid, slot);
  }
  return [...merged.values()];
}

function mayRetry(code: ErrorCode): boolean {
  return RETRYABLE_ERROR_CODES.includes(code);
}
