//! Packets on their way from the shard to the recorder: those of recorded tracks, copied into a reusable batch.

use super::limits::{BATCH_BYTES_MAX, BATCH_PACKETS_MAX};
use shared::RoomId;
use shared::control::TrackRef;
use shared::rtp_parameters::CodecName;
use std::ops::Range;

/// A copied track, by a number that is unique on this shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TapNumber(pub u64);

/// The start of copying a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub tap: TapNumber,
    pub room: RoomId,
    pub track: TrackRef,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub tap: TapNumber,
    /// Extended sequence number; that of another stream of the same track is far away.
    pub index: u64,
    pub timestamp: u32,
    pub marker: bool,
    /// Arrival, in microseconds since 1970.
    pub received_us: i64,
    /// Capture time, by the publisher's sender reports.
    pub captured_us: Option<i64>,
    pub codec: CodecName,
    /// The position of its payload in the batch.
    pub payload: Range<usize>,
}

/// The copies of one turn of the shard.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Newly copied tracks; handled before the packets.
    pub opened: Vec<Opened>,
    /// In order of arrival.
    pub packets: Vec<Taken>,
    pub bytes: Vec<u8>,
}

impl Batch {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.opened.is_empty() && self.packets.is_empty()
    }

    /// True if it should be sent before it is full.
    #[must_use]
    pub fn is_half_full(&self) -> bool {
        self.packets.len() >= BATCH_PACKETS_MAX / 2 || self.bytes.len() >= BATCH_BYTES_MAX / 2
    }

    /// Empties it, and keeps its memory.
    pub fn clear(&mut self) {
        self.opened.clear();
        self.packets.clear();
        self.bytes.clear();
    }

    #[must_use]
    pub fn payload(&self, packet: &Taken) -> &[u8] {
        self.bytes.get(packet.payload.clone()).unwrap_or_default()
    }
}

/// The batch under construction.
#[derive(Debug, Default)]
pub struct Tap {
    batch: Batch,
    opened: u64,
}

impl Tap {
    /// Gives a track a number, and tells the recorder.
    pub fn open(&mut self, room: &RoomId, track: &TrackRef) -> TapNumber {
        self.opened += 1;
        let tap = TapNumber(self.opened);
        self.batch.opened.push(Opened { tap, room: room.clone(), track: track.clone() });
        tap
    }

    /// False if there is no room, which the recorder finds as a loss.
    pub fn take(&mut self, packet: Taken, payload: &[u8]) -> bool {
        let from = self.batch.bytes.len();
        if self.batch.packets.len() >= BATCH_PACKETS_MAX || from + payload.len() > BATCH_BYTES_MAX {
            return false;
        }
        self.batch.bytes.extend_from_slice(payload);
        self.batch.packets.push(Taken { payload: from..from + payload.len(), ..packet });
        true
    }

    /// The copies since the last exchange.
    pub const fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Replaces the batch by an empty one.
    pub fn exchange(&mut self, mut next: Batch) -> Batch {
        next.clear();
        std::mem::replace(&mut self.batch, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::{Mid, SessionId};

    fn packet(tap: TapNumber, index: u64) -> Taken {
        Taken {
            tap,
            index,
            timestamp: 0,
            marker: true,
            received_us: 0,
            captured_us: None,
            codec: CodecName::Vp8,
            payload: 0..0,
        }
    }

    #[test]
    fn copies_until_the_batch_is_full_and_goes_on_with_the_next() {
        let mut tap = Tap::default();
        let track = TrackRef { session: SessionId::parse("s").expect("an id"), mid: Mid::parse("0").expect("a mid") };
        let number = tap.open(&RoomId::parse("r").expect("a room"), &track);
        for index in 0..BATCH_PACKETS_MAX as u64 {
            assert!(tap.take(packet(number, index), &[index as u8; 3]));
            assert_eq!(tap.batch().is_half_full(), index + 1 >= BATCH_PACKETS_MAX as u64 / 2);
        }
        assert!(!tap.take(packet(number, 9), b"one too many"));
        let batch = tap.exchange(Batch::default());
        assert_eq!((batch.opened.len(), batch.packets.len()), (1, BATCH_PACKETS_MAX));
        assert_eq!(batch.payload(&batch.packets[2]), [2, 2, 2]);
        assert!(tap.batch().is_empty());
        assert!(tap.take(packet(number, 9), &vec![0; BATCH_BYTES_MAX]));
        assert!(tap.batch().is_half_full());
        assert!(!tap.take(packet(number, 10), b"x"));
    }
}
