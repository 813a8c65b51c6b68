/** User requests. */
import type { ParticipantId } from "../protocol.gen";
import { VIEW_PARTICIPANTS_MAX } from "../protocol.gen";
import type { Event, Lines, View } from "../state";
import { end } from "./connection";
import type { Turn } from "./turn";

/** How long leaving waits for the edge's confirmation. */
export const LEAVE_TIMEOUT_MS = 1_000;
/** The view is sent after a random delay between this and twice this, so that a room's clients do not all send at once. */
export const VIEW_DELAY_MS = 200;
/** Tile sizes are rounded to these steps. */
const LINES_STEP = 90;
/** The protocol's maximum. */
const LINES_MAX = 0xffff - LINES_STEP;

/** Mutes or unmutes; sent to the edge as soon as possible. */
export function setMuted(turn: Turn, { source, muted }: Extract<Event, { on: "set_muted" }>): void {
  turn.update({ muted: { ...turn.state.muted, [source]: muted } });
}

/** Sets the view; sent to the edge as soon as possible. */
export function setView(turn: Turn, { participants: all, lines }: Extract<Event, { on: "set_view" }>): void {
  const participants = [...new Set(all)].slice(0, VIEW_PARTICIPANTS_MAX);
  turn.update({ view: { participants, lines: lines === null ? null : inSteps(participants, lines) } });
}

/** Rounds up, so that a window that is dragged does not change the view with each pixel. */
function inSteps(participants: readonly ParticipantId[], lines: Lines): Lines {
  const entries = participants.flatMap((id) => {
    const exact = lines[id];
    const steps = Math.ceil(Math.max(1, Math.min(exact ?? 0, LINES_MAX)) / LINES_STEP);
    return exact === undefined ? [] : [[id, steps * LINES_STEP] as const];
  });
  return Object.fromEntries(entries);
}

/** Sends a one-shot request, or fails immediately. */
export function ask(turn: Turn, { request, ticket }: Extract<Event, { on: "ask" }>): void {
  if (turn.state.phase !== "active" || !turn.state.signaling.greeted) {
    turn.settleTicket(ticket, { code: "disconnected", detail: request.type });
    return;
  }
  turn.request(request, ticket);
}

export function leave(turn: Turn): void {
  const { phase, signaling } = turn.state;
  if (phase === "active" && signaling.at === "open") {
    turn.update({ phase: "leaving", deadlines: {} });
    turn.request({ type: "leave" });
    turn.expect("reply", LEAVE_TIMEOUT_MS);
  } else if (phase === "active" || phase === "idle") {
    end(turn, null);
  }
}

/** Sends unsent changes to the edge; the view is delayed, because participants come and go in bursts. */
export function tellDifferences(turn: Turn): void {
  for (const { mid, source } of turn.state.media.published) {
    const muted = turn.state.muted[source] ?? false;
    const { told } = turn.state;
    if (told.muted[mid] !== undefined && told.muted[mid] !== muted) {
      turn.update({ told: { ...told, muted: { ...told.muted, [mid]: muted } } });
      turn.request({ type: "set_muted", mid, muted });
    }
  }
  if (isViewNews(turn) && !turn.awaits("view")) {
    turn.expect("view", VIEW_DELAY_MS * (1 + turn.random()));
  }
}

/** The view has settled: sends it, if it still differs. */
export function viewDue(turn: Turn): void {
  const { phase, signaling, view, told } = turn.state;
  if (phase === "active" && signaling.greeted && view !== null && isViewNews(turn)) {
    turn.update({ told: { ...told, view } });
    const { participants, lines } = view;
    turn.request({ type: "view", participants: [...participants], ...(lines === null ? {} : { lines }) });
  }
}

/** Whether the edge does not know the view and it decides what plays, or how large. */
function isViewNews(turn: Turn): boolean {
  const { view, told, roster, self, media } = turn.state;
  if (view === null || (told.view !== null && isSame(view, told.view))) {
    return false;
  }
  const others = roster.filter(({ id }) => id !== self);
  const pictures = others.flatMap(({ tracks }) => tracks).filter(({ kind }) => kind === "video");
  // Without sizes it decides nothing while every picture has a slot.
  return view.lines === null && told.view?.lines === null ? pictures.length > media.slots.video : pictures.length > 0;
}

function isSame(a: View, b: View): boolean {
  const isListSame = a.participants.length === b.participants.length && a.participants.every((id, index) => id === b.participants[index]);
  return isListSame && (a.lines === null || b.lines === null ? a.lines === b.lines : isSizeSame(a.participants, a.lines, b.lines));
}

function isSizeSame(participants: readonly ParticipantId[], a: Lines, b: Lines): boolean {
  return participants.every((id) => a[id] === b[id]);
}
