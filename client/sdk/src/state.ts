/**
 * The client's half of the protocol as a pure function: no DOM, no timers, no randomness of its own.
 *
 * `step` takes an event and returns commands. `room.ts` is the shell that executes them.
 */
import { networkChanged, opened, pageHidden, pageShown, socketClosed, start, tokenUnavailable } from "./state/connection";
import { write } from "./state/conversation";
import type { Command, Event } from "./state/event";
import { received } from "./state/frames";
import {
  answerApplied,
  answerRefused,
  offerFailed,
  offerMade,
  sectionsChanged,
  recover,
  transportConnected,
  transportLost,
} from "./state/media";
import type { State } from "./state/model";
import { ask, leave, setMuted, setView } from "./state/requests";
import { advance, wake } from "./state/schedule";
import { Step } from "./state/step";

export type { Ask, Command, Event, Failure, PeerMessage, PeerRequest } from "./state/event";
export type { AudiencePage, Lines, PublishedSection, SlotCounts, State, WantedLayers } from "./state/model";
export { initial } from "./state/model";

type Handlers = { readonly [E in Event as E["on"]]: (step: Step, event: E) => void };

const HANDLERS: Handlers = {
  start,
  socket_opened: opened,
  socket_closed: socketClosed,
  token_unavailable: tokenUnavailable,
  frame: received,
  network_changed: networkChanged,
  page_hidden: pageHidden,
  page_shown: pageShown,
  offer_made: offerMade,
  offer_failed: offerFailed,
  answer_applied: answerApplied,
  answer_refused: answerRefused,
  transport_connected: transportConnected,
  transport_lost: transportLost,
  recover,
  set_muted: setMuted,
  set_view: setView,
  sections_changed: sectionsChanged,
  write,
  ask,
  leave,
  wake,
};

/** The state after an event, and the commands in order. */
export function step(state: State, event: Event, nowMs: number): [State, Command[]] {
  const current = new Step(state, nowMs);
  // The table has a handler of the right type for every event; TypeScript cannot follow the pairing.
  const handle = HANDLERS[event.on] as (step: Step, event: Event) => void;
  handle(current, event);
  advance(current);
  return current.finish();
}

export type Connection = "connecting" | "connected" | "reconnecting" | "ended";

/** `reconnecting` as soon as the socket or the media transport is lost. */
export function connection(state: State): Connection {
  if (state.phase === "leaving" || state.phase === "ended") {
    return "ended";
  }
  if (!state.admitted) {
    return "connecting";
  }
  return state.signaling.greeted && state.media.transport !== "lost" ? "connected" : "reconnecting";
}
