import { parseFrame } from "../parse";
import type {
  ConnectionState,
  EdgeToClient,
  ErrorCode,
  Mid,
  ParticipantId,
  ParticipantInfo,
  RosterDifference,
  SlotInfo,
  TrackSource,
} from "../protocol.gen";
import { PONG, RETRYABLE_ERROR_CODES, SLOTS_PER_KIND_MAX } from "../protocol.gen";
import { DEFAULT_GRANTS } from "../token";
import { drop, greeted } from "./connection";
import { chat, reacted, settleWritten } from "./conversation";
import type { Event, PeerMessage } from "./event";
import { applyAnswer, negotiateRefused, rejoin, want } from "./media";
import type { PendingRequest, Purpose } from "./model";
import { NO_LIMITS } from "./model";
import { learnMuted, muteLater } from "./requests";
import type { Step } from "./step";

/** Codes after which the client never reconnects automatically. */
const FINAL: readonly ErrorCode[] = ["kicked", "banned", "replaced", "room_closed", "time_limit"];
/** Retrying may help eventually, but the user should decide whether to wait. */
const FINAL_FOR_JOIN: readonly ErrorCode[] = ["room_full", "room_locked", "not_started", "not_invited", "duplicate_identity", "too_many_publishers"];
/** The user may still join without publishing. */
const FINAL_FOR_PUBLISHING: readonly ErrorCode[] = ["forbidden", "feature_off", "too_many_publishers"];

/** Reasons whose offers any healthy node may answer. */
const MOVES: readonly Purpose[] = ["join", "transport_dead", "new_transport"];

export function received(step: Step, { text }: Extract<Event, { on: "frame" }>): void {
  const { phase, signaling } = step.state;
  if (signaling.at !== "open" || (phase !== "active" && phase !== "leaving")) {
    return;
  }
  step.settle("pong");
  if (text === PONG) {
    return;
  }
  const message = parseFrame(text);
  // A newer edge may send messages that this client does not know; they are optional by definition.
  if (message !== null) {
    const handle = HANDLERS[message.type] as (step: Step, message: EdgeToClient) => void;
    handle(step, message);
  }
}

type Message<T extends EdgeToClient["type"]> = Extract<EdgeToClient, { type: T }>;
type Handlers = { readonly [T in EdgeToClient["type"]]: (step: Step, message: Message<T>) => void };

const HANDLERS: Handlers = {
  joined,
  resumed,
  negotiated,
  done,
  bans,
  audience,
  guests_waiting: (step, { guests }) => step.update({ guests }),
  error: requestFailed,
  refused,
  participant_joined: (step, { participant }) => putParticipant(step, participant),
  participant_updated: (step, { participant }) => putParticipant(step, participant),
  room_updated(step, { room }) {
    const isShared = step.state.media.published.some(({ source }) => source === "screen");
    if (isShared && room.features?.screen_share === false) {
      step.command({ do: "drop_screen" });
    }
    step.update({ room });
  },
  track_muted: trackMuted,
  participant_left: (step, { participant }) => removeParticipant(step, participant),
  roster_changed: changeRoster,
  chat,
  reacted,
  sought: tellPeer,
  signaled: tellPeer,
  peer_servers: peerServers,
  slots_changed: (step, { slots }) => step.update({ slots: mergeSlots(step.state.slots, slots) }),
  sections_needed: sectionsNeeded,
  layers_wanted: (step, { mid, rids }) => step.command({ do: "set_layers", layers: { mid, rids } }),
  video_limited: (step, { estimate_bps: estimateBps, reason, slots }) => step.update({ limits: { estimateBps, reason, slots } }),
  video_undecodable: (step, { mids }) => step.update({ undecodable: mids }),
  transport_dead: transportDead,
  node_away: (step) => step.command({ do: "suspect_node" }),
  recording_updated: (step, { recording }) => step.update({ recording }),
  removed: (step, { code, reason }) => step.end({ code, detail: reason ?? "" }),
};

function tellPeer(step: Step, message: PeerMessage): void {
  step.command({ do: "tell_peer", message });
}

function joined(step: Step, message: Message<"joined">): void {
  if (step.answered(message.in_reply_to)?.type !== "join") {
    return;
  }
  const { participant: self, session: id, resume_token: resumeToken, room, roster, slots, recording } = message;
  step.update({ admitted: true, self, session: { id, resumeToken }, room, slots, recording, guests: [] });
  putRoster(step, roster);
  step.update({ rosterRevision: message.revision ?? null });
  step.update({ chat: [], chatBefore: message.chat_last });
  greeted(step);
  learnOwnMuted(step);
  applyAnswer(step, message.answer, message.ice_servers);
}

function resumed(step: Step, message: Message<"resumed">): void {
  if (step.answered(message.in_reply_to)?.type !== "resume") {
    return;
  }
  const { room, roster, difference, slots, recording, resume_token: resumeToken } = message;
  const { session } = step.state;
  // Messages about limited and undecodable video follow.
  step.update({ room, slots, recording, limits: NO_LIMITS, undecodable: [], guests: [], session: session && { ...session, resumeToken } });
  putRoster(step, difference === undefined ? roster : withDifference(step.state.roster, roster, difference));
  step.update({ rosterRevision: message.revision ?? null });
  greeted(step);
  learnOwnMuted(step);
  if (message.transport_dead) {
    transportDead(step);
  }
}

function negotiated(step: Step, message: Message<"negotiated">): void {
  if (step.answered(message.in_reply_to)?.type !== "negotiate") {
    return;
  }
  const { session } = step.state;
  if (session !== null && session.id !== message.session) {
    // Another node begins with all layers and no limits, even if the browser keeps its transport.
    step.update({ session: { ...session, id: message.session }, limits: NO_LIMITS, undecodable: [] });
    step.command({ do: "set_layers", layers: null });
  }
  step.update({ slots: message.slots });
  // Chromium restarts ICE with the next offer once its servers change, which more sections do not justify.
  const isSections = step.state.media.negotiation?.purpose === "sections";
  applyAnswer(step, message.answer, isSections ? null : message.ice_servers);
}

function done(step: Step, { in_reply_to }: Pick<Message<"done">, "in_reply_to">): void {
  const request = step.answered(in_reply_to);
  step.settleTicket(request?.ticket ?? null, null);
  if (request !== null && request.message !== null) {
    settleWritten(step, request.message, null);
  }
  if (request !== null && request.mute !== null) {
    learnMuted(step, request.mute.mid, request.mute.muted);
  }
  if (request?.type === "leave") {
    step.end(null);
  }
}

function bans(step: Step, message: Message<"bans">): void {
  const request = step.answered(message.in_reply_to);
  step.update({ bans: message.bans });
  step.settleTicket(request?.ticket ?? null, null);
}

function peerServers(step: Step, message: Message<"peer_servers">): void {
  tellPeer(step, message);
  done(step, message);
}

function audience(step: Step, { in_reply_to, participants, next }: Message<"audience">): void {
  const request = step.answered(in_reply_to);
  step.update({ audience: { participants, next } });
  step.settleTicket(request?.ticket ?? null, null);
}

function requestFailed(step: Step, { in_reply_to, code, message }: Message<"error">): void {
  const request = step.answered(in_reply_to);
  const failure = { code, detail: message };
  if (request !== null && FINAL.includes(code)) {
    step.settleTicket(request.ticket, failure);
    step.end(failure);
  } else if (request === null) {
    step.report(code, message);
  } else {
    FAILED[request.type](step, request, failure);
  }
}

type Failed = (step: Step, request: PendingRequest, failure: { code: ErrorCode; detail: string }) => void;

const report: Failed = (step, request, { code, detail }) => {
  step.settleTicket(request.ticket, { code, detail });
  if (request.ticket === null) {
    step.report(code, detail);
  }
};

const FAILED: Readonly<Record<PendingRequest["type"], Failed>> = {
  join(step, _request, failure) {
    if (step.state.publishes && FINAL_FOR_PUBLISHING.includes(failure.code)) {
      step.report(failure.code, failure.detail);
      step.update({ publishes: false });
      rejoin(step);
    } else if (failure.code === "token_used" && step.state.renewsToken && step.state.signaling.refusal !== "token_used") {
      // A fresh token allows another join; a second used one shows that this source has no other.
      step.updateSignaling({ refusal: failure.code });
      drop(step);
    } else if (mayRetry(failure.code) && !FINAL_FOR_JOIN.includes(failure.code)) {
      step.updateSignaling({ refusal: failure.code });
      drop(step);
    } else {
      step.end(failure);
    }
  },
  resume(step, _request, { code }) {
    if (mayRetry(code)) {
      step.updateSignaling({ refusal: code });
      drop(step);
    } else {
      rejoinElsewhere(step);
    }
  },
  negotiate(step, _request, failure) {
    const isNew = step.state.media.negotiation?.purpose === "new_transport";
    // Either code may mean that the participant is forgotten, and not only the connection.
    if (failure.code === "not_joined" || (failure.code === "session_expired" && isNew)) {
      rejoinElsewhere(step);
    } else {
      negotiateRefused(step, failure, mayRetry(failure.code));
    }
  },
  set_muted(step, request, failure) {
    if (mayRetry(failure.code)) {
      muteLater(step);
    } else {
      learnMuted(step, request.mute?.mid ?? "", null);
      report(step, request, failure);
    }
  },
  view(step, request, failure) {
    if (mayRetry(failure.code)) {
      step.update({ told: { ...step.state.told, view: null } });
    } else {
      report(step, request, failure);
    }
  },
  chat(step, { message }, failure) {
    settleWritten(step, message ?? "", failure);
  },
  react: report,
  raise_hand: report,
  lower_hand: report,
  seek: report,
  signal: report,
  list_peer_servers: report,
  report_direct: report,
  kick: report,
  list_bans: report,
  list_audience: report,
  lift_ban: report,
  admit_guest: report,
  refuse_guest: report,
  mute_track: report,
  update_participant: report,
  update_room: report,
  start_room: report,
  pause_room: report,
  resume_room: report,
  end_room: report,
  start_recording: report,
  stop_recording: report,
  leave: (step) => step.end(null),
};

/**
 * Joins again on another socket: this one has already joined, or was opened by a resume secret, and a token may allow
 * only one join.
 */
function rejoinElsewhere(step: Step): void {
  rejoin(step);
  drop(step);
}

function refused(step: Step, { code }: Message<"refused">): void {
  if (code === "session_expired" && step.state.signaling.key === "secret") {
    rejoinElsewhere(step);
    return;
  }
  // One fresh token may help; a second expired one shows that this source has no valid one.
  const isFirst = step.state.signaling.refusal !== "token_expired";
  step.updateSignaling({ refusal: code });
  const renews = code === "token_expired" && step.state.renewsToken && isFirst;
  if (mayRetry(code) || renews) {
    drop(step);
  } else {
    step.end({ code, detail: "refused" });
  }
}

function sectionsNeeded(step: Step, { audio, video }: Message<"sections_needed">): void {
  const { slots } = step.state.media;
  const atMost = (count: number): number => Math.min(count, SLOTS_PER_KIND_MAX);
  const needed = {
    audio: Math.max(slots.audio, atMost(audio)),
    video: Math.max(slots.video, atMost(video)),
  };
  if (needed.audio !== slots.audio || needed.video !== slots.video) {
    step.updateMedia({ slots: needed });
    want(step, "sections");
  }
}

function transportDead(step: Step): void {
  const { negotiation } = step.state.media;
  if (negotiation !== null && negotiation.stage !== "applying" && MOVES.includes(negotiation.purpose)) {
    // Sent before that offer was answered, so the answer takes it into account.
    return;
  }
  // The edge knows: nothing that this client expects from the old node will come.
  step.settle("media", "renegotiate");
  step.updateMedia({ connecting: null });
  want(step, "transport_dead");
}

/**
 * Takes over the edge's mute state of this client's own tracks. A track that was unmuted when the edge last heard from
 * the client was muted by a moderator in the meantime.
 */
function learnOwnMuted(step: Step): void {
  const own = step.state.roster.find(({ id }) => id === step.state.self);
  if (own === undefined) {
    return;
  }
  const { told } = step.state;
  const silenced = own.tracks.filter(({ mid, muted }) => muted && told.muted[mid] === false);
  step.update({ told: { ...told, muted: Object.fromEntries(own.tracks.map(({ mid, muted }) => [mid, muted])) } });
  silenced.forEach(({ mid, source }) => silence(step, mid, isHeld(own, source)));
}

function isHeld({ grants }: ParticipantInfo, source: TrackSource): boolean {
  return (source === "microphone" || source === "camera") && grants?.[source] === false;
}

/** A moderator muted one of the user's tracks; it stays muted until the user unmutes it. */
function trackMuted(step: Step, { mid, held = false }: Message<"track_muted">): void {
  silence(step, mid, held);
}

function silence(step: Step, mid: Mid, isHeld: boolean): void {
  const { media, muted } = step.state;
  const section = media.published.find((published) => published.mid === mid);
  if (section !== undefined) {
    step.update({ muted: { ...muted, [section.source]: true } });
    learnMuted(step, mid, true);
    step.command({ do: "silence", source: section.source, isHeld });
  }
}

function putParticipant(step: Step, participant: ParticipantInfo): void {
  const { roster } = step.state;
  const known = roster.some(({ id }) => id === participant.id);
  putRoster(
    step,
    known ? roster.map((other) => (other.id === participant.id ? participant : other)) : [...roster, participant],
  );
}

/** Takes a new roster. If a moderator changed the user's right to publish, the next offer follows the change. */
function putRoster(step: Step, roster: readonly ParticipantInfo[]): void {
  const mayPublish = (known: readonly ParticipantInfo[]): boolean | undefined => {
    const own = known.find(({ id }) => id === step.state.self);
    return own && (own.grants ?? DEFAULT_GRANTS).publish;
  };
  const [before, now] = [step.state.roster, roster].map(mayPublish);
  step.update({ roster });
  const { wantsToPublish, publishes, told } = step.state;
  if (before === undefined || now === undefined || before === now || publishes === (wantsToPublish && now)) {
    return;
  }
  step.update({ publishes: wantsToPublish && now, told: { ...told, muted: {} } });
  // The edge has already removed the tracks.
  step.updateMedia({ published: [] });
  want(step, "sections");
}

function removeParticipant(step: Step, participant: ParticipantId): void {
  step.update({
    roster: step.state.roster.filter(({ id }) => id !== participant),
    slots: step.state.slots.map((slot) =>
      slot.participant === participant ? { mid: slot.mid, track: null, participant: null } : slot,
    ),
  });
}

/** The current roster: the known one without those who left, with those who changed, and with everybody's connection. */
function withDifference(
  known: readonly ParticipantInfo[],
  changed: readonly ParticipantInfo[],
  { left, connecting, reconnecting }: RosterDifference,
): ParticipantInfo[] {
  const roster = new Map(known.map((participant) => [participant.id, participant]));
  left.forEach((id) => roster.delete(id));
  changed.forEach((participant) => roster.set(participant.id, participant));
  const connections = new Map<ParticipantId, ConnectionState>();
  connecting.forEach((id) => connections.set(id, "connecting"));
  reconnecting.forEach((id) => connections.set(id, "reconnecting"));
  return [...roster.values()].map((participant) => ({ ...participant, connection: connections.get(participant.id) ?? "connected" }));
}

function changeRoster(step: Step, { changed, left, revision }: Message<"roster_changed">): void {
  for (const { participant } of left) {
    removeParticipant(step, participant);
  }
  const roster = new Map(step.state.roster.map((participant) => [participant.id, participant]));
  for (const participant of changed) {
    roster.set(participant.id, participant);
  }
  putRoster(step, [...roster.values()]);
  if (revision !== undefined) {
    step.update({ rosterRevision: revision });
  }
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
