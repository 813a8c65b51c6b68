/** The media transport: one negotiation at a time, with escalating reasons if it does not connect. */
import { backoffMs } from "../backoff";
import type { ClientToEdge, IceServer, NegotiateReason, TrackIntent } from "../protocol.gen";
import type { Event, Failure } from "./event";
import type { Negotiation, Purpose } from "./model";
import { NO_LIMITS, NO_VIEW } from "./model";
import type { Step } from "./step";

/** A first connection may need TURN over TLS through a proxy. */
export const CONNECT_TIMEOUT_MS = 8_000;
/** An ICE restart on a healthy path takes a tenth of this. */
export const RESTART_TIMEOUT_MS = 2_500;
/** The edge believes a client's second report that its node is dead. */
const VAIN_RESTARTS_MAX = 2;
/** Minimum pause before a media node is requested again. */
const RENEGOTIATE_MS_MIN = 500;

// If several are wanted at once, the last of these includes the others: every offer has all slots.
const LADDER: readonly NegotiateReason[] = ["sections", "ice_restart", "transport_dead", "new_transport"];

/** Requests an offer from the browser. */
export function begin(step: Step, purpose: Purpose): void {
  const offer = step.state.media.offersMade + 1;
  const negotiation: Negotiation = { offer, purpose, stage: "making", sdp: "", sections: [] };
  step.updateMedia({ negotiation, offersMade: offer, wanted: null });
  const isNew = purpose === "join" || purpose === "new_transport";
  const transport = isNew ? "new" : purpose === "sections" ? "keep" : "restart_ice";
  // TURN credentials expire and nodes come and go, so candidates are gathered with the servers in the answer.
  const awaitsServers = purpose !== "sections";
  step.command({ do: "make_offer", offer, transport, awaitsServers, slots: step.state.media.slots });
}

/** Negotiates for this reason as soon as possible. */
export function want(step: Step, reason: NegotiateReason): void {
  const { wanted } = step.state.media;
  if (wanted === null || LADDER.indexOf(reason) > LADDER.indexOf(wanted)) {
    step.updateMedia({ wanted: reason });
  }
}

/** Renegotiates after a change of the user's published sources. */
export function sectionsChanged(step: Step): void {
  if (step.state.phase === "active") {
    want(step, "sections");
  }
}

/** Stores the browser's offer; it is sent as soon as the socket is ready. */
export function offerMade(step: Step, event: Extract<Event, { on: "offer_made" }>): void {
  const { negotiation } = step.state.media;
  if (negotiation?.offer === event.offer && negotiation.stage === "making") {
    const { sdp, sections } = event;
    step.updateMedia({ negotiation: { ...negotiation, stage: "made", sdp, sections } });
  }
}

/** Handles the browser's failure to create an offer. */
export function offerFailed(step: Step, { offer, detail }: Extract<Event, { on: "offer_failed" }>): void {
  const { negotiation } = step.state.media;
  if (negotiation?.offer !== offer) {
    return;
  }
  step.updateMedia({ negotiation: null });
  if (negotiation.purpose === "join") {
    step.end({ code: "unsupported_browser", detail });
  } else {
    escalate(step, negotiation.purpose, { code: "unsupported_media", detail });
  }
}

export function applyAnswer(step: Step, sdp: string, iceServers: readonly IceServer[] | null): void {
  const { negotiation } = step.state.media;
  if (negotiation?.stage === "sent") {
    step.updateMedia({ negotiation: { ...negotiation, stage: "applying" }, published: negotiation.sections });
    step.command({ do: "apply_answer", offer: negotiation.offer, sdp, iceServers });
  }
}

/** Waits for the transport to connect, up to a time limit, after the browser has applied the answer. */
export function answerApplied(step: Step, { offer, moved }: Extract<Event, { on: "answer_applied" }>): void {
  const { negotiation, transport } = step.state.media;
  if (negotiation?.offer !== offer) {
    return;
  }
  const { purpose } = negotiation;
  step.updateMedia({ negotiation: null });
  if (purpose === "sections") {
    return;
  }
  const isNew = purpose === "join" || purpose === "new_transport";
  step.updateMedia({
    connecting: { purpose, moved },
    transport: transport === "none" ? "connecting" : isNew ? "lost" : transport,
  });
  step.expect("media", isNew ? CONNECT_TIMEOUT_MS : RESTART_TIMEOUT_MS);
}

/** Handles an answer that the browser rejects; some reject another node's certificate on an existing transport. */
export function answerRefused(step: Step, { offer, detail }: Extract<Event, { on: "answer_refused" }>): void {
  const { negotiation } = step.state.media;
  if (negotiation?.offer === offer) {
    step.updateMedia({ negotiation: null, transport: "lost" });
    // Nothing that keeps this transport can help.
    const { purpose } = negotiation;
    if (purpose === "join" || purpose === "new_transport") {
      retryLater(step, "new_transport", { code: "unsupported_media", detail });
    } else {
      want(step, "new_transport");
    }
  }
}

export function transportConnected(step: Step): void {
  const { wanted } = step.state.media;
  step.settle("media", "renegotiate");
  // A network that recovered by itself needs no restart.
  step.updateMedia({
    transport: "up",
    connecting: null,
    vainRestarts: 0,
    failures: 0,
    wanted: wanted === "ice_restart" ? null : wanted,
  });
}

/** Handles a transport on which nothing has arrived for too long, or that the browser gave up. */
export function transportLost(step: Step, { why }: Extract<Event, { on: "transport_lost" }>): void {
  const { phase, media, signaling } = step.state;
  if (phase !== "active" || media.transport === "none") {
    return;
  }
  step.updateMedia({ transport: "lost" });
  if (media.connecting !== null) {
    // A connecting transport is quiet at first; but a failed one never recovers.
    if (why !== "quiet") {
      connectTimedOut(step);
    }
    return;
  }
  if (media.negotiation !== null && media.negotiation.purpose !== "sections") {
    return;
  }
  if (why === "dtls") {
    // The path is fine, so another path does not help.
    want(step, "new_transport");
    return;
  }
  // If the socket is lost too, the client's own network is the likely cause, and the node is fine.
  want(step, signaling.greeted ? "transport_dead" : "ice_restart");
  if (signaling.at === "open") {
    step.probe();
  }
}

/** Starts the remedy for a media failure that the application has detected. */
export function recover(step: Step, { reason }: Extract<Event, { on: "recover" }>): void {
  if (step.state.phase === "active" && step.state.media.transport !== "none") {
    want(step, reason);
  }
}

/** Handles an applied answer whose transport did not connect. */
export function connectTimedOut(step: Step): void {
  const { connecting, vainRestarts } = step.state.media;
  step.settle("media");
  step.updateMedia({ transport: "lost", connecting: null });
  if (connecting === null) {
    return;
  }
  const { purpose, moved } = connecting;
  if (purpose === "new_transport") {
    // A node that the edge does not know to be dead answers new transports too, so the ladder begins again.
    step.updateMedia({ vainRestarts: 0 });
    retryLater(step, "transport_dead", { code: "media_unreachable", detail: "a new transport did not connect" });
  } else if (purpose !== "transport_dead") {
    want(step, "transport_dead");
  } else if (moved || vainRestarts + 1 >= VAIN_RESTARTS_MAX) {
    // Another node's certificate on an existing transport: some browsers accept the answer and then do not connect.
    want(step, "new_transport");
  } else {
    step.updateMedia({ vainRestarts: vainRestarts + 1 });
    want(step, "transport_dead");
  }
}

/** Handles the edge's refusal of an offer. */
export function negotiateRefused(step: Step, failure: Failure, mayRetry: boolean): void {
  const { negotiation } = step.state.media;
  if (negotiation?.stage !== "sent" || negotiation.purpose === "join") {
    return;
  }
  const { purpose } = negotiation;
  step.updateMedia({ negotiation: null });
  if (purpose === "sections" && !mayRetry) {
    // The call can continue with fewer slots, but a screen that nobody will see must not be captured.
    step.report(failure.code, failure.detail);
    step.command({ do: "drop_screen" });
  } else if (mayRetry) {
    retryLater(step, purpose, failure);
  } else {
    escalate(step, purpose, failure);
  }
}

/** Keeps an unanswered negotiation when the socket is lost; its offer is created again afterwards. */
export function abandonNegotiation(step: Step): void {
  const { negotiation } = step.state.media;
  if (negotiation === null || negotiation.stage === "applying") {
    return;
  }
  if (negotiation.purpose === "join") {
    // Repeating a join with the same attempt joins only once, so the same offer is sent again.
    const stage = negotiation.stage === "sent" ? "made" : negotiation.stage;
    step.updateMedia({ negotiation: { ...negotiation, stage } });
    return;
  }
  step.updateMedia({ negotiation: null });
  // With the socket lost as well, the node is not to blame; `resumed` reports if it is.
  want(step, negotiation.purpose === "transport_dead" ? "ice_restart" : negotiation.purpose);
}

/** Abandons the transport, which is closed, and any negotiation on it. */
export function abandonTransport(step: Step): void {
  const { transport } = step.state.media;
  step.updateMedia({ negotiation: null, connecting: null, transport: transport === "none" ? "none" : "lost" });
}

/** Joins again with a new transport, because the session no longer exists. */
export function rejoin(step: Step): void {
  const { attempt, told } = step.state;
  step.settle("media", "renegotiate", "view");
  step.update({ session: null, attempt: { ...attempt, count: attempt.count + 1 }, told: { ...told, muted: {}, view: NO_VIEW }, limits: NO_LIMITS, undecodable: [] });
  step.updateSignaling({ greeted: false });
  step.updateMedia({ connecting: null });
  begin(step, "join");
}

/** Sends the offer that the browser has made. */
export function sendOffer(step: Step, negotiation: Negotiation): void {
  const { attempt, muted, told } = step.state;
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
  step.updateMedia({ negotiation: { ...negotiation, stage: "sent" } });
  // The edge is known to have an earlier state of a section until it answers.
  const known = purpose === "join" ? {} : told.muted;
  step.update({ told: { ...told, muted: Object.fromEntries(tracks.map(({ mid, muted: wanted }) => [mid, known[mid] ?? wanted])) } });
  step.request(message);
}

/** If the current transport fails, a new one may work; if a new one fails, it may work later. */
function escalate(step: Step, from: Purpose, failure: Failure): void {
  if (from === "new_transport") {
    retryLater(step, from, failure);
  } else {
    want(step, "new_transport");
  }
}

function retryLater(step: Step, reason: NegotiateReason, failure: Failure): void {
  const { failures } = step.state.media;
  step.report(failure.code, failure.detail);
  step.updateMedia({ failures: failures + 1 });
  want(step, reason);
  step.expect("renegotiate", RENEGOTIATE_MS_MIN + backoffMs(failures + 1, step.random()));
}
