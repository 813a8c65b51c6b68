/** The signaling socket: opening, keep-alive, loss and reconnection. Media is unaffected. */
import { backoffMs } from "../backoff";
import { CLOSE_NORMAL, CLOSE_POLICY, CLOSE_REMOVED, PING, PING_INTERVAL_MS } from "../protocol.gen";
import type { Event, Failure } from "../state";
import { dropWritten, unsend } from "./conversation";
import { abandonNegotiation, begin } from "./media";
import type { Turn } from "./turn";

/** A socket that does not open within this time is given up. */
export const OPEN_TIMEOUT_MS = 8_000;
/** A healthy edge answers a ping much faster, even to a phone. */
export const PONG_TIMEOUT_MS = 5_000;
/** The same after a sign of a network change; a false alarm only costs a resume, which users do not notice. */
export const PONG_TIMEOUT_SUSPICIOUS_MS = 1_000;
/** Attempts to join: about eight seconds on average. */
export const JOIN_TRIES_MAX = 6;
/** Attempts to reconnect: about four minutes on average. */
export const RECONNECT_TRIES_MAX = 60;

/** The first step: opens the socket and creates the offer at the same time. */
export function start(turn: Turn): void {
  if (turn.state.phase !== "idle") {
    return;
  }
  turn.update({ phase: "active" });
  open(turn);
  begin(turn, "join");
}

/** Opens a socket: a session is resumed with its own secret, so a join token may have expired. */
export function open(turn: Turn): void {
  const secret = turn.state.session?.resumeToken ?? null;
  turn.settle("backoff");
  turn.updateSignaling({ at: "opening", greeted: false, key: secret === null ? "token" : "secret" });
  turn.expect("open", OPEN_TIMEOUT_MS);
  turn.command({ do: "open_socket", secret });
}

/** The socket is open: resume the session if there is one, else join. */
export function opened(turn: Turn): void {
  const { phase, signaling, session } = turn.state;
  if (phase !== "active" || signaling.at !== "opening") {
    return;
  }
  turn.settle("open");
  turn.updateSignaling({ at: "open" });
  turn.expect("ping", PING_INTERVAL_MS);
  if (session !== null) {
    const last = turn.state.chat.at(-1)?.number;
    const known = last === undefined ? {} : { chat_after: last };
    turn.request({ type: "resume", session: session.id, resume_token: session.resumeToken, ...known });
  }
}

/** The socket was closed by the edge or by the network. */
export function socketClosed(turn: Turn, { code }: Extract<Event, { on: "socket_closed" }>): void {
  const { phase, signaling } = turn.state;
  if (phase === "leaving") {
    end(turn, null);
  } else if (phase === "active" && (signaling.at === "open" || signaling.at === "opening")) {
    // `removed` or `refused` comes before these two codes and says why; here it got lost.
    if (code === CLOSE_REMOVED || (code === CLOSE_POLICY && !turn.state.admitted)) {
      end(turn, { code: signaling.refusal ?? "forbidden", detail: `closed with ${code}` });
    } else {
      lost(turn);
    }
  }
}

/** Closes a dead or unwanted socket and reconnects. */
export function drop(turn: Turn): void {
  turn.command({ do: "close_socket", code: CLOSE_NORMAL });
  lost(turn);
}

/** Without a token there is no socket. */
export function tokenUnavailable(turn: Turn, { detail }: Extract<Event, { on: "token_unavailable" }>): void {
  if (turn.state.phase === "active" && turn.state.admitted) {
    // The application's server may be away for a moment; the room is not.
    lost(turn);
  } else if (turn.state.phase === "active") {
    end(turn, { code: "token_unavailable", detail });
  }
}

/** The browser reports that the network returned or changed: check immediately instead of waiting. */
export function networkChanged(turn: Turn): void {
  const { phase, signaling } = turn.state;
  if (phase !== "active") {
    return;
  }
  if (signaling.at === "waiting") {
    open(turn);
  } else if (signaling.at === "open") {
    probe(turn);
  }
}

/** Sends a ping soon. */
export function probe(turn: Turn): void {
  turn.command({ do: "send", text: PING });
  turn.expect("pong", PONG_TIMEOUT_SUSPICIOUS_MS);
}

/** Keeps the socket open through proxies, and detects a dead peer. */
export function ping(turn: Turn): void {
  turn.command({ do: "send", text: PING });
  turn.expect("pong", PONG_TIMEOUT_MS);
  turn.expect("ping", PING_INTERVAL_MS);
}

/** This socket has joined or resumed. */
export function greeted(turn: Turn): void {
  turn.updateSignaling({ greeted: true, failures: 0, refusal: null });
}

/** Ends the client for good. */
export function end(turn: Turn, failure: Failure | null): void {
  const why = failure ?? { code: "disconnected", detail: "the room was left" };
  turn.dropRequests(why);
  dropWritten(turn, why);
  turn.command({ do: "close_socket", code: CLOSE_NORMAL });
  turn.command({ do: "end", failure });
  turn.update({ phase: "ended", session: null, deadlines: {} });
  turn.updateSignaling({ at: "closed", greeted: false });
}

function lost(turn: Turn): void {
  turn.settle("open", "reply", "ping", "pong", "view");
  const { told } = turn.state;
  if (turn.state.requests.some(({ type }) => type === "view")) {
    turn.update({ told: { ...told, view: null } });
  }
  turn.dropRequests({ code: "disconnected", detail: "the socket was lost" });
  abandonNegotiation(turn);
  unsend(turn);
  const { signaling, admitted } = turn.state;
  const failures = signaling.failures + 1;
  if (failures >= (admitted ? RECONNECT_TRIES_MAX : JOIN_TRIES_MAX)) {
    end(turn, { code: signaling.refusal ?? "unreachable", detail: `after ${failures} tries` });
    return;
  }
  turn.updateSignaling({ at: "waiting", greeted: false, failures });
  turn.expect("backoff", backoffMs(signaling.failures, turn.random()));
}
