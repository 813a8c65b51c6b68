/** A connection with one other participant: the browser's half of `negotiate`. */
import { Emitter } from "../emitter";
import type { RoomError } from "../errors";
import type { ErrorCode, IceServer, ParticipantId, PeerSignal } from "../protocol.gen";
import { RETRYABLE_ERROR_CODES } from "../protocol.gen";
import { randomId } from "../random";
import type { Negotiation, NegotiationCommand, NegotiationEvent } from "./negotiation";
import { begin, negotiate, wakeAt } from "./negotiation";
import type { DetailedStats, LinkWarning } from "./stats";
import { StatsReader, warningsOf } from "./stats";

export interface LinkOptions {
  readonly to: ParticipantId;
  /** Names the connection in its messages. */
  readonly link: number;
  readonly polite: boolean;
  /** False if this side's grants let it send nothing. Default: true. */
  readonly mayOffer?: boolean;
  readonly iceServers?: readonly IceServer[];
  readonly iceTransportPolicy?: RTCIceTransportPolicy;
  /** Sends a message; rejects with the error of the room. */
  tell(signal: PeerSignal, message: string): Promise<void>;
}

export interface LinkEvents {
  /** `connecting`, `connected`, `disconnected`, `failed` or `closed`. */
  state: RTCPeerConnectionState;
  track: RTCTrackEvent;
  warning: LinkWarning;
  /** The connection is over, and why. */
  ended: string;
}

/** Candidates gathered in advance, so that they leave with the first batch. */
const CANDIDATE_POOL_SIZE = 10;

export class PeerLink extends Emitter<LinkEvents> {
  readonly to: ParticipantId;
  readonly link: number;
  readonly connection: RTCPeerConnection;
  readonly #tell: LinkOptions["tell"];
  readonly #stats = new StatsReader();
  #state: Negotiation;
  #message = randomId();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #monitor: ReturnType<typeof setInterval> | null = null;
  #isOver = false;

  constructor({ to, link, tell, iceServers = [], iceTransportPolicy = "all", ...sides }: LinkOptions) {
    super();
    this.to = to;
    this.link = link;
    this.#tell = tell;
    this.#state = begin(sides);
    this.connection = new RTCPeerConnection({
      iceServers: [...iceServers],
      iceTransportPolicy,
      iceCandidatePoolSize: CANDIDATE_POOL_SIZE,
      bundlePolicy: "max-bundle",
      rtcpMuxPolicy: "require",
    });
    this.connection.onnegotiationneeded = () => this.#take({ on: "needed" });
    this.connection.onicecandidate = ({ candidate }) => {
      if (candidate !== null) {
        const { candidate: text, sdpMid: mid, usernameFragment: ufrag } = candidate;
        this.#take({ on: "candidate", candidate: { candidate: text, mid: mid ?? "0", ...(ufrag === null ? {} : { ufrag }) } });
      }
    };
    this.connection.onconnectionstatechange = () => this.#take({ on: "connection", state: this.connection.connectionState });
    this.connection.ontrack = (event) => this.emit("track", event);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** A message of the other side for this link. */
  received(signal: PeerSignal): void {
    this.#take({ on: "received", signal });
  }

  /** Asks the other side for an offer. */
  requestOffer(): void {
    this.#take({ on: "needed" });
  }

  /** Counters and rates since the previous call: bitrates, losses in percent, round trip and jitter in milliseconds. */
  async getDetailedStats(): Promise<DetailedStats> {
    return this.#stats.take(await this.connection.getStats(), performance.now());
  }

  /** Emits `warning` for each bad value, every `intervalMs`. */
  startQualityMonitoring(intervalMs = 5_000): void {
    this.stopQualityMonitoring();
    const reader = new StatsReader();
    const look = async (): Promise<void> => {
      const stats = reader.take(await this.connection.getStats(), performance.now());
      warningsOf(stats).forEach((warning) => this.emit("warning", warning));
    };
    void look();
    this.#monitor = setInterval(() => void look(), intervalMs);
  }

  stopQualityMonitoring(): void {
    if (this.#monitor !== null) {
      clearInterval(this.#monitor);
    }
  }

  close(why = "closed"): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.stopQualityMonitoring();
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
    }
    const { connection } = this;
    connection.onnegotiationneeded = connection.onicecandidate = connection.onconnectionstatechange = connection.ontrack = null;
    connection.close();
    this.emit("state", "closed");
    this.emit("ended", why);
  }

  #take(event: NegotiationEvent): void {
    if (this.#isOver) {
      return;
    }
    const [state, commands] = negotiate(this.#state, event, performance.now());
    this.#state = state;
    commands.forEach((command) => this.#execute(command));
    this.#schedule();
  }

  #schedule(): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
    }
    const at = this.#isOver ? null : wakeAt(this.#state);
    this.#timer = at === null ? null : setTimeout(() => this.#take({ on: "wake" }), Math.max(0, Math.ceil(at - performance.now())));
  }

  #execute(command: NegotiationCommand): void {
    switch (command.do) {
      case "set_local":
        return void this.#setLocal();
      case "repeat_local":
        return this.#tellLocal();
      case "set_remote":
        return void this.#setRemote(command.kind, command.sdp);
      case "add_candidates":
        return command.candidates.forEach((candidate) => void this.#addCandidate(candidate));
      case "send":
        return void this.#send(command.signal, command.again);
      case "restart_ice":
        return this.connection.restartIce();
      case "state":
        return this.emit("state", command.state);
      case "give_up":
        return this.close(command.why);
    }
  }

  async #setLocal(): Promise<void> {
    try {
      await this.connection.setLocalDescription();
    } catch {
      return this.#take({ on: "local_failed" });
    }
    this.#tellLocal();
  }

  #tellLocal(): void {
    const { localDescription } = this.connection;
    if (localDescription === null || localDescription.type === "rollback" || localDescription.type === "pranswer") {
      return this.#take({ on: "local_failed" });
    }
    this.#take({ on: "local_set", kind: localDescription.type, sdp: localDescription.sdp });
  }

  async #setRemote(kind: "offer" | "answer", sdp: string): Promise<void> {
    try {
      await this.connection.setRemoteDescription({ type: kind, sdp });
    } catch {
      return this.#take({ on: "remote_failed", kind });
    }
    this.#take({ on: "remote_set", kind });
  }

  async #addCandidate({ candidate, mid, ufrag }: { candidate: string; mid: string; ufrag?: string }): Promise<void> {
    // A candidate of an earlier generation, or of an ignored offer, fits no description, and does no harm.
    await this.connection
      .addIceCandidate({ candidate, sdpMid: mid, ...(ufrag === undefined ? {} : { usernameFragment: ufrag }) })
      .catch(() => undefined);
  }

  async #send(signal: PeerSignal, again: boolean): Promise<void> {
    // The same id again, so that the other side knows a repetition.
    this.#message = again ? this.#message : randomId();
    try {
      await this.#tell(signal, this.#message);
    } catch (error) {
      const code = (error as Partial<RoomError>).code as ErrorCode | undefined;
      const mayRetry = code === undefined || (code as string) === "disconnected" || RETRYABLE_ERROR_CODES.includes(code);
      return this.#take({ on: "refused", code: code ?? null, mayRetry });
    }
    this.#take({ on: "sent" });
  }
}
