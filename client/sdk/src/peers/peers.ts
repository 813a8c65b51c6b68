/**
 * Connections between participants, found by discovery: a broadcaster answers each search with an offer, and a receiver
 * searches until it is offered one. Loaded on demand by `Room.openPeers`.
 */
import { Emitter } from "../emitter";
import type { IceServer, ParticipantId, PeerSignal } from "../protocol.gen";
import type { PeerMessage, PeerRequest } from "../state";
import type { LinkOptions } from "./peer-link";
import { PeerLink } from "./peer-link";

/** The part of a room that connections between participants need. */
export interface PeersRoom {
  tellPeers(message: PeerRequest): Promise<void>;
  on(name: "peer_message", listener: (message: PeerMessage) => void): () => void;
  on(name: "participant_left", listener: (left: { readonly id: ParticipantId }) => void): () => void;
  on(name: "ended", listener: (error: unknown) => void): () => void;
}

export interface PeersEvents {
  /** One line of the log, for people: messages with their direction, states and failures. */
  log: string;
  /** A broadcaster's media; `null` when it is over. */
  stream: { readonly from: ParticipantId; readonly stream: MediaStream | null };
  /** The receivers that are connected. */
  receivers: readonly ParticipantId[];
}

/** A receiver searches again after this time while nobody offers. */
const SEEK_AGAIN_MS = 5_000;
/** Connections found by discovery have numbers from here on, those that a room announces lower ones. */
const FOUND = 2 ** 31;
/** Messages for connections that this side has not opened. */
const EARLY_MAX = 100;
/** Messages that have been seen, so that a repetition changes nothing. */
const SEEN_MAX = 200;

interface Known {
  readonly link: PeerLink;
  /** `null` if any device of the participant will do. */
  readonly device: string | null;
}

export interface ConnectOptions {
  /** Names the connection: both sides use the same number. */
  readonly link: number;
  /** True on one side, false on the other. */
  readonly polite: boolean;
  readonly iceTransportPolicy?: RTCIceTransportPolicy;
}

type Sides = Pick<LinkOptions, "polite" | "mayOffer" | "iceTransportPolicy">;

export class Peers extends Emitter<PeersEvents> {
  readonly #room: PeersRoom;
  readonly #links = new Map<ParticipantId, Known>();
  readonly #seen: string[] = [];
  readonly #early: Extract<PeerMessage, { type: "signaled" }>[] = [];
  readonly #stops: (() => void)[];
  #iceServers: readonly IceServer[] = [];
  #stream: MediaStream | null = null;
  #seeking: ReturnType<typeof setTimeout> | null = null;
  #isReceiver = false;

  constructor(room: PeersRoom) {
    super();
    this.#room = room;
    this.#stops = [
      room.on("peer_message", (message) => this.#heard(message)),
      room.on("participant_left", ({ id }) => this.#forget(id, "the participant left")),
      room.on("ended", () => this.close()),
    ];
  }

  /** Offers the stream to everybody who seeks. */
  broadcast(stream: MediaStream): void {
    this.#stream = stream;
    this.emit("log", "ready to broadcast");
  }

  /** Seeks until a broadcaster offers, and again when it is gone. */
  receive(): void {
    this.#isReceiver = true;
    void this.#seek();
  }

  /** Connects with a participant who does the same; both may add tracks at any time. */
  async connect(to: ParticipantId, { link: number, ...options }: ConnectOptions): Promise<PeerLink> {
    // Many peers need no TURN server, and a room may offer none.
    await this.#room.tellPeers({ type: "list_peer_servers" }).catch(() => undefined);
    const early = this.#early.filter((message) => message.from === to && message.link === number);
    const link = this.#open(to, null, number, { mayOffer: true, ...options });
    early.forEach(({ signal }) => link.received(signal));
    return link;
  }

  /** The connection with a participant, for statistics. */
  link(participant: ParticipantId): PeerLink | null {
    return this.#links.get(participant)?.link ?? null;
  }

  close(): void {
    this.#stops.splice(0).forEach((stop) => stop());
    this.#isReceiver = false;
    this.#stream = null;
    this.#stopSeeking();
    this.closeAll();
  }

  /** Closes all connections; others can be opened. */
  closeAll(): void {
    [...this.#links.keys()].forEach((participant) => this.#forget(participant, "closed"));
  }

  async #seek(): Promise<void> {
    this.#stopSeeking();
    if (!this.#isReceiver || this.#links.size > 0) {
      return;
    }
    this.#seeking = setTimeout(() => void this.#seek(), SEEK_AGAIN_MS);
    this.emit("log", "→ everybody: seek");
    await this.#room.tellPeers({ type: "seek" }).catch((error: unknown) => this.emit("log", `seek failed: ${String(error)}`));
  }

  #stopSeeking(): void {
    if (this.#seeking !== null) {
      clearTimeout(this.#seeking);
    }
    this.#seeking = null;
  }

  #heard(message: PeerMessage): void {
    if (message.type === "peer_servers") {
      this.#iceServers = message.ice_servers;
      return;
    }
    const { from, device } = message;
    if (message.type === "sought") {
      this.emit("log", `← ${from}: seek`);
      if (this.#stream !== null) {
        // Another search of the same device means that it has lost the connection.
        this.#offerTo(from, device);
      }
      return;
    }
    const { signal, message: id, link: number } = message;
    const key = `${from}/${device}/${id}`;
    if (this.#seen.includes(key)) {
      return;
    }
    this.#seen.push(key);
    this.#seen.splice(0, Math.max(0, this.#seen.length - SEEN_MAX));
    this.emit("log", `← ${from}: ${signal.kind}`);
    const known = this.#links.get(from);
    if (known !== undefined && (known.device ?? device) === device && known.link.link === number) {
      known.link.received(signal);
    } else if (signal.kind === "offer" && this.#isReceiver && number !== undefined && number >= FOUND) {
      this.#stopSeeking();
      this.#open(from, device, number, { polite: true, mayOffer: false }).received(signal);
    } else if (signal.kind === "request_offer" && this.#stream !== null) {
      this.#offerTo(from, device);
    } else {
      // The other side of a connection may begin first.
      this.#early.push(message);
      this.#early.splice(0, Math.max(0, this.#early.length - EARLY_MAX));
    }
  }

  #offerTo(receiver: ParticipantId, device: string): void {
    const number = FOUND + ((crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) >>> 1);
    const link = this.#open(receiver, device, number, { polite: false, mayOffer: true });
    for (const track of this.#stream?.getTracks() ?? []) {
      link.connection.addTransceiver(track, { direction: "sendonly", ...(this.#stream === null ? {} : { streams: [this.#stream] }) });
    }
  }

  #open(to: ParticipantId, device: string | null, number: number, sides: Sides): PeerLink {
    this.#forget(to, "replaced");
    const tell = (signal: PeerSignal, message: string): Promise<void> => {
      this.emit("log", `→ ${to}: ${signal.kind}`);
      return this.#room.tellPeers({ type: "signal", to, message, link: number, signal });
    };
    const link = new PeerLink({ to, link: number, tell, iceServers: this.#iceServers, ...sides });
    this.#links.set(to, { link, device });
    link.on("state", (state) => {
      this.emit("log", `${to}: ${state}`);
      this.#tellReceivers();
    });
    link.on("warning", ({ type, value, severity }) => this.emit("log", `${to}: ${severity}: ${type} ${value.toFixed(1)}`));
    link.on("track", ({ streams: [stream], track }) => this.emit("stream", { from: to, stream: stream ?? new MediaStream([track]) }));
    link.on("ended", (why) => {
      this.emit("log", `${to}: over: ${why}`);
      if (this.#links.get(to)?.link === link) {
        this.#links.delete(to);
        this.emit("stream", { from: to, stream: null });
        this.#tellReceivers();
        void this.#seek();
      }
    });
    link.startQualityMonitoring(5_000);
    return link;
  }

  #forget(participant: ParticipantId, why: string): void {
    this.#links.get(participant)?.link.close(why);
  }

  #tellReceivers(): void {
    const connected = [...this.#links].filter(([, { link }]) => link.connection.connectionState === "connected");
    this.emit("receivers", connected.map(([participant]) => participant));
  }
}
