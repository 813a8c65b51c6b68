/** The options for joining a room, and its events. */
import type { DeviceKind } from "./devices";
import type { RoomError } from "./errors";
import type { LocalMediaOptions } from "./local-media";
import type { VideoCodec } from "./peer";
import type { ParticipantId, Reaction, TrackSource } from "./protocol.gen";
import type { ParticipantStats } from "./participant-stats";
import type { Profile, QualityWarning } from "./profile";
import type { TokenSource } from "./signal";
import type { Message, Participant, Pause, RoomSnapshot } from "./snapshot";
import type { Connection, PeerMessage } from "./state";

export interface JoinOptions extends LocalMediaOptions {
  /** The URL of the room's socket; see `roomUrl`. */
  readonly url: string;
  readonly token: TokenSource;
  /** If true, sections for audio and video are negotiated. Default: the grant of a token given as text, else true. */
  readonly publish?: boolean;
  /**
   * The preferred codec for the camera and the screen, if this browser supports it. Every browser decodes VP8; one that
   * does not decode H.264 shows no video and reports `undecodable`. Default: `vp8`.
   */
  readonly preferCodec?: VideoCodec;
  /** `relay` uses TURN servers only. */
  readonly iceTransportPolicy?: RTCIceTransportPolicy;
  /** Default: the browser's default speaker. */
  readonly speakerId?: string | null;
  /** The profile that limits the camera by the state of the uplink. Default: only the browser's own estimate. */
  readonly profile?: Profile | null;
  /** Aborts joining: no socket, peer connection or captured track remains. */
  readonly signal?: AbortSignal;
}

export interface RoomEvents {
  /** Something changed; contains the complete new state. */
  changed: RoomSnapshot;
  connection: Connection;
  participant_joined: Participant;
  participant_left: { readonly id: ParticipantId; readonly name: string };
  /** The speakers, most recent first. */
  speaking: readonly ParticipantId[];
  /** The statistics of all tracks in the last second. */
  stats: ReadonlyMap<ParticipantId, ParticipantStats>;
  /** A moderator muted the user, who may unmute unless the track `isHeld`. */
  silenced: { readonly source: TrackSource; readonly isHeld: boolean };
  /** A video was paused because the downlink is too slow, or resumed. */
  video_paused: Pause;
  /** The camera was paused because the uplink is too slow, or resumed. */
  audio_only: { readonly audioOnly: boolean };
  /** The profile has detected a bad uplink. */
  quality_warning: QualityWarning;
  /** A chat message that arrived during the call. */
  message: Message;
  /** A reaction, the user's own included. */
  reaction: { readonly participant: ParticipantId; readonly reaction: Reaction };
  /** Another participant looks for publishers, or says something about a connection with this one. */
  peer_message: PeerMessage;
  /** A device was unplugged and this one replaced it. */
  device_changed: { readonly kind: DeviceKind | "speaker"; readonly label: string };
  /** Something failed; the call continues. */
  error: RoomError;
  /** The room is over; `null` if the user left. */
  ended: RoomError | null;
}
