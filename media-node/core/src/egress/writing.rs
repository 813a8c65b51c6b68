//! Writes and seals due packets of one session in the arena.

use super::arena::Arena;
use super::outgoing::Written;
use super::pacer::{Held, Pacer};
use super::probing::Probing;
use super::rewrite::Origin;
use super::slot::Slot;
use crate::congestion::controller::{Controller, Kind};
use crate::ingress::stream::Stream;
use crate::keys::{StreamKey, Streams};
use crate::packet::{Moment, Packet, RTP_HEADER_BYTES, TRANSPORT_BYTES};
use crate::path::Path;
use crate::session::srtp::Sealer;
use crate::slab::Slab;
use crate::stats::{DropReason, Stats};
use shared::rtp_parameters::MediaKind;
use std::time::Instant;

/// Something to write for a session.
#[derive(Clone, Copy, Debug)]
pub enum Due {
    /// All packets of a stream's round.
    Fresh {
        slot: u16,
        stream: StreamKey,
    },
    Again {
        slot: u16,
        origin: Origin,
    },
    Held,
    Padding {
        slot: u16,
    },
    /// A repeated packet that its client does not lack.
    Probe {
        slot: u16,
        origin: Origin,
    },
}

/// The progress of writing a session's due packets, in case the arena fills up in between.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    due: usize,
    packet: usize,
}

/// Dependencies of writing besides the session.
pub struct Writing<'a> {
    pub streams: &'a Slab<Streams, Stream>,
    pub arena: &'a mut Arena,
    pub stats: &'a mut Stats,
    /// Streams released by slots, with the slots' numbers.
    pub released: &'a mut Vec<(StreamKey, u16)>,
    pub at: Moment,
    /// The number of earlier packets that audio repeats.
    pub redundancy: usize,
}

pub struct Downlink<'a> {
    pub sealer: &'a Sealer,
    pub to: Path,
    /// Numbers the packets, if their headers have room.
    pub congestion: Option<&'a mut Controller>,
    pub pacer: &'a mut Pacer,
    /// Counts every sent packet as part of the probe.
    pub probing: Option<&'a mut Probing>,
}

#[derive(Debug, Default)]
pub struct Waiting {
    due: Vec<Due>,
}

impl Waiting {
    /// Adds to the next round; returns true for the first entry.
    pub fn add(&mut self, due: Due) -> bool {
        let is_first = self.due.is_empty();
        self.due.push(due);
        is_first
    }

    pub fn clear(&mut self) {
        self.due.clear();
    }

    /// Writes and seals due packets from the cursor on; false if the arena filled up before the end.
    pub fn write(
        &mut self,
        slots: &mut [Slot],
        path: &mut Downlink<'_>,
        cursor: &mut Cursor,
        writing: &mut Writing<'_>,
    ) -> bool {
        let is_done = self.write_unsealed(slots, path, cursor, writing);
        writing.arena.seal(path.sealer);
        is_done
    }

    fn write_unsealed(
        &mut self,
        slots: &mut [Slot],
        path: &mut Downlink<'_>,
        cursor: &mut Cursor,
        writing: &mut Writing<'_>,
    ) -> bool {
        path.set_rate(writing.at.now);
        while let Some(due) = self.due.get(cursor.due) {
            let is_done = match *due {
                Due::Held => write_held(slots, path, writing),
                Due::Fresh { slot, stream } => {
                    let found = slots.get_mut(usize::from(slot)).zip(writing.streams.get(stream));
                    let Some((found, stream)) = found.map(|(found, packets)| (found, (packets, stream))) else {
                        cursor.due += 1;
                        continue;
                    };
                    write_fresh((found, slot), stream, path, &mut cursor.packet, writing)
                }
                Due::Again { slot, origin } => {
                    let slot = slots.get_mut(usize::from(slot));
                    // A decoder continues with the current stream's key frame, so nothing waits for the end of the
                    // previous stream.
                    let is_over = slot.as_ref().is_some_and(|slot| slot.playing() != Some(origin.source));
                    (is_over && path.pacer.is_busy()) || write_again(slot, origin, Kind::Retransmission, path, writing)
                }
                Due::Padding { slot } => write_padding(slots.get_mut(usize::from(slot)), path, writing),
                Due::Probe { slot, origin } => {
                    write_again(slots.get_mut(usize::from(slot)), origin, Kind::Padding, path, writing)
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

impl Downlink<'_> {
    fn set_rate(&mut self, now: Instant) {
        let paced = self.congestion.as_ref().and_then(|controller| controller.known_pacing_bps());
        let probed = self.probing.as_ref().map_or(0, |probing| probing.bps());
        self.pacer.set_rate(now, paced.map(|bps| bps.max(probed)));
    }
}

/// Writes one stream's round into one slot; false if the arena filled up before the end.
fn write_fresh(
    (slot, slot_index): (&mut Slot, u16),
    (stream, stream_key): (&Stream, StreamKey),
    path: &mut Downlink<'_>,
    next: &mut usize,
    writing: &mut Writing<'_>,
) -> bool {
    for index in stream.sending().get(*next..).unwrap_or_default() {
        if !writing.arena.has_room() {
            return false;
        }
        *next += 1;
        let Some(packet) = stream.packet(*index) else {
            writing.stats.drop(DropReason::Overflow);
            continue;
        };
        if slot.leaves_out(stream_key, &packet.facts) {
            continue;
        }
        if slot.kind() == MediaKind::Video && path.pacer.is_busy() {
            let bytes = packet.payload.len() + RTP_HEADER_BYTES + TRANSPORT_BYTES;
            let held = Held { slot: slot_index, stream: stream_key, index: *index, bytes };
            if !will_leave(slot, &held, &packet, path.pacer) {
                continue;
            }
            if path.pacer.hold(held) {
                writing.stats.paced += 1;
            } else {
                writing.stats.drop(DropReason::Paced);
            }
            continue;
        }
        write_one((slot, slot_index), (stream, stream_key), &packet, path, writing);
    }
    true
}

/// True if a packet will play in its turn: its stream plays, or begins with it or with a waiting packet.
fn will_leave(slot: &Slot, held: &Held, packet: &Packet<'_>, pacer: &Pacer) -> bool {
    let begins = packet.facts.picture.is_some() && packet.facts.is_entry();
    slot.playing() == Some(held.stream)
        || slot.takes().contains(&Some(held.stream)) && (begins || pacer.holds(held.slot, held.stream))
}

/// Writes packets released by the pacer; false if the arena filled up before the end.
fn write_held(slots: &mut [Slot], path: &mut Downlink<'_>, writing: &mut Writing<'_>) -> bool {
    loop {
        if !writing.arena.has_room() {
            return false;
        }
        let Some(held) = path.pacer.let_go() else { return true };
        let slot = slots.get_mut(usize::from(held.slot));
        let Some((slot, stream)) = slot.zip(writing.streams.get(held.stream)) else { continue };
        let Some(packet) = stream.packet(held.index) else {
            writing.stats.drop(DropReason::Overflow);
            continue;
        };
        write_one((slot, held.slot), (stream, held.stream), &packet, path, writing);
    }
}

/// Writes one packet, if its stream plays in the slot or begins to.
fn write_one(
    (slot, slot_index): (&mut Slot, u16),
    (stream, stream_key): (&Stream, StreamKey),
    packet: &Packet<'_>,
    path: &mut Downlink<'_>,
    writing: &mut Writing<'_>,
) {
    let kind = match slot.kind() {
        MediaKind::Audio => Kind::Audio,
        MediaKind::Video => Kind::Video,
    };
    let before = slot.playing();
    // Only of one unbroken sequence.
    let index = packet.facts.index;
    let earlier = (1..=writing.redundancy as u64).map_while(|behind| stream.packet(index.checked_sub(behind)?));
    let offset = |from| stream.timestamp_offset(writing.streams.get(from)?);
    let written = slot.forward(writing.at, stream_key, packet, earlier, offset, writing.arena.free());
    if let Some(before) = before.filter(|before| slot.playing() != Some(*before)) {
        writing.released.push((before, slot_index));
    }
    if let Some(written) = written {
        add(written, kind, path, writing);
        writing.stats.rtp_out += 1;
    }
}

/// Writes a padding packet; false if the arena is full.
fn write_padding(slot: Option<&mut Slot>, path: &mut Downlink<'_>, writing: &mut Writing<'_>) -> bool {
    if !writing.arena.has_room() {
        return false;
    }
    if let Some(written) = slot.and_then(|slot| slot.pad(writing.at, writing.arena.free())) {
        add(written, Kind::Padding, path, writing);
    }
    true
}

/// Writes one packet again; false if the arena is full.
fn write_again(
    slot: Option<&mut Slot>,
    origin: Origin,
    kind: Kind,
    path: &mut Downlink<'_>,
    writing: &mut Writing<'_>,
) -> bool {
    if !writing.arena.has_room() {
        return false;
    }
    let packet: Option<Packet<'_>> =
        writing.streams.get(origin.source).and_then(|stream| stream.numbered(origin.tempo, origin.number));
    let written =
        slot.zip(packet).and_then(|(slot, packet)| slot.retransmit(writing.at, origin, &packet, writing.arena.free()));
    match written {
        Some(written) => {
            add(written, kind, path, writing);
            writing.stats.retransmitted += u64::from(kind == Kind::Retransmission);
        }
        None => writing.stats.retransmit_misses += 1,
    }
    true
}

/// Numbers the packet at the arena's free end and adds it.
#[inline(always)]
fn add(written: Written, kind: Kind, path: &mut Downlink<'_>, writing: &mut Writing<'_>) {
    let free = writing.arena.free();
    let carried_bytes = written.bytes + TRANSPORT_BYTES;
    if let Some(controller) = &mut path.congestion
        && let Some(at) = written.transport_sequence_at
        && let Some(place) = free.get_mut(at..at + 2)
    {
        let probe = path.probing.as_mut().and_then(|probing| probing.note(carried_bytes));
        place.copy_from_slice(&controller.sent(writing.at.now, carried_bytes, kind, probe).to_be_bytes());
    }
    if kind == Kind::Padding {
        writing.stats.probe_bytes_out += written.bytes as u64;
    } else {
        path.pacer.spend(carried_bytes);
    }
    if !writing.arena.push_unsealed(path.to, written, path.sealer) {
        writing.stats.drop(DropReason::Overflow);
    }
    writing.stats.padding_bytes_out += written.padding_bytes as u64;
}
