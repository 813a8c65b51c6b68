/** How to enter a room, and what it says afterwards. */
import type { DeviceKind } from "./devices";
import type { RoomError } from "./errors";
import type { LocalMediaOptions } from "./local-media";
import type { VideoCodec } from "./peer";
import type { ParticipantId, Reaction, TrackSource } from "./protocol.gen";
import type { ParticipantStats } from "./participant-stats";
import type { Profile, QualityWarning } from "./profile";
import type { TokenSource } from "./signal";
import type { Message, Participant, Pause, RoomSnapshot } from "./snapshot";
import type { Connection } from "./state";

export interface JoinOptions extends LocalMediaOptions {
  /** The URL of the room's socket; see `roomUrl`. */
  readonly url: string;
  readonly token: TokenSource;
  /** Whether to have sections for sound and pictures at all. Default: what the token grants, where it is given here. */
  readonly publish?: boolean;
  /**
   * What the camera and the screen are published in, where this browser can. Every browser reads VP8; one that does not read
   * H.264 shows nothing of it, and says so with `undecodable`. Default: `vp8`.
   */
  readonly preferCodec?: VideoCodec;
  /** `relay` uses TURN servers only. */
  readonly iceTransportPolicy?: RTCIceTransportPolicy;
  /** Where sound is to be played. Default: the browser's default. */
  readonly speakerId?: string | null;
  /** How the camera is limited by the state of the uplink. Default: by the browser's estimate alone. */
  readonly profile?: Profile | null;
  /** Gives the joining up: neither a socket nor a peer connection nor a captured track of it stays. */
  readonly signal?: AbortSignal;
}

export interface RoomEvents {
  /** Something changed; the new state of everything. */
  changed: RoomSnapshot;
  connection: Connection;
  participant_joined: Participant;
  participant_left: { readonly id: ParticipantId; readonly name: string };
  /** Who speaks, the latest first. */
  speaking: readonly ParticipantId[];
  /** What was measured of everybody's sound and pictures in the last second. */
  stats: ReadonlyMap<ParticipantId, ParticipantStats>;
  /** A moderator muted the user; they may unmute themselves. */
  silenced: { readonly source: TrackSource };
  /** A picture is not sent for the moment because the downlink is too slow for it, or is sent again. */
  video_paused: Pause;
  /** The uplink is too slow for the camera, which is not sent for now, or is fast enough again. */
  audio_only: { readonly audioOnly: boolean };
  /** The profile has noticed that the uplink is bad. */
  quality_warning: QualityWarning;
  /** A chat message that arrived during the call. */
  message: Message;
  /** A reaction, the user's own included. */
  reaction: { readonly participant: ParticipantId; readonly reaction: Reaction };
  /** A device was unplugged and this one replaced it. */
  device_changed: { readonly kind: DeviceKind | "speaker"; readonly label: string };
  /** Something failed; the room goes on. */
  error: RoomError;
  /** The room is over; `null` if the user left. */
  ended: RoomError | null;
}
