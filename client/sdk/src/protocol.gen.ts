// Generated from the crate `shared` by `cargo xtask codegen`. Do not edit.

export const SUBPROTOCOL = "rotunda.v1";
export const TOKEN_SUBPROTOCOL_PREFIX = "token.";
export const RESUME_SUBPROTOCOL_PREFIX = "resume.";
export const PING = "ping";
export const PONG = "pong";
export const CLOSE_NORMAL = 1000;
export const CLOSE_GOING_AWAY = 1001;
export const CLOSE_POLICY = 1008;
export const CLOSE_INTERNAL = 1011;
export const CLOSE_REMOVED = 4001;
export const CLOSE_PAGE_HIDDEN = 4002;
export const FRAMES_PER_POST_MAX = 32;
export const SIGNAL_FRAME_BYTES_MAX = 65536;
export const PING_INTERVAL_MS = 10000;
export const RESUME_WINDOW_MS = 30000;
export const SLOTS_PER_KIND_DEFAULT = 8;
export const SLOTS_PER_KIND_MAX = 24;
export const TRACKS_PER_PARTICIPANT_MAX = 6;
export const NAME_CHARS_MAX = 128;
export const CHAT_TEXT_BYTES_MAX = 2000;
export const CHAT_MESSAGES_MAX = 200;
export const PEER_CANDIDATES_PER_FRAME = 32;
export const VIEW_PARTICIPANTS_MAX = 24;
export const RETRYABLE_ERROR_CODES: readonly ErrorCode[] = ["issuer_unavailable", "timeout", "rate_limited", "room_full", "too_many_publishers", "room_locked", "not_started", "duplicate_identity", "participant_away", "no_media_node", "media_node_lost", "recording_not_over", "room_empty", "storage_unavailable", "disk_full", "internal"];

/**
 * Milliseconds since 1970-01-01T00:00:00Z.
 */
export type UnixMillis = number;

/**
 * A participant's id: the token's `sub`. Joining again with the same id replaces the earlier session.
 */
export type ParticipantId = string;

/**
 * One media session of one participant with one node; a reload or a move to another node creates a new session.
 */
export type SessionId = string;

/**
 * One published track of one participant.
 */
export type TrackId = string;

/**
 * One recording of a room.
 */
export type RecordingId = string;

/**
 * A deployment region, for instance `eu-central`.
 */
export type Region = string;

/**
 * The name of a role: a set of grants of the deployment.
 */
export type RoleName = string;

/**
 * The client's id for one attempt to join, which makes repeating it harmless.
 */
export type AttemptId = string;

/**
 * The client's id for one chat message, which makes sending it again harmless.
 */
export type MessageId = string;

/**
 * The identification tag of one media section (RFC 8843 §4): a token of RFC 8866 §9, at most as long as a one-byte header extension
 * (RFC 8285 §4.2) can carry.
 */
export type Mid = string;

/**
 * The reason for a refusal, for programs.
 */
export type ErrorCode = "malformed_frame" | "frame_too_large" | "unknown_message" | "invalid_message" | "unsupported_version" | "not_found" | "bad_token" | "token_expired" | "issuer_unavailable" | "token_used" | "wrong_room" | "forbidden" | "timeout" | "rate_limited" | "not_joined" | "already_joined" | "room_full" | "too_many_publishers" | "room_locked" | "room_closed" | "time_limit" | "not_started" | "wrong_state" | "feature_off" | "not_invited" | "duplicate_identity" | "session_expired" | "invalid_offer" | "too_many_sections" | "unsupported_media" | "unknown_participant" | "participant_away" | "unknown_track" | "no_media_node" | "media_node_lost" | "stale_epoch" | "replaced" | "unknown_room" | "bad_api_key" | "invalid_request" | "method_not_allowed" | "unsupported_media_type" | "body_too_large" | "kicked" | "banned" | "not_admitted" | "too_many_bans" | "unknown_ban" | "unknown_role" | "unknown_template" | "unknown_region" | "recording_unavailable" | "recording_failed" | "too_many_recordings" | "unknown_recording" | "recording_not_over" | "room_empty" | "storage_unavailable" | "disk_full" | "internal";

export type MediaKind = "audio" | "video";

/**
 * The device or capture that a track carries.
 */
export type TrackSource = "microphone" | "camera" | "screen" | "screen_audio";

export type TrackIntent = { 
/**
 * The section's identification tag in the offer.
 */
mid: Mid, source: TrackSource, muted: boolean, };

/**
 * The reason for a new offer.
 */
export type NegotiateReason = "sections" | "ice_restart" | "transport_dead" | "new_transport";

export type ConnectionState = "connecting" | "connected" | "reconnecting";

/**
 * The reason why the estimated rate of a client's downlink is not higher.
 */
export type EstimateReason = "start" | "delay" | "loss" | "probe" | "growth" | "remb" | "starved" | "operator";

/**
 * One receive slot for whose video the client's downlink is too slow. The figures were measured when the message was
 * sent.
 */
export type VideoLimit = { mid: Mid, 
/**
 * Bits per second of the largest layer that the tile could show.
 */
wanted_bps: number, 
/**
 * Bits per second of the layer that plays; null while the video is paused.
 */
given_bps: number | null, };

/**
 * The reason why a participant left.
 */
export type LeaveReason = "left" | "timed_out" | "kicked";

/**
 * Changes to the roster of a resuming client besides the participants in `roster`, in this order.
 */
export type RosterDifference = { 
/**
 * Participants to remove, before those in `roster` are added or replaced.
 */
left: Array<ParticipantId>, 
/**
 * Everybody whose `connection` is `connecting`; those in neither list are connected.
 */
connecting: Array<ParticipantId>, 
/**
 * Everybody whose `connection` is `reconnecting`.
 */
reconnecting: Array<ParticipantId>, };

export type Departure = { participant: ParticipantId, reason: LeaveReason, };

/**
 * Limits on a participant's media, in bits per second with the headers of RTP; no limit if absent.
 */
export type Bandwidth = { 
/**
 * For all video that the participant sends together.
 */
send_bps_max?: number, 
/**
 * For everything that the participant receives.
 */
receive_bps_max?: number, };

/**
 * A participant's permissions in a room.
 */
export type Grants = { 
/**
 * Publish audio and video, of the sources that the next three admit.
 */
publish: boolean, microphone?: boolean, camera?: boolean, 
/**
 * Share a screen, and its sound.
 */
screen?: boolean, 
/**
 * Create the room by joining it first; without this, only an existing room can be joined.
 */
create?: boolean, 
/**
 * Receive the audio and video of others.
 */
subscribe: boolean, 
/**
 * Send data: write in the chat, react, raise a hand.
 */
chat: boolean, 
/**
 * Remove and mute participants, lower their hands, change their grants, lock and end the room.
 */
moderate: boolean, 
/**
 * Start and stop recordings, see and delete those of the room.
 */
record: boolean, 
/**
 * Admit and refuse guests in the lobby; moderators may do it anyway.
 */
admit?: boolean, 
/**
 * Be in nobody's roster. Such a participant neither publishes nor writes.
 */
hidden?: boolean, 
/**
 * Change one's own metadata.
 */
metadata?: boolean, };

/**
 * Recording is not among them, because a call can be recorded in several of these states.
 */
export type CallState = "scheduled" | "created" | "waiting" | "connecting" | "active" | "paused" | "reconnecting" | "ending" | "ended" | "failed";

/**
 * The purpose of a room. `chat` admits no media, `voice` microphones only; `private` admits only invited participants.
 */
export type RoomType = "cinema" | "mansion" | "private" | "appointment" | "instant" | "chat" | "voice" | "video";

/**
 * The treatment of a participant who joins while connected already.
 */
export type Duplicates = "replace" | "reject" | "allow";

/**
 * The limits of a client's camera by the state of its uplink.
 */
export type QualityProfile = "soulseer" | "cinema" | "kaa";

/**
 * The features of a room; those that are absent are on.
 */
export type Features = { chat: boolean, screen_share: boolean, file_transfer: boolean, recording: boolean, whiteboard: boolean, reactions: boolean, };

/**
 * Participants who connect to each other, so that their media needs no node.
 */
export type DirectInfo = { 
/**
 * The `link` of their messages to each other.
 */
number: number, 
/**
 * Each connects to each; of two, the one named later is polite (perfect negotiation, W3C WebRTC §10.7).
 */
participants: Array<ParticipantId>, 
/**
 * All of them receive all media directly, so the node need not get any.
 */
up: boolean, };

export type RoomInfo = { 
/**
 * If true, the room refuses new participants.
 */
locked: boolean, 
/**
 * Free text of the application.
 */
metadata: string, 
/**
 * Maximum number of participants.
 */
participants_max: number, 
/**
 * The number of participants who may not publish and are not in the roster; absent if there are none.
 */
audience?: number, 
/**
 * Up to this many participants send their media directly to each other; absent if it always goes through a node.
 */
peer_to_peer_max?: number, 
/**
 * Absent while media goes through the node alone.
 */
direct?: DirectInfo, 
/**
 * Clients that lose their sockets wait a random part of this time before they resume; absent in a small room.
 */
resume_spread_ms?: number, 
/**
 * The state of the call; absent while nobody has joined.
 */
state?: CallState, 
/**
 * The moderator's text for the pause or the end, while the call is `paused` or `ending`.
 */
reason?: string, 
/**
 * The scheduled start of the call.
 */
starts_at?: UnixMillis, 
/**
 * The time at which the call became `active`.
 */
started_at?: UnixMillis, 
/**
 * The time at which the call ends by itself; absent before its start and without `duration_ms_max`.
 */
ends_at?: UnixMillis, 
/**
 * The purpose of the room; absent if `instant`.
 */
room_type?: RoomType, 
/**
 * True if the application may list the room publicly.
 */
public?: boolean, 
/**
 * The room's features; absent if all are on.
 */
features?: Features, 
/**
 * The limits of a client's camera, unless its application chooses others.
 */
quality?: QualityProfile, 
/**
 * The participants whom a moderator shows large to everybody; absent if there are none.
 */
spotlight?: Array<ParticipantId>, };

/**
 * Changes to a participant; absent fields stay unchanged.
 */
export type ParticipantChange = { name?: string, 
/**
 * Free text of the application, visible to everybody in the room.
 */
metadata?: string, 
/**
 * Replaces all grants of the token.
 */
grants?: Grants, 
/**
 * Replaces all grants of the token by those of the role. A new `host` takes the place of the present one.
 */
role?: RoleName, 
/**
 * Replaces both limits of the token; without any, nothing is limited.
 */
bandwidth?: Bandwidth, };

/**
 * Changes to a room; absent fields stay unchanged.
 */
export type RoomChange = { 
/**
 * If true, the room refuses new participants; moderators and current participants may enter.
 */
locked?: boolean, 
/**
 * Free text of the application, visible to everybody in the room.
 */
metadata?: string, 
/**
 * Maximum number of participants; lowering it removes nobody.
 */
participants_max?: number, 
/**
 * Up to this many participants, 2 or 3, send their media directly to each other; 0 means none.
 */
peer_to_peer_max?: number, 
/**
 * Lifetime of an empty room.
 */
empty_timeout_ms?: number, 
/**
 * The longest duration of the call, from its start; 0 lifts the limit.
 */
duration_ms_max?: number, 
/**
 * The start of the call, before which only moderators can join; a time in the past opens the room. Has no effect
 * once a participant has joined.
 */
starts_at?: UnixMillis, room_type?: RoomType, 
/**
 * If true, the application may list the room publicly; has no effect while the room is `private`.
 */
public?: boolean, 
/**
 * Replaces all features; those that are absent are on. One that is turned off ends where it is in use.
 */
features?: Features, quality?: QualityProfile, duplicates?: Duplicates, 
/**
 * The region whose nodes serve the room if any has capacity, or a continent; `nearest` is the one nearest to the
 * first participant. Counts when the room next needs a node.
 */
region?: Region, 
/**
 * If true, guests wait until a moderator admits them.
 */
lobby?: boolean, 
/**
 * The participants who may join besides moderators; replaces all. An empty list lifts the limit, unless the room is
 * `private`.
 */
invited?: Array<ParticipantId>, 
/**
 * The participants to be shown large to everybody, at most 4; replaces all.
 */
spotlight?: Array<ParticipantId>, };

export type TrackInfo = { id: TrackId, 
/**
 * The publisher's section.
 */
mid: Mid, kind: MediaKind, source: TrackSource, 
/**
 * True if the publisher or a moderator muted it.
 */
muted: boolean, 
/**
 * The CSRC (RFC 3550 §5.1) that identifies the track in every slot in which it plays.
 */
csrc: number, };

/**
 * One participant, as everybody in the room sees it.
 */
export type ParticipantInfo = { id: ParticipantId, 
/**
 * Display name, from the token.
 */
name: string, 
/**
 * Free text of the application; absent if empty.
 */
metadata?: string, 
/**
 * The participant's grants; absent if they are the defaults.
 */
grants?: Grants, 
/**
 * The role that the grants are from, unless a moderator changed them; absent if it is `participant`.
 */
role?: RoleName, 
/**
 * The application's own facts about the participant; absent if there are none.
 */
attributes?: { readonly [name: string]: string }, 
/**
 * The limits on the participant's media; absent if there are none.
 */
bandwidth?: Bandwidth, joined_at: UnixMillis, 
/**
 * The participant's reachability, as seen by the edge and the media node.
 */
connection: ConnectionState, 
/**
 * Absent while the hand is down.
 */
hand_raised_at?: UnixMillis, tracks: Array<TrackInfo>, };

/**
 * The content of one of a client's receive slots.
 */
export type SlotInfo = { mid: Mid, 
/**
 * `None` if the slot is free.
 */
track: TrackId | null, 
/**
 * The publisher of the track.
 */
participant: ParticipantId | null, };

export type BanTerm = { 
/**
 * Milliseconds, 1 s to a year; absent for a permanent ban.
 */
lasts_ms?: number, 
/**
 * If true, all guests at the same address are removed too, and no guest from there is admitted: for a day at most.
 * If false, an earlier ban for the address stays one.
 */
address?: boolean, };

export type BanInfo = { participant: ParticipantId, 
/**
 * Display name at the time of the ban; empty if the participant was not in the room.
 */
name: string, banned_at: UnixMillis, 
/**
 * Null for a permanent ban.
 */
until: UnixMillis | null, 
/**
 * True while the ban keeps out all guests at the participant's address.
 */
address?: boolean, };

export type GuestInfo = { participant: ParticipantId, 
/**
 * Chosen by the guest and not verified.
 */
name: string, since: UnixMillis, };

export type RecordingState = "starting" | "recording" | "storage_away" | "finishing" | "ready" | "empty" | "failed";

/**
 * One recording, as everybody in the room sees it.
 */
export type RecordingInfo = { id: RecordingId, state: RecordingState, 
/**
 * `None` if the application's server started it.
 */
started_by: ParticipantId | null, 
/**
 * The start of the recording, which is zero on its clock.
 */
started_at: UnixMillis, ended_at: UnixMillis | null, 
/**
 * The reason for a failure, or why storage is away.
 */
code: ErrorCode | null, };

/**
 * One participant's camera and microphone, or screen with its sound.
 */
export type PlayableFile = { participant: ParticipantId, 
/**
 * The participant's display name.
 */
name: string, is_screen: boolean, 
/**
 * Milliseconds from the start of the recording to the start of this file.
 */
starts_ms: number, 
/**
 * The playing time of the file.
 */
duration_ms: number, bytes: number, 
/**
 * A signed URL: anybody who has it can play the file.
 */
url: string, };

/**
 * One recording, with signed URLs of its files.
 */
export type Recording = { id: RecordingId, state: RecordingState, 
/**
 * The participant who started it; null if an application server did.
 */
started_by: ParticipantId | null, 
/**
 * The start of the recording, which is zero on its clock.
 */
started_at: UnixMillis, 
/**
 * Set once the recording was stopped or ended automatically.
 */
ended_at: UnixMillis | null, 
/**
 * The reason for the failure.
 */
code: ErrorCode | null, 
/**
 * From its start to the end of its last file; null while there are no files.
 */
duration_ms: number | null, 
/**
 * The size of all files together.
 */
bytes: number, 
/**
 * One file for each participant's camera and microphone, and one for each screen with its sound.
 */
files: Array<PlayableFile>, 
/**
 * A signed URL of the manifest (JSON), which lists the events in the room; null while there are no files.
 */
manifest_url: string | null, 
/**
 * Expiry of the URLs; every request returns new ones.
 */
urls_expire_at: UnixMillis, };

/**
 * One page of a room's recordings.
 */
export type RecordingList = { 
/**
 * Newest first.
 */
recordings: Array<Recording>, 
/**
 * The `cursor` of the next page; absent on the last page.
 */
next?: string, };

export type ChatMessage = { 
/**
 * The message's position in the room's chat, counted from 1 without gaps.
 */
number: number, 
/**
 * The author's id for the message.
 */
message: MessageId, participant: ParticipantId, 
/**
 * The author's name when the message was sent.
 */
name: string, 
/**
 * The time at which the room accepted it.
 */
sent_at: UnixMillis, text: string, };

/**
 * Shown to everybody briefly.
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
 * Only for TURN.
 */
username?: string, 
/**
 * Only for TURN.
 */
credential?: string, };

export type PeerSignalKind = "request_offer" | "offer" | "answer" | "candidates";

/**
 * One `RTCIceCandidateInit` (W3C WebRTC §4.8.1).
 */
export type PeerCandidate = { 
/**
 * Empty after the last one of a generation.
 */
candidate: string, mid: Mid, 
/**
 * Names the generation.
 */
ufrag?: string, };

export type PeerSignal = { kind: PeerSignalKind, 
/**
 * Only of an `offer` or an `answer`.
 */
sdp?: string, 
/**
 * Only of `candidates`: at most 32, gathered for a moment.
 */
candidates?: Array<PeerCandidate>, };

export type ClientToEdge = { "type": "join", 
/**
 * The client's id for this attempt; repeating a join with the same id joins only once.
 */
attempt: AttemptId, 
/**
 * The SDP offer (RFC 8829).
 */
offer: string, 
/**
 * Describes the published sections.
 */
tracks: Array<TrackIntent>, } | { "type": "resume", 
/**
 * The session from `joined`.
 */
session: SessionId, 
/**
 * The latest secret from `joined` or `resumed`.
 */
resume_token: string, 
/**
 * The number of the client's last chat message; if absent, the edge sends all messages.
 */
chat_after?: number, 
/**
 * The last `revision` of the roster that the client has received; if absent, the edge sends the complete roster.
 */
revision?: number, } | { "type": "negotiate", 
/**
 * The new SDP offer.
 */
offer: string, 
/**
 * Describes the published sections.
 */
tracks: Array<TrackIntent>, reason: NegotiateReason, } | { "type": "set_muted", 
/**
 * The section that publishes it.
 */
mid: Mid, muted: boolean, } | { "type": "view", 
/**
 * At most 24.
 */
participants: Array<ParticipantId>, 
/**
 * The height of each participant's tile in device pixels. A camera without an entry has no limit, and a camera
 * outside the view is not sent; without the field all cameras are sent, without a limit.
 */
lines?: { readonly [participant: ParticipantId]: number }, } | { "type": "chat", 
/**
 * The client's id for the message.
 */
message: MessageId, text: string, } | { "type": "react", reaction: Reaction, } | { "type": "raise_hand", raised: boolean, } | { "type": "lower_hand", participant: ParticipantId, } | { "type": "seek", } | { "type": "signal", to: ParticipantId, 
/**
 * The client's id for the message, with which its receiver knows a repetition.
 */
message: MessageId, 
/**
 * Names the connection, so that the receiver can ignore what belongs to an earlier one.
 */
link?: number, signal: PeerSignal, } | { "type": "list_peer_servers", } | { "type": "report_direct", 
/**
 * Of `direct` in the room's properties.
 */
number: number, up: boolean, } | { "type": "kick", participant: ParticipantId, 
/**
 * Shown to the participant.
 */
reason?: string, 
/**
 * Also bans the participant, who need not be in the room then.
 */
ban?: BanTerm, } | { "type": "list_bans", } | { "type": "list_audience", 
/**
 * The `next` of the previous page.
 */
after?: ParticipantId, } | { "type": "lift_ban", participant: ParticipantId, } | { "type": "admit_guest", participant: ParticipantId, } | { "type": "refuse_guest", participant: ParticipantId, } | { "type": "mute_track", participant: ParticipantId, track: TrackId, 
/**
 * Also takes the grant for the track's source, so that the publisher cannot unmute it.
 */
hold?: boolean, } | { "type": "update_participant", participant: ParticipantId, name?: string, 
/**
 * Free text of the application, visible to everybody in the room.
 */
metadata?: string, 
/**
 * Replaces all grants of the token.
 */
grants?: Grants, 
/**
 * Replaces all grants of the token by those of the role. A new `host` takes the place of the present one.
 */
role?: RoleName, 
/**
 * Replaces both limits of the token; without any, nothing is limited.
 */
bandwidth?: Bandwidth, } | { "type": "update_room", 
/**
 * If true, the room refuses new participants; moderators and current participants may enter.
 */
locked?: boolean, 
/**
 * Free text of the application, visible to everybody in the room.
 */
metadata?: string, 
/**
 * Maximum number of participants; lowering it removes nobody.
 */
participants_max?: number, 
/**
 * Up to this many participants, 2 or 3, send their media directly to each other; 0 means none.
 */
peer_to_peer_max?: number, 
/**
 * Lifetime of an empty room.
 */
empty_timeout_ms?: number, 
/**
 * The longest duration of the call, from its start; 0 lifts the limit.
 */
duration_ms_max?: number, 
/**
 * The start of the call, before which only moderators can join; a time in the past opens the room. Has no effect
 * once a participant has joined.
 */
starts_at?: UnixMillis, room_type?: RoomType, 
/**
 * If true, the application may list the room publicly; has no effect while the room is `private`.
 */
public?: boolean, 
/**
 * Replaces all features; those that are absent are on. One that is turned off ends where it is in use.
 */
features?: Features, quality?: QualityProfile, duplicates?: Duplicates, 
/**
 * The region whose nodes serve the room if any has capacity, or a continent; `nearest` is the one nearest to the
 * first participant. Counts when the room next needs a node.
 */
region?: Region, 
/**
 * If true, guests wait until a moderator admits them.
 */
lobby?: boolean, 
/**
 * The participants who may join besides moderators; replaces all. An empty list lifts the limit, unless the room is
 * `private`.
 */
invited?: Array<ParticipantId>, 
/**
 * The participants to be shown large to everybody, at most 4; replaces all.
 */
spotlight?: Array<ParticipantId>, } | { "type": "start_room", } | { "type": "pause_room", 
/**
 * Shown to everybody.
 */
reason?: string, } | { "type": "resume_room", } | { "type": "end_room", 
/**
 * Shown to everybody.
 */
reason?: string, } | { "type": "start_recording", } | { "type": "stop_recording", } | { "type": "leave", };

/**
 * A reply, or an event in the room.
 */
export type EdgeToClient = { "type": "joined", 
/**
 * The `id` of the `join`.
 */
in_reply_to: number | null, 
/**
 * The client's own id, from its token.
 */
participant: ParticipantId, session: SessionId, 
/**
 * The secret for `resume`; only this client gets it.
 */
resume_token: string, answer: string, room: RoomInfo, 
/**
 * The participants, including the client itself, without a large room's audience.
 */
roster: Array<ParticipantInfo>, 
/**
 * Names this state of the roster, for `resume`; absent from an earlier version of the edge.
 */
revision?: number, slots: Array<SlotInfo>, 
/**
 * STUN and TURN servers for `RTCConfiguration.iceServers`.
 */
ice_servers: Array<IceServer>, 
/**
 * The number of the last chat message before the join; later ones are new.
 */
chat_last: number, 
/**
 * The recording that is running or being finished.
 */
recording: RecordingInfo | null, } | { "type": "resumed", 
/**
 * The `id` of the `resume`.
 */
in_reply_to: number | null, 
/**
 * The secret for the next resume; the one just used expires soon.
 */
resume_token: string, room: RoomInfo, 
/**
 * The participants, including the client itself, without a large room's audience; with `difference`, those who
 * have changed since the client's `revision`.
 */
roster: Array<ParticipantInfo>, 
/**
 * Absent if the roster is complete.
 */
difference?: RosterDifference, 
/**
 * Names this state of the roster, for `resume`; absent from an earlier version of the edge.
 */
revision?: number, slots: Array<SlotInfo>, 
/**
 * If true, the node is gone and the client must negotiate a new media transport.
 */
transport_dead: boolean, 
/**
 * The current STUN and TURN servers, with fresh credentials.
 */
ice_servers: Array<IceServer>, 
/**
 * The recording that is running or being finished.
 */
recording: RecordingInfo | null, } | { "type": "negotiated", 
/**
 * The `id` of the `negotiate`.
 */
in_reply_to: number | null, 
/**
 * The current session; it differs from the previous one after a change of transport.
 */
session: SessionId, answer: string, slots: Array<SlotInfo>, 
/**
 * The current STUN and TURN servers, with fresh credentials.
 */
ice_servers: Array<IceServer>, } | { "type": "done", in_reply_to: number | null, } | { "type": "bans", in_reply_to: number | null, 
/**
 * Newest first.
 */
bans: Array<BanInfo>, } | { "type": "audience", in_reply_to: number | null, participants: Array<ParticipantInfo>, 
/**
 * For the next page; `None` on the last one.
 */
next: ParticipantId | null, } | { "type": "peer_servers", in_reply_to: number | null, ice_servers: Array<IceServer>, } | { "type": "guests_waiting", 
/**
 * Longest wait first.
 */
guests: Array<GuestInfo>, } | { "type": "error", 
/**
 * The `id` of the request, if readable.
 */
in_reply_to: number | null, code: ErrorCode, message: string, } | { "type": "refused", code: ErrorCode, } | { "type": "participant_joined", participant: ParticipantInfo, } | { "type": "room_updated", room: RoomInfo, } | { "type": "track_muted", 
/**
 * The section that publishes it.
 */
mid: Mid, 
/**
 * True if the client cannot unmute it, because it may not publish the source.
 */
held?: boolean, } | { "type": "participant_updated", participant: ParticipantInfo, } | { "type": "participant_left", participant: ParticipantId, reason: LeaveReason, } | { "type": "roster_changed", changed: Array<ParticipantInfo>, left: Array<Departure>, 
/**
 * Names this state of the roster, for `resume`; only in the last of several messages.
 */
revision?: number, } | { "type": "chat", 
/**
 * At most 12.
 */
messages: Array<ChatMessage>, } | { "type": "reacted", participant: ParticipantId, reaction: Reaction, } | { "type": "sought", from: ParticipantId, 
/**
 * The `attempt` of its join: the same participant has another one on another device.
 */
device: AttemptId, sent_at: UnixMillis, } | { "type": "signaled", 
/**
 * Set by the edge, like `device` and `sent_at`.
 */
from: ParticipantId, 
/**
 * The `attempt` of its join: the same participant has another one on another device.
 */
device: AttemptId, sent_at: UnixMillis, 
/**
 * This client's own id.
 */
to: ParticipantId, 
/**
 * The sender's id for the message.
 */
message: MessageId, link?: number, signal: PeerSignal, } | { "type": "slots_changed", slots: Array<SlotInfo>, } | { "type": "sections_needed", audio: number, video: number, } | { "type": "layers_wanted", 
/**
 * The section that publishes it.
 */
mid: Mid, 
/**
 * Rids of the offer.
 */
rids: Array<string>, } | { "type": "video_limited", 
/**
 * The estimated rate of the downlink in bits per second.
 */
estimate_bps: number, 
/**
 * The reason for the estimate; null if the node does not tell.
 */
reason: EstimateReason | null, slots: Array<VideoLimit>, } | { "type": "video_undecodable", mids: Array<Mid>, } | { "type": "transport_dead", } | { "type": "node_away", } | { "type": "recording_updated", recording: RecordingInfo, } | { "type": "removed", 
/**
 * `kicked`, `replaced` or `room_closed`.
 */
code: ErrorCode, 
/**
 * The moderator's text.
 */
reason: string | null, };

