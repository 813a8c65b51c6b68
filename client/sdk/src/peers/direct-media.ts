/** Media from participant to participant in a call: carries out `change` with one connection for each other participant. */
import type { DirectInfo, ParticipantId, TrackSource } from "../protocol.gen";
import type { PeerLink } from "./peer-link";
import type { PeersRoom } from "./peers";
import { Peers } from "./peers";
import type { Switching, SwitchingCommand, SwitchingEvent } from "./switching";
import { AT_NODE, change } from "./switching";

/** The call's side of it. */
export interface DirectHost {
  readonly room: PeersRoom;
  readonly iceTransportPolicy: RTCIceTransportPolicy;
  /** The microphone's and the camera's tracks. */
  tracks(): readonly { readonly source: TrackSource; readonly track: MediaStreamTrack | null }[];
  /** The published sources of another participant that are not muted. */
  expected(participant: ParticipantId): readonly TrackSource[];
  /** Frames decoded through the node so far. */
  nodeMedia(): Promise<number>;
  hold(held: boolean): void;
  changed(): void;
}

const LOOK_MS = 100;
const SOURCES: readonly TrackSource[] = ["microphone", "camera"];

interface Other {
  readonly link: PeerLink;
  readonly senders: ReadonlyMap<TrackSource, RTCRtpSender>;
  readonly received: Map<TrackSource, MediaStreamTrack>;
}

export class DirectMedia {
  readonly #host: DirectHost;
  readonly #peers: Peers;
  readonly #others = new Map<ParticipantId, Other>();
  #state: Switching = AT_NODE;
  #shown = false;
  #timer: ReturnType<typeof setInterval> | null = null;
  #nodeMediaBefore: number | null = null;

  constructor(host: DirectHost) {
    this.#host = host;
    this.#peers = new Peers(host.room);
  }

  told(direct: DirectInfo | null, self: ParticipantId): void {
    this.#take({ on: "room", direct, self });
  }

  /** The track of a participant's source; `null` while the node's is shown. */
  track(participant: ParticipantId, source: TrackSource): MediaStreamTrack | null {
    return this.#shown ? (this.#others.get(participant)?.received.get(source) ?? null) : null;
  }

  audioTracks(): MediaStreamTrack[] {
    const all = this.#shown ? [...this.#others.values()] : [];
    return all.flatMap(({ received }) => received.get("microphone") ?? []);
  }

  /** Sends another track, or none, of one of the devices. */
  replace(source: TrackSource, track: MediaStreamTrack | null): void {
    for (const { senders } of this.#others.values()) {
      senders.get(source)?.replaceTrack(track).catch(() => undefined);
    }
  }

  close(): void {
    this.#stopLooking();
    this.#peers.close();
    this.#others.clear();
    this.#shown = false;
  }

  #take(event: SwitchingEvent): void {
    const [state, commands] = change(this.#state, event, performance.now());
    this.#state = state;
    commands.forEach((command) => this.#execute(command));
    if (state.at === "trying" || state.at === "returning") {
      this.#timer ??= setInterval(() => void this.#look(), LOOK_MS);
    } else {
      this.#stopLooking();
    }
  }

  #execute(command: SwitchingCommand): void {
    switch (command.do) {
      case "open":
        return command.others.forEach(({ id, polite }) => void this.#open(id, command.number, polite));
      case "close":
        this.#others.clear();
        return this.#peers.closeAll();
      case "report":
        return void this.#host.room.tellPeers({ type: "report_direct", number: command.number, up: command.up }).catch(() => undefined);
      case "hold":
        this.#nodeMediaBefore = null;
        return this.#host.hold(command.held);
      case "show":
        this.#shown = command.direct;
        return this.#host.changed();
    }
  }

  async #open(to: ParticipantId, number: number, polite: boolean): Promise<void> {
    const link = await this.#peers.connect(to, { link: number, polite, iceTransportPolicy: this.#host.iceTransportPolicy });
    if (this.#state.number !== number || this.#state.at === "node") {
      return link.close();
    }
    const received = new Map<TrackSource, MediaStreamTrack>();
    const senders = new Map<TrackSource, RTCRtpSender>();
    link.on("track", ({ track }) => {
      received.set(track.kind === "audio" ? "microphone" : "camera", track);
      this.#host.changed();
    });
    link.on("ended", () => this.#state.number === number && this.#take({ on: "lost" }));
    for (const source of SOURCES) {
      const track = this.#host.tracks().find((own) => own.source === source)?.track ?? null;
      const transceiver = link.connection.addTransceiver(track ?? (source === "microphone" ? "audio" : "video"), { direction: "sendrecv" });
      senders.set(source, transceiver.sender);
    }
    this.#others.set(to, { link, senders, received });
  }

  /** Looks for media that arrives for the first time: directly, or through the node again. */
  async #look(): Promise<void> {
    const { at, number } = this.#state;
    if (at === "trying") {
      for (const [participant, { link }] of this.#others) {
        const arrives = await this.#arrives(participant, link);
        if (arrives && this.#state.number === number) {
          this.#take({ on: "live", participant });
        }
      }
    } else if (at === "returning") {
      const media = await this.#host.nodeMedia();
      const before = (this.#nodeMediaBefore ??= media);
      if (media > before) {
        this.#take({ on: "node_media" });
      }
    }
    this.#take({ on: "wake" });
  }

  async #arrives(participant: ParticipantId, link: PeerLink): Promise<boolean> {
    const arrived = new Set<string>();
    (await link.connection.getStats()).forEach((entry: { type: string; kind?: string; framesDecoded?: number; packetsReceived?: number }) => {
      if (entry.type === "inbound-rtp" && ((entry.kind === "video" ? entry.framesDecoded : entry.packetsReceived) ?? 0) > 0) {
        arrived.add(entry.kind === "video" ? "camera" : "microphone");
      }
    });
    return link.connection.connectionState === "connected" && this.#host.expected(participant).every((source) => arrived.has(source));
  }

  #stopLooking(): void {
    if (this.#timer !== null) {
      clearInterval(this.#timer);
    }
    this.#timer = null;
  }
}
