/** When things begin by themselves: deadlines that have passed, and whatever a step has made possible. */
import { PING_INTERVAL_MS } from "../protocol.gen";
import { drop, open, ping } from "./connection";
import { sendWritten } from "./conversation";
import { begin, connectTimedOut, sendOffer } from "./media";
import type { DeadlineName } from "./model";
import { tellDifferences, viewDue } from "./requests";
import type { Step } from "./step";

/** In this order, where several deadlines have passed at once (a laptop was asleep). */
const EXPIRED: readonly (readonly [DeadlineName, (step: Step) => void])[] = [
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
export function wake(step: Step): void {
  // This wake-up is used up, even if it came a moment too early (browsers round timers down): ask for the next one.
  step.update({ wakeAtMs: null });
  for (const [name, expired] of EXPIRED) {
    const atMs = step.state.deadlines[name];
    if (atMs !== undefined && atMs <= step.nowMs) {
      step.settle(name);
      expired(step);
    }
  }
}

/** Starts whatever has become possible; the last action of every step. */
export function advance(step: Step): void {
  const { phase, signaling, session, media } = step.state;
  if (phase !== "active" || signaling.at !== "open") {
    return;
  }
  const { negotiation } = media;
  if (negotiation?.stage === "made" && (negotiation.purpose === "join" ? session === null : step.isReady)) {
    sendOffer(step, negotiation);
  } else if (negotiation === null && media.wanted !== null && step.isReady && !step.awaits("renegotiate")) {
    begin(step, media.wanted);
  }
  if (step.isReady) {
    tellDifferences(step);
    sendWritten(step);
  }
}

function replyMissing(step: Step): void {
  if (step.state.phase === "leaving") {
    step.end(null);
  } else {
    drop(step);
  }
}

function pingDue(step: Step): void {
  // A ping that is not answered yet says all that another one could.
  if (step.awaits("pong")) {
    step.expect("ping", PING_INTERVAL_MS);
  } else {
    ping(step);
  }
}
