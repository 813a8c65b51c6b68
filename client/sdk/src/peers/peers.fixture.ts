/** Connections and a room without a browser and an edge, for tests of the connections between participants. */
import type { PeerMessage, PeerRequest } from "../state";
import type { PeersRoom } from "./peers";

/** A browser's connection without media: its descriptions name the side that made them. */
export class FakeConnection {
  static readonly all: FakeConnection[] = [];
  onnegotiationneeded: (() => void) | null = null;
  onicecandidate: ((event: unknown) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  ontrack: ((event: unknown) => void) | null = null;
  connectionState: RTCPeerConnectionState = "new";
  localDescription: { type: string; sdp: string } | null = null;
  remote: { type: string; sdp: string } | null = null;
  signaling = "stable";
  restarts = 0;
  readonly replaced: unknown[] = [];
  /** The entries of its statistics. */
  stats: readonly Record<string, unknown>[] = [];
  readonly candidates: unknown[] = [];

  constructor(readonly configuration: RTCConfiguration) {
    FakeConnection.all.push(this);
  }

  addTransceiver(): { sender: { replaceTrack(track: unknown): Promise<void> } } {
    this.need();
    return { sender: { replaceTrack: async (track) => void this.replaced.push(track) } };
  }

  need(): void {
    queueMicrotask(() => this.onnegotiationneeded?.());
  }

  async setLocalDescription(): Promise<void> {
    const type = this.signaling === "have-remote-offer" ? "answer" : "offer";
    this.localDescription = { type, sdp: `${type} of ${FakeConnection.all.indexOf(this)}` };
    this.signaling = type === "answer" ? "stable" : "have-local-offer";
  }

  async setRemoteDescription(description: { type: string; sdp: string }): Promise<void> {
    this.remote = description;
    this.signaling = description.type === "offer" ? "have-remote-offer" : "stable";
  }

  async addIceCandidate(candidate: unknown): Promise<void> {
    this.candidates.push(candidate);
  }

  restartIce(): void {
    this.restarts += 1;
    this.need();
  }

  async getStats(): Promise<ReadonlyMap<string, unknown>> {
    return new Map(this.stats.map((entry, index) => [String(index), entry]));
  }

  close(): void {
    this.connectionState = "closed";
  }

  becomes(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

/** A room that passes messages between its participants as the edge does. */
export class FakeEdge {
  readonly passed: string[] = [];
  readonly reports: string[] = [];
  readonly #members = new Map<string, (message: PeerMessage) => void>();

  join(name: string): PeersRoom & { leaves(id: string): void } {
    let left: (left: { id: string }) => void = () => undefined;
    const on = (event: string, listener: (value: never) => void): (() => void) => {
      if (event === "peer_message") {
        this.#members.set(name, listener as (message: PeerMessage) => void);
      } else if (event === "participant_left") {
        left = listener as typeof left;
      }
      return () => undefined;
    };
    return { on: on as PeersRoom["on"], tellPeers: (message) => this.#pass(name, message), leaves: (id) => left({ id }) };
  }

  async #pass(from: string, message: PeerRequest): Promise<void> {
    await Promise.resolve();
    const stamp = { from, device: `of-${from}`, sent_at: 1 };
    if (message.type === "seek") {
      this.passed.push(`${from}: seek`);
      [...this.#members].filter(([name]) => name !== from).forEach(([, hear]) => hear({ type: "sought", ...stamp }));
      return;
    }
    if (message.type === "report_direct") {
      this.reports.push(`${from}: ${message.number} ${message.up ? "up" : "failed"}`);
      return;
    }
    if (message.type !== "signal") {
      throw Object.assign(new Error("refused"), { code: "forbidden" });
    }
    this.passed.push(`${from} → ${message.to}: ${message.signal.kind}`);
    const { to, message: id, link, signal } = message;
    this.#members.get(to)?.({ type: "signaled", ...stamp, to, message: id, signal, ...(link === undefined ? {} : { link }) });
  }
}
