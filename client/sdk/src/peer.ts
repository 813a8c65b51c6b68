/** One RTCPeerConnection: the sections it publishes, its receive slots, its offers and answers. */
import type { IceServer, MediaKind, Mid, TrackSource } from "./protocol.gen";
import type { Layer, Stream } from "./layers";
import type { Dip } from "./attempts";
import { dipped } from "./attempts";
import { limited } from "./camera-limit";
import { announce, layersOf, linesOf, watched } from "./layers";
import type { CameraLimit } from "./profile";
import type { PublishedSection, SlotCounts, WantedLayers } from "./state";

export type VideoCodec = "vp8" | "h264";

/** A published source; its section exists from the start, its track may follow later. */
export interface PublishedSource {
  readonly source: TrackSource;
  readonly track: MediaStreamTrack | null;
}

export interface PeerOptions {
  readonly sources: readonly PublishedSource[];
  readonly iceServers: readonly IceServer[];
  readonly iceTransportPolicy: RTCIceTransportPolicy;
  /** Default: `vp8`. */
  readonly preferCodec?: VideoCodec;
}

export interface PeerListener {
  iceConnected(): void;
  connected(): void;
  /** ICE found no path, or the handshake over it failed. */
  failed(why: "ice" | "dtls"): void;
}

/** The bitrate for scrolling text at screen size. */
const SCREEN_BITRATE_BPS_MAX = 4_000_000;
const KINDS: Readonly<Record<TrackSource, MediaKind>> = {
  microphone: "audio",
  camera: "video",
  screen: "video",
  screen_audio: "audio",
};
// The room's codecs, most preferred first. Any other codec would only lengthen the offer: by 5 KB for each pair of
// slots. Published audio always has redundancy, because a loss on one uplink affects the whole room. Received audio has
// it only while the node sees losses.
const CODECS: Readonly<Record<"published" | "received", Readonly<Record<MediaKind, readonly string[]>>>> = {
  published: { audio: ["audio/red", "audio/opus"], video: ["video/vp8", "video/h264", "video/rtx"] },
  received: { audio: ["audio/opus", "audio/red"], video: ["video/vp8", "video/h264", "video/rtx"] },
};
/** Of the browsers' H.264 variants, those that nodes forward: constrained baseline and main in packetization mode 1. */
const H264 = /^(?=.*packetization-mode=1)(?=.*profile-level-id=(42e0|4d00)).*$/i;

/**
 * Firefox (153) accepts an answer with another certificate and connects ICE, but never performs the handshake that RFC
 * 8842 requires, and reports no error. Without this check it would take more than a second to notice the missing media.
 */
const KEEPS_KEYS = /\bFirefox\//;

export class Peer {
  readonly connection: RTCPeerConnection;
  readonly #published = new Map<TrackSource, RTCRtpTransceiver>();
  readonly #slots: Record<MediaKind, RTCRtpTransceiver[]> = { audio: [], video: [] };
  readonly #configuration: RTCConfiguration;
  readonly #preferred: VideoCodec;
  /** The layers in use, for the sections reported by the edge. */
  readonly #wanted = new Map<Mid, readonly string[]>();
  #limit: CameraLimit | null = null;
  #dip: Dip | null = null;
  #held: RTCSessionDescriptionInit | null = null;

  constructor({ sources, iceServers, iceTransportPolicy, preferCodec = "vp8" }: PeerOptions) {
    this.#preferred = preferCodec;
    this.#configuration = { bundlePolicy: "max-bundle", iceTransportPolicy, iceServers: [...iceServers] };
    this.connection = new RTCPeerConnection(this.#configuration);
    this.publish(sources);
  }

  listen(listener: PeerListener): void {
    const { connection } = this;
    connection.oniceconnectionstatechange = () => {
      if (connection.iceConnectionState === "connected" || connection.iceConnectionState === "completed") {
        listener.iceConnected();
      }
    };
    connection.onconnectionstatechange = () => {
      if (connection.connectionState === "connected") {
        listener.connected();
      } else if (connection.connectionState === "failed") {
        listener.failed(connection.iceConnectionState === "failed" ? "ice" : "dtls");
      }
    };
  }

  get isConnected(): boolean {
    return this.connection.connectionState === "connected";
  }

  /** True if exactly these sources have sections. */
  publishes(sources: readonly PublishedSource[]): boolean {
    return sources.length === this.#published.size && sources.every(({ source }) => this.#published.has(source));
  }

  /** Adds receive slots until there are this many. */
  addSlots(counts: SlotCounts): void {
    for (const kind of ["audio", "video"] as const) {
      while (this.#slots[kind].length < counts[kind]) {
        this.#slots[kind].push(prefer(this.connection.addTransceiver(kind, { direction: "recvonly" }), kind, this.#preferred));
      }
    }
  }

  /**
   * Creates an offer. With `hold`, the browser gathers no candidates until the answer with the ICE servers has arrived,
   * because it would not gather from servers that are set later (JSEP, RFC 8829: `setConfiguration`).
   */
  async makeOffer(options: { restartIce: boolean; hold: boolean }): Promise<{ sdp: string; sections: PublishedSection[] }> {
    const offer = await this.connection.createOffer({ iceRestart: options.restartIce });
    // An earlier held offer without an answer is no longer the last one, and browsers accept only that.
    this.#held = options.hold ? offer : null;
    if (!options.hold) {
      await this.connection.setLocalDescription(offer);
    }
    const sdp = await this.#announced(offer.sdp ?? "");
    return { sdp, sections: this.#sections(sdp) };
  }

  /** Uses these servers from the next gathering on; returns true if the browser accepts them. */
  setIceServers(iceServers: readonly IceServer[]): boolean {
    try {
      this.connection.setConfiguration({ ...this.#configuration, iceServers: [...iceServers] });
      return true;
    } catch {
      // The browser may block a port or not know a URL scheme; most clients need no server at all.
      return false;
    }
  }

  /**
   * Applies an answer, preceded by a held offer; `moved` is true if it comes from another node than the previous one.
   */
  async applyAnswer(sdp: string): Promise<{ moved: boolean }> {
    const before = fingerprint(this.connection.remoteDescription?.sdp ?? "");
    const moved = before !== null && before !== fingerprint(sdp);
    if (moved && KEEPS_KEYS.test(navigator.userAgent)) {
      throw new Error("this browser starts no new DTLS handshake on an existing transport");
    }
    const offer = this.#held;
    this.#held = null;
    // The browser applies both in this order, without waiting for this thread in between, which may be busy rendering.
    await Promise.all([
      offer === null ? null : this.connection.setLocalDescription(offer),
      this.connection.setRemoteDescription({ type: "answer", sdp }),
    ]);
    void this.#shapeCamera();
    void this.#shapeScreen();
    return { moved };
  }

  /** Sends another track, or none, where `source` is published. */
  async replaceTrack(source: TrackSource, track: MediaStreamTrack | null): Promise<void> {
    await this.#published.get(source)?.sender.replaceTrack(track);
    if (source === "camera" && track !== null) {
      await this.#shapeCamera();
    }
  }

  /** Sends these layers of a section and no others; `null` sends all layers of all sections. */
  setLayers(layers: WantedLayers | null): void {
    if (layers === null) {
      this.#wanted.clear();
    } else {
      this.#wanted.set(layers.mid, layers.rids);
    }
    void this.#shapeCamera();
  }

  /** Limits the camera; `null` lifts the limit. With a bit rate of zero no screen is sent either. */
  setCameraLimit(limit: CameraLimit | null): void {
    if (limit === this.#limit) {
      return;
    }
    this.#limit = limit;
    void this.#shapeCamera();
    void this.#shapeScreen();
  }

  /** The camera's layers without a dip; none without a camera. */
  get cameraLayers(): Layer[] {
    const camera = this.#published.get("camera");
    if (camera === undefined) {
      return [];
    }
    const wanted = camera.mid === null ? undefined : this.#wanted.get(camera.mid);
    const lines = linesOf(camera.sender.track);
    return limited(watched(layersOf(lines), wanted), lines, this.#limit);
  }

  /** Sends less for a moment; `null` ends that. Also repeats a change that the browser refused before. */
  setDip(dip: Dip | null): void {
    this.#dip = dip;
    void this.#shapeCamera();
  }

  /** Publishes exactly these sources from the next offer on; the others stop sending immediately. */
  publish(sources: readonly PublishedSource[]): void {
    for (const [source, transceiver] of this.#published) {
      if (!sources.some((wanted) => wanted.source === source)) {
        transceiver.direction = "inactive";
        transceiver.sender.replaceTrack(null).catch(() => undefined);
      }
    }
    for (const { source, track } of sources) {
      const known = this.#published.get(source);
      if (known === undefined) {
        this.#add(source, track);
      } else {
        // A source that was published before gets its section back.
        known.direction = "sendonly";
        known.sender.replaceTrack(track).catch(() => undefined);
      }
    }
  }

  /** A slot's track: the same object for the life of the peer, even as its publisher changes. */
  slotTrack(mid: Mid): MediaStreamTrack | null {
    const slot = [...this.#slots.audio, ...this.#slots.video].find((transceiver) => transceiver.mid === mid);
    return slot?.receiver.track ?? null;
  }

  /** The receivers of all slots of a kind, in order. */
  receivers(kind: MediaKind): { mid: Mid | null; receiver: RTCRtpReceiver }[] {
    return this.#slots[kind].map(({ mid, receiver }) => ({ mid, receiver }));
  }

  close(): void {
    this.connection.oniceconnectionstatechange = null;
    this.connection.onconnectionstatechange = null;
    this.connection.close();
  }

  #add(source: TrackSource, track: MediaStreamTrack | null): void {
    const kind = KINDS[source];
    const sendEncodings = encodingsOf(source, track);
    const transceiver = this.connection.addTransceiver(track ?? kind, { direction: "sendonly", sendEncodings });
    this.#published.set(source, prefer(transceiver, kind, this.#preferred));
  }

  /** The offer for the edge, with the streams of the camera's layers, if any. */
  async #announced(sdp: string): Promise<string> {
    const camera = this.#published.get("camera");
    if (camera === undefined || camera.mid === null) {
      return sdp;
    }
    const streams = new Map<string, Stream>();
    const report = await camera.sender.getStats();
    report.forEach(({ type, rid, ssrc, rtxSsrc }: RTCOutboundRtpStreamStats & { rtxSsrc?: number }) => {
      if (type === "outbound-rtp" && rid !== undefined && rtxSsrc !== undefined) {
        streams.set(rid, { ssrc, rtxSsrc });
      }
    });
    return announce(sdp, camera.mid, streams);
  }

  /** Adapts the camera's layers to its size and to the layers in use. */
  async #shapeCamera(): Promise<void> {
    const camera = this.#published.get("camera");
    if (camera === undefined) {
      return;
    }
    const parameters = camera.sender.getParameters();
    if (shape(parameters.encodings, dipped(this.cameraLayers, this.#dip))) {
      // A change that a browser refuses while it applies a description is retried afterwards.
      await camera.sender.setParameters(parameters).catch(() => undefined);
    }
  }

  async #shapeScreen(): Promise<void> {
    const sender = this.#published.get("screen")?.sender;
    const parameters = sender?.getParameters();
    const [encoding] = parameters?.encodings ?? [];
    const active = this.#limit?.bitrateBps !== 0;
    if (sender !== undefined && parameters !== undefined && encoding !== undefined && (encoding.active ?? true) !== active) {
      encoding.active = active;
      await sender.setParameters(parameters).catch(() => undefined);
    }
  }

  #sections(sdp: string): PublishedSection[] {
    // Until the offer is applied, its new transceivers have no mid; their sections are the last, in the order in which
    // they were added.
    const all = this.connection.getTransceivers();
    const known = new Set(all.flatMap(({ mid }) => (mid === null ? [] : [mid])));
    const fresh = [...sdp.matchAll(/^a=mid:(\S+)/gm)].flatMap(([, mid]) => (mid === undefined || known.has(mid) ? [] : [mid]));
    const waiting = all.filter(({ mid }) => mid === null);
    return [...this.#published].flatMap(([source, transceiver]) => {
      const mid = transceiver.mid ?? fresh[waiting.indexOf(transceiver)];
      return mid === undefined || transceiver.direction !== "sendonly" ? [] : [{ mid, source }];
    });
  }
}

function encodingsOf(source: TrackSource, track: MediaStreamTrack | null): RTCRtpEncodingParameters[] {
  switch (source) {
    case "camera":
      return layersOf(linesOf(track)).map((layer) => ({ ...layer }));
    case "screen":
      return [{ maxBitrate: SCREEN_BITRATE_BPS_MAX }];
    case "microphone":
    case "screen_audio":
      return [];
  }
}

/** Applies layers to encodings; returns true if anything changed. */
function shape(encodings: readonly RTCRtpEncodingParameters[], layers: readonly Layer[]): boolean {
  let isChanged = false;
  for (const encoding of encodings) {
    const layer = layers.find(({ rid }) => rid === encoding.rid);
    if (layer !== undefined && layer.maxFramerate === undefined && encoding.maxFramerate !== undefined) {
      delete encoding.maxFramerate;
      isChanged = true;
    }
    if (layer !== undefined && Object.entries(layer).some(([key, value]) => encoding[key as keyof Layer] !== value)) {
      Object.assign(encoding, layer);
      isChanged = true;
    }
  }
  return isChanged;
}

/** The fingerprint of the node that wrote this description (RFC 8122 §5). */
function fingerprint(sdp: string): string | null {
  return /^a=fingerprint:(.+)$/m.exec(sdp)?.[1]?.trim().toUpperCase() ?? null;
}

function prefer(transceiver: RTCRtpTransceiver, kind: MediaKind, preferred: VideoCodec): RTCRtpTransceiver {
  const isReceived = transceiver.direction === "recvonly";
  const wanted = CODECS[isReceived ? "received" : "published"][kind];
  const usable = ({ mimeType, sdpFmtpLine }: RTCRtpCodec) => mimeType.toLowerCase() !== "video/h264" || H264.test(sdpFmtpLine ?? "");
  const all = (RTCRtpReceiver.getCapabilities(kind)?.codecs ?? []).filter(usable);
  const named = (name: string) => all.filter(({ mimeType }) => mimeType.toLowerCase() === name);
  const isFirst = (name: string) => !isReceived && name === `video/${preferred}`;
  const order = [...wanted].sort((a, b) => Number(isFirst(b)) - Number(isFirst(a)));
  transceiver.setCodecPreferences(order.flatMap(named));
  return transceiver;
}
