//! Every bound that more than one program obeys, with its unit and its reason, and how the bounds relate.

/// Largest `join` or `negotiate` frame: an offer with 24 audio and 24 video slots is about 300 KiB.
pub const OFFER_FRAME_BYTES_MAX: usize = 512 * 1024;
/// Largest of all other signaling frames, both directions except `joined` and `negotiated`.
pub const SIGNAL_FRAME_BYTES_MAX: usize = 64 * 1024;
/// Largest control frame: the full state of a room for a node that reconnects.
pub const CONTROL_FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most participants of one room, viewers included.
pub const PARTICIPANTS_PER_ROOM_MAX: usize = 1_000;
/// Default for rooms that set no limit of their own.
pub const PARTICIPANTS_PER_ROOM_DEFAULT: usize = 100;
/// Most who may publish in one room at once.
pub const PUBLISHERS_PER_ROOM_MAX: usize = 64;
/// Most tracks one participant may publish: microphone, camera, screen, screen sound, with room for one more pair.
pub const TRACKS_PER_PARTICIPANT_MAX: usize = 6;
/// Receive slots per kind that a client offers at first; more are asked for with `sections_needed`.
pub const SLOTS_PER_KIND_DEFAULT: usize = 8;
/// Most receive slots per kind: beyond that the loudest and the visible win.
pub const SLOTS_PER_KIND_MAX: usize = 24;
/// Most media sections of one offer: all slots, all tracks, one for data.
pub const SECTIONS_PER_OFFER_MAX: usize = 2 * SLOTS_PER_KIND_MAX + TRACKS_PER_PARTICIPANT_MAX + 1;
/// Most codecs a section tells a node about.
pub const CODECS_PER_SECTION_MAX: usize = 8;
/// Most encodings (simulcast layers) of one section.
pub const ENCODINGS_PER_SECTION_MAX: usize = 4;

/// Longest resume token that is looked at; ours have 26 letters.
pub const RESUME_TOKEN_BYTES_MAX: usize = 128;
/// Longest display name, in characters, as people and JSON Schema count.
pub const NAME_CHARS_MAX: usize = 128;
/// Longest free text a moderator may give as a reason, in characters.
pub const REASON_CHARS_MAX: usize = 256;
/// Longest metadata of a participant, in characters: everybody's roster carries it.
pub const PARTICIPANT_METADATA_CHARS_MAX: usize = 1024;
/// Longest metadata of a room, in characters: one for everybody, in every `joined`.
pub const ROOM_METADATA_CHARS_MAX: usize = 8 * 1024;
/// Longest chat message: half a page.
pub const CHAT_TEXT_BYTES_MAX: usize = 2_000;
/// Messages that a room remembers for those who come later; the oldest is forgotten first.
pub const CHAT_MESSAGES_MAX: usize = 200;
/// Most messages of one frame, so that a history of the longest ones goes out in frames of the usual size.
pub const CHAT_MESSAGES_PER_FRAME: usize = 12;
/// Most participants a `view` message may name.
pub const VIEW_PARTICIPANTS_MAX: usize = SLOTS_PER_KIND_MAX;

/// Longest token that is looked at: HTTP servers refuse longer header lines anyway.
pub const TOKEN_BYTES_MAX: usize = 4 * 1024;
/// Clocks of the API server and the edge may differ by this much.
pub const TOKEN_LEEWAY_MS: u64 = 30_000;
/// Longest life of a join token.
pub const JOIN_TOKEN_LIFETIME_MS_MAX: u64 = 24 * 3_600_000;
/// Life of a join token that a guest gets. The page asks for another one whenever it needs one.
pub const GUEST_TOKEN_LIFETIME_MS: u64 = 3_600_000;
/// Life of a guest's pass: whoever closes the laptop over lunch is the same guest afterwards.
pub const GUEST_PASS_LIFETIME_MS: u64 = 24 * 3_600_000;
/// Life of the ticket with which a node dials a room it was given: the edge may be away for as long as this.
pub const NODE_TICKET_LIFETIME_MS: u64 = 12 * 3_600_000;
/// A node asks for a new ticket this often, so that it never has less than eight hours left.
pub const NODE_TICKET_RENEWAL_MS: u64 = 4 * 3_600_000;

/// A new socket must send its first frame within this time.
pub const FIRST_FRAME_TIMEOUT_MS: u64 = 10_000;
/// The client says `ping` this often; the edge answers without waking the room.
pub const PING_INTERVAL_MS: u64 = 10_000;
/// A client whose socket is gone keeps its place and its media for this long.
pub const RESUME_WINDOW_MS: u64 = 30_000;
/// Somebody who closed the page, or reloads it, keeps their place for this long: a reload takes a second or two, and everybody else sees a tile
/// without a picture meanwhile.
pub const RELOAD_WINDOW_MS: u64 = 5_000;
/// A node that was given a room must have dialled in within this time, else the room is placed anew.
pub const NODE_DIAL_TIMEOUT_MS: u64 = 2_000;
/// A room that lost its node's socket waits this long for the node to dial again before it is placed anew.
pub const NODE_LOST_TIMEOUT_MS: u64 = 10_000;
/// A node says how it is this often.
pub const HEARTBEAT_INTERVAL_MS: u64 = 5_000;
/// A node that has been silent for this long gets no new rooms.
pub const HEARTBEAT_TIMEOUT_MS: u64 = 15_000;
/// A session without a verified STUN request for this long is closed (consent, RFC 7675 §5.1).
pub const CONSENT_TIMEOUT_MS: u64 = 30_000;
/// A room without participants is forgotten after this long.
pub const EMPTY_ROOM_LIFETIME_MS: u64 = 60_000;

/// Shortest time that an empty room may be kept: whoever made it can at least look at it.
pub const EMPTY_TIMEOUT_MS_MIN: u64 = 1_000;
/// Longest time that an empty room may be kept: it bounds how many rooms that nobody is in an API key can keep alive.
pub const EMPTY_TIMEOUT_MS_MAX: u64 = 3_600_000;

/// Largest body of a request to the HTTP API.
pub const API_BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest `Authorization` header of the HTTP API that is looked at.
pub const API_CREDENTIALS_BYTES_MAX: usize = 1024;
/// Most rooms of one page of the list: each of them is asked how it is.
pub const ROOMS_PER_PAGE_MAX: usize = 100;
/// Rooms of a page where nobody said how many.
pub const ROOMS_PER_PAGE_DEFAULT: usize = 50;
/// Objects among which the names of all rooms are divided, so that none of them is one that every room writes to.
pub const DIRECTORY_SHARDS: usize = 8;
/// The window over which requests of one API key are counted; the platform knows 10 s and 60 s.
pub const API_RATE_PERIOD_S: u64 = 10;
/// Life of a join token that the API issues where nobody said how long.
pub const JOIN_TOKEN_LIFETIME_S_DEFAULT: u32 = 600;
/// Shortest life of a join token that the API issues: time to load a page.
pub const JOIN_TOKEN_LIFETIME_S_MIN: u32 = 30;
/// An empty room that the API made is kept this long where nobody said how long: time for an invitation to arrive.
pub const CREATED_ROOM_LIFETIME_MS: u64 = 300_000;

/// Frames a client may send in a burst.
pub const SIGNAL_BURST_FRAMES: u32 = 60;
/// Frames a second a client may send in the long run.
pub const SIGNAL_FRAMES_PER_SECOND: u32 = 20;
/// Chat messages a participant may write in a burst.
pub const CHAT_BURST_MESSAGES: u32 = 10;
/// Chat messages a second in the long run: faster than people write, and each is stored.
pub const CHAT_MESSAGES_PER_SECOND: u32 = 1;
/// Reactions, and hands raised or lowered, in a burst.
pub const REACTION_BURST: u32 = 12;
/// The same in the long run: each of them is told to everybody.
pub const REACTIONS_PER_SECOND: u32 = 2;
/// Malformed frames after which a socket is closed.
pub const MALFORMED_FRAMES_MAX: u32 = 16;

/// Longest recording: then it ends by itself, so that a forgotten one does not fill the storage.
pub const RECORDING_MS_MAX: u64 = 12 * 3_600_000;
/// A node must say that it records within this time, else the recording has failed.
pub const RECORDING_START_TIMEOUT_MS: u64 = 30_000;
/// Most recordings a room knows of: a list of them, with all files, is one answer.
pub const RECORDINGS_PER_ROOM_MAX: usize = 100;
/// Most recordings of one page: each has a signed URL for each of its files.
pub const RECORDINGS_PER_PAGE_MAX: usize = 50;
/// Recordings of a page where nobody said how many.
pub const RECORDINGS_PER_PAGE_DEFAULT: usize = 20;
/// A deleted recording is remembered for as long as a dead node may take to come back with what it still has of it.
pub const DELETED_RECORDING_MS: u64 = 7 * 24 * 3_600_000;
/// Most deleted recordings that a room remembers; the oldest is forgotten first.
pub const DELETED_RECORDINGS_PER_ROOM_MAX: usize = RECORDINGS_PER_ROOM_MAX;
/// Rounds of at most 1,000 objects in which one request deletes: with a list in each, under the 50 requests that the platform
/// allows the least of its plans.
pub const DELETE_ROUNDS_MAX: usize = 20;
/// Most files of one recording: one for the camera and one for the screen of everybody who published.
pub const FILES_PER_RECORDING_MAX: usize = 512;
/// A node that makes the files of a recording says so this often, so that no other one begins with the same.
pub const RECORDING_FINISHER_INTERVAL_MS: u64 = 20_000;
/// Most assignments that one recording can be spread over.
pub const SEGMENTS_PER_RECORDING_MAX: usize = 64;
/// Life of a signed URL of a recording: time to begin to play, as players keep what they have opened.
pub const RECORDING_URL_LIFETIME_S: u64 = 3_600;

/// Most shards (threads, UDP ports) of one node.
pub const SHARDS_PER_NODE_MAX: usize = 256;
/// Most addresses a shard announces.
pub const CANDIDATES_PER_SHARD_MAX: usize = 8;
/// Most nodes of one region.
pub const NODES_PER_REGION_MAX: usize = 1_000;
/// Most rooms one node serves.
pub const ROOMS_PER_NODE_MAX: usize = 10_000;

/// Most addresses of all media nodes of one region: TURN nodes are told all of them in one control frame.
pub const MEDIA_ADDRESSES_PER_REGION_MAX: usize = 65_536;
/// Addresses of a media node whose control socket is gone stay reachable through TURN for this long: it may well serve its
/// clients on while the edge is away.
pub const MEDIA_NODE_LINGER_MS: u64 = 5 * 60_000;
/// Most URIs of one TURN node: both address families with UDP, TCP and TLS, and room for names.
pub const TURN_URLS_PER_NODE_MAX: usize = 8;
/// Longest URI of a TURN node: a host name (RFC 1035 §2.3.4: 255 bytes), its scheme, port and transport.
pub const TURN_URL_BYTES_MAX: usize = 320;
/// TURN nodes that a client is told: one may just have died. More would only make its ICE slower.
pub const TURN_NODES_PER_CLIENT: usize = 2;
/// Life of a client's TURN credential. It is needed to make an allocation, not to keep one, and every answer brings a new
/// one; but a browser whose network changes may gather again by itself.
pub const TURN_CREDENTIAL_LIFETIME_MS: u64 = 3_600_000;
/// What a room knows about TURN nodes is asked for anew after this long, when a client is told about them.
pub const TURN_NODES_FRESH_MS: u64 = 5_000;
/// Whoever restarts ICE waits no longer than this for that: without it, they would gather candidates at TURN nodes that may be the reason.
pub const TURN_NODES_TIMEOUT_MS: u64 = 1_000;

// An address has at most 50 bytes of JSON: a full IPv6 address in brackets, port, quotes and comma.
const _: () = assert!(MEDIA_ADDRESSES_PER_REGION_MAX * 50 + 1024 < CONTROL_FRAME_BYTES_MAX);
const _: () = assert!(TURN_CREDENTIAL_LIFETIME_MS < JOIN_TOKEN_LIFETIME_MS_MAX);
const _: () = assert!(GUEST_TOKEN_LIFETIME_MS <= JOIN_TOKEN_LIFETIME_MS_MAX);
const _: () = assert!(2 * NODE_TICKET_RENEWAL_MS < NODE_TICKET_LIFETIME_MS);
const _: () = assert!(SLOTS_PER_KIND_DEFAULT <= SLOTS_PER_KIND_MAX);
const _: () = assert!(PUBLISHERS_PER_ROOM_MAX <= PARTICIPANTS_PER_ROOM_MAX);
const _: () = assert!(PARTICIPANTS_PER_ROOM_DEFAULT <= PARTICIPANTS_PER_ROOM_MAX);
const _: () = assert!(EMPTY_ROOM_LIFETIME_MS <= EMPTY_TIMEOUT_MS_MAX);
// JSON writes a character with at most 12 bytes (two escaped surrogates, RFC 8259 §7); ours are UTF-8, so at most 6.
const _: () = assert!(ROOM_METADATA_CHARS_MAX * 6 + 4 * 1024 < SIGNAL_FRAME_BYTES_MAX);
const _: () = assert!(ROOM_METADATA_CHARS_MAX * 6 + 4 * 1024 < API_BODY_BYTES_MAX);
const _: () = assert!(SIGNAL_FRAME_BYTES_MAX < OFFER_FRAME_BYTES_MAX);
const _: () = assert!(RECORDINGS_PER_PAGE_DEFAULT <= RECORDINGS_PER_PAGE_MAX);
// In JSON a character of a text takes at most two bytes for each of its own, as control characters are refused; of a name, six.
const _: () =
    assert!(CHAT_MESSAGES_PER_FRAME * (2 * CHAT_TEXT_BYTES_MAX + 6 * NAME_CHARS_MAX + 256) <= SIGNAL_FRAME_BYTES_MAX);
const _: () = assert!(NODE_DIAL_TIMEOUT_MS < NODE_LOST_TIMEOUT_MS);
const _: () = assert!(NODE_LOST_TIMEOUT_MS < RESUME_WINDOW_MS);
const _: () = assert!(HEARTBEAT_INTERVAL_MS * 2 < HEARTBEAT_TIMEOUT_MS);
// Even if nobody's media reaches a node that died, clients are moved before their consent would run out.
const _: () = assert!(NODE_LOST_TIMEOUT_MS < CONSENT_TIMEOUT_MS);
