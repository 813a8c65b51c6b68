/** Direct media of a call; its code is loaded in rooms that may announce it. */
import type { DirectHost, DirectMedia } from "./peers/direct-media";
import type { PeersRoom } from "./peers/peers";
import type { DirectInfo, ParticipantId, RoomInfo, TrackSource } from "./protocol.gen";
import type { PublishedSource } from "./peer";
import type { CameraLimit } from "./profile";
import type { Participant } from "./snapshot";
import { NO_PICTURE } from "./uplink";

type CallHost = Omit<DirectHost, "room" | "expected" | "hold"> & { hold(): void };

export class DirectCall {
  readonly #host: DirectHost;
  #media: DirectMedia | null = null;
  #told: readonly [DirectInfo | null, ParticipantId] = [null, ""];
  #isLoading = false;
  /** True while the node gets no media. */
  isHeld = false;

  /** `hold` is called after a change of `isHeld`. */
  constructor(room: PeersRoom & { readonly participants: readonly Participant[] }, host: CallHost) {
    const tracksOf = (id: ParticipantId) => room.participants.find((other) => other.id === id)?.tracks ?? [];
    this.#host = {
      ...host,
      room,
      expected: (id) => tracksOf(id).filter(({ muted }) => !muted).map(({ source }) => source),
      hold: (held) => {
        this.isHeld = held;
        host.hold();
      },
    };
  }

  /** The room's properties. */
  told({ direct, peer_to_peer_max: most }: Partial<RoomInfo>, self: ParticipantId): void {
    this.#told = [direct ?? null, self];
    this.#media?.told(...this.#told);
    if (most && !this.#isLoading) {
      this.#isLoading = true;
      // Without the code, the media stays at the node.
      void import("./peers/direct-media").then((loaded) => this.#begin(new loaded.DirectMedia(this.#host)), () => undefined);
    }
  }

  track(participant: ParticipantId, source: TrackSource): MediaStreamTrack | null {
    return this.#media?.track(participant, source) ?? null;
  }

  audioTracks(): MediaStreamTrack[] {
    return this.#media?.audioTracks() ?? [];
  }

  replace(source: TrackSource, track: MediaStreamTrack | null): void {
    this.#media?.replace(source, track);
  }

  /** The sources for the node. Their sections stay, so that it gets media again without a negotiation. */
  forNode(sources: PublishedSource[]): PublishedSource[] {
    return this.isHeld ? sources.map(({ source }) => ({ source, track: null })) : sources;
  }

  /** The camera's limit at the node: Firefox fills a camera without a track with padding. */
  limited(limit: CameraLimit | null): CameraLimit | null {
    return this.isHeld ? NO_PICTURE : limit;
  }

  close(): void {
    this.#told = [null, ""];
    this.#media?.close();
  }

  #begin(media: DirectMedia): void {
    this.#media = media;
    media.told(...this.#told);
  }
}
