import { expect, test } from "vitest";
import { random } from "../backoff";
import type { ClientToEdge, EdgeToClient, ErrorCode } from "../protocol.gen";
import { PING, PONG } from "../protocol.gen";
import { ADA, Client, GRACE, resumed } from "./client.fixture";

const SOURCES = { "0": "microphone", "1": "camera" } as const;
type Mid = keyof typeof SOURCES;
const MIDS: readonly Mid[] = ["0", "1"];

/** A client, an edge and a network between them that breaks, for one seed. */
class Play {
  readonly client = new Client().joined();
  readonly muted: Record<Mid, boolean> = { "0": false, "1": true };
  readonly blamed: Record<Mid, number> = { "0": 0, "1": 0 };
  readonly decided: Record<Mid, number> = { "0": 0, "1": 0 };
  toEdge: string[] = [];
  toClient: EdgeToClient[] = [];
  isBusy = false;
  #seed: number;
  #seen = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#look();
    this.toEdge = [];
  }

  /** A random number below `count`. */
  pick(count: number): number {
    const [value, seed] = random(this.#seed);
    this.#seed = seed;
    return Math.floor(value * count);
  }

  do(what: number): void {
    const mid = MIDS[this.pick(2)] ?? "0";
    const moves = [
      () => this.client.on({ on: "set_muted", source: SOURCES[mid], muted: this.pick(2) === 0 }),
      () => this.hears(),
      () => this.hears(),
      () => this.tells(),
      () => this.tells(),
      () => this.breaks(),
      () => this.moderates(mid),
      () => this.client.pass(this.pick(3_000)),
      () => (this.isBusy = this.pick(3) === 0),
    ];
    moves[what]?.();
    this.#look();
  }

  /** Everything arrives, and nothing breaks any longer. */
  settle(): void {
    this.isBusy = false;
    for (let round = 0; round < 200; round += 1) {
      this.client.pass(500);
      this.#look();
      while (this.toEdge.length + this.toClient.length > 0) {
        this.hears();
        this.tells();
        this.#look();
      }
    }
  }

  /** A frame arrives at the edge. */
  hears(): void {
    const text = this.toEdge.shift();
    if (text === undefined || text === PING) {
      return;
    }
    const frame = JSON.parse(text) as ClientToEdge & { id: number };
    const answer = (message: EdgeToClient): void => void this.toClient.push(message);
    if (frame.type === "resume") {
      const tracks = GRACE.tracks.map((track) => ({ ...track, muted: this.muted[track.mid as Mid] }));
      answer({ ...resumed(frame.id), roster: [ADA, { ...GRACE, tracks }] });
    } else if (this.isBusy) {
      answer({ type: "error", in_reply_to: frame.id, code: "rate_limited" satisfies ErrorCode, message: "" });
    } else {
      if (frame.type === "set_muted") {
        this.muted[frame.mid as Mid] = frame.muted;
      }
      answer({ type: "done", in_reply_to: frame.id });
    }
  }

  /** A frame arrives at the client. */
  tells(): void {
    const message = this.toClient.shift();
    if (message !== undefined) {
      this.client.frame(message);
    }
  }

  breaks(): void {
    this.toEdge = [];
    this.toClient = [];
    this.client.on({ on: "socket_closed", code: 1006 });
  }

  moderates(mid: Mid): void {
    if (!this.muted[mid]) {
      this.muted[mid] = true;
      this.decided[mid] += 1;
      this.toClient.push({ type: "track_muted", mid });
    }
  }

  /** Executes the client's new commands. */
  #look(): void {
    for (; this.#seen < this.client.commands.length; this.#seen += 1) {
      const command = this.client.commands[this.#seen];
      if (command?.do === "send") {
        this.toEdge.push(command.text);
        if (command.text === PING) {
          this.client.on({ on: "frame", text: PONG });
        }
      } else if (command?.do === "open_socket") {
        this.client.on({ on: "socket_opened" });
      } else if (command?.do === "close_socket") {
        this.toEdge = [];
        this.toClient = [];
      } else if (command?.do === "silence") {
        const mid = MIDS.find((known) => SOURCES[known] === command.source) ?? "0";
        this.blamed[mid] += 1;
        this.client.on({ on: "set_muted", source: command.source, muted: true });
      }
    }
  }
}

test("whatever breaks, is refused or is decided by moderators, in the end the room shows what the user's bar shows", () => {
  for (let seed = 1; seed <= 400; seed += 1) {
    const play = new Play(seed);
    const moves: number[] = [];
    for (let count = 0; count < 60; count += 1) {
      const move = play.pick(9);
      moves.push(move);
      play.do(move);
    }
    play.settle();
    const shown = Object.fromEntries(MIDS.map((mid) => [mid, play.client.state.muted[SOURCES[mid]] ?? false]));
    expect(play.client.state.signaling.greeted, `seed ${seed}: ${moves.join()}`).toBe(true);
    expect(play.muted, `seed ${seed}: ${moves.join()}`).toEqual(shown);
    for (const mid of MIDS) {
      expect(play.blamed[mid], `seed ${seed}, section ${mid}: ${moves.join()}`).toBeLessThanOrEqual(play.decided[mid]);
    }
  }
}, 60_000);
