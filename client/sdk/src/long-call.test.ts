import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ClientToEdge, EdgeToClient } from "./protocol.gen";
import { PING, PONG, RESUME_SUBPROTOCOL_PREFIX, TOKEN_SUBPROTOCOL_PREFIX } from "./protocol.gen";
import { Room } from "./room";
import { ADA, GRACE, JOINED, resumed } from "./state/client.fixture";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const TOKEN_LIFETIME_MS = MINUTE_MS;
const DEPLOYMENTS = 10;
/** The deployment whose first answer to a resume is lost. */
const LOSSY = 4;

/** One room of an edge: it checks tokens and secrets, and accepts each secret until its successor is used. */
class FakeEdge {
  readonly joins: string[] = [];
  /** The secrets that resumed the call. */
  readonly resumes: string[] = [];
  readonly refusals: string[] = [];
  sockets: FakeSocket[] = [];
  losesNextAnswer = false;
  #issued = 0;
  #accepted: string[] = [];

  /** A deployment closes every socket; the room remembers its participants. */
  deploy(): void {
    this.sockets.splice(0).forEach((socket) => socket.dies());
  }

  /** Everything issued until now opens nothing any more. */
  forget(): void {
    this.#accepted = [];
    this.deploy();
  }

  connected(socket: FakeSocket, key: string): void {
    this.sockets.push(socket);
    const [token, secret] = [TOKEN_SUBPROTOCOL_PREFIX, RESUME_SUBPROTOCOL_PREFIX].map((prefix) =>
      key.startsWith(prefix) ? key.slice(prefix.length) : null,
    );
    if (token !== null && Date.now() > expiryOf(token ?? "")) {
      this.#refuse(socket, "token_expired");
    } else if (secret !== null && !this.#accepted.includes(secret ?? "")) {
      this.#refuse(socket, "session_expired");
    }
  }

  received(socket: FakeSocket, text: string): void {
    if (text === PING) {
      socket.gets(PONG);
      return;
    }
    const frame = JSON.parse(text) as ClientToEdge & { id: number };
    if (frame.type === "join") {
      this.joins.push(frame.attempt);
      socket.gets({ ...JOINED, in_reply_to: frame.id, resume_token: this.#issue([]) });
    } else if (frame.type === "resume") {
      expect(this.#accepted).toContain(frame.resume_token);
      const answer = resumed(frame.id, this.#issue([frame.resume_token]));
      if (this.losesNextAnswer) {
        this.losesNextAnswer = false;
        this.deploy();
        return;
      }
      this.resumes.push(frame.resume_token);
      socket.gets(answer);
    } else {
      socket.gets({ type: "done", in_reply_to: frame.id });
    }
  }

  #issue(used: readonly string[]): string {
    const secret = `secret-${++this.#issued}`;
    this.#accepted = [...used, secret];
    return secret;
  }

  #refuse(socket: FakeSocket, code: "token_expired" | "session_expired"): void {
    this.refusals.push(code);
    socket.gets({ type: "refused", code });
    socket.dies();
  }
}

let edge = new FakeEdge();
const connections: FakeConnection[] = [];

class FakeSocket {
  static readonly OPEN = 1;
  readyState = 0;
  onopen: (() => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  constructor(_url: string, [, key = ""]: readonly string[]) {
    setTimeout(() => {
      if (this.readyState === 0) {
        this.readyState = 1;
        this.onopen?.();
        edge.connected(this, key);
      }
    }, 30);
  }
  send(text: string): void {
    setTimeout(() => (this.readyState === FakeSocket.OPEN ? edge.received(this, text) : undefined), 20);
  }
  gets(message: EdgeToClient | typeof PONG): void {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }
  dies(): void {
    this.readyState = 3;
    this.onclose?.({ code: 1006 });
  }
  close(): void {
    this.readyState = 3;
  }
}

/** A connection on which packets arrive as long as it is open. */
class FakeConnection {
  connectionState = "connected";
  iceConnectionState = "connected";
  remoteDescription = null;
  constructor() {
    connections.push(this);
  }
  addTransceiver(_kind: string, { direction }: { direction: string }): object {
    const getSources = (): object[] => [];
    return {
      mid: null,
      direction,
      sender: {
        track: null,
        getParameters: () => ({ encodings: [] }),
        replaceTrack: () => Promise.resolve(),
        setParameters: () => Promise.resolve(),
      },
      receiver: { track: {}, getSynchronizationSources: getSources, getContributingSources: getSources },
      setCodecPreferences: () => undefined,
    };
  }
  createOffer(): Promise<object> {
    return Promise.resolve({ type: "offer", sdp: "" });
  }
  setLocalDescription(): Promise<void> {
    return Promise.resolve();
  }
  setRemoteDescription(): Promise<void> {
    return Promise.resolve();
  }
  setConfiguration(): void {}
  getTransceivers(): object[] {
    return [];
  }
  getStats(): Promise<Map<string, object>> {
    const packets = Math.floor(performance.now() / 20);
    const received = { type: "inbound-rtp", kind: "audio", packetsReceived: packets };
    const pair = { type: "candidate-pair", nominated: true, requestsSent: packets, responsesReceived: packets };
    return Promise.resolve(new Map<string, object>([["received", received], ["pair", pair]]));
  }
  close(): void {
    this.connectionState = "closed";
  }
}

/** An unsigned token that only says when it expires. */
function token(): string {
  return `t.${Date.now() + TOKEN_LIFETIME_MS}.s`;
}

function expiryOf(text: string): number {
  return Number(text.split(".")[1]);
}

beforeEach(() => {
  edge = new FakeEdge();
  connections.splice(0);
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("RTCPeerConnection", FakeConnection);
  vi.stubGlobal("RTCRtpReceiver", { getCapabilities: () => ({ codecs: [] }) });
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("navigator", { userAgent: "", mediaDevices: new EventTarget() });
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("a call of twelve hours, on a token of a minute, over ten deployments", () => {
  // The edge's half is `tests/edge/tests/deployments.test.mjs`.
  test.each([
    ["a fixed token", () => token()],
    ["a source of tokens", () => () => Promise.resolve(token())],
  ])("with %s is one call: one join, one transport, everybody stays, and each secret resumes once", async (_, source) => {
    let asked = 0;
    const given = source();
    const counted = typeof given === "string" ? given : () => ((asked += 1), given());
    const joining = Room.join({ url: "ws://edge/v1/rooms/x/socket", token: counted });
    await vi.advanceTimersByTimeAsync(1_000);
    const room = await joining;
    const told: string[] = [];
    for (const name of ["participant_left", "participant_joined", "error", "ended"] as const) {
      room.on(name, () => told.push(name));
    }
    room.on("changed", ({ participants }) => {
      const others = participants.map(({ id }) => id).join();
      if (others !== ADA.id) {
        told.push(`with ${others}`);
      }
    });

    for (let deployment = 1; deployment <= DEPLOYMENTS; deployment += 1) {
      // Not in step with anything that the client does every ten seconds or every minute.
      await vi.advanceTimersByTimeAsync((12 * HOUR_MS) / DEPLOYMENTS - 1_000 - 777 * deployment);
      edge.losesNextAnswer = deployment === LOSSY;
      edge.deploy();
      expect(room.connection).toBe("reconnecting");
      await vi.advanceTimersByTimeAsync(2_000);
      expect(room.connection, `deployment ${deployment}`).toBe("connected");
    }
    await vi.advanceTimersByTimeAsync(MINUTE_MS);
    expect(told).toEqual([]);
    expect([edge.joins.length, edge.refusals, asked]).toEqual([1, [], typeof given === "string" ? 0 : 1]);
    expect([edge.resumes.length, new Set(edge.resumes).size]).toEqual([DEPLOYMENTS, DEPLOYMENTS]);
    expect(connections.map(({ connectionState }) => connectionState)).toEqual(["connected"]);
    expect([room.self?.id, ...room.participants.map(({ id }) => id)]).toEqual([GRACE.id, ADA.id]);
    await Promise.all([room.leave(), vi.advanceTimersByTimeAsync(1_000)]);
  });

  test("asks for another token only where the room has forgotten the participant", async () => {
    const source = vi.fn(() => Promise.resolve(token()));
    const joining = Room.join({ url: "ws://edge/v1/rooms/x/socket", token: source });
    await vi.advanceTimersByTimeAsync(1_000);
    const room = await joining;
    await vi.advanceTimersByTimeAsync(HOUR_MS);
    edge.forget();
    await vi.advanceTimersByTimeAsync(5_000);
    expect([room.connection, edge.joins.length, edge.refusals, source.mock.calls.length]).toEqual([
      "connected",
      2,
      ["session_expired"],
      2,
    ]);
    await Promise.all([room.leave(), vi.advanceTimersByTimeAsync(1_000)]);
  });
});
