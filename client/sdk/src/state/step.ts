/** One call of `step` in progress: the state so far, and the commands. */
import { random } from "../backoff";
import type { ClientToEdge } from "../protocol.gen";
import { CLOSE_NORMAL, PING } from "../protocol.gen";
import type { Command, Failure } from "./event";
import type { DeadlineName, Media, PendingRequest, Signaling, State } from "./model";

/** Every request is answered within this time, or the socket counts as dead. */
export const REPLY_TIMEOUT_MS = 10_000;
/**
 * Time for the edge to answer a ping after a sign of a network change; a false alarm only costs a resume, which users
 * do not notice.
 */
export const PONG_TIMEOUT_SUSPICIOUS_MS = 1_000;

/** Holds a state while the handlers of one event replace parts of it. */
export class Step {
  readonly nowMs: number;
  readonly #commands: Command[] = [];
  #state: State;

  constructor(state: State, nowMs: number) {
    this.#state = state;
    this.nowMs = nowMs;
  }

  get state(): State {
    return this.#state;
  }

  /** True if the socket is in the room, so that requests reach it. */
  get isReady(): boolean {
    return this.#state.phase === "active" && this.#state.signaling.greeted;
  }

  update(patch: Partial<State>): void {
    this.#state = { ...this.#state, ...patch };
  }

  updateMedia(patch: Partial<Media>): void {
    this.update({ media: { ...this.#state.media, ...patch } });
  }

  updateSignaling(patch: Partial<Signaling>): void {
    this.update({ signaling: { ...this.#state.signaling, ...patch } });
  }

  command(command: Command): void {
    this.#commands.push(command);
  }

  report(code: Failure["code"], detail: string): void {
    this.command({ do: "report", failure: { code, detail } });
  }

  /** A random number in [0, 1). */
  random(): number {
    const [value, seed] = random(this.#state.seed);
    this.update({ seed });
    return value;
  }

  /** Sets a deadline; setting it again replaces the previous one. */
  expect(name: DeadlineName, withinMs: number): void {
    this.update({ deadlines: { ...this.#state.deadlines, [name]: this.nowMs + withinMs } });
  }

  settle(...names: readonly DeadlineName[]): void {
    const left = Object.entries(this.#state.deadlines).filter(([name]) => !names.some((other) => other === name));
    this.update({ deadlines: Object.fromEntries(left) });
  }

  awaits(name: DeadlineName): boolean {
    return this.#state.deadlines[name] !== undefined;
  }

  /** Sends a request and remembers it until it is answered. */
  request(message: ClientToEdge, ticket: number | null = null): void {
    const id = this.#state.requestsMade + 1;
    const written = message.type === "chat" ? message.message : null;
    const mute = message.type === "set_muted" ? { mid: message.mid, muted: message.muted } : null;
    const pending: PendingRequest = { id, type: message.type, ticket, message: written, mute, sentAtMs: this.nowMs };
    this.update({ requestsMade: id });
    this.#setRequests([...this.#state.requests, pending]);
    this.command({ do: "send", text: JSON.stringify({ id, ...message }) });
  }

  /** Removes and returns the pending request that a reply names. */
  answered(inReplyTo: number | null): PendingRequest | null {
    const request = this.#state.requests.find(({ id }) => id === inReplyTo);
    if (request === undefined) {
      return null;
    }
    this.#setRequests(this.#state.requests.filter((other) => other !== request));
    return request;
  }

  /** Gives up on every pending request. */
  dropRequests(failure: Failure): void {
    for (const { ticket } of this.#state.requests) {
      this.settleTicket(ticket, failure);
    }
    this.#setRequests([]);
  }

  settleTicket(ticket: number | null, failure: Failure | null): void {
    if (ticket !== null) {
      this.command({ do: "settle", ticket, failure });
    }
  }

  /** Checks immediately whether the edge still answers. */
  probe(): void {
    this.command({ do: "send", text: PING });
    this.expect("pong", PONG_TIMEOUT_SUSPICIOUS_MS);
  }

  /** Ends the client for good. */
  end(failure: Failure | null): void {
    const why = failure ?? { code: "disconnected", detail: "the room was left" };
    this.dropRequests(why);
    this.#state.outbox.forEach(({ ticket }) => this.settleTicket(ticket, why));
    this.command({ do: "close_socket", code: CLOSE_NORMAL });
    this.command({ do: "end", failure });
    this.update({ phase: "ended", session: null, outbox: [], deadlines: {} });
    this.updateSignaling({ at: "closed", greeted: false });
  }

  /** The new state and the commands, with the next wake-up if it changed. */
  finish(): [State, Command[]] {
    const times = Object.values(this.#state.deadlines);
    const wakeAtMs = times.length === 0 ? null : Math.min(...times);
    if (wakeAtMs !== this.#state.wakeAtMs) {
      this.update({ wakeAtMs });
      this.command({ do: "wake", atMs: wakeAtMs });
    }
    return [this.#state, this.#commands];
  }

  #setRequests(requests: readonly PendingRequest[]): void {
    this.update({ requests });
    const [oldest] = requests;
    if (oldest === undefined) {
      this.settle("reply");
    } else {
      this.expect("reply", oldest.sentAtMs + REPLY_TIMEOUT_MS - this.nowMs);
    }
  }
}
