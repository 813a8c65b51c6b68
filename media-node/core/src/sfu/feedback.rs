//! Handles clients' reports: losses, key frame requests, clocks, round trips.

use super::Sfu;
use crate::congestion::controller::Controller;
use crate::egress::outgoing::Lateness;
use crate::egress::slot::Slot;
use crate::egress::writing::Due;
use crate::ingress::stream::Stream;
use crate::ingress::track::Track;
use crate::keys::SessionKey;
use crate::path::Path;
use crate::rtcp::{Compound, Packet, ReportBlocks, ntp};
use crate::stats::DropReason;
use std::time::{Duration, Instant};

/// With a longer round trip, the loss of a repair would be visible, so it is sent twice, unless that would fill a queue.
const FAR: Duration = Duration::from_millis(150);

impl Sfu {
    pub(super) fn handle_rtcp(&mut self, now: Instant, from: Path, bytes: &mut [u8]) -> Result<(), DropReason> {
        let key = self.demux.by_path(from).ok_or(DropReason::UnknownAddress)?;
        let session = self.sessions.get_mut(key).ok_or(DropReason::UnknownAddress)?;
        let keys = session.keys.as_mut().ok_or(DropReason::NoKeys)?;
        let length = keys.opener.open_rtcp(bytes)?;
        session.ice.note_authentic(now, from);
        let compound = bytes.get(..length).and_then(Compound::parse).ok_or(DropReason::MalformedRtcp)?;
        for packet in compound {
            match packet {
                Packet::SenderReport(report) => {
                    self.note_clock(now, key, report.ssrc, report.ntp, report.rtp_timestamp);
                    self.note_reception(now, key, report.blocks);
                }
                Packet::ReceiverReport(blocks) => self.note_reception(now, key, blocks),
                Packet::Estimate { bitrate_bps, .. } => self.note_estimate(now, key, bitrate_bps),
                Packet::TransportCongestion(feedback) => self.note_arrivals(now, key, &feedback),
                Packet::Nack { media_ssrc, lost } => self.handle_nack(now, key, media_ssrc, lost),
                Packet::PictureLoss { media_ssrc } => self.handle_keyframe_request(now, key, media_ssrc),
                Packet::FullIntraRequest(entries) => {
                    entries.for_each(|(ssrc, _)| self.handle_keyframe_request(now, key, ssrc));
                }
                Packet::Malformed { .. } => self.stats.drop(DropReason::MalformedRtcp),
                Packet::SourceDescription | Packet::Goodbye(_) | Packet::Unknown { .. } => {}
            }
        }
        Ok(())
    }

    /// Takes a publisher's sender report: the link of its stream's timestamps to its clock.
    fn note_clock(&mut self, now: Instant, key: SessionKey, ssrc: u32, ntp: ntp::NtpTime, rtp_timestamp: u32) {
        let arrived = self.clock.at(now);
        let Some(session) = self.sessions.get_mut(key) else { return };
        let tracks = session.tracks.iter().filter_map(|track| self.tracks.get(*track));
        for key in tracks.flat_map(Track::streams) {
            let Some(stream) = self.streams.get_mut(key).filter(|stream| stream.is_filled_by(ssrc)) else { continue };
            if let Some(receiver) = stream.receiver() {
                receiver.sender_report(ntp, rtp_timestamp, arrived);
                receiver.clock().into_iter().for_each(|clock| session.clock_offset.learn(clock));
            }
        }
    }

    /// Takes a client's report blocks about the streams that it receives.
    fn note_reception(&mut self, now: Instant, key: SessionKey, blocks: ReportBlocks<'_>) {
        let arrived = self.clock.at(now);
        let Some(session) = self.sessions.get_mut(key) else { return };
        let (mut count, mut lost) = (0_u32, 0.0);
        for block in blocks {
            count += 1;
            lost += f64::from(block.fraction_lost) / 256.0;
            session.redundancy.note_block(now, block.fraction_lost);
            let sample = ntp::round_trip(arrived, block.last_sender_report, block.delay_since_sender_report);
            if let Some(sample) = sample {
                session.note_round_trip(sample);
            }
            if let Some(slot) = session.slot_of_ssrc(block.ssrc).and_then(|place| session.slots.get_mut(place)) {
                slot.reception.note(block.packets_lost, block.jitter);
            }
        }
        if count > 0 {
            session.note_loss(now, lost / f64::from(count));
        }
    }

    /// Handles a subscriber's NACK (RFC 4585 §6.2.1): the packets are sent again with the next round.
    fn handle_nack(&mut self, now: Instant, key: SessionKey, ssrc: u32, lost: impl Iterator<Item = u16>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let round_trip = session.round_trip;
        // A retransmission that would only queue behind losses is not worth sending: the client asks again.
        let Some(place) = session.slot_of_ssrc(ssrc) else { return };
        let playing = session.slots.get(place).and_then(Slot::playing);
        let is_screen = playing.and_then(|key| self.streams.get(key)).is_some_and(Stream::is_screen);
        if session.is_congested(now, is_screen) {
            self.stats.retransmit_misses += 1;
            return;
        }
        // The queue of a narrow link lengthens the round trip, too.
        let is_overfull = is_screen && session.congestion.as_ref().is_some_and(Controller::overflows);
        let times = if round_trip >= FAR && !is_overfull { 2 } else { 1 };
        let (mut is_first, mut broken) = (false, None);
        if let Some(slot) = session.slots.get_mut(place) {
            slot.tally.nack();
        }
        for sequence in lost {
            let Some(slot) = session.slots.get_mut(place) else { return };
            let Some(origin) = slot.nack(now, sequence, round_trip) else {
                self.stats.retransmit_misses += 1;
                continue;
            };
            let stream = self.streams.get(origin.source);
            let packet = stream.and_then(|stream| stream.numbered(origin.tempo, origin.number));
            // It is yet to leave for the first time.
            let is_held = |index| session.pacer.holds_packet(place as u16, origin.source, index);
            if packet.as_ref().is_some_and(|packet| is_held(packet.facts.index)) {
                self.stats.retransmit_misses += 1;
                continue;
            }
            if let Some(late) = packet.and_then(|packet| slot.lateness(now, origin, &packet.facts, round_trip)) {
                self.stats.retransmit_misses += 1;
                broken = broken.or((late == Lateness::TooOld).then_some(origin.source));
                continue;
            }
            for _ in 0..times {
                is_first |= session.add_due(Due::Again { slot: place as u16, origin });
            }
        }
        if is_first {
            self.egress.due_sessions.push(key);
        }
        // Losses that cannot be repaired in time need a key frame.
        let playing = self.sessions.get(key).and_then(|session| session.slots.get(place)?.playing());
        if let Some(stream) = broken.filter(|broken| Some(*broken) == playing) {
            self.want_keyframe(now, stream);
        }
    }

    /// Handles a subscriber that cannot decode: requests a key frame of the current stream, or of the following one.
    fn handle_keyframe_request(&mut self, now: Instant, key: SessionKey, ssrc: u32) {
        self.stats.keyframe_requests_in += 1;
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(place) = session.slot_of_ssrc(ssrc) else { return };
        let Some(slot) = session.slots.get_mut(place) else { return };
        slot.tally.pli();
        let wanted = slot.awaits_keyframe_of();
        // A key frame held by the pacer is about to arrive.
        let is_coming = wanted.is_some_and(|stream| session.pacer.holds(place as u16, stream));
        if let Some(stream) = wanted.or(slot.playing()).filter(|_| !is_coming) {
            self.want_keyframe(now, stream);
        }
    }
}
