//! A browser's sent packets by transport-wide sequence number, and their reported arrivals.

use crate::clock::Clock;
use media_core::rtcp::transport_feedback::{Feedback, TICK};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Packets whose arrival is still awaited.
const AWAITED_MAX: usize = 4_096;
/// The first number, shortly before a wrap.
const FIRST: u64 = 0x1_ff00;

#[derive(Clone, Debug, Default)]
pub struct Sent {
    packets: u64,
    awaited: BTreeMap<u64, Instant>,
    heard: Heard,
}

/// The accumulated content of the node's reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// Arrived packets, each counted once.
    pub arrived: u64,
    pub reports: u64,
    /// The longest time between two reports.
    pub silence: Duration,
    /// The shortest and longest transit to the node, with the same unknown offset.
    pub transit_us: Option<(i64, i64)>,
    reported_at: Option<Instant>,
}

impl Sent {
    /// The next packet's extended number.
    pub fn number(&mut self, clock: &Clock) -> u64 {
        let number = FIRST + self.packets;
        self.packets += 1;
        self.awaited.insert(number, clock.now());
        if self.awaited.len() > AWAITED_MAX {
            self.awaited.pop_first();
        }
        number
    }

    /// The number of numbered packets.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets
    }

    #[must_use]
    pub fn heard(&self) -> Heard {
        self.heard
    }

    /// Takes a report; returns a violation, if any.
    pub fn check(&mut self, clock: &Clock, feedback: Feedback<'_>) -> Option<String> {
        let heard = &mut self.heard;
        heard.reports += 1;
        if let Some(before) = heard.reported_at.replace(clock.now()) {
            heard.silence = heard.silence.max(clock.now() - before);
        }
        let next = FIRST + self.packets;
        for (sequence, ticks) in feedback.arrivals() {
            let behind = (next as u16).wrapping_sub(sequence);
            if behind == 0 || behind > 0x8000 {
                return Some(format!("a report of packet {sequence}, which was never sent"));
            }
            let Some(ticks) = ticks else { continue };
            let Some(sent_at) = self.awaited.remove(&(next - u64::from(behind))) else { continue };
            heard.arrived += 1;
            let sent_us = Clock::elapsed_at(sent_at).as_micros() as i64;
            let transit = ticks * TICK.as_micros() as i64 - sent_us;
            let (least, most) = heard.transit_us.unwrap_or((transit, transit));
            heard.transit_us = Some((least.min(transit), most.max(transit)));
        }
        None
    }
}
