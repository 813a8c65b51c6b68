/** The media transport of a room: the peer connection, its replacement in progress, and their liveness. */
import type { Dip } from "./attempts";
import { Cadence, TICK_MS } from "./cadence";
import { RoomError } from "./errors";
import type { Layer } from "./layers";
import type { CameraLimit } from "./profile";
import type { PeerOptions, PublishedSource } from "./peer";
import { Peer } from "./peer";
import type { IceServer, Mid, TrackSource } from "./protocol.gen";
import type { Command, Event, WantedLayers } from "./state";
import type { Counters, SlotLevel } from "./stats";
import { arrives, sample, slotLevels } from "./stats";
import { SUSPICION_MS, TransportWatch } from "./transport-watch";

/** The options shared by all peers of a transport. */
export type TransportOptions = Pick<PeerOptions, "iceTransportPolicy" | "preferCodec">;

export interface TransportListener {
  happened(event: Event): void;
  mark(name: "ice_connected" | "dtls_connected" | "first_frame"): void;
  /** Called four times a second; `counters` is set if the statistics were read too. */
  measured(counters: Counters | null, levels: readonly SlotLevel[]): void;
  flows(): number;
  /** True if any participant's video should arrive. */
  awaitsPicture(): boolean;
  sources(): readonly PublishedSource[];
}

/**
 * A transport that ICE has connected to another node must carry media within this time; otherwise the browser does not
 * support such a move.
 */
const MOVED_MEDIA_TIMEOUT_MS = 1_200;
/** Interval of reading the statistics after the edge has lost the node. */
const SUSPECT_INTERVAL_MS = 100;
/** The precision of an early first frame; a later one is noticed at the next reading of the statistics. */
const FIRST_FRAME_INTERVAL_MS = 15;
const FIRST_FRAME_TIMEOUT_MS = 1_500;

/** A kept transport that leads to another node, and the time at which the new node's ICE first answered. */
interface Moved {
  answersSinceMs: number | null;
}

type MakeOffer = Extract<Command, { do: "make_offer" }>;
type ApplyAnswer = Extract<Command, { do: "apply_answer" }>;

/** Hides replacements of the RTCPeerConnection from the rest of the client. */
export class Transport {
  readonly #listener: TransportListener;
  readonly #options: TransportOptions;
  readonly #watch = new TransportWatch();
  readonly #cadence = new Cadence();
  /** Created before the user joins, because the first connection costs a browser tens of milliseconds. */
  #warm: Peer | null;
  #current: Peer | null = null;
  #next: { readonly peer: Peer; readonly offer: number } | null = null;
  #iceServers: readonly IceServer[] = [];
  #timer: ReturnType<typeof setInterval> | null = null;
  #limit: CameraLimit | null = null;
  #alive = false;
  /** Browsers may connect before they report that they have applied the answer; the consequences wait for that. */
  #applying = false;
  #moved: Moved | null = null;

  constructor(listener: TransportListener, options: TransportOptions, warm: Peer | null) {
    this.#listener = listener;
    this.#options = options;
    this.#warm = warm;
  }

  /** For diagnostics; it may be replaced. */
  get connection(): RTCPeerConnection | null {
    return this.#current?.connection ?? null;
  }

  makeOffer({ offer, transport, awaitsServers, slots }: MakeOffer): void {
    const failed = (error: unknown): void =>
      this.#listener.happened({ on: "offer_failed", offer, detail: String(error) });
    try {
      const peer = transport === "new" || this.#current === null ? this.#makePeer(offer) : this.#current;
      peer.addSlots(slots);
      peer
        .makeOffer({ restartIce: transport === "restart_ice", hold: awaitsServers })
        .then((made) => this.#listener.happened({ on: "offer_made", offer, ...made }), failed);
    } catch (error) {
      // Deferred, so that events are reported in order.
      queueMicrotask(() => failed(error));
    }
  }

  async applyAnswer({ offer, sdp, iceServers }: ApplyAnswer): Promise<void> {
    const replaces = this.#next?.offer === offer;
    const peer = replaces ? (this.#next?.peer ?? null) : this.#current;
    const wasConnected = peer?.isConnected ?? false;
    let moved = false;
    this.#applying = true;
    try {
      if (peer === null) {
        throw new RoomError("disconnected", "the room was left");
      }
      if (iceServers !== null && peer.setIceServers(iceServers)) {
        this.#iceServers = iceServers;
      }
      ({ moved } = await peer.applyAnswer(sdp));
    } catch (error) {
      this.#listener.happened({ on: "answer_refused", offer, detail: String(error) });
      return;
    } finally {
      this.#applying = false;
    }
    if (replaces) {
      this.#use(peer);
    }
    // Everything heard from here on is heard through this answer.
    this.#watch.reset();
    this.#alive = false;
    this.#moved = moved && wasConnected ? { answersSinceMs: null } : null;
    this.#listener.happened({ on: "answer_applied", offer, moved });
    this.#startSampling();
    if (!wasConnected && peer.isConnected) {
      this.#connected();
    }
  }

  slotTrack(mid: Mid): MediaStreamTrack | null {
    return this.#current?.slotTrack(mid) ?? null;
  }

  /** Frames decoded and packets of sound received so far. */
  async arrived(): Promise<number> {
    let sum = 0;
    (await this.#current?.connection.getStats())?.forEach((entry: { type: string; framesDecoded?: number }) => {
      sum += entry.type === "inbound-rtp" ? (entry.framesDecoded ?? 0) : 0;
    });
    return sum;
  }

  audioTracks(): MediaStreamTrack[] {
    return this.#current?.receivers("audio").map(({ receiver }) => receiver.track) ?? [];
  }

  /** Sets the jitter buffers of video tracks, by the browser's id; `null` leaves one to the browser. */
  setVideoWaits(waits: ReadonlyMap<string, number | null>): void {
    for (const { receiver } of this.#current?.receivers("video") ?? []) {
      const waitMs = waits.get(receiver.track.id);
      // Safari has no `jitterBufferTarget`.
      if (waitMs !== undefined && "jitterBufferTarget" in receiver && receiver.jitterBufferTarget !== waitMs) {
        receiver.jitterBufferTarget = waitMs;
      }
    }
  }

  replaceTrack(source: TrackSource, track: MediaStreamTrack | null): void {
    for (const peer of [this.#current, this.#next?.peer]) {
      // A closed connection sends nothing anyway.
      peer?.replaceTrack(source, track).catch(() => undefined);
    }
  }

  /** Sends these layers of a section; `null` sends all of them. */
  setLayers(layers: WantedLayers | null): void {
    this.#current?.setLayers(layers);
  }

  /** Limits the camera on the current and future transports; `null` lifts the limit. */
  setCameraLimit(limit: CameraLimit | null): void {
    this.#limit = limit;
    this.#current?.setCameraLimit(limit);
  }

  get cameraLayers(): Layer[] {
    return this.#current?.cameraLayers ?? [];
  }

  setDip(dip: Dip | null): void {
    this.#current?.setDip(dip);
  }

  /** Publishes exactly these sources from the next offer on. */
  publish(sources: readonly PublishedSource[]): void {
    for (const peer of [this.#current, this.#next?.peer]) {
      peer?.publish(sources);
    }
  }

  /** The edge has lost the node: if its media stops as well, the node is dead. */
  suspectNode(): void {
    this.#watch.suspectNode(performance.now());
    this.#lookClosely(this.#current, performance.now() + SUSPICION_MS);
  }

  close(): void {
    if (this.#timer !== null) {
      clearInterval(this.#timer);
    }
    this.#warm?.close();
    this.#next?.peer.close();
    this.#current?.close();
    this.#timer = this.#warm = this.#next = this.#current = null;
  }

  #makePeer(offer: number): Peer {
    const sources = this.#listener.sources();
    let peer = this.#warm;
    this.#warm = null;
    if (peer === null || !peer.publishes(sources)) {
      peer?.close();
      peer = new Peer({ sources, iceServers: this.#iceServers, ...this.#options });
    } else {
      for (const { source, track } of sources) {
        peer.replaceTrack(source, track).catch(() => undefined);
      }
    }
    this.#next?.peer.close();
    this.#next = null;
    if (this.#current === null) {
      this.#use(peer);
    } else {
      this.#next = { peer, offer };
    }
    return peer;
  }

  #use(peer: Peer): void {
    this.#current?.close();
    this.#current = peer;
    this.#next = null;
    peer.listen({
      iceConnected: () => this.#listener.mark("ice_connected"),
      connected: () => {
        if (this.#moved !== null) {
          // Firefox reports this as soon as the other node's ICE answers, whether or not the keys fit.
          this.#moved.answersSinceMs ??= performance.now();
        } else if (!this.#applying) {
          this.#connected();
        }
      },
      failed: (why) => this.#lost(why === "dtls" ? "dtls" : "failed"),
    });
    peer.setCameraLimit(this.#limit);
  }

  #connected(): void {
    this.#listener.mark("dtls_connected");
    this.#lives();
    this.#awaitFirstFrame(performance.now() + FIRST_FRAME_TIMEOUT_MS);
  }

  #lives(): void {
    if (!this.#alive) {
      this.#alive = true;
      this.#listener.happened({ on: "transport_connected" });
    }
  }

  #startSampling(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    const peer = this.#current;
    if (peer === null) {
      return;
    }
    const isAlive = this.#alive && this.#moved === null && peer.connection.iceConnectionState !== "disconnected";
    if (this.#cadence.isDue({ nowMs: performance.now(), arrives: arrives(peer), isAlive })) {
      void this.#sample(peer);
    } else {
      this.#listener.measured(null, slotLevels(peer));
    }
  }

  async #sample(peer: Peer): Promise<void> {
    const counters = await sample(peer);
    if (peer !== this.#current) {
      return;
    }
    const flows = this.#listener.flows();
    const disconnected = peer.connection.iceConnectionState === "disconnected";
    const verdict = this.#watch.take({ ...counters, flows, disconnected });
    if (verdict === "quiet") {
      this.#lost("quiet");
    } else if (this.#moved !== null && verdict !== "flowing" && flows > 0) {
      this.#awaitMedia(this.#moved, verdict, counters.atMs);
    } else if (verdict !== null && peer.isConnected) {
      // After an ICE restart some browsers never leave this state, so no event reports that media flows again.
      this.#moved = null;
      this.#lives();
    }
    if (counters.framesDecoded > 0) {
      this.#listener.mark("first_frame");
    }
    this.#listener.measured(counters, slotLevels(peer));
  }

  /** Another node answers ICE, but DTLS is not proven yet. */
  #awaitMedia(moved: Moved, verdict: "alive" | null, nowMs: number): void {
    if (verdict === "alive") {
      moved.answersSinceMs ??= nowMs;
    }
    if (moved.answersSinceMs !== null && nowMs - moved.answersSinceMs > MOVED_MEDIA_TIMEOUT_MS) {
      this.#moved = null;
      this.#lost("failed");
    }
  }

  #lookClosely(peer: Peer | null, untilMs: number): void {
    if (peer !== null && peer === this.#current && this.#alive && performance.now() < untilMs) {
      void this.#sample(peer);
      setTimeout(() => this.#lookClosely(peer, untilMs), SUSPECT_INTERVAL_MS);
    }
  }

  #lost(why: "quiet" | "failed" | "dtls"): void {
    this.#alive = false;
    this.#listener.happened({ on: "transport_lost", why });
  }

  #awaitFirstFrame(untilMs: number): void {
    const peer = this.#current;
    if (peer === null || performance.now() > untilMs) {
      return;
    }
    const again = (): unknown => setTimeout(() => this.#awaitFirstFrame(untilMs), FIRST_FRAME_INTERVAL_MS);
    if (!this.#listener.awaitsPicture()) {
      again();
      return;
    }
    void sample(peer).then(({ framesDecoded }) =>
      framesDecoded > 0 ? this.#listener.mark("first_frame") : again(),
    );
  }
}
