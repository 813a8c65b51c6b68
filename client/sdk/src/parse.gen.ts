// Generated from the crate `shared` by `cargo xtask codegen`. Do not edit.
import type { Frames } from "./check";
import { flag, list, map, number, object, orAbsent, orNull, text } from "./check";
import type { BanInfo, Bandwidth, ChatMessage, Departure, DirectInfo, Features, Grants, GuestInfo, IceServer, ParticipantInfo, PeerCandidate, PeerSignal, RecordingInfo, RoomInfo, RosterDifference, SlotInfo, TrackInfo, VideoLimit } from "./protocol.gen";

const iceServer = object<IceServer>({
  credential: orAbsent(text),
  urls: list(text),
  username: orAbsent(text),
});

const recordingInfo = object<RecordingInfo>({
  code: orNull(text),
  ended_at: orNull(number),
  id: text,
  started_at: number,
  started_by: orNull(text),
  state: text,
});

const directInfo = object<DirectInfo>({
  number,
  participants: list(text),
  up: flag,
});

const features = object<Features>({
  chat: flag,
  file_transfer: flag,
  reactions: flag,
  recording: flag,
  screen_share: flag,
  whiteboard: flag,
});

const roomInfo = object<RoomInfo>({
  audience: orAbsent(number),
  direct: orAbsent(directInfo),
  ends_at: orAbsent(number),
  features: orAbsent(features),
  locked: flag,
  metadata: text,
  participants_max: number,
  peer_to_peer_max: orAbsent(number),
  public: orAbsent(flag),
  quality: orAbsent(text),
  reason: orAbsent(text),
  resume_spread_ms: orAbsent(number),
  room_type: orAbsent(text),
  spotlight: orAbsent(list(text)),
  started_at: orAbsent(number),
  starts_at: orAbsent(number),
  state: orAbsent(text),
});

const bandwidth = object<Bandwidth>({
  receive_bps_max: orAbsent(number),
  send_bps_max: orAbsent(number),
});

const grants = object<Grants>({
  admit: orAbsent(flag),
  camera: orAbsent(flag),
  chat: flag,
  create: orAbsent(flag),
  hidden: orAbsent(flag),
  metadata: orAbsent(flag),
  microphone: orAbsent(flag),
  moderate: flag,
  publish: flag,
  record: flag,
  screen: orAbsent(flag),
  subscribe: flag,
});

const trackInfo = object<TrackInfo>({
  csrc: number,
  id: text,
  kind: text,
  mid: text,
  muted: flag,
  source: text,
});

const participantInfo = object<ParticipantInfo>({
  attributes: orAbsent(map(text)),
  bandwidth: orAbsent(bandwidth),
  connection: text,
  grants: orAbsent(grants),
  hand_raised_at: orAbsent(number),
  id: text,
  joined_at: number,
  metadata: orAbsent(text),
  name: text,
  role: orAbsent(text),
  tracks: list(trackInfo),
});

const slotInfo = object<SlotInfo>({
  mid: text,
  participant: orNull(text),
  track: orNull(text),
});

const rosterDifference = object<RosterDifference>({
  connecting: list(text),
  left: list(text),
  reconnecting: list(text),
});

const banInfo = object<BanInfo>({
  address: orAbsent(flag),
  banned_at: number,
  name: text,
  participant: text,
  until: orNull(number),
});

const guestInfo = object<GuestInfo>({
  name: text,
  participant: text,
  since: number,
});

const departure = object<Departure>({
  participant: text,
  reason: text,
});

const chatMessage = object<ChatMessage>({
  message: text,
  name: text,
  number,
  participant: text,
  sent_at: number,
  text,
});

const peerCandidate = object<PeerCandidate>({
  candidate: text,
  mid: text,
  ufrag: orAbsent(text),
});

const peerSignal = object<PeerSignal>({
  candidates: orAbsent(list(peerCandidate)),
  kind: text,
  sdp: orAbsent(text),
});

const videoLimit = object<VideoLimit>({
  given_bps: orNull(number),
  mid: text,
  wanted_bps: number,
});

/** The fields of every message. */
export const FRAMES: Frames = {
  joined: {
    answer: text,
    chat_last: number,
    ice_servers: list(iceServer),
    in_reply_to: orNull(number),
    participant: text,
    recording: orNull(recordingInfo),
    resume_token: text,
    revision: orAbsent(number),
    room: roomInfo,
    roster: list(participantInfo),
    session: text,
    slots: list(slotInfo),
  },
  resumed: {
    difference: orAbsent(rosterDifference),
    ice_servers: list(iceServer),
    in_reply_to: orNull(number),
    recording: orNull(recordingInfo),
    resume_token: text,
    revision: orAbsent(number),
    room: roomInfo,
    roster: list(participantInfo),
    slots: list(slotInfo),
    transport_dead: flag,
  },
  negotiated: {
    answer: text,
    ice_servers: list(iceServer),
    in_reply_to: orNull(number),
    session: text,
    slots: list(slotInfo),
  },
  done: {
    in_reply_to: orNull(number),
  },
  bans: {
    bans: list(banInfo),
    in_reply_to: orNull(number),
  },
  audience: {
    in_reply_to: orNull(number),
    next: orNull(text),
    participants: list(participantInfo),
  },
  peer_servers: {
    ice_servers: list(iceServer),
    in_reply_to: orNull(number),
  },
  guests_waiting: {
    guests: list(guestInfo),
  },
  error: {
    code: text,
    in_reply_to: orNull(number),
    message: text,
  },
  refused: {
    code: text,
  },
  participant_joined: {
    participant: participantInfo,
  },
  room_updated: {
    room: roomInfo,
  },
  track_muted: {
    held: orAbsent(flag),
    mid: text,
  },
  participant_updated: {
    participant: participantInfo,
  },
  participant_left: {
    participant: text,
    reason: text,
  },
  roster_changed: {
    changed: list(participantInfo),
    left: list(departure),
    revision: orAbsent(number),
  },
  chat: {
    messages: list(chatMessage),
  },
  reacted: {
    participant: text,
    reaction: text,
  },
  sought: {
    device: text,
    from: text,
    sent_at: number,
  },
  signaled: {
    device: text,
    from: text,
    link: orAbsent(number),
    message: text,
    sent_at: number,
    signal: peerSignal,
    to: text,
  },
  slots_changed: {
    slots: list(slotInfo),
  },
  sections_needed: {
    audio: number,
    video: number,
  },
  layers_wanted: {
    mid: text,
    rids: list(text),
  },
  video_limited: {
    estimate_bps: number,
    reason: orNull(text),
    slots: list(videoLimit),
  },
  video_undecodable: {
    mids: list(text),
  },
  transport_dead: {},
  node_away: {},
  recording_updated: {
    recording: recordingInfo,
  },
  removed: {
    code: text,
    reason: orNull(text),
  },
};
