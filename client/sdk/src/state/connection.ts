/** The signaling socket: opening, keep-alive, loss and reconnection. Media is unaffected. */
import { backoffMs } from "../backoff";
import { CLOSE_NORMAL, CLOSE_PAGE_HIDDEN, CLOSE_POLICY, CLOSE_REMOVED, PING, PING_INTERVAL_MS } from "../protocol.gen";
import { unsend } from "./conversation";
import type { Event } from "./event";
import { abandonNegotiation, abandonTransport, begin, rejoin, want } from "./media";
import { learnMuted } from "./requests";
import type { Step } from "./step";

/** A socket that does not open within this time is given up. */
export const OPEN_TIMEOUT_MS = 8_000;
/** A healthy edge answers a ping much faster, even to a phone. */
export const PONG_TIMEOUT_MS = 5_000;
/**
 * Attempts to join: about twelve seconds on average. A crowded edge answers an upgrade with 429, which browsers hide:
 * it looks like a lost connection. Five hundred people who arrive at once are all admitted within this many attempts.
 */
export const JOIN_TRIES_MAX = 8;
/** Attempts to reconnect: about four minutes on average. */
export const RECONNECT_TRIES_MAX = 60;

/** The first step: opens the socket and creates the offer at the same time. */
export function start(step: Step): void {
  if (step.state.phase !== "idle") {
    return;
  }
  step.update({ phase: "active" });
  open(step);
  begin(step, "join");
}

/** Opens a socket: a session is resumed with its own secret, so a join token may have expired. */
export function open(step: Step): void {
  const secret = step.state.session?.resumeToken ?? null;
  step.settle("backoff");
  step.updateSignaling({ at: "opening", greeted: false, key: secret === null ? "token" : "secret" });
  step.expect("open", OPEN_TIMEOUT_MS);
  step.command({ do: "open_socket", secret });
}

/** The socket is open: resume the session if there is one, else join. */
export function opened(step: Step): void {
  const { phase, signaling, session } = step.state;
  if (phase !== "active" || signaling.at !== "opening") {
    return;
  }
  step.settle("open");
  step.updateSignaling({ at: "open" });
  step.expect("ping", PING_INTERVAL_MS);
  if (session !== null) {
    const last = step.state.chat.at(-1)?.number;
    const chat = last === undefined ? {} : { chat_after: last };
    const { rosterRevision } = step.state;
    const roster = rosterRevision === null ? {} : { revision: rosterRevision };
    step.request({ type: "resume", session: session.id, resume_token: session.resumeToken, ...chat, ...roster });
  }
}

/** Handles a socket closed by the edge or the network. */
export function socketClosed(step: Step, { code }: Extract<Event, { on: "socket_closed" }>): void {
  const { phase, signaling } = step.state;
  if (phase === "leaving") {
    step.end(null);
  } else if (phase === "active" && (signaling.at === "open" || signaling.at === "opening")) {
    // `removed` or `refused` normally precedes these two codes with the reason; here it was lost.
    if (code === CLOSE_REMOVED || (code === CLOSE_POLICY && !step.state.admitted)) {
      step.end({ code: signaling.refusal ?? "forbidden", detail: `closed with ${code}` });
    } else {
      lost(step);
    }
  }
}

/** Closes a dead or unwanted socket and reconnects. */
export function drop(step: Step): void {
  step.command({ do: "close_socket", code: CLOSE_NORMAL });
  lost(step);
}

/** Without a token there is no socket. */
export function tokenUnavailable(step: Step, { failure }: Extract<Event, { on: "token_unavailable" }>): void {
  if (step.state.phase === "active" && step.state.admitted) {
    // The application's server may be unavailable for a moment; the room is not.
    lost(step);
  } else if (step.state.phase === "active") {
    step.end(failure);
  }
}

/** The browser reports that the network returned or changed: check immediately instead of waiting. */
export function networkChanged(step: Step): void {
  const { phase, signaling } = step.state;
  if (phase !== "active") {
    return;
  }
  if (signaling.at === "waiting") {
    open(step);
  } else if (signaling.at === "open") {
    step.probe();
  }
}

/** The shell closes the transport: everything pending is abandoned. */
export function pageHidden(step: Step): void {
  const { phase } = step.state;
  if (phase === "leaving") {
    step.end(null);
  } else if (phase === "active") {
    step.command({ do: "close_socket", code: CLOSE_PAGE_HIDDEN });
    dropSent(step);
    abandonTransport(step);
    step.update({ deadlines: {} });
    step.updateSignaling({ at: "closed", greeted: false, failures: 0 });
  }
}

/** The room may or may not have kept the participant's place. */
export function pageShown(step: Step): void {
  const { phase, signaling, session } = step.state;
  if (phase !== "active" || signaling.at !== "closed") {
    return;
  }
  if (session === null) {
    rejoin(step);
  } else {
    want(step, "new_transport");
  }
  open(step);
}

/** Keeps the socket open through proxies, and detects a dead peer. */
export function ping(step: Step): void {
  step.command({ do: "send", text: PING });
  step.expect("pong", PONG_TIMEOUT_MS);
  step.expect("ping", PING_INTERVAL_MS);
}

/** Handles a successful join or resume on this socket. */
export function greeted(step: Step): void {
  step.updateSignaling({ greeted: true, failures: 0, refusal: null });
}

function lost(step: Step): void {
  step.settle("open", "reply", "ping", "pong", "view", "mute");
  dropSent(step);
  const { signaling, admitted } = step.state;
  const failures = signaling.failures + 1;
  if (failures >= (admitted ? RECONNECT_TRIES_MAX : JOIN_TRIES_MAX)) {
    step.end({ code: signaling.refusal ?? "unreachable", detail: `after ${failures} tries` });
    return;
  }
  step.updateSignaling({ at: "waiting", greeted: false, failures });
  // After a restart of the room all its clients return at once; the room says how long it takes to answer them.
  const spread = signaling.failures === 0 ? (step.state.room?.resume_spread_ms ?? 0) : 0;
  const wait = spread === 0 ? backoffMs(signaling.failures, step.random()) : Math.floor(spread * step.random());
  step.expect("backoff", wait);
}

/** Abandons unanswered requests: they may not have arrived. */
function dropSent(step: Step): void {
  const { told } = step.state;
  if (step.state.requests.some(({ type }) => type === "view")) {
    step.update({ told: { ...told, view: null } });
  }
  // If the edge has a section muted now, that may be the user's doing.
  step.state.requests.forEach(({ mute }) => (mute?.muted === true ? learnMuted(step, mute.mid, null) : undefined));
  step.dropRequests({ code: "disconnected", detail: "the socket was lost" });
  abandonNegotiation(step);
  unsend(step);
}
