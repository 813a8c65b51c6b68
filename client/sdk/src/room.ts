/** The application's interface to a room: the shell around `step`, which owns the socket, the transport and the devices. */
import type { Capture } from "./capture";
import { listDevices, type DeviceKind } from "./devices";
import { DirectCall } from "./direct-call";
import { RoomError, asError } from "./errors";
import { flows } from "./flows";
import type { JoinOptions } from "./room-events";
import { RoomRequests } from "./room-requests";
import { LocalMedia, type LocalMediaListener } from "./local-media";
import { Measuring } from "./measuring";
import { tellNews } from "./news";
import { listenToPage } from "./page";
import type { ParticipantStats } from "./participant-stats";
import { Peer, type PublishedSource } from "./peer";
import { Playout } from "./playout";
import { SLOTS_PER_KIND_DEFAULT, type BanInfo, type MediaKind, type ParticipantId, type Reaction, type TrackSource } from "./protocol.gen";
import { randomId } from "./random";
import type { ScreenOptions } from "./screen";
import { Signal } from "./signal";
import { messagesSince, snapshot, type RoomSnapshot } from "./snapshot";
import { initial, step, type Ask, type AudiencePage, type Command, type Event, type Failure, type Lines, type State } from "./state";
import type { Counters, SlotLevel } from "./stats";
import { Tickets } from "./tickets";
import { recoveryOf } from "./recovery";
import { Stopwatch, type Timings } from "./timings";
import { mayPublish } from "./token";
import { Transport } from "./transport";
import { Uplink, profiled } from "./uplink";

let warm: Peer | null = null;

/** Created by `Room.join`. */
export class Room extends RoomRequests {
  readonly #stopwatch = new Stopwatch();
  readonly #signal: Signal;
  readonly #transport: Transport;
  readonly #local: LocalMedia;
  readonly #measuring = new Measuring();
  readonly #playout = new Playout();
  readonly #tickets = new Tickets();
  readonly #uplink: Uplink;
  readonly #direct: DirectCall;
  readonly #entered = Promise.withResolvers<undefined>();
  readonly #left = Promise.withResolvers<undefined>();
  readonly #stopListening: () => void;
  #state: State;
  #error: RoomError | null = null;
  #speakerId: string | null;
  #microphoneLevel = 0;
  #snapshot: RoomSnapshot;
  #queue: Event[] = [];
  #working = false;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** Joins a room; resolves when the edge has admitted the user, before media flows. Rejects with a `RoomError`. */
  static async join(options: JoinOptions): Promise<Room> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (typeof RTCPeerConnection === "undefined") {
      throw new RoomError("unsupported_browser");
    }
    const room = new Room(options, options.profile ? await profiled(options.profile, signal) : new Uplink(null));
    const abort = (): void => void room.leave();
    signal?.addEventListener("abort", abort, { once: true });
    room.#dispatch({ on: "start" });
    room.#openDevices();
    await room.#entered.promise.catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error;
    });
    signal?.throwIfAborted();
    signal?.removeEventListener("abort", abort);
    return room;
  }

  /** Prepares for a faster join; call it in the lobby. The returned function undoes it. */
  static warmUp(): () => void {
    if (warm === null && typeof RTCPeerConnection !== "undefined") {
      const sources = (["microphone", "camera"] as const).map((source) => ({ source, track: null }));
      warm = new Peer({ sources, iceServers: [], iceTransportPolicy: "all" });
      warm.addSlots({ audio: SLOTS_PER_KIND_DEFAULT, video: SLOTS_PER_KIND_DEFAULT });
    }
    return () => {
      warm?.close();
      warm = null;
    };
  }

  private constructor(options: JoinOptions, uplink: Uplink) {
    super();
    this.#local = new LocalMedia(options, { changed: () => this.#screenChanged(), muted: (source, muted) => this.#mute(source, muted) });
    this.#speakerId = options.speakerId ?? null;
    this.#uplink = uplink;
    this.#state = initial({
      attemptPrefix: randomId(),
      seed: crypto.getRandomValues(new Int32Array(1))[0] ?? 0,
      muted: { microphone: !this.#local.microphone.sends, camera: !this.#local.camera.sends },
      renewsToken: typeof options.token === "function",
      publishes: options.publish ?? (typeof options.token === "function" || mayPublish(options.token)),
    });
    this.#signal = new Signal(options.url, options.token, this.traceId, {
      opened: () => {
        this.#stopwatch.mark("socket_open");
        this.#dispatch({ on: "socket_opened" });
      },
      closed: (code) => this.#dispatch({ on: "socket_closed", code }),
      frame: (text) => this.#dispatch({ on: "frame", text }),
      tokenUnavailable: (failure) => this.#dispatch({ on: "token_unavailable", failure }),
    });
    this.#transport = this.#makeTransport(options);
    this.#direct = this.#makeDirect(options);
    // A profile limits the camera before the first report, and also where no report changes anything.
    this.#transport.setCameraLimit(this.#direct.limited(this.#uplink.limit));
    this.#stopListening = listenToPage({
      networkChanged: () => this.#dispatch({ on: "network_changed" }),
      devicesChanged: () => void this.#devicesChanged(),
      hidden: () => {
        // First, so that the edge is not told about devices that are turned off for this reason alone.
        this.#dispatch({ on: "page_hidden" });
        this.#local.suspend();
        this.#transport.close();
      },
      shown: () => {
        this.#local.resume();
        this.#dispatch({ on: "page_shown" });
      },
    });
    this.#snapshot = this.#takeSnapshot();
  }

  /** The same object until something changes. */
  get snapshot(): RoomSnapshot {
    return this.#snapshot;
  }

  /** The statistics of all participants in the last second, including the user; the same object until the next second. */
  get stats(): ReadonlyMap<ParticipantId, ParticipantStats> {
    return this.#measuring.stats;
  }

  get timings(): Timings {
    return this.#stopwatch.timings;
  }

  /** For diagnostics only: the object changes when the transport is replaced. */
  get peerConnection(): RTCPeerConnection | null {
    return this.#transport.connection;
  }

  /** Rejects if there is no microphone. */
  setMicrophone(on: boolean): Promise<void> {
    return this.#set(this.#local.microphone, on);
  }

  /** Turns the camera on or off; off also stops capturing. Rejects if there is none. */
  setCamera(on: boolean): Promise<void> {
    return this.#set(this.#local.camera, on);
  }

  /** Switches to another device. Rejects if it cannot be opened; the previous device then stays. */
  async switchDevice(kind: DeviceKind | "speaker", deviceId: string): Promise<void> {
    if (kind === "speaker") {
      this.#speakerId = deviceId;
    } else {
      await this.#local[kind].choose(deviceId);
    }
    this.#changed();
  }

  /**
   * Sets the participants whose video is on screen, most important first, and the height of their tiles in device
   * pixels. With `lines`, small videos use little bandwidth, and cameras out of view none.
   */
  setView(participants: readonly ParticipantId[], lines: Lines | null = null): void {
    this.#dispatch({ on: "set_view", participants, lines });
  }

  /** Shares the user's screen, window or tab beside the camera; the user chooses which. Rejects if nothing was chosen. */
  async shareScreen(options?: ScreenOptions): Promise<void> {
    if (!this.#state.publishes) {
      throw new RoomError("forbidden", "publish");
    }
    await this.#local.screen.start(options);
  }

  /** The microphone and camera captures: one object for the whole call, whose tracks may change. */
  get localStream(): MediaStream {
    return this.#local.stream;
  }

  /** Turns microphone and camera off and releases the devices; each can be turned on again. */
  stopLocalStream(): void {
    this.#local.microphone.release();
    this.#local.camera.release();
  }

  stopScreen(): void {
    this.#local.screen.stop();
  }

  /** Sends a chat message; resolves when the room has it, even if the connection is lost in between. */
  sendMessage(text: string): Promise<void> {
    return this.#tickets.issue((ticket) =>
      this.#dispatch({ on: "write", message: randomId(), text, ticket }),
    );
  }

  /** Shows a reaction to everyone briefly. */
  async react(reaction: Reaction): Promise<void> {
    await this.ask({ type: "react", reaction });
    if (this.#state.self !== null) {
      this.emit("reaction", { participant: this.#state.self, reaction });
    }
  }

  /** The bans, newest first; needs the grant `moderate`. */
  listBans(): Promise<readonly BanInfo[]> {
    return this.ask({ type: "list_bans" }).then(() => this.#state.bans);
  }

  /** A page of the participants who are only counted, in the order of their ids; `after` is the `next` of the page before. */
  listAudience(after: ParticipantId | null = null): Promise<AudiencePage> {
    return this.ask({ type: "list_audience", ...(after === null ? {} : { after }) }).then(() => this.#state.audience);
  }

  /** Applies the remedy for a media failure that the application has detected, chosen by its error. */
  async recover(error: unknown): Promise<void> {
    const recovery = recoveryOf(error);
    if (recovery === "restart_media") {
      await this.#local.restart();
    } else {
      this.#dispatch({ on: "recover", reason: recovery === "restart_ice" ? "ice_restart" : "new_transport" });
    }
  }

  /** Resolves when the edge knows, or after a second. */
  leave(): Promise<void> {
    this.#local.close(this.#state.admitted);
    this.#transport.close();
    this.#direct.close();
    this.#dispatch({ on: "leave" });
    return this.#left.promise;
  }

  protected override ask(request: Ask): Promise<void> {
    return this.#tickets.issue((ticket) => this.#dispatch({ on: "ask", request, ticket }));
  }

  async #set(capture: Capture, on: boolean): Promise<void> {
    if (on && !this.#state.publishes) {
      throw new RoomError("forbidden", "publish");
    }
    await capture.set(on);
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
      messagesSince(before, this.#state).forEach((message) => this.emit("message", message));
    }
  }

  #execute(command: Command): void {
    switch (command.do) {
      case "open_socket":
        return this.#signal.open(command.secret);
      case "close_socket":
        return this.#signal.close(command.code);
      case "send":
        return this.#signal.send(command.text);
      case "make_offer":
        return this.#transport.makeOffer(command);
      case "apply_answer":
        return void this.#transport.applyAnswer(command);
      case "suspect_node":
        return this.#transport.suspectNode();
      case "set_layers":
        return this.#transport.setLayers(command.layers);
      case "drop_screen":
        return this.#local.screen.stop();
      case "silence":
        this.#local.silence(command.source);
        return this.emit("silenced", { source: command.source, isHeld: command.isHeld });
      case "show_reaction":
        return this.emit("reaction", command);
      case "tell_peer":
        return this.emit("peer_message", command.message);
      case "settle":
        return this.#tickets.settle(command.ticket, command.failure === null ? null : asError(command.failure));
      case "report":
        return this.emit("error", asError(command.failure));
      case "end":
        return this.#end(command.failure);
      case "wake":
        return this.#wakeAt(command.atMs);
    }
  }

  /** Applies the effects of state changes, as opposed to commands. */
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
      this.#entered.resolve(undefined);
    }
    if (before.publishes && !after.publishes) {
      // Nobody would see or hear them, so the devices are released.
      this.#local.release();
    }
    if (before.publishes !== after.publishes) {
      this.#transport.publish(this.#sources(after));
    }
    if (before.room !== after.room && after.self !== null) {
      this.#direct.told(after.room ?? {}, after.self);
    }
  }

  #sources({ publishes }: State): PublishedSource[] {
    return this.#direct.forNode(publishes ? this.#local.sources() : []);
  }

  /** A camera that the uplink pauses is muted too: others see initials rather than a frozen picture. */
  #mute(source: TrackSource, isMuted: boolean): void {
    const isPaused = source === "camera" && this.#uplink.limit?.bitrateBps === 0;
    this.#dispatch({ on: "set_muted", source, muted: isMuted || isPaused });
  }

  #end(failure: Failure | null): void {
    this.#error = failure === null ? null : asError(failure);
    this.#wakeAt(null);
    this.#stopListening();
    this.#transport.close();
    this.#direct.close();
    this.#local.close(this.#state.admitted);
    this.#entered.reject(this.#error ?? new RoomError("disconnected", "the room was left"));
    this.#left.resolve(undefined);
    this.emit("ended", this.#error);
  }

  #wakeAt(atMs: number | null): void {
    clearTimeout(this.#timer ?? undefined);
    this.#timer =
      atMs === null ? null : setTimeout(() => this.#dispatch({ on: "wake" }), Math.max(0, Math.ceil(atMs - performance.now())));
  }

  #changed(): void {
    const before = this.#snapshot;
    this.#snapshot = this.#takeSnapshot();
    tellNews(before, this.#snapshot, (name, value) => this.emit(name, value));
  }

  #takeSnapshot(): RoomSnapshot {
    return snapshot({
      state: this.#state,
      error: this.#error,
      isAudioOnly: this.#uplink.isAudioOnly,
      speaking: new Set(this.#measuring.speakers),
      quality: this.#measuring.quality,
      local: this.#local,
      speakerId: this.#speakerId,
      audioTracks: [...this.#transport.audioTracks(), ...this.#direct.audioTracks()],
      directTrack: (participant, source) => this.#direct.track(participant, source),
      slotTrack: (mid) => this.#transport.slotTrack(mid),
    });
  }

  #makeTransport({ iceTransportPolicy = "all", preferCodec = "vp8" }: JoinOptions): Transport {
    const usable = iceTransportPolicy === "all" && preferCodec === "vp8" && this.#state.publishes ? warm : null;
    warm = usable === null ? warm : null;
    return new Transport(
      {
        happened: (event) => this.#dispatch(event),
        mark: (phase) => this.#stopwatch.mark(phase),
        measured: (counters, levels) => this.#measured(counters, levels),
        flows: () => this.#flows("audio", "video"),
        awaitsPicture: () => this.#flows("video") > 0,
        sources: () => this.#sources(this.#state),
      },
      { iceTransportPolicy, preferCodec },
      usable,
    );
  }

  #makeDirect({ iceTransportPolicy = "all" }: JoinOptions): DirectCall {
    return new DirectCall(this, {
      iceTransportPolicy,
      tracks: () => this.#local.sources(),
      nodeMedia: () => this.#transport.arrived(),
      changed: () => this.#changed(),
      hold: () => {
        this.#transport.publish(this.#sources(this.#state));
        this.#transport.setCameraLimit(this.#direct.limited(this.#uplink.limit));
      },
    });
  }

  #screenChanged(): void {
    this.#transport.publish(this.#sources(this.#state));
    this.#dispatch({ on: "sections_changed" });
    this.#changed();
  }

  #openDevices(): void {
    const listener: LocalMediaListener = {
      replaced: (source, track) => {
        if (this.#state.publishes) {
          this.#direct.replace(source, track);
          this.#transport.replaceTrack(source, this.#direct.isHeld ? null : track);
        }
      },
      muted: (source, muted) => this.#mute(source, muted),
      changed: () => this.#changed(),
      fellBack: (kind, label) => this.emit("device_changed", { kind, label }),
      failed: (error) => this.emit("error", error),
    };
    if (!this.#state.publishes) {
      this.#local.release();
    }
    this.#local.start(listener);
  }

  /** The number of participants who should be heard or seen right now. */
  #flows(...kinds: MediaKind[]): number {
    return this.#direct.isHeld ? 0 : flows(this.participants, this.#state.told.view, kinds);
  }

  #measured(counters: Counters | null, levels: readonly SlotLevel[]): void {
    const { microphone } = this.#local;
    this.#microphoneLevel = counters?.microphoneLevel ?? this.#microphoneLevel;
    // The statistics are a second old, but an untouched page may not measure the level itself.
    const ownLevel = microphone.sends ? (microphone.level ?? this.#microphoneLevel) : null;
    const { speakersChanged, statsChanged, changed } = this.#measuring.take({
      counters,
      levels,
      ownLevel,
      state: this.#state,
      participants: this.participants,
    });
    if (speakersChanged) {
      this.emit("speaking", this.#measuring.speakers);
    }
    if (statsChanged) {
      this.emit("stats", this.#measuring.stats);
    }
    if (counters !== null) {
      this.#followUplink(counters);
      this.#transport.setVideoWaits(this.#playout.take(counters));
    }
    if (changed) {
      this.#changed();
    }
  }

  #followUplink(counters: Counters): void {
    this.#transport.setDip(this.#uplink.attempts.take(counters, this.#transport.cameraLayers));
    const { limit, audioOnly, warning } = this.#uplink.take(counters, this.#state.publishes && this.#local.camera.sends);
    if (limit !== undefined) {
      this.#transport.setCameraLimit(this.#direct.limited(this.#uplink.limit));
      this.#mute("camera", !this.#local.camera.sends);
    }
    if (audioOnly !== undefined) {
      this.emit("audio_only", { audioOnly });
      this.#changed();
    }
    if (warning !== undefined) {
      this.emit("quality_warning", warning);
    }
  }

  async #devicesChanged(): Promise<void> {
    const { speakers } = await listDevices();
    if (this.#speakerId !== null && speakers.length > 0 && speakers.every(({ id }) => id !== this.#speakerId)) {
      this.#speakerId = null;
      this.emit("device_changed", { kind: "speaker", label: speakers[0]?.label ?? "" });
      this.#changed();
    }
  }
}
