/** A room as an application uses it: the shell around `step`, which owns the socket, the transport and the devices. */
import type { CameraSize, DeviceKind } from "./devices";
import { Emitter } from "./emitter";
import { RoomError } from "./errors";
import { Peer } from "./peer";
import type { PublishedSource } from "./peer";
import type { ParticipantId } from "./protocol.gen";
import { SLOTS_PER_KIND_DEFAULT } from "./protocol.gen";
import type { TokenSource } from "./signal";
import { Signal } from "./signal";
import type { Participant, RoomSnapshot } from "./snapshot";
import { snapshot } from "./snapshot";
import { Speaking } from "./speaking";
import type { Command, Connection, Event, Failure, State } from "./state";
import { initial, step } from "./state";
import type { Counters, SlotLevel } from "./stats";
import type { Timings } from "./timings";
import { Stopwatch } from "./timings";
import { readToken } from "./token";
import type { TrackOption } from "./track";
import { LocalTrack } from "./track";
import { Transport } from "./transport";

/** How to enter a room. */
export interface JoinOptions {
  /** The room's socket; `roomUrl` makes it. */
  readonly url: string;
  readonly token: TokenSource;
  /** Default: off. */
  readonly microphone?: TrackOption;
  /** Default: off. */
  readonly camera?: TrackOption;
  readonly cameraSize?: CameraSize;
  /** Whether to have sections for sound and pictures at all. Default: what the token grants, where it is given here. */
  readonly publish?: boolean;
  /** `relay` uses nothing but TURN servers. */
  readonly iceTransportPolicy?: RTCIceTransportPolicy;
  /** Whether closing the page is leaving. Default: yes. */
  readonly leaveOnPageHide?: boolean;
}

/** What a room says. */
export interface RoomEvents {
  /** Anything changed; the new state of everything. */
  changed: RoomSnapshot;
  connection: Connection;
  participant_joined: Participant;
  participant_left: { readonly id: ParticipantId; readonly name: string };
  /** Who speaks, the latest first. */
  speaking: readonly ParticipantId[];
  /** Something did not work; the room goes on. */
  error: RoomError;
  /** The room is over; nothing where the user left. */
  ended: RoomError | null;
}

interface Ticket {
  readonly resolve: () => void;
  readonly reject: (error: RoomError) => void;
}

let warm: Peer | null = null;

/** A call. Made by `Room.join`. */
export class Room extends Emitter<RoomEvents> {
  readonly #stopwatch = new Stopwatch();
  readonly #signal: Signal;
  readonly #transport: Transport;
  readonly #microphone: LocalTrack;
  readonly #camera: LocalTrack;
  readonly #speaking = new Speaking();
  readonly #tickets = new Map<number, Ticket>();
  readonly #entered: Promise<void>;
  readonly #left: Promise<void>;
  readonly #stopListening: () => void;
  #enter: Ticket = { resolve: () => undefined, reject: () => undefined };
  #leave: () => void = () => undefined;
  #ticketsIssued = 0;
  #state: State;
  #error: RoomError | null = null;
  #speakers: readonly ParticipantId[] = [];
  #speakerId: string | null = null;
  #snapshot: RoomSnapshot;
  #queue: Event[] = [];
  #working = false;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** Enters a room; resolves when the edge has let the user in, before media flows. Rejects with a `RoomError`. */
  static async join(options: JoinOptions): Promise<Room> {
    if (typeof RTCPeerConnection === "undefined") {
      throw new RoomError("unsupported_browser");
    }
    const room = new Room(options);
    room.#dispatch({ on: "start" });
    room.#openDevices();
    await room.#entered;
    return room;
  }

  /** Prepares what the next join needs, so that it is faster: to be called in the lobby. */
  static warmUp(): void {
    if (warm === null && typeof RTCPeerConnection !== "undefined") {
      const sources = (["microphone", "camera"] as const).map((source) => ({ source, track: null }));
      warm = new Peer({ sources, iceServers: [], iceTransportPolicy: "all" });
      warm.addSlots({ audio: SLOTS_PER_KIND_DEFAULT, video: SLOTS_PER_KIND_DEFAULT });
    }
  }

  private constructor(options: JoinOptions) {
    super();
    this.#microphone = this.#localTrack("microphone", options.microphone ?? false, undefined);
    this.#camera = this.#localTrack("camera", options.camera ?? false, options.cameraSize);
    this.#state = initial({
      attemptPrefix: crypto.randomUUID(),
      seed: crypto.getRandomValues(new Int32Array(1))[0] ?? 0,
      muted: { microphone: !this.#microphone.on, camera: !this.#camera.on },
      renewsToken: typeof options.token === "function",
      publishes: options.publish ?? (typeof options.token === "function" || mayPublish(options.token)),
    });
    this.#signal = new Signal(options.url, options.token, {
      opened: () => {
        this.#stopwatch.mark("socket_open");
        this.#dispatch({ on: "socket_opened" });
      },
      closed: (code) => this.#dispatch({ on: "socket_closed", code }),
      frame: (text) => this.#dispatch({ on: "frame", text }),
      tokenUnavailable: (detail) => this.#dispatch({ on: "token_unavailable", detail }),
    });
    this.#transport = this.#makeTransport(options.iceTransportPolicy ?? "all");
    this.#entered = new Promise((resolve, reject) => (this.#enter = { resolve, reject }));
    this.#left = new Promise((resolve) => (this.#leave = resolve));
    this.#stopListening = this.#listenToPage(options.leaveOnPageHide ?? true);
    this.#snapshot = this.#takeSnapshot();
  }

  /** Everything at once; the same object until something changes. */
  get snapshot(): RoomSnapshot {
    return this.#snapshot;
  }

  get connection(): Connection {
    return this.#snapshot.connection;
  }

  get self(): Participant | null {
    return this.#snapshot.self;
  }

  /** Everybody else. */
  get participants(): readonly Participant[] {
    return this.#snapshot.participants;
  }

  /** How long each phase of the join took. */
  get timings(): Timings {
    return this.#stopwatch.timings;
  }

  /** For diagnostics alone: which one it is changes when the transport is replaced. */
  get peerConnection(): RTCPeerConnection | null {
    return this.#transport.connection;
  }

  /** Turns the microphone on or off. Rejects where there is none. */
  setMicrophone(on: boolean): Promise<void> {
    return this.#set(this.#microphone, on);
  }

  /** Turns the camera on or off; off also stops capturing. Rejects where there is none. */
  setCamera(on: boolean): Promise<void> {
    return this.#set(this.#camera, on);
  }

  /** Uses another device from here on. Rejects where it cannot be had; the one before then stays. */
  async switchDevice(kind: DeviceKind | "speaker", deviceId: string): Promise<void> {
    if (kind === "speaker") {
      this.#speakerId = deviceId;
    } else {
      await (kind === "microphone" ? this.#microphone : this.#camera).switchDevice(deviceId);
    }
    this.#changed();
  }

  /** Says whose video the user looks at, most wanted first. */
  setView(participants: readonly ParticipantId[]): void {
    this.#dispatch({ on: "set_view", participants });
  }

  /** Removes somebody; needs the grant `moderate`. Rejects where the edge says no. */
  kick(participant: ParticipantId, reason: string | null = null): Promise<void> {
    const ticket = ++this.#ticketsIssued;
    return new Promise((resolve, reject) => {
      this.#tickets.set(ticket, { resolve, reject });
      this.#dispatch({ on: "kick", participant, reason, ticket });
    });
  }

  /** Records everything that is published in the room; needs the grant `record`. Rejects where the edge says no. */
  startRecording(): Promise<void> {
    return this.#record(true);
  }

  /** Ends the recording. */
  stopRecording(): Promise<void> {
    return this.#record(false);
  }

  /** Leaves; resolves when the edge knows, or after a second. */
  leave(): Promise<void> {
    this.#microphone.close();
    this.#camera.close();
    this.#transport.close();
    this.#dispatch({ on: "leave" });
    return this.#left;
  }

  #record(start: boolean): Promise<void> {
    const ticket = ++this.#ticketsIssued;
    return new Promise((resolve, reject) => {
      this.#tickets.set(ticket, { resolve, reject });
      this.#dispatch({ on: "record", start, ticket });
    });
  }

  async #set(track: LocalTrack, on: boolean): Promise<void> {
    if (on && !this.#state.publishes) {
      throw new RoomError("forbidden", "publish");
    }
    await track.set(on).finally(() => this.#changed());
  }

  #dispatch(event: Event): void {
    this.#queue.push(event);
    if (this.#working) {
      return;
    }
    this.#working = true;
    const before = this.#state;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        const [state, commands] = step(this.#state, next, performance.now());
        this.#notice(this.#state, state);
        this.#state = state;
        commands.forEach((command) => this.#execute(command));
      }
    } finally {
      this.#working = false;
    }
    if (before !== this.#state) {
      this.#changed();
    }
  }

  #execute(command: Command): void {
    switch (command.do) {
      case "open_socket":
        return this.#signal.open();
      case "close_socket":
        return this.#signal.close(command.code);
      case "send":
        return this.#signal.send(command.text);
      case "make_offer":
        return this.#transport.makeOffer(command);
      case "apply_answer":
        void this.#transport.applyAnswer(command);
        return undefined;
      case "settle":
        return this.#settle(command.ticket, command.failure);
      case "report":
        return this.emit("error", asError(command.failure));
      case "end":
        return this.#end(command.failure);
      case "wake":
        return this.#wakeAt(command.atMs);
    }
  }

  /** Does what follows from a change of the state rather than from a command. */
  #notice(before: State, after: State): void {
    const stage = after.media.negotiation?.stage;
    if (stage !== undefined && stage !== before.media.negotiation?.stage) {
      const phases = { making: "start", made: "offer_made", sent: "join_sent", applying: "joined" } as const;
      this.#stopwatch.mark(phases[stage]);
    }
    if (before.media.transport === "none" && after.media.transport !== "none") {
      this.#stopwatch.mark("answer_applied");
    }
    if (!before.admitted && after.admitted) {
      this.#enter.resolve();
    }
    if (before.publishes && !after.publishes) {
      // Nobody would see or hear it: the devices are let go.
      this.#microphone.close();
      this.#camera.close();
    }
  }

  #settle(ticket: number, failure: Failure | null): void {
    const promise = this.#tickets.get(ticket);
    this.#tickets.delete(ticket);
    if (failure === null) {
      promise?.resolve();
    } else {
      promise?.reject(asError(failure));
    }
  }

  #end(failure: Failure | null): void {
    this.#error = failure === null ? null : asError(failure);
    this.#wakeAt(null);
    this.#stopListening();
    this.#transport.close();
    this.#microphone.close();
    this.#camera.close();
    this.#enter.reject(this.#error ?? new RoomError("disconnected", "the room was left"));
    this.#leave();
    this.emit("ended", this.#error);
  }

  #wakeAt(atMs: number | null): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
    }
    this.#timer =
      atMs === null ? null : setTimeout(() => this.#dispatch({ on: "wake" }), Math.max(0, Math.ceil(atMs - performance.now())));
  }

  #changed(): void {
    const before = this.#snapshot;
    const now = this.#takeSnapshot();
    this.#snapshot = now;
    if (before.connection !== now.connection) {
      this.emit("connection", now.connection);
    }
    for (const participant of now.participants) {
      if (!before.participants.some(({ id }) => id === participant.id)) {
        this.emit("participant_joined", participant);
      }
    }
    for (const { id, name } of before.participants) {
      if (!now.participants.some((participant) => participant.id === id)) {
        this.emit("participant_left", { id, name });
      }
    }
    this.emit("changed", now);
  }

  #takeSnapshot(): RoomSnapshot {
    return snapshot({
      state: this.#state,
      error: this.#error,
      speaking: new Set(this.#speakers),
      microphone: this.#microphone,
      camera: this.#camera,
      speakerId: this.#speakerId,
      audioTracks: this.#transport.audioTracks(),
      slotTrack: (mid) => this.#transport.slotTrack(mid),
    });
  }

  #makeTransport(policy: RTCIceTransportPolicy): Transport {
    const usable = policy === "all" && this.#state.publishes ? warm : null;
    warm = usable === null ? warm : null;
    return new Transport(
      {
        happened: (event) => this.#dispatch(event),
        mark: (phase) => this.#stopwatch.mark(phase),
        measured: (counters, levels) => this.#measured(counters, levels),
        flows: () => this.#flows(),
        sources: () => this.#sources(),
      },
      policy,
      usable,
    );
  }

  #sources(): PublishedSource[] {
    const tracks = [this.#microphone, this.#camera];
    return this.#state.publishes ? tracks.map(({ kind: source, track }) => ({ source, track })) : [];
  }

  #localTrack(kind: DeviceKind, option: TrackOption, size: CameraSize | undefined): LocalTrack {
    return new LocalTrack(kind, option, size, {
      replaced: (track) => {
        this.#transport.replaceTrack(kind, track);
        this.#changed();
      },
      muted: (muted) => this.#dispatch({ on: "set_muted", source: kind, muted }),
      failed: (error) => this.emit("error", error),
    });
  }

  #openDevices(): void {
    if (!this.#state.publishes) {
      return;
    }
    for (const track of [this.#microphone, this.#camera]) {
      track
        .prepare()
        .catch((error: unknown) => error instanceof RoomError && this.emit("error", error))
        .finally(() => this.#changed());
    }
  }

  /** How many others should be heard or seen right now. */
  #flows(): number {
    const { participants } = this.#snapshot;
    return participants.filter(
      ({ connection: state, tracks }) =>
        state === "connected" && tracks.some(({ media, muted }) => media !== null && !muted),
    ).length;
  }

  #measured({ microphoneLevel }: Counters, levels: readonly SlotLevel[]): void {
    const loud = new Map<ParticipantId, number>();
    for (const { mid, level, sources } of levels) {
      const participant = this.#whoPlays(mid, sources);
      if (participant !== null) {
        loud.set(participant, level);
      }
    }
    if (this.#state.self !== null && this.#microphone.on) {
      loud.set(this.#state.self, microphoneLevel ?? this.#microphone.level);
    }
    const speakers = this.#speaking.take(loud, performance.now());
    if (speakers.join() !== this.#speakers.join()) {
      this.#speakers = speakers;
      this.emit("speaking", speakers);
      this.#changed();
    }
  }

  #whoPlays(mid: string, sources: readonly number[]): ParticipantId | null {
    // The packets themselves say whose they are; the slot's message may be ahead of them or behind.
    const byCsrc = this.#state.roster.find(({ tracks }) => tracks.some(({ csrc }) => sources.includes(csrc)));
    return byCsrc?.id ?? this.#state.slots.find((slot) => slot.mid === mid)?.participant ?? null;
  }

  #listenToPage(leaveOnPageHide: boolean): () => void {
    const online = (): void => this.#dispatch({ on: "network_changed" });
    const hide = (): void => void this.leave();
    window.addEventListener("online", online);
    if (leaveOnPageHide) {
      window.addEventListener("pagehide", hide);
    }
    return () => {
      window.removeEventListener("online", online);
      window.removeEventListener("pagehide", hide);
    };
  }
}

function mayPublish(token: string): boolean {
  return readToken(token)?.grants.publish ?? true;
}

function asError({ code, detail }: Failure): RoomError {
  return new RoomError(code, detail);
}
