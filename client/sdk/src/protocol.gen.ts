// Generated from the crate `shared` by `cargo xtask codegen`. Do not edit.

export const SUBPROTOCOL = "rotunda.v1";
export const TOKEN_SUBPROTOCOL_PREFIX = "token.";
export const RESUME_SUBPROTOCOL_PREFIX = "resume.";
export const PING = "ping";
export const PONG = "pong";
export const CLOSE_NORMAL = 1000;
export const CLOSE_POLICY = 1008;
export const CLOSE_INTERNAL = 1011;
export const CLOSE_REMOVED = 4001;
export const PING_INTERVAL_MS = 10000;
export const RESUME_WINDOW_MS = 30000;
export const SLOTS_PER_KIND_DEFAULT = 8;
export const SLOTS_PER_KIND_MAX = 24;
export const TRACKS_PER_PARTICIPANT_MAX = 6;
export const CHAT_TEXT_BYTES_MAX = 2000;
export const CHAT_MESSAGES_MAX = 200;
export const VIEW_PARTICIPANTS_MAX = 24;
export const RETRYABLE_ERROR_CODES: readonly ErrorCode[] = ["timeout", "rate_limited", "room_full", "too_many_publishers", "room_locked", "no_media_node", "media_node_lost", "recording_not_over", "room_empty", "storage_unavailable", "internal"];

/**
 * Milliseconds since 1970-01-01T00:00:00Z.
 */
export type UnixMillis = number;

/**
 * Who is in a room: the token's `sub`. Joining again with the same id replaces the earlier session.
 */
export type ParticipantId = string;

/**
 * One media session of one participant with one node; a reload or a move to another node is another session.
 */
export type SessionId = string;

/**
 * One published track.
 */
export type TrackId = string;

/**
 * One recording of a room.
 */
export type RecordingId = string;

/**
 * The client's name for one try to join, so that repeating it is harmless.
 */
export type AttemptId = string;

/**
 * The client's name for one message it writes, so that sending it again is harmless.
 */
export type MessageId = string;

/**
 * The identification tag of one media section (RFC 8843 §7; a token of RFC 4566 §9, of which browsers use less).
 */
export type Mid = string;

/**
 * Why something was refused, as clients and nodes see it.
 */
export type ErrorCode = "malformed_frame" | "frame_too_large" | "unknown_message" | "invalid_message" | "unsupported_version" | "not_found" | "bad_token" | "token_expired" | "wrong_room" | "forbidden" | "timeout" | "rate_limited" | "not_joined" | "already_joined" | "room_full" | "too_many_publishers" | "room_locked" | "room_closed" | "session_expired" | "invalid_offer" | "too_many_sections" | "unsupported_media" | "unknown_participant" | "unknown_track" | "no_media_node" | "media_node_lost" | "stale_epoch" | "replaced" | "unknown_room" | "bad_api_key" | "invalid_request" | "method_not_allowed" | "unsupported_media_type" | "body_too_large" | "kicked" | "banned" | "too_many_bans" | "unknown_ban" | "recording_unavailable" | "recording_failed" | "too_many_recordings" | "unknown_recording" | "recording_not_over" | "room_empty" | "storage_unavailable" | "internal";

/**
 * Kind of media.
 */
export type MediaKind = "audio" | "video";

/**
 * What a track shows or sounds.
 */
export type TrackSource = "microphone" | "camera" | "screen" | "screen_audio";

/**
 * What one published section is.
 */
export type TrackIntent = { 
/**
 * The section's identification tag in the offer.
 */
mid: Mid, 
/**
 * What it shows or sounds.
 */
source: TrackSource, 
/**
 * Whether it starts muted.
 */
muted: boolean, };

/**
 * Why a client offers again.
 */
export type NegotiateReason = "sections" | "ice_restart" | "transport_dead" | "new_transport";

/**
 * Whether a participant can be reached.
 */
export type ConnectionState = "connecting" | "connected" | "reconnecting";

/**
 * Why somebody is gone.
 */
export type LeaveReason = "left" | "timed_out" | "kicked";

/**
 * What a participant may do in a room.
 */
export type Grants = { 
/**
 * Publish sound and pictures.
 */
publish: boolean, 
/**
 * Receive those of others.
 */
subscribe: boolean, 
/**
 * Write in the chat, react, raise a hand.
 */
chat: boolean, 
/**
 * Remove and mute participants, lower their hands, change what they may do, lock and end the room.
 */
moderate: boolean, 
/**
 * Start and stop recordings, see and delete those of the room.
 */
record: boolean, };

/**
 * The room itself, as everybody in it sees it.
 */
export type RoomInfo = { 
/**
 * Whether newcomers stay outside.
 */
locked: boolean, 
/**
 * What the application keeps with the room.
 */
metadata: string, 
/**
 * Most participants.
 */
participants_max: number, };

/**
 * What becomes of a participant; what is not named stays.
 */
export type ParticipantChange = { 
/**
 * Display name.
 */
name?: string, 
/**
 * Free text that the application keeps with them; everybody in the room can read it.
 */
metadata?: string, 
/**
 * All that they may do, in place of what their token says, for as long as they are in the room.
 */
grants?: Grants, };

/**
 * What becomes of a room; what is not named stays.
 */
export type RoomChange = { 
/**
 * Whether newcomers stay outside; whoever is in the room may come back, and moderators may come in.
 */
locked?: boolean, 
/**
 * Free text that the application keeps with the room; everybody in it can read it.
 */
metadata?: string, 
/**
 * Most participants; nobody is removed where there are more already.
 */
participants_max?: number, 
/**
 * The room is forgotten when it was empty for this long.
 */
empty_timeout_ms?: number, };

/**
 * One published track.
 */
export type TrackInfo = { 
/**
 * Which.
 */
id: TrackId, 
/**
 * The publisher's own section.
 */
mid: Mid, 
/**
 * Sound or pictures.
 */
kind: MediaKind, 
/**
 * What it shows or sounds.
 */
source: TrackSource, 
/**
 * Whether the publisher muted it.
 */
muted: boolean, 
/**
 * The number that names it as contributing source (CSRC, RFC 3550 §5.1) in whatever slot it plays.
 */
csrc: number, };

/**
 * One participant, as everybody in the room sees it.
 */
export type ParticipantInfo = { 
/**
 * Who.
 */
id: ParticipantId, 
/**
 * Display name, from the token.
 */
name: string, 
/**
 * What the application keeps with them; absent where that is nothing.
 */
metadata?: string, 
/**
 * What they may do; absent where that is what a token without grants says.
 */
grants?: Grants, 
/**
 * When they joined.
 */
joined_at: UnixMillis, 
/**
 * Whether they can be reached.
 */
connection: ConnectionState, 
/**
 * Since when they have their hand up.
 */
hand_raised_at?: UnixMillis, 
/**
 * What they publish.
 */
tracks: Array<TrackInfo>, };

/**
 * What plays in one receive slot of a client.
 */
export type SlotInfo = { 
/**
 * The client's receiving section.
 */
mid: Mid, 
/**
 * The track that plays there; nothing where the slot is free.
 */
track: TrackId | null, 
/**
 * Whose track it is.
 */
participant: ParticipantId | null, };

/**
 * How long somebody is kept out.
 */
export type BanTerm = { 
/**
 * Milliseconds, 1 s to a year; for as long as the room lives where it is left out.
 */
lasts_ms?: number, };

/**
 * One ban.
 */
export type BanInfo = { 
/**
 * The identity that is kept out.
 */
participant: ParticipantId, 
/**
 * Display name when they were banned; empty where they were not in the room.
 */
name: string, 
/**
 * When.
 */
banned_at: UnixMillis, 
/**
 * Until when; null for as long as the room lives.
 */
until: UnixMillis | null, };

/**
 * How far a recording is.
 */
export type RecordingState = "starting" | "recording" | "storage_away" | "finishing" | "ready" | "empty" | "failed";

/**
 * One recording, as everybody in the room sees it.
 */
export type RecordingInfo = { 
/**
 * Which.
 */
id: RecordingId, 
/**
 * How far it is.
 */
state: RecordingState, 
/**
 * Who started it; nobody where the application's server did.
 */
started_by: ParticipantId | null, 
/**
 * When it was started: the zero of its clock.
 */
started_at: UnixMillis, 
/**
 * When it was stopped.
 */
ended_at: UnixMillis | null, 
/**
 * Why it failed.
 */
code: ErrorCode | null, };

/**
 * What one participant's camera and microphone, or screen and its sound, gave.
 */
export type PlayableFile = { 
/**
 * Whose.
 */
participant: ParticipantId, 
/**
 * Their display name.
 */
name: string, 
/**
 * Whether it is their screen.
 */
is_screen: boolean, 
/**
 * How long after the recording's start it begins.
 */
starts_ms: number, 
/**
 * How long it plays.
 */
duration_ms: number, 
/**
 * How large it is.
 */
bytes: number, 
/**
 * Where it is; signed, so whoever has it can play the file.
 */
url: string, };

/**
 * One recording, with signed URLs for what can be played of it.
 */
export type Recording = { 
/**
 * Which.
 */
id: RecordingId, 
/**
 * How far it is.
 */
state: RecordingState, 
/**
 * Who started it; null where the application's server did.
 */
started_by: ParticipantId | null, 
/**
 * When it was started: the zero of its clock.
 */
started_at: UnixMillis, 
/**
 * When it was stopped, or ended by itself.
 */
ended_at: UnixMillis | null, 
/**
 * Why it failed.
 */
code: ErrorCode | null, 
/**
 * From its start to the end of the last of its files; null while there are none.
 */
duration_ms: number | null, 
/**
 * How large all files are together.
 */
bytes: number, 
/**
 * What can be played: one file for each participant's camera and microphone, one for each screen and its sound.
 */
files: Array<PlayableFile>, 
/**
 * What happened in the room, as JSON; null while there are no files.
 */
manifest_url: string | null, 
/**
 * Until when the URLs open; whoever asks again gets new ones.
 */
urls_expire_at: UnixMillis, };

/**
 * One page of a room's recordings.
 */
export type RecordingList = { 
/**
 * The newest first.
 */
recordings: Array<Recording>, 
/**
 * The `cursor` of the next page; absent on the last one.
 */
next?: string, };

/**
 * One message of the chat.
 */
export type ChatMessage = { 
/**
 * Its place in the room's chat: one more than that of the message before.
 */
number: number, 
/**
 * Its author's name for it.
 */
message: MessageId, 
/**
 * Who wrote it.
 */
participant: ParticipantId, 
/**
 * What they were called then.
 */
name: string, 
/**
 * When the room took it.
 */
sent_at: UnixMillis, 
/**
 * What they wrote.
 */
text: string, };

/**
 * A sign that everybody sees for a moment.
 */
export type Reaction = "thumbs_up" | "thumbs_down" | "clap" | "heart" | "laugh" | "surprise" | "party";

/**
 * One entry of `RTCConfiguration.iceServers` (W3C WebRTC §4.2.4).
 */
export type IceServer = { 
/**
 * `stun:`, `turn:` or `turns:` URLs.
 */
urls: Array<string>, 
/**
 * For TURN.
 */
username?: string, 
/**
 * For TURN.
 */
credential?: string, };

/**
 * A request of a client.
 */
export type ClientToEdge = { "type": "join", 
/**
 * The client's name for this try: joining twice with one is joining once.
 */
attempt: AttemptId, 
/**
 * SDP of the client's offer (RFC 8829).
 */
offer: string, 
/**
 * What the sections it publishes are.
 */
tracks: Array<TrackIntent>, } | { "type": "resume", 
/**
 * The session that `joined` named.
 */
session: SessionId, 
/**
 * The secret that came with it.
 */
resume_token: string, 
/**
 * The number of the last chat message that the client has; all are told again where it has none.
 */
chat_after?: number, } | { "type": "negotiate", 
/**
 * SDP of the new offer.
 */
offer: string, 
/**
 * What the sections it publishes are.
 */
tracks: Array<TrackIntent>, 
/**
 * Why.
 */
reason: NegotiateReason, } | { "type": "set_muted", 
/**
 * The section that publishes it.
 */
mid: Mid, 
/**
 * Whether it is silent or dark.
 */
muted: boolean, } | { "type": "view", 
/**
 * At most 24.
 */
participants: Array<ParticipantId>, } | { "type": "chat", 
/**
 * The client's name for the message.
 */
message: MessageId, 
/**
 * What it says.
 */
text: string, } | { "type": "react", 
/**
 * Which.
 */
reaction: Reaction, } | { "type": "raise_hand", 
/**
 * Whether it is up.
 */
raised: boolean, } | { "type": "lower_hand", 
/**
 * Whose.
 */
participant: ParticipantId, } | { "type": "kick", 
/**
 * Whom.
 */
participant: ParticipantId, 
/**
 * Told to them.
 */
reason?: string, 
/**
 * Keeps them out for a time or for good; then they need not be in the room.
 */
ban?: BanTerm, } | { "type": "list_bans", } | { "type": "lift_ban", 
/**
 * Whom.
 */
participant: ParticipantId, } | { "type": "mute_track", 
/**
 * Whose track it is.
 */
participant: ParticipantId, 
/**
 * Which.
 */
track: TrackId, } | { "type": "update_participant", 
/**
 * Whom.
 */
participant: ParticipantId, 
/**
 * Display name.
 */
name?: string, 
/**
 * Free text that the application keeps with them; everybody in the room can read it.
 */
metadata?: string, 
/**
 * All that they may do, in place of what their token says, for as long as they are in the room.
 */
grants?: Grants, } | { "type": "update_room", 
/**
 * Whether newcomers stay outside; whoever is in the room may come back, and moderators may come in.
 */
locked?: boolean, 
/**
 * Free text that the application keeps with the room; everybody in it can read it.
 */
metadata?: string, 
/**
 * Most participants; nobody is removed where there are more already.
 */
participants_max?: number, 
/**
 * The room is forgotten when it was empty for this long.
 */
empty_timeout_ms?: number, } | { "type": "end_room", 
/**
 * Told to everybody.
 */
reason?: string, } | { "type": "start_recording", } | { "type": "stop_recording", } | { "type": "leave", };

/**
 * A reply, or news of the room.
 */
export type EdgeToClient = { "type": "joined", 
/**
 * The `id` of the `join`.
 */
in_reply_to: number | null, 
/**
 * The client's own id, from its token.
 */
participant: ParticipantId, 
/**
 * The new session.
 */
session: SessionId, 
/**
 * The secret with which the session can be resumed; for this client alone.
 */
resume_token: string, 
/**
 * SDP of the answer.
 */
answer: string, 
/**
 * The room itself.
 */
room: RoomInfo, 
/**
 * Everybody in the room, the client itself included.
 */
roster: Array<ParticipantInfo>, 
/**
 * What plays in which of its slots.
 */
slots: Array<SlotInfo>, 
/**
 * STUN and TURN servers for `RTCConfiguration.iceServers`.
 */
ice_servers: Array<IceServer>, 
/**
 * The number of the last chat message: what comes up to it was there before, what comes after it is news.
 */
chat_last: number, 
/**
 * The recording that runs or is being finished.
 */
recording: RecordingInfo | null, } | { "type": "resumed", 
/**
 * The `id` of the `resume`.
 */
in_reply_to: number | null, 
/**
 * The secret for the next time, in place of the one that was just used.
 */
resume_token: string, 
/**
 * The room itself.
 */
room: RoomInfo, 
/**
 * Everybody in the room, the client itself included.
 */
roster: Array<ParticipantInfo>, 
/**
 * What plays in which of its slots.
 */
slots: Array<SlotInfo>, 
/**
 * Whether the media transport must be negotiated again, because the node is gone.
 */
transport_dead: boolean, 
/**
 * STUN and TURN servers from here on: credentials run out, and TURN nodes come and go.
 */
ice_servers: Array<IceServer>, 
/**
 * The recording that runs or is being finished.
 */
recording: RecordingInfo | null, } | { "type": "negotiated", 
/**
 * The `id` of the `negotiate`.
 */
in_reply_to: number | null, 
/**
 * The session from here on: another one where the transport is a new one.
 */
session: SessionId, 
/**
 * SDP of the answer.
 */
answer: string, 
/**
 * What plays in which of the client's slots.
 */
slots: Array<SlotInfo>, 
/**
 * STUN and TURN servers from here on.
 */
ice_servers: Array<IceServer>, } | { "type": "done", 
/**
 * Its `id`.
 */
in_reply_to: number | null, } | { "type": "bans", 
/**
 * Its `id`.
 */
in_reply_to: number | null, 
/**
 * The latest first.
 */
bans: Array<BanInfo>, } | { "type": "error", 
/**
 * Its `id`, where it could be read.
 */
in_reply_to: number | null, 
/**
 * Why, for programs.
 */
code: ErrorCode, 
/**
 * Why, for developers.
 */
message: string, } | { "type": "refused", 
/**
 * Why.
 */
code: ErrorCode, } | { "type": "participant_joined", 
/**
 * Who.
 */
participant: ParticipantInfo, } | { "type": "room_updated", 
/**
 * The whole of what is known about it.
 */
room: RoomInfo, } | { "type": "track_muted", 
/**
 * The section that publishes it.
 */
mid: Mid, } | { "type": "participant_updated", 
/**
 * The whole of what is known about them.
 */
participant: ParticipantInfo, } | { "type": "participant_left", 
/**
 * Who.
 */
participant: ParticipantId, 
/**
 * Why.
 */
reason: LeaveReason, } | { "type": "chat", 
/**
 * At most 12.
 */
messages: Array<ChatMessage>, } | { "type": "reacted", 
/**
 * Who.
 */
participant: ParticipantId, 
/**
 * Which.
 */
reaction: Reaction, } | { "type": "slots_changed", 
/**
 * The changed ones.
 */
slots: Array<SlotInfo>, } | { "type": "sections_needed", 
/**
 * Audio slots in all.
 */
audio: number, 
/**
 * Video slots in all.
 */
video: number, } | { "type": "transport_dead", } | { "type": "recording_updated", 
/**
 * The whole of what is known about it.
 */
recording: RecordingInfo, } | { "type": "removed", 
/**
 * `kicked`, `replaced` or `room_closed`.
 */
code: ErrorCode, 
/**
 * What a moderator wrote.
 */
reason: string | null, };

