/** User requests. */
import type { Mid, ParticipantId } from "../protocol.gen";
import { VIEW_PARTICIPANTS_MAX } from "../protocol.gen";
import type { Event } from "./event";
import type { Lines, View } from "./model";
import type { Step } from "./step";

/** Time for the edge to confirm that the user has left. */
export const LEAVE_TIMEOUT_MS = 1_000;
/** The view is sent after a random delay between this and twice this, so that a room's clients do not all send at once. */
export const VIEW_DELAY_MS = 200;
/** By then the edge accepts some twenty more frames. */
export const MUTE_AGAIN_MS = 1_000;
/** A view that asks for more is sent within this time: its user waits for a larger picture. */
export const VIEW_GROWTH_DELAY_MS = 50;
/** Tile sizes are rounded to these steps. */
const LINES_STEP = 90;
/** The protocol's maximum. */
const LINES_MAX = 0xffff - LINES_STEP;

/** Mutes or unmutes; sent to the edge as soon as possible. */
export function setMuted(step: Step, { source, muted }: Extract<Event, { on: "set_muted" }>): void {
  step.update({ muted: { ...step.state.muted, [source]: muted } });
}

/** Sets the view; sent to the edge as soon as possible. */
export function setView(step: Step, { participants: all, lines }: Extract<Event, { on: "set_view" }>): void {
  const participants = [...new Set(all)].slice(0, VIEW_PARTICIPANTS_MAX);
  step.update({ view: { participants, lines: lines === null ? null : inSteps(participants, lines) } });
}

/** Rounds up, so that resizing a window does not change the view with each pixel. */
function inSteps(participants: readonly ParticipantId[], lines: Lines): Lines {
  const entries = participants.flatMap((id) => {
    const exact = lines[id];
    const steps = Math.ceil(Math.max(1, Math.min(exact ?? 0, LINES_MAX)) / LINES_STEP);
    return exact === undefined ? [] : [[id, steps * LINES_STEP] as const];
  });
  return Object.fromEntries(entries);
}

/** Sends a one-shot request, or fails immediately. */
export function ask(step: Step, { request, ticket }: Extract<Event, { on: "ask" }>): void {
  if (!step.isReady) {
    step.settleTicket(ticket, { code: "disconnected", detail: request.type });
    return;
  }
  step.request(request, ticket);
}

export function leave(step: Step): void {
  const { phase, signaling } = step.state;
  if (phase === "active" && signaling.at === "open") {
    step.update({ phase: "leaving", deadlines: {} });
    step.request({ type: "leave" });
    step.expect("reply", LEAVE_TIMEOUT_MS);
  } else if (phase === "active" || phase === "idle") {
    step.end(null);
  }
}

/** Sends unsent changes to the edge; the view is delayed, because participants come and go in bursts. */
export function tellDifferences(step: Step): void {
  for (const { mid, source } of step.awaits("mute") ? [] : step.state.media.published) {
    const muted = step.state.muted[source] ?? false;
    const pending = step.state.requests.findLast(({ mute }) => mute?.mid === mid)?.mute;
    const expected = pending?.muted ?? step.state.told.muted[mid];
    if (expected !== undefined && expected !== muted) {
      step.request({ type: "set_muted", mid, muted });
    }
  }
  if (isViewNews(step)) {
    tellView(step);
  }
}

function tellView(step: Step): void {
  const isSoon = (step.state.deadlines.view ?? Infinity) <= step.nowMs + VIEW_GROWTH_DELAY_MS;
  if (asksForMore(step) && !isSoon) {
    step.expect("view", VIEW_GROWTH_DELAY_MS * step.random());
  } else if (!step.awaits("view")) {
    step.expect("view", VIEW_DELAY_MS * (1 + step.random()));
  }
}

/** Takes over the edge's mute state of a section; `null` if the edge does not know the section. */
export function learnMuted(step: Step, mid: Mid, muted: boolean | null): void {
  const { told } = step.state;
  const { [mid]: _, ...others } = told.muted;
  step.update({ told: { ...told, muted: muted === null ? others : { ...others, [mid]: muted } } });
}

/** The edge refused a muting or unmuting for now: it is said again, unless the user changes their mind. */
export function muteLater(step: Step): void {
  step.expect("mute", MUTE_AGAIN_MS);
}

/** Sends the settled view, if it still differs. */
export function viewDue(step: Step): void {
  const { view, told } = step.state;
  if (step.isReady && view !== null && isViewNews(step)) {
    step.update({ told: { ...told, view } });
    const { participants, lines } = view;
    step.request({ type: "view", participants: [...participants], ...(lines === null ? {} : { lines }) });
  }
}

/** True if the edge lacks the current view, and the view affects the selection or size of videos. */
function isViewNews(step: Step): boolean {
  const { view, told, roster, self, media } = step.state;
  if (view === null || (told.view !== null && isSame(view, told.view))) {
    return false;
  }
  const others = roster.filter(({ id }) => id !== self);
  const pictures = others.flatMap(({ tracks }) => tracks).filter(({ kind }) => kind === "video");
  // Without sizes, the view has no effect while every video has a slot.
  return view.lines === null && told.view?.lines === null ? pictures.length > media.slots.video : pictures.length > 0;
}

/** True if the user enlarges a tile or turns a page; false if participants come and go. */
function asksForMore(step: Step): boolean {
  const { view, told, roster } = step.state;
  const before = told.view;
  if (view === null || before === null || before.participants.some((id) => !roster.some((other) => other.id === id))) {
    return false;
  }
  const isKept = (id: ParticipantId) => view.participants.includes(id);
  const isOther = !before.participants.every(isKept) && !view.participants.every((id) => before.participants.includes(id));
  const lines = (of: View, id: ParticipantId) => (of.lines === null ? Infinity : (of.lines[id] ?? 0));
  return isOther || before.participants.some((id) => isKept(id) && lines(view, id) > lines(before, id));
}

function isSame(a: View, b: View): boolean {
  const isListSame = a.participants.length === b.participants.length && a.participants.every((id, index) => id === b.participants[index]);
  return isListSame && (a.lines === null || b.lines === null ? a.lines === b.lines : isSizeSame(a.participants, a.lines, b.lines));
}

function isSizeSame(participants: readonly ParticipantId[], a: Lines, b: Lines): boolean {
  return participants.every((id) => a[id] === b[id]);
}
