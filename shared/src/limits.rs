//! Limits that more than one program enforces, with their units and reasons, and how they relate.

/// Largest `join` or `negotiate` frame: an offer with 24 audio and 24 video slots is about 300 KiB.
pub const OFFER_FRAME_BYTES_MAX: usize = 512 * 1024;
/// Largest other signaling frame in either direction, except `joined` and `negotiated`.
pub const SIGNAL_FRAME_BYTES_MAX: usize = 64 * 1024;
/// Bytes of such a frame for a list of participants.
pub const ROSTER_FRAME_BYTES: usize = SIGNAL_FRAME_BYTES_MAX - 1024;
/// In rooms with at least this many participants, changes to the roster are gathered for [`PRESENCE_GATHERED_MS`].
pub const PRESENCE_GATHERED_FROM: usize = 32;
pub const PRESENCE_GATHERED_MS: u64 = 100;
/// Departures that a room remembers for clients that resume; one that has missed more gets the complete roster.
pub const DEPARTURES_REMEMBERED_MAX: usize = 100;
/// Participants who may not publish and are listed nevertheless; in a larger audience the others are only counted.
pub const AUDIENCE_LISTED_MAX: usize = 32;
/// A changed size of the audience is told after this long, because everybody is told.
pub const AUDIENCE_GATHERED_MS: u64 = 1_000;
/// Most participants on one page of the audience.
pub const AUDIENCE_PER_PAGE: usize = 64;
/// In rooms with at least this many participants, the resumes after a restart are spread.
pub const RESUME_SPREAD_FROM: usize = 64;
/// Time that a room takes for each of them: it then answers 200 resumes a second.
pub const RESUME_SPREAD_MS_PER_PARTICIPANT: usize = 5;
/// Largest control frame: the full state of a room for a node that reconnects.
pub const CONTROL_FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

pub const SESSIONS_PER_WELCOME_PART: usize = 36;
/// Most forwards of a frame that contains nothing else.
pub const FORWARDS_PER_FRAME: usize = 12_000;
/// Most forwards of a single-frame `welcome`: 36 clients with 24 slots of each kind have no more.
pub const FORWARDS_BESIDE_SESSIONS: usize = 2 * SLOTS_PER_KIND_MAX * SESSIONS_PER_WELCOME_PART;
pub const WELCOME_PARTS_MAX: usize = 64;
/// The largest session in JSON without its sections: ids, ICE credentials and fingerprints.
const SESSION_BYTES_MAX: usize = 2 * 1024;
/// The largest section in JSON.
const SECTION_BYTES_MAX: usize = 1_200;
/// The largest forward in JSON.
const FORWARD_BYTES_MAX: usize = 256;
/// The largest participant of a recording order in JSON: id, name and punctuation.
const RECORDED_PARTICIPANT_BYTES_MAX: usize = 6 * NAME_CHARS_MAX + 128;
/// The largest track of a recording order in JSON.
const RECORDED_TRACK_BYTES_MAX: usize = 256;
/// The largest recording order in JSON.
const RECORDING_ORDER_BYTES_MAX: usize = 1024
    + PARTICIPANTS_PER_ROOM_MAX * RECORDED_PARTICIPANT_BYTES_MAX
    + PUBLISHERS_PER_ROOM_MAX * TRACKS_PER_PARTICIPANT_MAX * RECORDED_TRACK_BYTES_MAX;
/// The largest list of microphones in JSON: all tracks of all publishers.
const MICROPHONES_BYTES_MAX: usize = 128 * (1 + MICROPHONES_PER_ROOM_MAX);

/// Most participants of one room, viewers included.
pub const PARTICIPANTS_PER_ROOM_MAX: usize = 1_000;
/// Default for rooms that set no limit of their own.
pub const PARTICIPANTS_PER_ROOM_DEFAULT: usize = 50;
/// Most guests of one address among so many participants: they leave a fifth of the places to others, so that nobody fills
/// a room alone.
#[must_use]
pub const fn guests_per_address_max(participants_max: usize) -> usize {
    participants_max - participants_max / 5
}
/// Most participants publishing in one room at once.
pub const PUBLISHERS_PER_ROOM_MAX: usize = 64;
/// Most tracks one participant may publish: microphone, camera, screen, screen sound, with room for one more pair.
pub const TRACKS_PER_PARTICIPANT_MAX: usize = 6;
/// Most open microphones in one room, if nobody publishes anything else.
pub const MICROPHONES_PER_ROOM_MAX: usize = PUBLISHERS_PER_ROOM_MAX * TRACKS_PER_PARTICIPANT_MAX;
/// Receive slots per kind in a client's first offer; the edge requests more with `sections_needed`.
pub const SLOTS_PER_KIND_DEFAULT: usize = 8;
/// Most receive slots per kind. Beyond that, a client receives the microphones that speak and the cameras in view.
pub const SLOTS_PER_KIND_MAX: usize = 24;
/// Minimum interval of a node's reports about who should be heard, for each room.
pub const LOUDEST_INTERVAL_MS: u64 = 1_000;
/// Most media sections of one offer: all slots, all tracks, one for data.
pub const SECTIONS_PER_OFFER_MAX: usize = 2 * SLOTS_PER_KIND_MAX + TRACKS_PER_PARTICIPANT_MAX + 1;
/// Most `rtpmap`, `fmtp`, `rtcp-fb`, `extmap`, `rid` and `fingerprint` lines of one section; a video section of
/// Chromium has about 110.
pub const LISTED_ATTRIBUTES_PER_SECTION_MAX: usize = 1_024;
/// Most certificates a client may announce for one transport; browsers announce one.
pub const FINGERPRINTS_PER_SESSION_MAX: usize = 8;
/// Most codecs of a section in a message to a node.
pub const CODECS_PER_SECTION_MAX: usize = 8;
/// Most encodings (simulcast layers) of one section.
pub const ENCODINGS_PER_SECTION_MAX: usize = 3;
/// Longest rid of an encoding: a one-byte header extension carries no more (RFC 8285 §4.2).
pub const RID_BYTES_MAX: usize = 16;

/// Longest resume token that the edge examines; its own have 53 characters.
pub const RESUME_TOKEN_BYTES_MAX: usize = 128;
/// Longest display name, in characters (Unicode scalar values, as JSON Schema counts).
pub const NAME_CHARS_MAX: usize = 128;
/// Longest free text a moderator may give as a reason, in characters.
pub const REASON_CHARS_MAX: usize = 256;
/// Longest metadata of a participant, in characters; every roster contains it.
pub const PARTICIPANT_METADATA_CHARS_MAX: usize = 1024;
/// Longest metadata of a room, in characters; every `joined` contains it once.
pub const ROOM_METADATA_CHARS_MAX: usize = 8 * 1024;
/// Longest chat message: half a page.
pub const CHAT_TEXT_BYTES_MAX: usize = 2_000;
/// Messages a room keeps for later joiners; the oldest is dropped first.
pub const CHAT_MESSAGES_MAX: usize = 200;
/// Most messages in one frame, so that even the longest ones fit into a frame of the usual size.
pub const CHAT_MESSAGES_PER_FRAME: usize = 12;
/// Most participants a `view` message may name.
pub const VIEW_PARTICIPANTS_MAX: usize = SLOTS_PER_KIND_MAX;

/// Longest token accepted: HTTP servers refuse longer header lines anyway.
pub const TOKEN_BYTES_MAX: usize = 4 * 1024;
/// Allowed difference between the clocks of the API server and the edge.
pub const TOKEN_LEEWAY_MS: u64 = 30_000;
/// Longest lifetime of a join token.
pub const JOIN_TOKEN_LIFETIME_MS_MAX: u64 = 24 * 3_600_000;
/// Most issuers whose tokens a deployment accepts.
pub const TOKEN_ISSUERS_MAX: usize = 8;
/// Public keys of applications that sign join tokens.
pub const TOKEN_PUBLIC_KEYS_MAX: usize = 8;
/// Participants with one identity, in rooms that admit them side by side: a person has few devices.
pub const SEATS_PER_IDENTITY_MAX: usize = 8;
/// Roles of a deployment, built-in ones included.
pub const ROLES_MAX: usize = 32;
/// Templates of a deployment, which the Worker reads at its start.
pub const TEMPLATES_MAX: usize = 32;
/// Attributes of a participant; everybody in the room sees them, and a socket's attachment holds them.
pub const ATTRIBUTES_PER_PARTICIPANT_MAX: usize = 4;
/// Attributes and values to which a deployment gives a role.
pub const ROLE_ATTRIBUTES_MAX: usize = 64;
/// Time after which a room whose host has left gets another one: a reload and a short loss of the network are no reason.
pub const HOST_ABSENCE_MS_DEFAULT: u64 = 60_000;
pub const HOST_ABSENCE_MS_MIN: u64 = 1_000;
pub const HOST_ABSENCE_MS_MAX: u64 = 3_600_000;
/// Most keys of an issuer, and most bytes of the document with them.
pub const ISSUER_KEYS_MAX: usize = 32;
pub const ISSUER_KEYS_BYTES_MAX: usize = 64 * 1024;
/// Time after which an issuer's keys are read again, and for which they serve if they cannot be read.
pub const ISSUER_KEYS_FRESH_MS: u64 = 10 * 60_000;
pub const ISSUER_KEYS_KEPT_MS: u64 = 24 * 3_600_000;
/// An isolate reads an issuer's keys at most this many times in this time.
pub const ISSUER_READS_MAX: u32 = 8;
pub const ISSUER_READS_PER_MS: u64 = 30_000;
/// Time for an issuer's answer.
pub const ISSUER_TIMEOUT_MS: u64 = 5_000;
/// Lifetime of a guest's join token. The page requests another one when needed.
pub const GUEST_TOKEN_LIFETIME_MS: u64 = 3_600_000;
/// Lifetime of a guest's pass: a guest who closes the laptop over lunch keeps their identity.
pub const GUEST_PASS_LIFETIME_MS: u64 = 24 * 3_600_000;
/// Lifetime of a node's ticket for a room, and so the longest outage of the edge that a node's rooms survive.
pub const NODE_TICKET_LIFETIME_MS: u64 = 12 * 3_600_000;
/// Interval at which a node requests a new ticket, so that it always has at least eight hours left.
pub const NODE_TICKET_RENEWAL_MS: u64 = 4 * 3_600_000;

/// A new socket must send its first frame within this time.
pub const FIRST_FRAME_TIMEOUT_MS: u64 = 10_000;
/// Interval of a client's `ping`; the edge answers without waking the room.
pub const PING_INTERVAL_MS: u64 = 10_000;
/// A client keeps its place and its media for this long after losing its socket.
pub const RESUME_WINDOW_MS: u64 = 30_000;
/// Four pings. A client that has answered none for this long, and whose media does not reach its node either, counts as
/// gone.
pub const CLIENT_SILENCE_MS: u64 = 4 * PING_INTERVAL_MS;
/// The previous secret stays valid for this long after a resume, unless the new one is used first. By then the client
/// has read the answer, or is gone.
pub const RESUME_SECRET_OVERLAP_MS: u64 = CLIENT_SILENCE_MS + RESUME_WINDOW_MS;
/// A participant who closes or reloads the page keeps their place for this long. A reload takes a second or two, during
/// which the others see an empty tile.
pub const RELOAD_WINDOW_MS: u64 = 5_000;
/// A recording waits this long for the last participant, who closed or reloaded the page: enough to pass the lobby
/// again.
pub const RECORDING_RELOAD_MS: u64 = 30_000;
/// A new participant is told about a recording that ended within this time: its owner may have been away at its end.
pub const RECORDING_TOLD_MS: u64 = 300_000;
/// A node must connect to an assigned room within this time, or the room is placed elsewhere.
pub const NODE_DIAL_TIMEOUT_MS: u64 = 2_000;
/// A room waits at most this long for its node to reconnect before it is placed elsewhere.
pub const NODE_LOST_TIMEOUT_MS: u64 = 10_000;
/// Each room of a lost node waits less by a random part of this, so that the rooms do not ask for another node at once.
pub const NODE_LOST_SPREAD_MS: u64 = 2_000;
/// Interval of a node's quality reports to the Worker.
pub const QUALITY_INTERVAL_MS: u64 = 60_000;
/// Most sessions of one quality report: the Worker logs a line for each, and the platform accepts 256 KB of log lines
/// per request.
pub const QUALITY_SESSIONS_PER_REPORT: usize = 50;
pub const QUALITY_REPORT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Interval of a node's `heartbeat`, unless the Fleet object has told it a longer one.
pub const HEARTBEAT_INTERVAL_MS: u64 = 5_000;
/// For every so many nodes of a region, the interval is longer by [`HEARTBEAT_INTERVAL_MS`]: the Fleet object gets at most
/// 80 heartbeats a second.
pub const NODES_PER_HEARTBEAT_INTERVAL: usize = 400;
/// The interval in a region of as many media and TURN nodes as possible.
pub const HEARTBEAT_INTERVAL_MS_MAX: u64 = heartbeat_interval_ms(2 * NODES_PER_REGION_MAX);
/// A node silent for this many intervals gets no new rooms.
pub const HEARTBEATS_MISSED_MAX: u64 = 3;
/// The interval of each node's `heartbeat` in a region of `nodes`.
#[must_use]
pub const fn heartbeat_interval_ms(nodes: usize) -> u64 {
    HEARTBEAT_INTERVAL_MS * if nodes == 0 { 1 } else { nodes.div_ceil(NODES_PER_HEARTBEAT_INTERVAL) as u64 }
}
/// A session without a verified STUN request for this long is closed (consent expiry, RFC 7675 §5.1).
pub const CONSENT_TIMEOUT_MS: u64 = 30_000;
/// A room without participants is forgotten after this long.
pub const EMPTY_ROOM_LIFETIME_MS: u64 = 60_000;

/// The lowest limit of a participant's media: audio continues.
pub const BANDWIDTH_BPS_MIN: u32 = 50_000;

/// Shortest lifetime of an empty room: enough for its creator to look at it.
pub const EMPTY_TIMEOUT_MS_MIN: u64 = 1_000;
/// Longest lifetime of an empty room; it bounds how many empty rooms one API key keeps alive.
pub const EMPTY_TIMEOUT_MS_MAX: u64 = 3_600_000;

/// Largest body of a request to the HTTP API.
pub const API_BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest `Authorization` header accepted by the HTTP API.
pub const API_CREDENTIALS_BYTES_MAX: usize = 1024;
/// Most rooms on one page of the list: each of them is queried.
pub const ROOMS_PER_PAGE_MAX: usize = 100;
pub const ROOMS_PER_PAGE_DEFAULT: usize = 50;
/// Number of objects that share the list of room names, so that none receives every room's writes.
pub const DIRECTORY_SHARDS: usize = 8;
/// Period of an API key's rate limit; the platform supports 10 s and 60 s.
pub const API_RATE_PERIOD_S: u64 = 10;
/// Default lifetime of a join token issued by the API.
pub const JOIN_TOKEN_LIFETIME_S_DEFAULT: u32 = 600;
/// Shortest lifetime of a join token issued by the API: enough to load a page.
pub const JOIN_TOKEN_LIFETIME_S_MIN: u32 = 30;
/// Default lifetime of an empty room created by the API: enough for an invitation to arrive.
pub const CREATED_ROOM_LIFETIME_MS: u64 = 300_000;

/// Maximum number of signaling frames in one request of a client without WebSocket.
pub const FRAMES_PER_POST_MAX: usize = 32;
/// Frames a client may send in a burst.
pub const SIGNAL_BURST_FRAMES: u32 = 60;
/// Frames a client may send per second in the long run.
pub const SIGNAL_FRAMES_PER_SECOND: u32 = 20;
/// Chat messages a participant may write in a burst.
pub const CHAT_BURST_MESSAGES: u32 = 10;
/// Chat messages per second in the long run: faster than people type, and each is stored.
pub const CHAT_MESSAGES_PER_SECOND: u32 = 1;
/// Reactions, and raised or lowered hands, in a burst.
pub const REACTION_BURST: u32 = 12;
/// Reactions, and raised or lowered hands, per second in the long run: everybody receives each of them.
pub const REACTIONS_PER_SECOND: u32 = 2;
/// Messages to other participants about connections of their own, in a burst: an offer or an answer and a few batches of
/// candidates for each of a dozen receivers.
pub const PEER_SIGNAL_BURST: u32 = 50;
pub const PEER_SIGNALS_PER_SECOND: u32 = 10;
/// Such messages that one participant may be sent by all others together.
pub const PEER_SIGNALED_BURST: u32 = 200;
pub const PEER_SIGNALED_PER_SECOND: u32 = 50;
/// Searches for publishers in a burst: everybody who is listed hears each of them.
pub const SEEK_BURST: u32 = 5;
pub const SEEK_INTERVAL_MS: u64 = 2_000;
/// Most participants who send their media directly to each other: each of them sends it to all others.
pub const PEER_TO_PEER_MAX: u32 = 3;
/// After media has returned to the node, it stays there at least this long, so that people who come and go do not switch
/// it to and fro.
pub const DIRECT_PAUSE_MS: u64 = 10_000;
/// The same after a direct connection failed: another attempt would probably fail too.
pub const DIRECT_FAILED_PAUSE_MS: u64 = 120_000;
/// Most ICE candidates of one message.
pub const PEER_CANDIDATES_PER_FRAME: usize = 32;
/// Longest ICE candidate; those of browsers have some 200 bytes.
pub const PEER_CANDIDATE_BYTES_MAX: usize = 1_024;
/// The socket is closed after this many frames of one participant that are unreadable, too large or too frequent.
pub const MALFORMED_FRAMES_MAX: u32 = 16;
/// One malformed frame is forgiven per interval, so slowly that reconnecting resets nothing.
pub const MALFORMED_FRAME_FORGIVEN_MS: u64 = 60_000;
/// Most guests in the lobby at once: their list fits in one frame.
pub const GUESTS_WAITING_MAX: usize = 50;
/// Most waiting guests per address: enough for a family or a small office. Five such addresses fill the lobby, and give
/// places up for others.
pub const GUESTS_WAITING_PER_ADDRESS_MAX: usize = 10;
/// Longest wait of a guest.
pub const GUEST_WAIT_MS: u64 = 600_000;
/// Shortest time for which the lobby keeps an answer: a page asks every 3 s, and one in the background every minute. A
/// refusal may make way for a new guest earlier.
pub const GUEST_ANSWER_KEPT_MS: u64 = 90_000;
/// Most bans of a room: their list fits in one answer.
pub const BANS_PER_ROOM_MAX: usize = 200;
/// Most bans decided by guests, so that the application always has room for its own.
pub const GUEST_BANS_PER_ROOM_MAX: usize = BANS_PER_ROOM_MAX / 2;
/// Most departed guests whose addresses a room remembers in case they are banned; the oldest is forgotten first.
pub const DEPARTED_GUESTS_PER_ROOM_MAX: usize = PARTICIPANTS_PER_ROOM_MAX;
/// A permanent ban is forgotten after the room's name was unused for this long.
pub const BAN_UNUSED_MS: u64 = BAN_MS_MAX;
/// A moderator's restrictions on a participant outlive the room by this long, the longest remaining life of an older
/// token.
pub const STANDING_KEPT_MS: u64 = JOIN_TOKEN_LIFETIME_MS_MAX;
/// Longest ban of a guest's address: afterwards another person may have it.
pub const GUEST_ADDRESS_BAN_MS_MAX: u64 = GUEST_PASS_LIFETIME_MS;
/// Letters of the code for a guest's address, 5 bits each.
pub const GUEST_ADDRESS_LETTERS: usize = 20;
/// Longest temporary ban: a year.
pub const BAN_MS_MAX: u64 = 365 * 24 * 3_600_000;
/// Shortest temporary ban.
pub const BAN_MS_MIN: u64 = 1_000;
/// Most used single-use tokens that a room remembers, each until its expiry: four for each participant of the largest
/// room. When full, the room accepts no further single-use token.
pub const USED_TOKENS_PER_ROOM_MAX: usize = 4 * PARTICIPANTS_PER_ROOM_MAX;
/// Most absent participants whose restrictions a room remembers; the oldest is forgotten first.
pub const STANDINGS_PER_ROOM_MAX: usize = PARTICIPANTS_PER_ROOM_MAX;

/// Longest list of invited participants.
pub const INVITED_PER_ROOM_MAX: usize = 200;
/// Participants in the spotlight at once, who share one stage.
pub const SPOTLIGHT_MAX: usize = 4;
/// Longest time after which a call may end by itself.
pub const CALL_MS_MAX: u64 = 7 * 86_400_000;
/// The latest scheduled start: the end of the year 2999. Later times do not fit everywhere.
pub const STARTS_AT_MAX: u64 = 32_503_680_000_000;
/// Past calls that a room remembers; the oldest is forgotten first.
pub const CALLS_PER_ROOM_MAX: usize = 50;
/// A past call is forgotten after this time, so that an unused name leaves nothing behind.
pub const CALL_KEPT_MS: u64 = 7 * 86_400_000;

/// Acts that the audit trail of a room holds; the oldest is forgotten first.
pub const ACTS_PER_ROOM_MAX: usize = 200;
pub const ACTS_PER_PAGE_DEFAULT: usize = 50;
pub const ACTS_PER_PAGE_MAX: usize = 100;
/// An act is forgotten after this time.
pub const ACT_KEPT_MS: u64 = 7 * 86_400_000;

/// A recording ends automatically after this time, so that a forgotten one does not fill the storage.
pub const RECORDING_MS_MAX: u64 = 12 * 3_600_000;
/// A recording fails unless its node confirms it within this time.
pub const RECORDING_START_TIMEOUT_MS: u64 = 30_000;
/// Most recordings of a room; all of them, with their files, fit into one answer.
pub const RECORDINGS_PER_ROOM_MAX: usize = 100;
/// Most recordings on one page: each file has a signed URL.
pub const RECORDINGS_PER_PAGE_MAX: usize = 50;
pub const RECORDINGS_PER_PAGE_DEFAULT: usize = 20;
/// Time for which a room remembers a deleted recording: a dead node may return this late and upload the rest of it.
pub const DELETED_RECORDING_MS: u64 = 7 * 24 * 3_600_000;
/// Most deleted recordings that a room remembers; the oldest is forgotten first.
pub const DELETED_RECORDINGS_PER_ROOM_MAX: usize = RECORDINGS_PER_ROOM_MAX;
/// Most rounds of 1,000 objects deleted by one request. Each round also lists, and the platform's smallest plan allows
/// 50 requests.
pub const DELETE_ROUNDS_MAX: usize = 20;
/// Most files of one recording: a camera file and a screen file for each publisher.
pub const FILES_PER_RECORDING_MAX: usize = 512;
/// Interval of reports from the node that builds a recording's files, so that no other node starts the same work.
pub const RECORDING_FINISHER_INTERVAL_MS: u64 = 20_000;
/// Most assignments that one recording can span.
pub const SEGMENTS_PER_RECORDING_MAX: usize = 64;
/// Lifetime of a signed URL of a recording: it only has to outlast the start of playback.
pub const RECORDING_URL_LIFETIME_S: u64 = 3_600;

/// Most series of one metric of a node: a line for each thread, or for each value of another label.
pub const SERIES_PER_METRIC_MAX: usize = 200;
/// Most shards (threads, UDP ports) of one node. A TURN node has as many threads again for TCP.
pub const SHARDS_PER_NODE_MAX: usize = 96;
const _: () = assert!(2 * SHARDS_PER_NODE_MAX < SERIES_PER_METRIC_MAX);
/// Most addresses a shard announces.
pub const CANDIDATES_PER_SHARD_MAX: usize = 8;
/// Longest half of a probe's credential.
pub const PROBE_CREDENTIAL_BYTES_MAX: usize = 32;
/// A node that was told to probe must answer within this time, or another one is told.
pub const PROBE_TIMEOUT_MS: u64 = 10_000;
/// A node that did not answer a probe is probed again after this time.
pub const PROBE_INTERVAL_MS: u64 = 30_000;
/// Most nodes told to probe one node before it counts as unprobed.
pub const PROBERS_MAX: usize = 3;
/// Most nodes of one region.
pub const NODES_PER_REGION_MAX: usize = 1_000;
pub const ROOMS_PER_NODE_MAX: usize = 10_000;

/// Most media node addresses of one region: TURN nodes receive all of them in one control frame.
pub const MEDIA_ADDRESSES_PER_REGION_MAX: usize = 65_536;
/// Most regions of a deployment.
pub const REGIONS_MAX: usize = 32;
/// The Fleet object of a region tells those of the others about its nodes at this interval.
pub const NEWS_INTERVAL_MS: u64 = 60_000;
/// Changes of a region's nodes within this time are told to the other regions together.
pub const NEWS_GATHERED_MS: u64 = 1_000;
/// Most media node addresses of a region that the other regions are told, which store them in one row of 2 MB.
pub const MEDIA_ADDRESSES_TOLD_ABROAD_MAX: usize = 16_384;
/// Most TURN nodes of a region that the other regions are told.
pub const TURN_NODES_TOLD_ABROAD_MAX: usize = 64;
/// TURN nodes relay to a media node's addresses for this long after it loses its control socket, because it may still
/// serve clients while the edge is unreachable.
pub const MEDIA_NODE_LINGER_MS: u64 = 5 * 60_000;
/// Most URIs of one TURN node: both address families with UDP, TCP and TLS, and room for names.
pub const TURN_URLS_PER_NODE_MAX: usize = 8;
/// Longest URI of a TURN node: a host name (RFC 1035 §2.3.4: 255 bytes), its scheme, port and transport.
pub const TURN_URL_BYTES_MAX: usize = 320;
/// TURN nodes offered to each client. Two, because one may just have died, and more would only slow ICE down.
pub const TURN_NODES_PER_CLIENT: usize = 2;
/// Regions near a participant from which its TURN nodes are chosen.
pub const TURN_REGIONS_PER_CLIENT: usize = 2;
const _: () = assert!(TURN_REGIONS_PER_CLIENT <= TURN_NODES_PER_CLIENT);
/// Lifetime of a client's TURN credential. Creating an allocation needs it, keeping one does not, and every answer
/// contains a new one; but a browser may gather candidates again by itself when its network changes.
pub const TURN_CREDENTIAL_LIFETIME_MS: u64 = 3_600_000;
/// Age after which a room refreshes its list of TURN nodes for the next one who joins. A client is told of two nodes, and
/// one that reaches neither asks for an ICE restart.
pub const TURN_NODES_REFRESH_MS: u64 = 10 * 60_000;
/// Age up to which the list is good enough for an ICE restart: the node that failed may be a TURN node.
pub const TURN_NODES_FRESH_MS: u64 = 5_000;
/// Longest delay of an ICE restart for a fresh list: with the old one, the client could use a TURN node that has just
/// failed.
pub const TURN_NODES_TIMEOUT_MS: u64 = 1_000;

// An address has at most 50 bytes of JSON: a full IPv6 address in brackets, port, quotes and comma.
const _: () = assert!(MEDIA_ADDRESSES_PER_REGION_MAX * 50 + 1024 < CONTROL_FRAME_BYTES_MAX);
// SQLite in a Durable Object stores at most 2 MB in a row.
const _: () = assert!(
    MEDIA_ADDRESSES_TOLD_ABROAD_MAX * 50 + TURN_NODES_TOLD_ABROAD_MAX * TURN_URLS_PER_NODE_MAX * TURN_URL_BYTES_MAX
        < 2_000_000
);
// A whole `welcome`, a part of one, forwards alone and a recording order each fit into a frame.
const SESSIONS_BYTES_MAX: usize =
    SESSIONS_PER_WELCOME_PART * (SESSION_BYTES_MAX + SECTIONS_PER_OFFER_MAX * SECTION_BYTES_MAX);
const _: () = assert!(
    SESSIONS_BYTES_MAX
        + FORWARDS_BESIDE_SESSIONS * FORWARD_BYTES_MAX
        + RECORDING_ORDER_BYTES_MAX
        + MICROPHONES_BYTES_MAX
        <= CONTROL_FRAME_BYTES_MAX
);
const _: () = assert!(FORWARDS_PER_FRAME * FORWARD_BYTES_MAX + 1024 <= CONTROL_FRAME_BYTES_MAX);
// During a move, all participants with two sessions each, and every slot, fit into the parts that a node accepts.
const _: () = assert!(
    (2 * PARTICIPANTS_PER_ROOM_MAX).div_ceil(SESSIONS_PER_WELCOME_PART)
        + (2 * SLOTS_PER_KIND_MAX * PARTICIPANTS_PER_ROOM_MAX).div_ceil(FORWARDS_PER_FRAME)
        <= WELCOME_PARTS_MAX
);
const _: () = assert!(TURN_CREDENTIAL_LIFETIME_MS < JOIN_TOKEN_LIFETIME_MS_MAX);
const _: () = assert!(GUEST_TOKEN_LIFETIME_MS <= JOIN_TOKEN_LIFETIME_MS_MAX);
const _: () = assert!(RELOAD_WINDOW_MS < HOST_ABSENCE_MS_DEFAULT);
const _: () = assert!(2 * NODE_TICKET_RENEWAL_MS < NODE_TICKET_LIFETIME_MS);
const _: () = assert!(SLOTS_PER_KIND_DEFAULT <= SLOTS_PER_KIND_MAX);
const _: () = assert!(PUBLISHERS_PER_ROOM_MAX <= PARTICIPANTS_PER_ROOM_MAX);
const _: () = assert!(PARTICIPANTS_PER_ROOM_DEFAULT <= PARTICIPANTS_PER_ROOM_MAX);
const _: () = assert!(EMPTY_ROOM_LIFETIME_MS <= EMPTY_TIMEOUT_MS_MAX);
// A JSON writer may use up to 12 bytes for a character (two escaped surrogates, RFC 8259 §7); ours writes UTF-8, so at
// most 6.
const _: () = assert!(ROOM_METADATA_CHARS_MAX * 6 + 4 * 1024 < SIGNAL_FRAME_BYTES_MAX);
const _: () = assert!(ROOM_METADATA_CHARS_MAX * 6 + 4 * 1024 < API_BODY_BYTES_MAX);
const _: () = assert!(PEER_CANDIDATES_PER_FRAME * (PEER_CANDIDATE_BYTES_MAX + 256) + 1024 < SIGNAL_FRAME_BYTES_MAX);
const _: () = assert!(SIGNAL_FRAME_BYTES_MAX < OFFER_FRAME_BYTES_MAX);
const _: () = assert!(RECORDINGS_PER_PAGE_DEFAULT <= RECORDINGS_PER_PAGE_MAX);
// JSON needs at most two bytes for each byte of a text, which has no control characters, and six for each of a name.
const _: () =
    assert!(CHAT_MESSAGES_PER_FRAME * (2 * CHAT_TEXT_BYTES_MAX + 6 * NAME_CHARS_MAX + 256) <= SIGNAL_FRAME_BYTES_MAX);
const _: () = assert!(NODE_DIAL_TIMEOUT_MS < NODE_LOST_TIMEOUT_MS - NODE_LOST_SPREAD_MS);
const _: () = assert!(NODE_LOST_TIMEOUT_MS < RESUME_WINDOW_MS);
const _: () = assert!(RELOAD_WINDOW_MS < RECORDING_RELOAD_MS);
// A track has at most 400 bytes of JSON and the rest of a session 512; a published track has a line for each layer.
const _: () = assert!(
    QUALITY_SESSIONS_PER_REPORT * (512 + 400 * (SECTIONS_PER_OFFER_MAX + 2 * TRACKS_PER_PARTICIPANT_MAX))
        <= QUALITY_REPORT_BYTES_MAX
);
const _: () = assert!(HEARTBEATS_MISSED_MAX > 2);
// Clients of a dead node are moved before their consent expires, even if none of them reports it.
const _: () = assert!(NODE_LOST_TIMEOUT_MS < CONSENT_TIMEOUT_MS);
