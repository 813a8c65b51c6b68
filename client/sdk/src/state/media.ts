/** The media transport: one negotiation at a time, with escalating reasons if it does not connect. */
import { backoffMs } from "../backoff";
import type { ClientToEdge, IceServer, NegotiateReason, TrackIntent } from "../protocol.gen";
import type { Event, Failure, Negotiation, Purpose } from "../state";
import { NO_LIMITS, NO_VIEW } from "../state";
import { end, probe } from "./connection";
import { sendWritten } from "./conversation";
import { tellDifferences } from "./requests";
import type { Turn } from "./turn";

/** A first connection may need TURN over TLS through a proxy. */
export const CONNECT_TIMEOUT_MS = 8_000;
/** An ICE restart on a healthy path takes a tenth of this. */
export const RESTART_TIMEOUT_MS = 2_500;
/** The edge believes a client that its node is dead when it says so again. */
const VAIN_RESTARTS_MAX = 2;
/** How long to wait before asking for a media node again. */
const RENEGOTIATE_MS_MIN = 500;

// Where several are wanted at once, the last of these includes the others: every offer has all slots.
const LADDER: readonly NegotiateReason[] = ["sections", "ice_restart", "transport_dead", "new_transport"];

/** Whether the socket is in the room, so that requests reach it. */
function isReady(turn: Turn): boolean {
  return turn.state.phase === "active" && turn.state.signaling.greeted;
}

/** Requests an offer from the browser. */
export function begin(turn: Turn, purpose: Purpose): void {
  const offer = turn.state.media.offersMade + 1;
  const negotiation: Negotiation = { offer, purpose, stage: "making", sdp: "", sections: [] };
  turn.updateMedia({ negotiation, offersMade: offer, wanted: null });
  const isNew = purpose === "join" || purpose === "new_transport";
  const transport = isNew ? "new" : purpose === "sections" ? "keep" : "restart_ice";
  // TURN credentials expire and nodes come and go: candidates are gathered with the servers in the answer.
  const awaitsServers = purpose !== "sections";
  turn.command({ do: "make_offer", offer, transport, awaitsServers, slots: turn.state.media.slots });
}

/** Negotiates for this reason as soon as that is possible. */
export function want(turn: Turn, reason: NegotiateReason): void {
  const { wanted } = turn.state.media;
  if (wanted === null || LADDER.indexOf(reason) > LADDER.indexOf(wanted)) {
    turn.updateMedia({ wanted: reason });
  }
}

/** Starts whatever has become possible; the last action of every step. */
export function advance(turn: Turn): void {
  const { phase, signaling, session, media } = turn.state;
  if (phase !== "active" || signaling.at !== "open") {
    return;
  }
  const { negotiation } = media;
  if (negotiation?.stage === "made" && (negotiation.purpose === "join" ? session === null : isReady(turn))) {
    sendOffer(turn, negotiation);
  } else if (negotiation === null && media.wanted !== null && isReady(turn) && !turn.awaits("renegotiate")) {
    begin(turn, media.wanted);
  }
  if (isReady(turn)) {
    tellDifferences(turn);
    sendWritten(turn);
  }
}

/** The user's published sources have changed. */
export function sectionsChanged(turn: Turn): void {
  if (turn.state.phase === "active") {
    want(turn, "sections");
  }
}

/** The browser has made the offer. */
export function offerMade(turn: Turn, event: Extract<Event, { on: "offer_made" }>): void {
  const { negotiation } = turn.state.media;
  if (negotiation?.offer === event.offer && negotiation.stage === "making") {
    const { sdp, sections } = event;
    turn.updateMedia({ negotiation: { ...negotiation, stage: "made", sdp, sections } });
  }
}

/** The browser could not make the offer. */
export function offerFailed(turn: Turn, { offer, detail }: Extract<Event, { on: "offer_failed" }>): void {
  const { negotiation } = turn.state.media;
  if (negotiation?.offer !== offer) {
    return;
  }
  turn.updateMedia({ negotiation: null });
  if (negotiation.purpose === "join") {
    end(turn, { code: "unsupported_browser", detail });
  } else {
    escalate(turn, negotiation.purpose, { code: "unsupported_media", detail });
  }
}

export function applyAnswer(turn: Turn, sdp: string, iceServers: readonly IceServer[] | null): void {
  const { negotiation } = turn.state.media;
  if (negotiation?.stage === "sent") {
    turn.updateMedia({ negotiation: { ...negotiation, stage: "applying" }, published: negotiation.sections });
    turn.command({ do: "apply_answer", offer: negotiation.offer, sdp, iceServers });
  }
}

/** The browser has taken the answer: the transport connects by itself now, within a time. */
export function answerApplied(turn: Turn, { offer, moved }: Extract<Event, { on: "answer_applied" }>): void {
  const { negotiation, transport } = turn.state.media;
  if (negotiation?.offer !== offer) {
    return;
  }
  const { purpose } = negotiation;
  turn.updateMedia({ negotiation: null });
  if (purpose === "sections") {
    return;
  }
  const isNew = purpose === "join" || purpose === "new_transport";
  turn.updateMedia({
    connecting: { purpose, moved },
    transport: transport === "none" ? "connecting" : isNew ? "lost" : transport,
  });
  turn.expect("media", isNew ? CONNECT_TIMEOUT_MS : RESTART_TIMEOUT_MS);
}

/** The browser rejects the answer (some reject another node's certificate on an existing transport). */
export function answerRefused(turn: Turn, { offer, detail }: Extract<Event, { on: "answer_refused" }>): void {
  const { negotiation } = turn.state.media;
  if (negotiation?.offer === offer) {
    turn.updateMedia({ negotiation: null, transport: "lost" });
    // Nothing that keeps this transport can help.
    const { purpose } = negotiation;
    if (purpose === "join" || purpose === "new_transport") {
      retryLater(turn, "new_transport", { code: "unsupported_media", detail });
    } else {
      want(turn, "new_transport");
    }
  }
}

export function transportConnected(turn: Turn): void {
  const { wanted } = turn.state.media;
  turn.settle("media", "renegotiate");
  // A network that came back by itself needs no restart.
  turn.updateMedia({
    transport: "up",
    connecting: null,
    vainRestarts: 0,
    failures: 0,
    wanted: wanted === "ice_restart" ? null : wanted,
  });
}

/** Nothing has arrived from the node for too long, or the browser gave up. */
export function transportLost(turn: Turn, { why }: Extract<Event, { on: "transport_lost" }>): void {
  const { phase, media, signaling } = turn.state;
  if (phase !== "active" || media.transport === "none") {
    return;
  }
  turn.updateMedia({ transport: "lost" });
  if (media.connecting !== null) {
    // A connection in the making is quiet at first; but when it has failed there is nothing to wait for.
    if (why !== "quiet") {
      connectTimedOut(turn);
    }
    return;
  }
  if (media.negotiation !== null && media.negotiation.purpose !== "sections") {
    return;
  }
  if (why === "dtls") {
    // The path is fine, so that another path does not help.
    want(turn, "new_transport");
    return;
  }
  // Whose fault is it? If the socket is gone too it is likely the client's own network, and the node is fine.
  want(turn, signaling.greeted ? "transport_dead" : "ice_restart");
  if (signaling.at === "open") {
    probe(turn);
  }
}

/** The application has detected a media failure. */
export function recover(turn: Turn, { reason }: Extract<Event, { on: "recover" }>): void {
  if (turn.state.phase === "active" && turn.state.media.transport !== "none") {
    want(turn, reason);
  }
}

/** The answer was taken, but nothing connected. */
export function connectTimedOut(turn: Turn): void {
  const { connecting, vainRestarts } = turn.state.media;
  turn.settle("media");
  turn.updateMedia({ transport: "lost", connecting: null });
  if (connecting === null) {
    return;
  }
  const { purpose, moved } = connecting;
  if (purpose === "new_transport") {
    // A node that the edge does not know to be dead answers new transports too, so that the ladder begins again.
    turn.updateMedia({ vainRestarts: 0 });
    retryLater(turn, "transport_dead", { code: "media_unreachable", detail: "a new transport did not connect" });
  } else if (purpose !== "transport_dead") {
    want(turn, "transport_dead");
  } else if (moved || vainRestarts + 1 >= VAIN_RESTARTS_MAX) {
    // Another node's certificate on a transport that exists: some browsers take the answer and then do not connect.
    want(turn, "new_transport");
  } else {
    turn.updateMedia({ vainRestarts: vainRestarts + 1 });
    want(turn, "transport_dead");
  }
}

/** The edge did not answer an offer but refused it. */
export function negotiateRefused(turn: Turn, failure: Failure, mayRetry: boolean): void {
  const { negotiation } = turn.state.media;
  if (negotiation?.stage !== "sent" || negotiation.purpose === "join") {
    return;
  }
  const { purpose } = negotiation;
  turn.updateMedia({ negotiation: null });
  if (purpose === "sections" && !mayRetry) {
    // More slots can be done without; a screen that nobody will see must not be captured.
    turn.report(failure.code, failure.detail);
    turn.command({ do: "drop_screen" });
  } else if (mayRetry) {
    retryLater(turn, purpose, failure);
  } else {
    escalate(turn, purpose, failure);
  }
}

/** The socket is lost: an unanswered offer is created again after it is back. */
export function abandonNegotiation(turn: Turn): void {
  const { negotiation } = turn.state.media;
  if (negotiation === null || negotiation.stage === "applying") {
    return;
  }
  if (negotiation.purpose === "join") {
    // Joining twice with one attempt is joining once, so the same offer is sent again.
    const stage = negotiation.stage === "sent" ? "made" : negotiation.stage;
    turn.updateMedia({ negotiation: { ...negotiation, stage } });
    return;
  }
  turn.updateMedia({ negotiation: null });
  // With the socket gone as well, the node is not to blame; `resumed` says if it is.
  want(turn, negotiation.purpose === "transport_dead" ? "ice_restart" : negotiation.purpose);
}

/** The session no longer exists: joins again, with a new transport. */
export function rejoin(turn: Turn): void {
  const { attempt, told } = turn.state;
  turn.settle("media", "renegotiate", "view");
  turn.update({ session: null, attempt: { ...attempt, count: attempt.count + 1 }, told: { ...told, muted: {}, view: NO_VIEW }, limits: NO_LIMITS, undecodable: [] });
  turn.updateSignaling({ greeted: false });
  turn.updateMedia({ connecting: null });
  begin(turn, "join");
}

function sendOffer(turn: Turn, negotiation: Negotiation): void {
  const { attempt, muted, told } = turn.state;
  const tracks: TrackIntent[] = negotiation.sections.map(({ mid, source }) => ({
    mid,
    source,
    muted: muted[source] ?? false,
  }));
  const { purpose, sdp: offer } = negotiation;
  const message: ClientToEdge =
    purpose === "join"
      ? { type: "join", attempt: `${attempt.prefix}-${attempt.count}`, offer, tracks }
      : { type: "negotiate", offer, tracks, reason: purpose };
  turn.updateMedia({ negotiation: { ...negotiation, stage: "sent" } });
  turn.update({ told: { ...told, muted: Object.fromEntries(tracks.map((track) => [track.mid, track.muted])) } });
  turn.request(message);
}

/** If the current transport fails, a new one may work; if a new one fails, it may work later. */
function escalate(turn: Turn, from: Purpose, failure: Failure): void {
  if (from === "new_transport") {
    retryLater(turn, from, failure);
  } else {
    want(turn, "new_transport");
  }
}

function retryLater(turn: Turn, reason: NegotiateReason, failure: Failure): void {
  const { failures } = turn.state.media;
  turn.report(failure.code, failure.detail);
  turn.updateMedia({ failures: failures + 1 });
  want(turn, reason);
  turn.expect("renegotiate", RENEGOTIATE_MS_MIN + backoffMs(failures + 1, turn.random()));
}
