/** Handles expired deadlines. */
import { PING_INTERVAL_MS } from "../protocol.gen";
import type { DeadlineName } from "../state";
import { drop, end, open, ping } from "./connection";
import { connectTimedOut } from "./media";
import { viewDue } from "./requests";
import type { Turn } from "./turn";

/** In this order, where several deadlines have passed at once (a laptop was asleep). */
const EXPIRED: readonly (readonly [DeadlineName, (turn: Turn) => void])[] = [
  ["pong", drop],
  ["open", drop],
  ["reply", replyMissing],
  ["backoff", open],
  ["ping", pingDue],
  ["media", connectTimedOut],
  // Waiting is over; what is wanted begins at the end of the step.
  ["renegotiate", () => undefined],
  ["view", viewDue],
];

/** Handles every deadline that has passed. */
export function wake(turn: Turn): void {
  // This wake-up is used up, even if it came a moment too early (browsers round timers down): ask for the next one.
  turn.update({ wakeAtMs: null });
  for (const [name, expired] of EXPIRED) {
    const atMs = turn.state.deadlines[name];
    if (atMs !== undefined && atMs <= turn.nowMs) {
      turn.settle(name);
      expired(turn);
    }
  }
}

function replyMissing(turn: Turn): void {
  if (turn.state.phase === "leaving") {
    end(turn, null);
  } else {
    drop(turn);
  }
}

function pingDue(turn: Turn): void {
  // A ping that is not answered yet says all that another one could.
  if (turn.awaits("pong")) {
    turn.expect("ping", PING_INTERVAL_MS);
  } else {
    ping(turn);
  }
}
