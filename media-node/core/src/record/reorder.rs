//! Reorders the packets of one track; a packet that does not arrive in time is counted as lost.

use super::limits::{REORDER_HOLD, REORDER_PACKETS_MAX};
use shared::rtp_parameters::CodecName;
use std::collections::BTreeMap;

/// Indices farther apart belong to two streams: no loss is this long.
const STREAM_DISTANCE: u64 = 1 << 20;

/// A packet copied from the shard, with its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Extended sequence number.
    pub index: u64,
    pub timestamp: u32,
    pub marker: bool,
    /// Arrival, in microseconds since 1970.
    pub received_us: i64,
    /// Capture time on the same clock, if known.
    pub captured_us: Option<i64>,
    pub codec: CodecName,
    pub payload: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ordered {
    Packet(Packet),
    /// This many packets never arrived.
    Lost(u64),
    Restart,
}

#[derive(Debug, Default)]
pub struct Reorder {
    next: Option<u64>,
    waiting: BTreeMap<u64, Packet>,
}

impl Reorder {
    /// Takes a packet, and outputs everything that is in order.
    pub fn push(&mut self, packet: Packet, out: &mut Vec<Ordered>) {
        let now_us = packet.received_us;
        match self.next {
            Some(next) if packet.index.abs_diff(next) > STREAM_DISTANCE => {
                self.flush(out);
                out.push(Ordered::Restart);
                self.next = Some(packet.index);
            }
            // It arrives after its gap was given up.
            Some(next) if packet.index < next => return,
            // The usual case: nothing waits, and it is the next one.
            Some(next) if packet.index == next && self.waiting.is_empty() => return self.give(packet, out),
            Some(_) => {}
            None => self.next = Some(packet.index),
        }
        self.waiting.insert(packet.index, packet);
        self.release(now_us, out);
    }

    /// Outputs packets that have waited long enough.
    pub fn release(&mut self, now_us: i64, out: &mut Vec<Ordered>) {
        let hold_us = REORDER_HOLD.as_micros() as i64;
        while let (Some(next), Some(first)) = (self.next, self.waiting.first_entry()) {
            let index = *first.key();
            let is_late = first.get().received_us.saturating_add(hold_us) <= now_us;
            if index != next && !is_late && self.waiting.len() <= REORDER_PACKETS_MAX {
                return;
            }
            self.give_first(out);
        }
    }

    /// Outputs everything at the end.
    pub fn flush(&mut self, out: &mut Vec<Ordered>) {
        while !self.waiting.is_empty() {
            self.give_first(out);
        }
    }

    fn give_first(&mut self, out: &mut Vec<Ordered>) {
        let Some((index, packet)) = self.waiting.pop_first() else { return };
        let lost = self.next.map_or(0, |next| index.saturating_sub(next));
        if lost > 0 {
            out.push(Ordered::Lost(lost));
        }
        self.give(packet, out);
    }

    fn give(&mut self, packet: Packet, out: &mut Vec<Ordered>) {
        self.next = Some(packet.index.saturating_add(1));
        out.push(Ordered::Packet(packet));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets as `index@milliseconds`; the output as numbers, `-n` for n lost, `|` for a restart.
    fn check(packets: &str, expected: &str) {
        let mut reorder = Reorder::default();
        let mut out = Vec::new();
        for word in packets.split_whitespace() {
            let (index, ms) = word.split_once('@').expect("index@ms");
            let received_us = ms.parse::<i64>().expect("ms") * 1_000;
            let index = index.parse().expect("an index");
            let packet = Packet {
                index,
                timestamp: 0,
                marker: false,
                received_us,
                captured_us: None,
                codec: CodecName::Vp8,
                payload: Vec::new(),
            };
            reorder.push(packet, &mut out);
        }
        let word = |ordered: &Ordered| match ordered {
            Ordered::Packet(packet) => packet.index.to_string(),
            Ordered::Lost(count) => format!("-{count}"),
            Ordered::Restart => "|".into(),
        };
        assert_eq!(out.iter().map(word).collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn puts_in_order_what_comes_soon() {
        check("5@0 6@1 8@2 9@3 7@40 10@41", "5 6 7 8 9 10");
    }

    #[test]
    fn gives_up_what_does_not_come() {
        check("5@0 8@1 9@500 10@1001 6@1002 11@1003", "5 -2 8 9 10 11");
    }

    #[test]
    fn never_holds_more_than_it_may() {
        let many: Vec<_> = (2..=2 + REORDER_PACKETS_MAX).map(|index| format!("{index}@1")).collect();
        let mut expected = vec!["0".to_string(), "-1".to_string()];
        expected.extend((2..=2 + REORDER_PACKETS_MAX).map(|index| index.to_string()));
        check(&format!("0@0 {}", many.join(" ")), &expected.join(" "));
    }

    #[test]
    fn another_stream_begins_anew() {
        check("5@0 7@1 1099511627776@2 1099511627777@3", "5 -1 7 | 1099511627776 1099511627777");
    }
}
