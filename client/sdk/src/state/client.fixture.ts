/** A client without a browser, for the tests of the state machine. */
import { expect } from "vitest";
import type { EdgeToClient, NegotiateReason, ParticipantInfo } from "../protocol.gen";
import { PING, SLOTS_PER_KIND_DEFAULT } from "../protocol.gen";
import type { Command, Event, State } from "../state";
import { initial, step } from "../state";

export const GRACE: ParticipantInfo = {
  id: "grace",
  name: "Grace",
  joined_at: 2,
  connection: "connected",
  tracks: [
    { id: "t8", mid: "0", kind: "audio", source: "microphone", muted: false, csrc: 8 },
    { id: "t9", mid: "1", kind: "video", source: "camera", muted: true, csrc: 9 },
  ],
};
export const ADA: ParticipantInfo = {
  id: "ada",
  name: "Ada",
  joined_at: 1,
  connection: "connected",
  tracks: [{ id: "t1", mid: "0", kind: "audio", source: "microphone", muted: false, csrc: 1 }],
};
export const JOINED: Extract<EdgeToClient, { type: "joined" }> = {
  type: "joined",
  in_reply_to: 1,
  participant: "grace",
  session: "s1",
  resume_token: "secret",
  answer: "answer",
  room: { locked: false, metadata: "", participants_max: 100 },
  roster: [ADA, GRACE],
  slots: [{ mid: "2", track: "t1", participant: "ada" }],
  recording: null,
  ice_servers: [{ urls: ["stun:stun.example.org"] }],
  chat_last: 1,
};

export const FRESH = [{ urls: ["turn:turn.example.org"], username: "1800000600:sfu:daily:grace", credential: "fresh" }];

export function resumed(in_reply_to: number, resume_token = "second"): Extract<EdgeToClient, { type: "resumed" }> {
  return {
    type: "resumed",
    in_reply_to,
    resume_token,
    room: JOINED.room,
    roster: [ADA, GRACE],
    slots: JOINED.slots,
    transport_dead: false,
    ice_servers: FRESH,
    recording: null,
  };
}

export function negotiated(in_reply_to: number, session: string): EdgeToClient {
  return { type: "negotiated", in_reply_to, session, answer: "answer", slots: JOINED.slots, ice_servers: FRESH };
}

export function frame(message: EdgeToClient): Event {
  return { on: "frame", text: JSON.stringify(message) };
}

export function offerMade(offer: number): Extract<Event, { on: "offer_made" }> {
  const sections = [
    { mid: "0", source: "microphone" },
    { mid: "1", source: "camera" },
  ] as const;
  return { on: "offer_made", offer, sdp: `sdp ${offer}`, sections };
}

/** Plays the shell: keeps the state, the clock and the commands. */
export class Client {
  state: State;
  nowMs = 1_000;
  commands: Command[] = [];
  #seen = 0;

  constructor({ renewsToken = false, publishes = true } = {}) {
    this.state = initial({ attemptPrefix: "page", seed: 1, muted: { camera: true }, renewsToken, publishes });
  }

  on(event: Event): void {
    const frozen = JSON.stringify(this.state);
    const [state, commands] = step(this.state, event, this.nowMs);
    expect(JSON.stringify(this.state), "step must not change what it is given").toBe(frozen);
    this.state = state;
    this.commands.push(...commands);
  }

  frame(message: EdgeToClient): void {
    this.on(frame(message));
  }

  /** A client that has sent `join`. */
  asked(): this {
    this.on({ on: "start" });
    this.on(offerMade(1));
    this.on({ on: "socket_opened" });
    this.does();
    return this;
  }

  joined(): this {
    this.asked();
    this.frame(JOINED);
    this.on({ on: "answer_applied", offer: 1, moved: false });
    this.on({ on: "transport_connected" });
    this.does();
    return this;
  }

  /** A client with more cameras than slots for them. */
  crowded(): this {
    for (let count = 1; count <= SLOTS_PER_KIND_DEFAULT + 1; count += 1) {
      const camera = { id: `c${count}`, mid: "1", kind: "video", source: "camera", muted: false, csrc: 100 + count } as const;
      this.frame({ type: "participant_joined", participant: { ...ADA, id: `camera-${count}`, tracks: [camera] } });
    }
    this.does();
    return this;
  }

  reopen(): void {
    this.on({ on: "socket_closed", code: 1006 });
    this.reopened();
  }

  /** Loses the socket and opens another one; returns the `resume`. */
  resumes(): { id: number; revision?: number } {
    this.reopen();
    const sent = this.lastSent();
    expect(sent.type).toBe("resume");
    return sent;
  }

  reopened(): void {
    this.sleep();
    this.on({ on: "socket_opened" });
  }

  /** Requests an ICE restart. */
  restart(): this {
    this.on({ on: "transport_lost", why: "quiet" });
    this.on(offerMade(2));
    expect(this.state.media.negotiation?.stage).toBe("sent");
    return this;
  }

  /** Requests an ICE restart and answers it. */
  restarted(): this {
    this.restart().frame(negotiated(2, "s2"));
    return this;
  }

  /** Lets time pass until the next deadline. */
  sleep(): void {
    this.nowMs = Math.max(this.nowMs, this.state.wakeAtMs ?? this.nowMs);
    this.on({ on: "wake" });
  }

  /** Lets this much time pass, waking at every deadline. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.state.wakeAtMs !== null && this.state.wakeAtMs <= untilMs) {
      this.sleep();
    }
    this.nowMs = untilMs;
  }

  /** The commands since the last call, in words; without wake-ups and pings. */
  does(): string[] {
    const words = this.commands.slice(this.#seen).flatMap((command) => {
      if (command.do === "send") {
        return command.text === PING ? [] : [`send ${(JSON.parse(command.text) as { type: string }).type}`];
      }
      return command.do === "wake" ? [] : [command.do === "make_offer" ? `make_offer ${command.transport}` : command.do];
    });
    this.#seen = this.commands.length;
    return words;
  }

  /** The resume secret of each opened socket; `null` if it was a token. */
  secrets(): (string | null)[] {
    return this.commands.flatMap((command) => (command.do === "open_socket" ? [command.secret] : []));
  }

  /** Each offer's `awaitsServers`, and the servers in each answer. */
  servers(): unknown[] {
    return this.commands.flatMap((command): unknown[] => {
      if (command.do === "make_offer") {
        return [command.awaitsServers];
      }
      return command.do === "apply_answer" ? [command.iceServers] : [];
    });
  }

  lastSent(): { id: number; type: string; reason?: NegotiateReason } {
    const sent = this.commands.flatMap((command) => (command.do === "send" && command.text !== PING ? [command.text] : []));
    return JSON.parse(sent.at(-1) ?? "{}") as { id: number; type: string };
  }

  /** The client's fate: waiting to reconnect, or ended with the reason. */
  outcome(): string {
    if (this.state.phase !== "ended") {
      return this.state.signaling.at === "waiting" ? "wait" : this.state.signaling.at;
    }
    const end = this.commands.find((command) => command.do === "end");
    return `end ${end?.failure?.code ?? ""}`.trim();
  }
}
