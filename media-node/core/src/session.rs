//! One browser's transport (ICE, DTLS, SRTP), the tracks it publishes and the slots it receives into.

pub mod dtls;
pub mod ice_lite;
pub mod slot;
pub mod srtp;
pub mod streams;

use crate::arena::Arena;
use crate::forward::receive::ClockOffset;
use crate::forward::rewrite::Origin;
use crate::forward::{Moment, Packet, Written};
use crate::room::Room;
use crate::slab::{Key, Slab};
use crate::stats::{DropReason, Stats};
use crate::track::Track;
use dtls::Dtls;
use ice_lite::IceLite;
use shared::ids::{Mid, SessionId};
use shared::rtp_parameters::{self as parameters, Fingerprint};
use slot::Slot;
use srtp::{Opener, Sealer};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use streams::Streams;

/// Round trip that is assumed until the client's reports tell it.
const ROUND_TRIP_ASSUMED: Duration = Duration::from_millis(100);

/// One client's session.
pub struct Session {
    /// How the edge names it.
    pub id: SessionId,
    /// Where it is.
    pub room: Key<Room>,
    /// Its connectivity checks.
    pub ice: IceLite,
    /// Its handshake.
    pub dtls: Dtls,
    /// The certificate that it must show.
    pub client_fingerprint: Fingerprint,
    /// Its keys, once DTLS is done.
    pub keys: Option<Keys>,
    /// Which SSRC belongs to which of its tracks.
    pub streams: Streams,
    /// What it publishes.
    pub tracks: Vec<Key<Track>>,
    /// What it receives into. Slots that are no longer used stay: their SSRC must go on where it was.
    pub slots: Vec<Slot>,
    /// Its sections as last told.
    pub sections: Vec<parameters::Section>,
    /// Its wall clock beside ours.
    pub clock_offset: ClockOffset,
    /// Time to the client and back.
    pub round_trip: Duration,
    /// What we are called in reports about what it sends.
    pub feedback_ssrc: u32,
    /// When it was opened.
    pub opened_at: Instant,
    /// What the next round of sending writes for it.
    due: Vec<Due>,
}

/// What seals and opens a session's packets. Both halves come from one handshake and go together.
#[derive(Debug)]
pub struct Keys {
    /// What the client sends.
    pub opener: Opener,
    /// What the client is sent.
    pub sealer: Sealer,
}

/// Something to be written for a session.
#[derive(Clone, Copy, Debug)]
pub enum Due {
    /// All packets of a track's round.
    Fresh {
        /// Into which slot.
        slot: u16,
        /// The track.
        track: Key<Track>,
    },
    /// One packet again.
    Again {
        /// Of which slot.
        slot: u16,
        /// The track it came from.
        track: Key<Track>,
        /// Where it was.
        origin: Origin,
    },
}

/// How far a session's due packets are written: the arena may fill up in between.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    due: usize,
    packet: usize,
}

/// What writing needs besides the session.
pub struct Writing<'a> {
    /// Every track of the shard.
    pub tracks: &'a Slab<Track>,
    /// Where to.
    pub arena: &'a mut Arena,
    /// What is counted.
    pub stats: &'a mut Stats,
    /// Slots that have let go of a track: whose it was, and which.
    pub released: &'a mut Vec<(Key<Track>, u16)>,
    /// When.
    pub at: Moment,
}

impl Session {
    /// A session that has heard nothing yet and has no sections yet.
    pub fn new(now: Instant, room: Key<Room>, parameters: &parameters::Session, feedback_ssrc: u32) -> Self {
        Self {
            id: parameters.session.clone(),
            room,
            ice: IceLite::new(&parameters.ice),
            dtls: Dtls::server(parameters.client_fingerprint),
            client_fingerprint: parameters.client_fingerprint,
            keys: None,
            streams: Streams::default(),
            tracks: Vec::new(),
            slots: Vec::new(),
            sections: Vec::new(),
            clock_offset: ClockOffset::default(),
            round_trip: ROUND_TRIP_ASSUMED,
            feedback_ssrc,
            opened_at: now,
            due: Vec::new(),
        }
    }

    /// Whether media flows.
    pub fn is_connected(&self) -> bool {
        self.keys.is_some()
    }

    /// When the client was last known to want anything from us.
    pub fn last_sign_at(&self) -> Instant {
        self.ice.last_check_at().unwrap_or(self.opened_at)
    }

    /// The slot of a section.
    pub fn slot_of(&self, mid: &Mid) -> Option<usize> {
        self.slots.iter().position(|slot| slot.is_active && slot.mid() == mid)
    }

    /// The slot that sends this SSRC, on its own stream or for retransmissions.
    pub fn slot_of_ssrc(&self, ssrc: u32) -> Option<usize> {
        self.slots.iter().position(|slot| slot.forward.config().ssrc == ssrc)
    }

    /// Adds to what the next round writes; says whether it is the first.
    pub fn add_due(&mut self, due: Due) -> bool {
        let is_first = self.due.is_empty();
        self.due.push(due);
        is_first
    }

    /// Writes and seals what is due, beginning at the cursor; false if the arena was full before the end.
    pub fn write_due(&mut self, cursor: &mut Cursor, writing: &mut Writing<'_>) -> bool {
        let (Some(keys), Some(to)) = (&self.keys, self.ice.selected()) else {
            self.due.clear();
            return true;
        };
        while let Some(due) = self.due.get(cursor.due) {
            let is_done = match *due {
                Due::Fresh { slot, track } => {
                    let slot = self.slots.get_mut(usize::from(slot)).map(|found| (found, slot));
                    let track = writing.tracks.get(track).map(|found| (found, track));
                    let (Some(slot), Some(track)) = (slot, track) else {
                        cursor.due += 1;
                        continue;
                    };
                    write_fresh(slot, track, &keys.sealer, to, &mut cursor.packet, writing)
                }
                Due::Again { slot, track, origin } => {
                    let slot = self.slots.get_mut(usize::from(slot));
                    write_again(slot, track, origin, &keys.sealer, to, writing)
                }
            };
            if !is_done {
                return false;
            }
            *cursor = Cursor { due: cursor.due + 1, packet: 0 };
        }
        self.due.clear();
        true
    }
}

/// Writes one track's round into one slot; false if the arena was full before the end.
fn write_fresh(
    (slot, slot_index): (&mut Slot, u16),
    (track, track_key): (&Track, Key<Track>),
    sealer: &Sealer,
    to: SocketAddr,
    next: &mut usize,
    writing: &mut Writing<'_>,
) -> bool {
    for index in track.sending().get(*next..).unwrap_or_default() {
        if !writing.arena.has_room() {
            return false;
        }
        *next += 1;
        let Some(packet) = track.packet(*index) else {
            writing.stats.drop(DropReason::Overflow);
            continue;
        };
        if !slot.can_play(track, &packet) {
            continue;
        }
        let Some(written) = slot.forward.forward(writing.at, track.source, &packet, writing.arena.free()) else {
            continue;
        };
        seal(written, sealer, to, writing);
        writing.stats.rtp_out += 1;
        if let Some(released) = slot.note_played(track_key) {
            writing.released.push((released, slot_index));
        }
    }
    true
}

/// Writes one packet again; false if the arena is full.
fn write_again(
    slot: Option<&mut Slot>,
    track: Key<Track>,
    origin: Origin,
    sealer: &Sealer,
    to: SocketAddr,
    writing: &mut Writing<'_>,
) -> bool {
    if !writing.arena.has_room() {
        return false;
    }
    let packet: Option<Packet<'_>> = writing.tracks.get(track).and_then(|track| track.packet(origin.source_index));
    let written = slot
        .zip(packet)
        .and_then(|(slot, packet)| slot.forward.retransmit(writing.at, origin, &packet, writing.arena.free()));
    match written {
        Some(written) => {
            seal(written, sealer, to, writing);
            writing.stats.retransmitted += 1;
        }
        None => writing.stats.retransmit_misses += 1,
    }
    true
}

/// Seals the packet that lies at the arena's free end and takes it in.
fn seal(written: Written, sealer: &Sealer, to: SocketAddr, writing: &mut Writing<'_>) {
    let sealed =
        sealer.seal_rtp(writing.arena.free(), written.header_bytes, written.bytes, written.ssrc, written.index);
    match sealed {
        Some(bytes) => writing.arena.push(to, bytes),
        None => writing.stats.drop(DropReason::Overflow),
    }
    writing.stats.padding_bytes_out += written.padding_bytes as u64;
}
