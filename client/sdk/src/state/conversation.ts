/** Chat and reactions: a message is resent until the edge has it, and shown only once. */
import type { ChatMessage, EdgeToClient, MessageId } from "../protocol.gen";
import { CHAT_MESSAGES_MAX } from "../protocol.gen";
import type { Event, Failure, OutgoingMessage } from "../state";
import type { Turn } from "./turn";

/** Unacknowledged messages at most; the edge's rate limit refuses more anyway. */
export const OUTBOX_MAX = 20;

/** Sends a chat message; messages written while the socket is lost are sent after it is back. */
export function write(turn: Turn, { message, text, ticket }: Extract<Event, { on: "write" }>): void {
  const { phase, outbox } = turn.state;
  if (phase !== "active" || outbox.length >= OUTBOX_MAX) {
    turn.settleTicket(ticket, { code: phase === "active" ? "rate_limited" : "disconnected", detail: "chat" });
    return;
  }
  turn.update({ outbox: [...outbox, { message, text, ticket, isSent: false }] });
}

/** Sends all unsent messages. */
export function sendWritten(turn: Turn): void {
  const unsent = turn.state.outbox.filter(({ isSent }) => !isSent);
  if (unsent.length > 0) {
    turn.update({ outbox: turn.state.outbox.map((outgoing) => ({ ...outgoing, isSent: true })) });
    unsent.forEach(({ message, text }) => turn.request({ type: "chat", message, text }));
  }
}

/** The socket is lost: sent messages may not have arrived, and resending them is harmless. */
export function unsend(turn: Turn): void {
  turn.update({ outbox: turn.state.outbox.map((outgoing) => ({ ...outgoing, isSent: false })) });
}

/** The edge has stored or refused a message. */
export function settleWritten(turn: Turn, message: MessageId, failure: Failure | null): void {
  const isIt = (outgoing: OutgoingMessage): boolean => outgoing.message === message;
  turn.state.outbox.filter(isIt).forEach(({ ticket }) => turn.settleTicket(ticket, failure));
  turn.update({ outbox: turn.state.outbox.filter((outgoing) => !isIt(outgoing)) });
}

/** Nothing will be sent any more. */
export function dropWritten(turn: Turn, failure: Failure): void {
  turn.state.outbox.forEach(({ message }) => settleWritten(turn, message, failure));
}

/** What was written in the room. */
export function chat(turn: Turn, { messages }: Extract<EdgeToClient, { type: "chat" }>): void {
  const last = turn.state.chat.at(-1)?.number ?? 0;
  const fresh: ChatMessage[] = messages.filter(({ number }) => number > last).sort((a, b) => a.number - b.number);
  turn.update({ chat: [...turn.state.chat, ...fresh].slice(-CHAT_MESSAGES_MAX) });
  const own = fresh.filter(({ participant }) => participant === turn.state.self);
  own.forEach(({ message }) => settleWritten(turn, message, null));
}

/** Shows a reaction. */
export function reacted(turn: Turn, { participant, reaction }: Extract<EdgeToClient, { type: "reacted" }>): void {
  turn.command({ do: "show_reaction", participant, reaction });
}
