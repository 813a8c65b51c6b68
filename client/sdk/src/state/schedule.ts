/** Scheduled work: passed deadlines, and actions that a step has made possible. */
import { PING_INTERVAL_MS } from "../protocol.gen";
import { drop, open, ping } from "./connection";
import { sendWritten } from "./conversation";
import { begin, connectTimedOut, sendOffer } from "./media";
import type { DeadlineName } from "./model";
import { tellDifferences, viewDue } from "./requests";
import type { Step } from "./step";

/** In this order if several deadlines have passed at once (a laptop was asleep). */
const EXPIRED: readonly (readonly [DeadlineName, (step: Step) => void])[] = [
  ["pong", drop],
  ["open", drop],
  ["reply", replyMissing],
  ["backoff", open],
  ["ping", pingDue],
  ["media", connectTimedOut],
  // The wait is over; the wanted negotiation begins at the end of the step.
  ["renegotiate", () => undefined],
  // Likewise for what was refused.
  ["mute", () => undefined],
  ["view", viewDue],
];

/** Handles every deadline that has passed. */
export function wake(step: Step): void {
  // The wake-up is spent, even if it came slightly too early (browsers round timers down): request the next one.
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
  // A pending ping answers the same question.
  if (step.awaits("pong")) {
    step.expect("ping", PING_INTERVAL_MS);
  } else {
    ping(step);
  }
}
