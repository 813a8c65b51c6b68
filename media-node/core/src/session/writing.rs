//! Writes what is due for one session into the arena, and seals it there.

use super::Session;
use super::slot::Slot;
use super::srtp::Sealer;
use crate::arena::Arena;
use crate::forward::rewrite::Origin;
use crate::forward::{Moment, Packet, Written};
use crate::slab::{Key, Slab};
use crate::stats::{DropReason, Stats};
use crate::track::Track;
use std::net::SocketAddr;

/// Something to be written for a session.
#[derive(Clone, Copy, Debug)]
pub enum Due {
    /// All packets of a track's round.
    Fresh { slot: u16, track: Key<Track> },
    /// One packet again.
    Again { slot: u16, track: Key<Track>, origin: Origin },
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
    pub arena: &'a mut Arena,
    pub stats: &'a mut Stats,
    /// Slots that have let go of a track: whose it was, and which.
    pub released: &'a mut Vec<(Key<Track>, u16)>,
    pub at: Moment,
}

impl Session {
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
