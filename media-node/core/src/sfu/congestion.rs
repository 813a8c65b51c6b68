//! Handles clients' reports about their links, and the resulting estimates.

use super::{Sfu, Timer};
use crate::congestion::controller::{Controller, News};
use crate::egress::outgoing::PADDING_BYTES;
use crate::egress::probing::{GRID, Probing};
use crate::egress::slot::Slot;
use crate::egress::writing::Due;
use crate::keys::SessionKey;
use crate::packet::{RTP_HEADER_BYTES, TRANSPORT_BYTES};
use crate::rtcp::transport_feedback::Feedback;
use std::time::{Duration, Instant};

/// Interval of an estimate's checks, as sent packets move its deadlines.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// An estimate starts low and is raised by probes; it limits nothing before they are over, unless the link is evidently
/// too narrow for what is sent.
const SETTLES_AFTER: Duration = Duration::from_secs(3);
/// Most packets repeated at one time: 32 Mbit/s.
const REPEATED_MAX: u16 = 16;
/// Most padding packets at one time: 30 Mbit/s.
const PADDED_MAX: usize = 64;
const HEADER_BYTES: usize = TRANSPORT_BYTES + RTP_HEADER_BYTES;

impl Sfu {
    /// Takes a report about the arrivals of sent packets.
    pub(super) fn note_arrivals(&mut self, now: Instant, key: SessionKey, feedback: &Feedback<'_>) {
        let mut news = News::default();
        if self.estimate(key, |controller| news = controller.feedback(now, feedback)) {
            if let Some(session) = self.sessions.get_mut(key) {
                session.redundancy.note_arrivals(now, news.arrived, news.lost);
            }
            self.limit_session(now, key);
            self.follow_congestion(now, key);
        }
    }

    /// Follows media to another path before the first packet is sent there. A changed estimate takes effect at once.
    #[cold]
    pub(super) fn follow_path(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if !session.follow_path(now) {
            return;
        }
        let estimate = session.congestion.as_ref().map(Controller::estimate);
        if session.estimate.is_some() && session.estimate != estimate {
            session.estimate = estimate;
            self.deadlines.set(Timer::Select(key), Some(now));
        }
    }

    pub(super) fn note_estimate(&mut self, now: Instant, key: SessionKey, bitrate_bps: u64) {
        self.estimate(key, |controller| controller.remb(now, bitrate_bps));
    }

    pub(super) fn handle_congestion_timeout(&mut self, now: Instant, key: SessionKey) {
        if self.estimate(key, |controller| controller.handle_timeout(now)) {
            self.follow_congestion(now, key);
        }
    }

    /// Passes something to a client's controller, and counts the reason for a changed estimate; false if it has none.
    fn estimate(&mut self, key: SessionKey, take: impl FnOnce(&mut Controller)) -> bool {
        let controller = self.sessions.get_mut(key).and_then(|session| session.congestion.as_mut());
        let Some(controller) = controller else { return false };
        let before = controller.sustained_bps();
        take(controller);
        if controller.sustained_bps() != before {
            self.stats.estimated(controller.reason());
        }
        true
    }

    /// Makes the estimate limit the client, once its first probes have had time to raise it, or have no room.
    fn limit_session(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let since = *session.feedback_since.get_or_insert(now);
        let Some(controller) = session.congestion.as_ref() else { return };
        let estimate = controller.estimate();
        let is_settled = now.saturating_duration_since(since) >= SETTLES_AFTER;
        if is_settled || session.estimate.is_some() || controller.is_overrun(now) {
            self.set_estimate(now, key, estimate);
        }
    }

    fn follow_congestion(&mut self, now: Instant, key: SessionKey) {
        let Some(controller) = self.sessions.get(key).and_then(|session| session.congestion.as_ref()) else { return };
        let look_at = now + LOOK_EVERY;
        let due = controller.poll_timeout().map_or(look_at, |at| at.min(look_at));
        self.deadlines.set_at_the_latest(Timer::Congestion(key), due);
        self.send_probe(now, key);
    }

    /// Continues a probe, or starts the next. Its packets repeat recent ones, because the client ignores repeated
    /// payloads, which are as large as payloads get; libwebrtc also prefers them to padding.
    pub(super) fn send_probe(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        // After almost every report there is nothing to send.
        if session.probing.is_none() && !session.congestion.as_ref().is_some_and(Controller::has_probe) {
            return;
        }
        let playing = session.slots.iter().position(|slot| slot.recent(0).is_some());
        let Some(slot) = playing.or_else(|| session.slots.iter().position(Slot::can_pad)) else {
            session.probing = None;
            return;
        };
        if self.deadlines.is_set(Timer::Probe(key)) {
            return;
        }
        let due = loop {
            if let Some(due) = session.probing.as_mut().and_then(Probing::due) {
                break due;
            }
            let probe = session.congestion.as_mut().and_then(|controller| controller.next_probe(now));
            session.probing = probe.map(Probing::new);
            if session.probing.is_none() {
                return;
            }
        };
        self.deadlines.set(Timer::Probe(key), Some(now + GRID));
        if !playing.is_some_and(|playing| self.repeat_recent(key, playing, due)) {
            self.pad(key, slot, due);
        }
    }

    /// Makes padding due: with all video paused there is nothing to repeat.
    fn pad(&mut self, key: SessionKey, place: usize, bytes: i64) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let packets = usize::try_from(bytes).unwrap_or(0).div_ceil(PADDING_BYTES + HEADER_BYTES);
        for _ in 0..packets.min(PADDED_MAX) {
            if session.add_due(Due::Padding { slot: place as u16 }) {
                self.egress.due_sessions.push(key);
            }
        }
    }

    /// Makes a slot's latest packets due again, up to this many bytes; false if there are none.
    fn repeat_recent(&mut self, key: SessionKey, place: usize, mut bytes: i64) -> bool {
        let mut can_repeat = false;
        let Some(session) = self.sessions.get_mut(key) else { return false };
        for age in 0..REPEATED_MAX {
            let Some(slot) = session.slots.get(place) else { break };
            let Some(origin) = slot.recent(age) else { break };
            let stream = self.streams.get(origin.source);
            let packet = stream.and_then(|stream| stream.numbered(origin.tempo, origin.number));
            let packet = packet.filter(|packet| slot.can_repeat(packet.facts.codec));
            let Some(length) = packet.map(|packet| packet.payload.len()) else { continue };
            can_repeat = true;
            if bytes <= 0 {
                break;
            }
            bytes -= (length + HEADER_BYTES) as i64;
            if session.add_due(Due::Probe { slot: place as u16, origin }) {
                self.egress.due_sessions.push(key);
            }
        }
        can_repeat
    }
}
