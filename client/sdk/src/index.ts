/** The public API of `@rotunda/client`; nothing else of the package may be imported. */
export type { CaptureEvents, CaptureOptions, CaptureSnapshot } from "./capture";
export { Capture } from "./capture";
export type { CaptureConstraints, Device, DeviceKind, Devices } from "./devices";
export { listDevices, onDevicesChanged, openDevice } from "./devices";
export type { ClientErrorCode, ErrorClass } from "./errors";
export { ERROR_WORDS, RoomError } from "./errors";
export { LevelMeter } from "./level";
export type { TrackOption } from "./local-media";
export type { VideoCodec } from "./peer";
export type {
  BanInfo,
  BanTerm,
  Bandwidth,
  CallState,
  ConnectionState,
  ErrorCode,
  EstimateReason,
  Features,
  Grants,
  GuestInfo,
  MediaKind,
  ParticipantChange,
  ParticipantId,
  ParticipantInfo,
  PeerCandidate,
  PeerSignal,
  PlayableFile,
  Reaction,
  Recording,
  RecordingId,
  RecordingInfo,
  RecordingState,
  TrackId,
  TrackInfo,
  TrackSource,
} from "./protocol.gen";
export type { ParticipantStats, TrackStats } from "./participant-stats";
export { CHAT_TEXT_BYTES_MAX, NAME_CHARS_MAX } from "./protocol.gen";
export { randomId } from "./random";
export type { DetailedStats, LinkWarning } from "./peers/stats";
export type { LinkEvents, PeerLink } from "./peers/peer-link";
export type { Peers, PeersEvents } from "./peers/peers";
export { deleteRecording, listRecordings } from "./recordings";
export type { JoinOptions, RoomEvents } from "./room-events";
export { Room } from "./room";
export type { TokenSource } from "./signal";
export type { Quality } from "./quality";
export type { ScreenOptions } from "./screen";
export type { Profile, QualityWarning } from "./profile";
export type { FailureClass, Recovery } from "./recovery";
export { failureClass, recoveryOf } from "./recovery";
export { canShareScreen } from "./screen";
export { roomUrl } from "./signal";
export type { Call, Limit, Message, Participant, Pause, RoomSnapshot, Track } from "./snapshot";
export type { AudiencePage, Connection, Lines, PeerMessage, PeerRequest } from "./state";
export type { Phase, Timings } from "./timings";
export type { AllGrants, Claims } from "./token";
export { readToken } from "./token";
