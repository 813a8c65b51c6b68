/**
 * The switch between media through the node and direct media, as a pure function: make before break, both ways.
 *
 * The room announces an attempt; each side connects, shows the direct media once all of it arrives, and reports that.
 * When everybody has, they stop sending to the node. On the way back they send to the node first, and close the direct
 * connections once its media arrives.
 */
import type { DirectInfo, ParticipantId } from "../protocol.gen";

/** An attempt whose media has not arrived by then has failed. */
export const TRY_MS = 15_000;
/** On the way back, the direct media is kept at most this long. */
export const RETURN_MS = 5_000;

export interface Switching {
  /** `returning`: the room has ended the attempt, and the node's media has not arrived yet. */
  readonly at: "node" | "trying" | "shown" | "direct" | "returning";
  readonly number: number;
  readonly others: readonly ParticipantId[];
  readonly live: readonly ParticipantId[];
  readonly untilMs: number | null;
}

export type SwitchingEvent =
  | { readonly on: "room"; readonly direct: DirectInfo | null; readonly self: ParticipantId }
  /** All media of a participant arrives directly. */
  | { readonly on: "live"; readonly participant: ParticipantId }
  | { readonly on: "lost" }
  | { readonly on: "node_media" }
  | { readonly on: "wake" };

export type SwitchingCommand =
  | { readonly do: "open"; readonly number: number; readonly others: readonly { readonly id: ParticipantId; readonly polite: boolean }[] }
  | { readonly do: "close" }
  | { readonly do: "report"; readonly number: number; readonly up: boolean }
  /** Sends nothing to the node, or sends to it again. */
  | { readonly do: "hold"; readonly held: boolean }
  | { readonly do: "show"; readonly direct: boolean };

export const AT_NODE: Switching = { at: "node", number: -1, others: [], live: [], untilMs: null };

/** The state after an event, and the commands in order. */
export function change(state: Switching, event: SwitchingEvent, nowMs: number): [Switching, SwitchingCommand[]] {
  switch (event.on) {
    case "room":
      return told(state, event.direct, event.self, nowMs);
    case "live":
      return live(state, event.participant);
    case "lost":
      return state.at === "node" || state.at === "returning" ? closed(state) : failed(state);
    case "node_media":
      return state.at === "returning" ? closed(state) : [state, []];
    case "wake": {
      const isDue = state.untilMs !== null && state.untilMs <= nowMs;
      return !isDue ? [state, []] : state.at === "returning" ? closed(state) : failed(state);
    }
  }
}

function told(state: Switching, direct: DirectInfo | null, self: ParticipantId, nowMs: number): [Switching, SwitchingCommand[]] {
  if (direct === null || (direct.number !== state.number && state.at !== "node")) {
    const [ended, commands] = back(state, nowMs);
    // Another attempt begins after the way back.
    return direct === null || ended.at !== "node" ? [ended, commands] : again(told(ended, direct, self, nowMs), commands);
  }
  if (direct.number !== state.number) {
    const own = direct.participants.indexOf(self);
    const others = direct.participants.flatMap((id, index) => (index === own ? [] : [{ id, polite: own > index }]));
    if (own < 0 || others.length === 0) {
      return [state, []];
    }
    const next: Switching = { at: "trying", number: direct.number, others: others.map(({ id }) => id), live: [], untilMs: nowMs + TRY_MS };
    return [next, [{ do: "open", number: direct.number, others }]];
  }
  if (direct.up && state.at === "shown") {
    return [{ ...state, at: "direct" }, [{ do: "hold", held: true }]];
  }
  return [state, []];
}

function again([state, more]: [Switching, SwitchingCommand[]], commands: SwitchingCommand[]): [Switching, SwitchingCommand[]] {
  return [state, [...commands, ...more]];
}

/** The room has ended the attempt. */
function back(state: Switching, nowMs: number): [Switching, SwitchingCommand[]] {
  switch (state.at) {
    case "node":
    case "returning":
      return [state, []];
    case "trying":
      return closed(state);
    case "shown":
      return closed(state);
    case "direct":
      return [{ ...state, at: "returning", untilMs: nowMs + RETURN_MS }, [{ do: "hold", held: false }]];
  }
}

function live(state: Switching, participant: ParticipantId): [Switching, SwitchingCommand[]] {
  if (state.at !== "trying" || state.live.includes(participant)) {
    return [state, []];
  }
  const all = [...state.live, participant];
  const isComplete = state.others.every((id) => all.includes(id));
  const next: Switching = { ...state, live: all, ...(isComplete ? { at: "shown", untilMs: null } : {}) };
  return [next, isComplete ? [{ do: "show", direct: true }, { do: "report", number: state.number, up: true }] : []];
}

/** A direct connection was lost: the node's media is shown again at once. */
function failed(state: Switching): [Switching, SwitchingCommand[]] {
  const [next, commands] = closed(state);
  return [next, [{ do: "report", number: state.number, up: false }, ...commands]];
}

function closed(state: Switching): [Switching, SwitchingCommand[]] {
  if (state.at === "node") {
    return [state, []];
  }
  const held: SwitchingCommand[] = state.at === "direct" ? [{ do: "hold", held: false }] : [];
  const shown: SwitchingCommand[] = state.at === "trying" ? [] : [{ do: "show", direct: false }];
  return [{ ...AT_NODE, number: state.number }, [...held, ...shown, { do: "close" }]];
}
