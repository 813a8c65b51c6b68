/** Chat and reactions: a message is resent until the edge has it, and shown only once. */
import type { ChatMessage, EdgeToClient, MessageId } from "../protocol.gen";
import { CHAT_MESSAGES_MAX } from "../protocol.gen";
import type { Event, Failure } from "./event";
import type { OutgoingMessage } from "./model";
import type { Step } from "./step";

/** Unacknowledged messages at most; the edge's rate limit refuses more anyway. */
export const OUTBOX_MAX = 20;

/** Sends a chat message; messages written while the socket is lost are sent after it is back. */
export function write(step: Step, { message, text, ticket }: Extract<Event, { on: "write" }>): void {
  const { phase, outbox } = step.state;
  if (phase !== "active" || outbox.length >= OUTBOX_MAX) {
    step.settleTicket(ticket, { code: phase === "active" ? "rate_limited" : "disconnected", detail: "chat" });
    return;
  }
  step.update({ outbox: [...outbox, { message, text, ticket, isSent: false }] });
}

/** Sends all unsent messages. */
export function sendWritten(step: Step): void {
  const unsent = step.state.outbox.filter(({ isSent }) => !isSent);
  if (unsent.length > 0) {
    step.update({ outbox: step.state.outbox.map((outgoing) => ({ ...outgoing, isSent: true })) });
    unsent.forEach(({ message, text }) => step.request({ type: "chat", message, text }));
  }
}

/** The socket is lost: sent messages may not have arrived, and resending them is harmless. */
export function unsend(step: Step): void {
  step.update({ outbox: step.state.outbox.map((outgoing) => ({ ...outgoing, isSent: false })) });
}

/** Settles a message that the edge has stored or refused. */
export function settleWritten(step: Step, message: MessageId, failure: Failure | null): void {
  const isIt = (outgoing: OutgoingMessage): boolean => outgoing.message === message;
  step.state.outbox.filter(isIt).forEach(({ ticket }) => step.settleTicket(ticket, failure));
  step.update({ outbox: step.state.outbox.filter((outgoing) => !isIt(outgoing)) });
}

/** Adds new messages of the room. */
export function chat(step: Step, { messages }: Extract<EdgeToClient, { type: "chat" }>): void {
  const last = step.state.chat.at(-1)?.number ?? 0;
  const fresh: ChatMessage[] = messages.filter(({ number }) => number > last).sort((a, b) => a.number - b.number);
  step.update({ chat: [...step.state.chat, ...fresh].slice(-CHAT_MESSAGES_MAX) });
  const own = fresh.filter(({ participant }) => participant === step.state.self);
  own.forEach(({ message }) => settleWritten(step, message, null));
}

export function reacted(step: Step, { participant, reaction }: Extract<EdgeToClient, { type: "reacted" }>): void {
  step.command({ do: "show_reaction", participant, reaction });
}
