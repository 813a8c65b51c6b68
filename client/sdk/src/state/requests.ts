/** What the user asks for. */
import type { ParticipantId } from "../protocol.gen";
import { VIEW_PARTICIPANTS_MAX } from "../protocol.gen";
import type { Event, Lines, View } from "../state";
import { end } from "./connection";
import type { Turn } from "./turn";

/** Leaving waits no longer than this for the edge to say yes. */
export const LEAVE_TIMEOUT_MS = 1_000;
/** The view is told between this and twice this after it changed, so that a room does not speak with one voice. */
export const VIEW_DELAY_MS = 200;
/** Sizes of tiles are told in these steps. */
const LINES_STEP = 90;
/** What the protocol can say. */
const LINES_MAX = 0xffff - LINES_STEP;

/** Mutes or unmutes; the edge is told when it can be. */
export function setMuted(turn: Turn, { source, muted }: Extract<Event, { on: "set_muted" }>): void {
  turn.update({ muted: { ...turn.state.muted, [source]: muted } });
}

/** Says whom the user looks at, and how large; the edge is told when it can be. */
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

/** Asks for something that is done now or not at all. */
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

/** Tells the edge what it does not know yet; the view a moment later, as people come and go in bursts. */
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

/** The view has settled: tells it, if it still says something new. */
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
