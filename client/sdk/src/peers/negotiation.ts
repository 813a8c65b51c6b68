/**
 * Perfect negotiation (W3C WebRTC §10.7) as a pure function: of two offers that cross, the polite side gives up its own.
 *
 * Messages leave one at a time and in order, so that candidates never overtake their description. Candidates are sent in
 * batches; those that arrive before any description wait for it.
 */
import type { ErrorCode, PeerCandidate, PeerSignal } from "../protocol.gen";

/** Candidates are gathered for this long before they are sent. */
export const BATCH_MS = 50;
/** A message that was refused for now is sent again after this time. */
export const RETRY_MS = 1_000;
/** Then the connection is given up. */
export const TRIES_MAX = 10;
/** An offer without an answer is sent again after this time: the other side may not have been there yet. */
export const ANSWER_MS = 3_000;
export const REPEATS_MAX = 5;
/** Time for a restarted connection. */
export const RECONNECT_MS = 10_000;
/** A connection that stays disconnected for this long is restarted. */
export const DISCONNECTED_MS = 5_000;
export const RESTARTS_MAX = 3;
/** As many as the room passes on in one message. */
const CANDIDATES_PER_MESSAGE = 32;
/** Candidates that wait for a description; a browser has far fewer. */
const EARLY_MAX = 256;

export interface Negotiation {
  /** The room decides which side is polite. */
  readonly polite: boolean;
  /** False for a side whose grants let it send nothing: it asks for offers instead. */
  readonly mayOffer: boolean;
  readonly making: boolean;
  readonly stable: boolean;
  /** Offers that the browser is applying; only the last one is answered. */
  readonly applyingOffers: number;
  /** An answer is being applied, after which the connection is stable. */
  readonly applyingAnswer: boolean;
  /** The last offer was ignored, and so are its candidates. */
  readonly ignoring: boolean;
  readonly described: boolean;
  readonly early: readonly PeerCandidate[];
  readonly gathered: readonly PeerCandidate[];
  readonly outbox: readonly PeerSignal[];
  readonly sending: "nothing" | "waits" | "pauses";
  readonly tries: number;
  readonly restarts: number;
  /** Of the offer that waits for its answer. */
  readonly repeats: number;
  readonly connection: RTCPeerConnectionState;
  readonly deadlines: { readonly [name in Deadline]?: number };
}

type Deadline = "batch" | "retry" | "answer" | "reconnect";

export type NegotiationEvent =
  | { readonly on: "needed" }
  | { readonly on: "local_set"; readonly kind: "offer" | "answer"; readonly sdp: string }
  | { readonly on: "local_failed" }
  | { readonly on: "remote_set"; readonly kind: "offer" | "answer" }
  | { readonly on: "remote_failed"; readonly kind: "offer" | "answer" }
  | { readonly on: "candidate"; readonly candidate: PeerCandidate }
  | { readonly on: "received"; readonly signal: PeerSignal }
  | { readonly on: "sent" }
  | { readonly on: "refused"; readonly code: ErrorCode | null; readonly mayRetry: boolean }
  | { readonly on: "connection"; readonly state: RTCPeerConnectionState }
  | { readonly on: "wake" };

export type NegotiationCommand =
  /** An offer if the connection is stable, else the answer; the browser rolls its own offer back where necessary. */
  | { readonly do: "set_local" }
  /** Reports the offer that waits for an answer again, with all candidates so far. */
  | { readonly do: "repeat_local" }
  | { readonly do: "set_remote"; readonly kind: "offer" | "answer"; readonly sdp: string }
  | { readonly do: "add_candidates"; readonly candidates: readonly PeerCandidate[] }
  | { readonly do: "send"; readonly signal: PeerSignal; readonly again: boolean }
  | { readonly do: "restart_ice" }
  | { readonly do: "state"; readonly state: RTCPeerConnectionState }
  | { readonly do: "give_up"; readonly why: string };

export function begin({ polite, mayOffer = true }: { polite: boolean; mayOffer?: boolean }): Negotiation {
  return {
    polite,
    mayOffer,
    making: false,
    stable: true,
    applyingOffers: 0,
    applyingAnswer: false,
    ignoring: false,
    described: false,
    early: [],
    gathered: [],
    outbox: [],
    sending: "nothing",
    tries: 0,
    restarts: 0,
    repeats: 0,
    connection: "new",
    deadlines: {},
  };
}

/** The state after an event, and the commands in order. */
export function negotiate(state: Negotiation, event: NegotiationEvent, nowMs: number): [Negotiation, NegotiationCommand[]] {
  const work = new Work(state, nowMs);
  work.take(event);
  work.sendNext();
  return [work.state, work.commands];
}

/** The time of the next `wake`; `null` if there is none. */
export function wakeAt({ deadlines }: Negotiation): number | null {
  const all = Object.values(deadlines);
  return all.length === 0 ? null : Math.min(...all);
}

class Work {
  state: Negotiation;
  readonly commands: NegotiationCommand[] = [];
  readonly #nowMs: number;

  constructor(state: Negotiation, nowMs: number) {
    this.state = state;
    this.#nowMs = nowMs;
  }

  take(event: NegotiationEvent): void {
    switch (event.on) {
      case "needed":
        return this.#needed();
      case "local_set":
        return this.#localSet(event.kind, event.sdp);
      case "local_failed":
        return this.#update({ making: false });
      case "remote_set":
        return this.#remoteSet(event.kind);
      case "remote_failed":
        return event.kind === "answer"
          ? this.#update({ applyingAnswer: false })
          : this.#update({ applyingOffers: this.state.applyingOffers - 1 });
      case "candidate":
        return this.#gather(event.candidate);
      case "received":
        return this.#received(event.signal);
      case "sent":
        return this.#update({ outbox: this.state.outbox.slice(1), sending: "nothing", tries: 0 });
      case "refused":
        return this.#refused(event.code, event.mayRetry);
      case "connection":
        return this.#connection(event.state);
      case "wake":
        return this.#wake();
    }
  }

  sendNext(): void {
    const [signal] = this.state.outbox;
    if (signal !== undefined && this.state.sending === "nothing") {
      this.#update({ sending: "waits" });
      this.commands.push({ do: "send", signal, again: this.state.tries > 0 });
    }
  }

  #update(patch: Partial<Negotiation>): void {
    this.state = { ...this.state, ...patch };
  }

  #expect(name: Deadline, withinMs: number | null): void {
    const { [name]: _, ...others } = this.state.deadlines;
    this.#update({ deadlines: withinMs === null ? others : { ...others, [name]: this.#nowMs + withinMs } });
  }

  #post(signal: PeerSignal): void {
    this.#update({ outbox: [...this.state.outbox, signal] });
  }

  #needed(): void {
    if (!this.state.mayOffer) {
      this.#post({ kind: "request_offer" });
    } else if (!this.state.making && this.state.stable && this.state.applyingOffers === 0) {
      // At any other time the browser says it again once the connection is stable.
      this.#update({ making: true });
      this.commands.push({ do: "set_local" });
    }
  }

  #localSet(kind: "offer" | "answer", sdp: string): void {
    if (kind === "offer" && !this.state.making) {
      // It was given up for the other side's while the browser made it.
      return;
    }
    this.#update({ making: false, stable: kind === "answer" });
    this.#post({ kind, sdp });
    if (kind === "offer") {
      this.#expect("answer", ANSWER_MS);
    }
  }

  #received(signal: PeerSignal): void {
    if (signal.kind === "request_offer") {
      this.commands.push({ do: "restart_ice" });
    } else if (signal.kind === "candidates") {
      this.#candidates(signal.candidates ?? []);
    } else if (signal.kind === "offer" || signal.kind === "answer") {
      this.#description(signal.kind, signal.sdp ?? "");
    }
  }

  #description(kind: "offer" | "answer", sdp: string): void {
    const { making, stable, applyingAnswer, polite } = this.state;
    const isReady = !making && (stable || applyingAnswer);
    const collides = kind === "offer" && !isReady;
    const ignoring = collides && !polite;
    this.#update({ ignoring });
    if (ignoring || (kind === "answer" && (stable || applyingAnswer))) {
      // An answer that nobody waits for belongs to an offer that was given up.
      return;
    }
    if (collides) {
      // The own offer is given up, and with it what waits to be sent of it.
      const own = (signal: PeerSignal): boolean => signal.kind === "offer" || signal.kind === "candidates";
      const [first, ...rest] = this.state.outbox;
      const kept = this.state.sending === "waits" && first !== undefined ? [first] : [];
      this.#update({ making: false, outbox: [...kept, ...(kept.length > 0 ? rest : this.state.outbox).filter((it) => !own(it))] });
      this.#expect("answer", null);
    }
    const applyingOffers = this.state.applyingOffers + Number(kind === "offer");
    this.#update({ applyingAnswer: kind === "answer", applyingOffers, described: true });
    this.commands.push({ do: "set_remote", kind, sdp });
    if (this.state.early.length > 0) {
      this.commands.push({ do: "add_candidates", candidates: this.state.early });
      this.#update({ early: [] });
    }
  }

  #remoteSet(kind: "offer" | "answer"): void {
    if (kind === "answer") {
      this.#update({ applyingAnswer: false, stable: true, repeats: 0 });
      this.#expect("answer", null);
    } else {
      this.#update({ stable: false, applyingOffers: this.state.applyingOffers - 1 });
      if (this.state.applyingOffers === 0) {
        this.commands.push({ do: "set_local" });
      }
    }
  }

  #candidates(candidates: readonly PeerCandidate[]): void {
    if (this.state.ignoring) {
      return;
    }
    if (this.state.described) {
      this.commands.push({ do: "add_candidates", candidates });
    } else {
      this.#update({ early: [...this.state.early, ...candidates].slice(-EARLY_MAX) });
    }
  }

  #gather(candidate: PeerCandidate): void {
    this.#update({ gathered: [...this.state.gathered, candidate] });
    // Nothing follows the last candidate.
    if (candidate.candidate === "" || this.state.gathered.length === CANDIDATES_PER_MESSAGE) {
      this.#flush();
    } else if (this.state.deadlines.batch === undefined) {
      this.#expect("batch", BATCH_MS);
    }
  }

  #flush(): void {
    this.#expect("batch", null);
    if (this.state.gathered.length > 0) {
      this.#post({ kind: "candidates", candidates: [...this.state.gathered] });
      this.#update({ gathered: [] });
    }
  }

  #refused(code: ErrorCode | null, mayRetry: boolean): void {
    const tries = this.state.tries + 1;
    if (!mayRetry || tries >= TRIES_MAX) {
      return this.#giveUp(code ?? "no answer");
    }
    this.#update({ sending: "pauses", tries });
    this.#expect("retry", RETRY_MS);
  }

  #connection(state: RTCPeerConnectionState): void {
    this.#update({ connection: state });
    this.commands.push({ do: "state", state });
    if (state === "connected") {
      this.#update({ restarts: 0 });
      this.#expect("reconnect", null);
    } else if (state === "disconnected") {
      this.#expect("reconnect", DISCONNECTED_MS);
    } else if (state === "failed") {
      this.#restart();
    }
  }

  #restart(): void {
    const restarts = this.state.restarts + 1;
    if (restarts > RESTARTS_MAX) {
      return this.#giveUp("the connection failed");
    }
    this.#update({ restarts });
    this.#expect("reconnect", RECONNECT_MS);
    if (this.state.mayOffer) {
      this.commands.push({ do: "restart_ice" });
    } else {
      this.#post({ kind: "request_offer" });
    }
  }

  #giveUp(why: string): void {
    this.#update({ outbox: [], sending: "nothing", deadlines: {} });
    this.commands.push({ do: "give_up", why });
  }

  #wake(): void {
    const due = (name: Deadline): boolean => {
      const at = this.state.deadlines[name];
      const isDue = at !== undefined && at <= this.#nowMs;
      if (isDue) {
        this.#expect(name, null);
      }
      return isDue;
    };
    if (due("batch")) {
      this.#flush();
    }
    if (due("retry")) {
      this.#update({ sending: "nothing" });
    }
    if (due("answer")) {
      this.#repeat();
    }
    if (due("reconnect")) {
      this.#restart();
    }
  }

  #repeat(): void {
    const repeats = this.state.repeats + 1;
    if (repeats > REPEATS_MAX) {
      return this.#giveUp("no answer");
    }
    this.#update({ repeats, making: true });
    this.commands.push({ do: "repeat_local" });
  }
}
