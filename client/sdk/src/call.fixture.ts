/** A browser and an edge without a network, for the tests of whole calls. */
import { expect, vi } from "vitest";
import type { ClientToEdge, EdgeToClient, ParticipantInfo } from "./protocol.gen";
import { PING, PONG, RESUME_SUBPROTOCOL_PREFIX, TOKEN_SUBPROTOCOL_PREFIX } from "./protocol.gen";
import { ADA, GRACE, JOINED, negotiated, resumed } from "./state/client.fixture";

export const TOKEN_LIFETIME_MS = 60_000;

/** One room of an edge: it checks tokens and secrets, and accepts each secret until its successor is used. */
export class FakeEdge {
  readonly joins: string[] = [];
  /** The secrets that resumed the call. */
  readonly resumes: string[] = [];
  readonly refusals: string[] = [];
  /** The mute states that everybody sees, by section. */
  muted: Readonly<Record<string, boolean>> = {};
  sockets: FakeSocket[] = [];
  losesNextAnswer = false;
  readonly #silenced = new Set<string>();
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

  /** A moderator mutes a section. */
  moderate(mid: string): void {
    if (this.muted[mid] === false) {
      this.muted = { ...this.muted, [mid]: true };
      this.#silenced.add(mid);
      this.sockets.forEach((socket) => socket.gets({ type: "track_muted", mid }));
    }
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
      this.muted = Object.fromEntries(frame.tracks.map(({ mid, muted = false }) => [mid, muted]));
      socket.gets({ ...JOINED, roster: this.#roster(), in_reply_to: frame.id, resume_token: this.#issue([]) });
    } else if (frame.type === "resume") {
      expect(this.#accepted).toContain(frame.resume_token);
      const answer = { ...resumed(frame.id, this.#issue([frame.resume_token])), roster: this.#roster() };
      if (this.losesNextAnswer) {
        this.losesNextAnswer = false;
        this.deploy();
        return;
      }
      this.resumes.push(frame.resume_token);
      socket.gets(answer);
    } else if (frame.type === "negotiate") {
      // A moderator's mute lasts until `set_muted`.
      this.muted = Object.fromEntries(frame.tracks.map(({ mid, muted = false }) => [mid, muted || this.#silenced.has(mid)]));
      socket.gets(negotiated(frame.id, "s1"));
    } else {
      if (frame.type === "set_muted") {
        this.muted = { ...this.muted, [frame.mid]: frame.muted };
        this.#silenced.delete(frame.mid);
      }
      socket.gets({ type: "done", in_reply_to: frame.id });
    }
  }

  #roster(): ParticipantInfo[] {
    return [ADA, { ...GRACE, tracks: GRACE.tracks.map((track) => ({ ...track, muted: this.muted[track.mid] ?? track.muted })) }];
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
export const connections: FakeConnection[] = [];

export class FakeSocket {
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

/** Devices that open after a while, and may be held by the system. */
export const devices: { opensMs: number; isHeld: boolean; tracks: FakeTrack[] } = { opensMs: 0, isHeld: false, tracks: [] };

export class FakeTrack {
  readyState = "live";
  enabled = true;
  muted = devices.isHeld;
  onmute: (() => void) | null = null;
  onunmute: (() => void) | null = null;
  onended: (() => void) | null = null;
  constructor(readonly kind: string) {
    devices.tracks.push(this);
  }
  hold(isHeld: boolean): void {
    this.muted = isHeld;
    (isHeld ? this.onmute : this.onunmute)?.();
  }
  getSettings(): object {
    return {};
  }
  stop(): void {
    this.readyState = "ended";
  }
}

/** The browser's estimate, which a test may change. */
export const uplink: { availableBps: number | null } = { availableBps: null };

/** A connection on which packets arrive as long as it is open. */
export class FakeConnection {
  connectionState = "connected";
  iceConnectionState = "connected";
  remoteDescription = null;
  readonly #transceivers: object[] = [];
  constructor() {
    connections.push(this);
  }
  addTransceiver(_kind: string, { direction }: { direction: string }): object {
    const getSources = (): object[] => [];
    const transceiver = {
      mid: null,
      direction,
      sender: {
        track: null,
        getStats: () => Promise.resolve(new Map()),
        getParameters: () => ({ encodings: [] }),
        replaceTrack: () => Promise.resolve(),
        setParameters: () => Promise.resolve(),
      },
      receiver: { track: {}, getSynchronizationSources: getSources, getContributingSources: getSources },
      setCodecPreferences: () => undefined,
    };
    this.#transceivers.push(transceiver);
    return transceiver;
  }
  createOffer(): Promise<object> {
    return Promise.resolve({ type: "offer", sdp: this.#transceivers.map((_, mid) => `a=mid:${mid}\n`).join("") });
  }
  setLocalDescription(): Promise<void> {
    return Promise.resolve();
  }
  setRemoteDescription(): Promise<void> {
    return Promise.resolve();
  }
  setConfiguration(): void {}
  getTransceivers(): object[] {
    return this.#transceivers;
  }
  getStats(): Promise<Map<string, object>> {
    const packets = Math.floor(performance.now() / 20);
    const received = { type: "inbound-rtp", kind: "audio", packetsReceived: packets };
    const { availableBps } = uplink;
    const estimate = availableBps === null ? {} : { currentRoundTripTime: 0.05, availableOutgoingBitrate: availableBps };
    const pair = { type: "candidate-pair", nominated: true, requestsSent: packets, responsesReceived: packets, ...estimate };
    return Promise.resolve(new Map<string, object>([["received", received], ["pair", pair]]));
  }
  close(): void {
    this.connectionState = "closed";
  }
}

/** An unsigned token that only says when it expires. */
export function token(): string {
  return `t.${Date.now() + TOKEN_LIFETIME_MS}.s`;
}

function expiryOf(text: string): number {
  return Number(text.split(".")[1]);
}

/** Stubs a browser whose calls are with the result; time passes only as a test says. */
export function startCalls(): FakeEdge {
  edge = new FakeEdge();
  connections.splice(0);
  uplink.availableBps = null;
  Object.assign(devices, { opensMs: 0, isHeld: false, tracks: [] });
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("RTCPeerConnection", FakeConnection);
  vi.stubGlobal("RTCRtpReceiver", { getCapabilities: () => ({ codecs: [] }) });
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("document", new EventTarget());
  const getUserMedia = async ({ audio, video }: MediaStreamConstraints): Promise<object> => {
    await new Promise((resolve) => setTimeout(resolve, devices.opensMs));
    const sound = audio === undefined ? [] : [new FakeTrack("audio")];
    const pictures = video === undefined ? [] : [new FakeTrack("video")];
    return { getAudioTracks: () => sound, getVideoTracks: () => pictures, getTracks: () => [...sound, ...pictures] };
  };
  const mediaDevices = Object.assign(new EventTarget(), { enumerateDevices: () => Promise.resolve([]), getUserMedia });
  vi.stubGlobal("navigator", { userAgent: "", mediaDevices });
  return edge;
}

export function endCalls(): void {
  vi.unstubAllGlobals();
  vi.useRealTimers();
}
