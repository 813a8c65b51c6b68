import { expect, test } from "vitest";
import type { PeerSignal } from "../protocol.gen";
import type { Negotiation, NegotiationCommand, NegotiationEvent } from "./negotiation";
import { ANSWER_MS, BATCH_MS, REPEATS_MAX, RESTARTS_MAX, RETRY_MS, TRIES_MAX, begin, negotiate, wakeAt } from "./negotiation";

/** One side: a model of the browser that makes descriptions, rolls back, and tells how it ended. */
class Side {
  state: Negotiation;
  now = 0;
  readonly commands: NegotiationCommand[] = [];
  /** Tracks that this side wants to send, and those that the descriptions contain. */
  wanted = 0;
  /** `own/other` tracks of the last complete negotiation. */
  agreed = "";
  signaling: "stable" | "have-local-offer" | "have-remote-offer" = "stable";
  readonly added: string[] = [];
  #local = "";
  #remote = "";
  /** Operations of the browser, which run one after another. */
  readonly operations: (() => void)[] = [];
  readonly outgoing: PeerSignal[] = [];

  constructor(
    readonly name: string,
    polite: boolean,
    mayOffer = true,
  ) {
    this.state = begin({ polite, mayOffer });
  }

  take(event: NegotiationEvent): void {
    const [state, commands] = negotiate(this.state, event, this.now);
    this.state = state;
    for (const command of commands) {
      this.commands.push(command);
      this.#execute(command);
    }
  }

  addTrack(): void {
    this.wanted += 1;
    this.#maybeNeeded();
  }

  /** Runs one operation of the browser; false if there was none. */
  work(): boolean {
    const operation = this.operations.shift();
    operation?.();
    return operation !== undefined;
  }

  #maybeNeeded(): void {
    if (this.signaling === "stable" && !this.agreed.startsWith(`${this.wanted}/`)) {
      this.operations.push(() => {
        if (this.signaling === "stable" && !this.agreed.startsWith(`${this.wanted}/`)) {
          this.take({ on: "needed" });
        }
      });
    }
  }

  #execute(command: NegotiationCommand): void {
    if (command.do === "set_local") {
      this.operations.push(() => {
        const kind = this.signaling === "have-remote-offer" ? "answer" : "offer";
        this.#local = `${kind} ${this.wanted}`;
        this.signaling = kind === "offer" ? "have-local-offer" : "stable";
        if (kind === "answer") {
          this.agreed = `${this.wanted}/${this.#remote}`;
        }
        this.take({ on: "local_set", kind, sdp: this.#local });
        this.#maybeNeeded();
      });
    } else if (command.do === "set_remote") {
      this.operations.push(() => {
        const fits = command.kind === "offer" || this.signaling === "have-local-offer";
        if (!fits) {
          return this.take({ on: "remote_failed", kind: command.kind });
        }
        this.#remote = command.sdp.split(" ")[1] ?? "";
        if (command.kind === "answer") {
          this.agreed = `${this.#local.split(" ")[1] ?? ""}/${this.#remote}`;
        }
        this.signaling = command.kind === "offer" ? "have-remote-offer" : "stable";
        this.take({ on: "remote_set", kind: command.kind });
        this.#maybeNeeded();
      });
    } else if (command.do === "add_candidates") {
      this.added.push(...command.candidates.map(({ candidate }) => candidate));
    } else if (command.do === "send") {
      this.outgoing.push(command.signal);
    }
  }
}

const candidate = (text: string) => ({ candidate: text, mid: "0" });

/** Delivers and works in an order that the seed decides, until nothing is left. */
function run(a: Side, b: Side, seed: number): void {
  let random = seed;
  const next = (count: number): number => {
    random = (random * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor(random / 65_536) % count;
  };
  for (let step = 0; step < 1_000; step += 1) {
    const deliver = (from: Side, to: Side) => (): boolean => {
      const signal = from.outgoing.shift();
      if (signal !== undefined) {
        to.take({ on: "received", signal });
        from.take({ on: "sent" });
      }
      return signal !== undefined;
    };
    const acts = [() => a.work(), () => b.work(), deliver(a, b), deliver(b, a)];
    const first = next(acts.length);
    const did = [0, 1, 2, 3].some((offset) => acts[(first + offset) % acts.length]?.() === true);
    if (!did) {
      return;
    }
  }
  throw new Error("they never come to rest");
}

// Holds S3-SIG-04, S-A7-10.
test("of two who add tracks at the same time, both tracks arrive, whatever the order of events", () => {
  for (let seed = 0; seed < 2_000; seed += 1) {
    const [a, b] = [new Side("a", true), new Side("b", false)];
    a.addTrack();
    b.addTrack();
    if (seed % 3 === 0) {
      b.addTrack();
    }
    run(a, b, seed);
    a.addTrack();
    if (seed % 2 === 0) {
      b.addTrack();
    }
    run(a, b, seed + 7);
    expect([a.signaling, b.signaling], `seed ${seed}`).toEqual(["stable", "stable"]);
    expect([a.agreed, b.agreed], `seed ${seed}`).toEqual([`${a.wanted}/${b.wanted}`, `${b.wanted}/${a.wanted}`]);
    const failed = [...a.commands, ...b.commands].filter((command) => command.do === "give_up");
    expect(failed).toEqual([]);
    // Nothing waits for ever: no answer is due.
    expect([a.state.deadlines, b.state.deadlines], `seed ${seed}`).toEqual([{}, {}]);
  }
});

test("the impolite side ignores an offer that crosses its own, and its candidates", () => {
  const side = new Side("a", false);
  side.addTrack();
  side.work();
  side.work();
  side.take({ on: "received", signal: { kind: "offer", sdp: "offer 1" } });
  side.take({ on: "received", signal: { kind: "candidates", candidates: [candidate("of the ignored offer")] } });
  expect(side.commands.filter((command) => command.do === "set_remote")).toEqual([]);
  expect(side.added).toEqual([]);
});

test("candidates wait for the description, and are added after it, in order", () => {
  const side = new Side("a", true);
  side.take({ on: "received", signal: { kind: "candidates", candidates: [candidate("1"), candidate("2")] } });
  side.take({ on: "received", signal: { kind: "candidates", candidates: [candidate("3")] } });
  expect(side.added).toEqual([]);
  side.take({ on: "received", signal: { kind: "offer", sdp: "offer 1" } });
  expect(side.commands.map((command) => command.do)).toEqual(["set_remote", "add_candidates"]);
  expect(side.added).toEqual(["1", "2", "3"]);
  side.take({ on: "received", signal: { kind: "candidates", candidates: [candidate("4")] } });
  expect(side.added.at(-1)).toBe("4");
});

test("candidates are sent in batches, after their description", () => {
  const side = new Side("a", false);
  side.addTrack();
  side.work();
  for (const text of ["1", "2", "3"]) {
    side.take({ on: "candidate", candidate: candidate(text) });
  }
  side.work();
  expect(wakeAt(side.state)).toBe(BATCH_MS);
  side.now = BATCH_MS;
  side.take({ on: "wake" });
  expect(side.outgoing.map(({ kind }) => kind)).toEqual(["offer"]);
  side.take({ on: "sent" });
  expect(side.outgoing.map(({ kind }) => kind)).toEqual(["offer", "candidates"]);
  expect(side.outgoing[1]?.candidates).toHaveLength(3);
  side.take({ on: "sent" });
  // More than a message may have.
  for (let number = 0; number < 33; number += 1) {
    side.take({ on: "candidate", candidate: candidate(String(number)) });
  }
  expect(side.outgoing[2]?.candidates).toHaveLength(32);
  side.take({ on: "sent" });
  // The last candidate waits for nothing.
  side.take({ on: "candidate", candidate: candidate("") });
  expect(side.outgoing[3]?.candidates).toHaveLength(2);
});

// Holds S4-SM-02.
test("a message that is refused for now is sent again after 1,000 ms, one that may not be never", () => {
  const side = new Side("a", false);
  side.addTrack();
  side.work();
  side.work();
  side.now = 10;
  side.take({ on: "refused", code: "participant_away", mayRetry: true });
  expect(side.outgoing).toHaveLength(1);
  side.now = 10 + RETRY_MS - 1;
  side.take({ on: "wake" });
  expect(side.outgoing).toHaveLength(1);
  side.now = 1_010;
  side.take({ on: "wake" });
  expect(side.outgoing.map(({ kind }) => kind)).toEqual(["offer", "offer"]);
  expect(side.commands.at(-1)).toMatchObject({ do: "send", again: true });
  for (let tries = 2; tries < TRIES_MAX; tries += 1) {
    side.take({ on: "refused", code: "participant_away", mayRetry: true });
    side.now += RETRY_MS;
    side.take({ on: "wake" });
  }
  side.take({ on: "refused", code: "participant_away", mayRetry: true });
  expect(side.commands.at(-1)).toEqual({ do: "give_up", why: "participant_away" });
  const other = new Side("b", false);
  other.addTrack();
  other.work();
  other.work();
  other.take({ on: "refused", code: "forbidden", mayRetry: false });
  expect(other.commands.at(-1)).toEqual({ do: "give_up", why: "forbidden" });
});

test("each state is told; a failed connection is restarted, and given up after three attempts", () => {
  const side = new Side("a", false);
  for (const state of ["connecting", "connected", "disconnected", "failed"] as const) {
    side.take({ on: "connection", state });
  }
  const told = side.commands.flatMap((command) => (command.do === "state" ? [command.state] : []));
  expect(told).toEqual(["connecting", "connected", "disconnected", "failed"]);
  const restarts = () => side.commands.filter((command) => command.do === "restart_ice").length;
  expect(restarts()).toBe(1);
  side.take({ on: "connection", state: "connected" });
  expect(side.state.deadlines.reconnect).toBeUndefined();
  for (let attempt = 0; attempt < RESTARTS_MAX; attempt += 1) {
    side.take({ on: "connection", state: "failed" });
  }
  expect(restarts()).toBe(1 + RESTARTS_MAX);
  side.take({ on: "connection", state: "failed" });
  expect(side.commands.at(-1)).toEqual({ do: "give_up", why: "the connection failed" });
  expect(side.state.deadlines).toEqual({});
});

test("an offer without an answer is sent again, and given up in the end", () => {
  const side = new Side("a", false);
  side.addTrack();
  side.work();
  side.work();
  side.take({ on: "sent" });
  expect(wakeAt(side.state)).toBe(ANSWER_MS);
  for (let repeat = 1; repeat <= REPEATS_MAX; repeat += 1) {
    side.now += ANSWER_MS;
    side.take({ on: "wake" });
    expect(side.commands.filter((command) => command.do === "repeat_local")).toHaveLength(repeat);
    side.take({ on: "local_set", kind: "offer", sdp: "offer 1 with candidates" });
    side.take({ on: "sent" });
  }
  expect(side.outgoing.map(({ sdp }) => sdp)).toEqual(["offer 1", ...Array<string>(REPEATS_MAX).fill("offer 1 with candidates")]);
  side.now += ANSWER_MS;
  side.take({ on: "wake" });
  expect(side.commands.at(-1)).toEqual({ do: "give_up", why: "no answer" });
});

test("a side that may not offer asks for an offer", () => {
  const side = new Side("a", true, false);
  side.take({ on: "needed" });
  side.take({ on: "sent" });
  side.take({ on: "connection", state: "failed" });
  expect(side.outgoing.map(({ kind }) => kind)).toEqual(["request_offer", "request_offer"]);
  const other = new Side("b", false);
  other.take({ on: "received", signal: { kind: "request_offer" } });
  expect(other.commands).toEqual([{ do: "restart_ice" }]);
});
