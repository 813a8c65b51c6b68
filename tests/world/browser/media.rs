//! A browser's handling of its node's datagrams.

use super::publish::{self, Publisher};
use super::signaling::Asked;
use super::slot::Event;
use super::transport::Received;
use super::uplink::Uplink;
use super::{Browser, Phase, Socket};
use crate::clock::Clock;
use crate::net::Datagram;
use media_core::congestion::arrivals::Arrivals;
use media_core::rtcp::{Compound, Packet, SenderReport};
use media_core::rtp::RtpHeader;
use shared::rtp_parameters::MediaKind;
use std::time::Duration;

/// After a slot was given another track, packets of the previous one may arrive for this long.
const SWITCH_GRACE: Duration = Duration::from_millis(1_500);

impl Browser {
    pub fn handle_datagram(&mut self, clock: &Clock, datagram: Datagram) {
        self.clock = *clock;
        if matches!(self.phase, Phase::Gone(_)) {
            return;
        }
        let Some(transport) = &mut self.transport else { return };
        match transport.handle_datagram(clock, datagram) {
            Some(Received::Rtp(packet)) => self.handle_rtp(&packet),
            Some(Received::Rtcp(compound)) => self.handle_rtcp(&compound),
            Some(Received::Connected) => self.handle_connected(),
            Some(Received::NotRelayed(code)) => self.breach(format!("a TURN node refuses to relay: {code}")),
            None => {}
        }
        self.flush();
    }

    fn handle_rtp(&mut self, packet: &[u8]) {
        let Some(header) = RtpHeader::parse(packet) else { return self.breach("no RTP packet".into()) };
        let is_meant = |slot: &super::Slot| slot.section().rtx_ssrc == Some(header.ssrc);
        let ssrc = match self.slots.get(&header.ssrc) {
            Some(_) => Some(header.ssrc),
            None => self.slots.iter().find(|(_, slot)| is_meant(slot)).map(|(ssrc, _)| *ssrc),
        };
        let Some(ssrc) = ssrc else {
            // The node may learn the answer to the last offer before the client.
            if self.unanswered.is_none() {
                self.breach(format!("a packet of an unknown stream, {}", header.ssrc));
            }
            return;
        };
        let Some(slot) = self.slots.get_mut(&ssrc) else { return };
        if self.guest.reports_arrivals
            && let Some(id) = slot.section().extensions.transport_cc
            && let Some(&[s0, s1]) = header.extension(id)
        {
            let arrivals = self.arrivals.get_or_insert_with(|| Arrivals::new(self.clock.now(), id));
            let number = u16::from_be_bytes([s0, s1]);
            let due = arrivals.record(self.clock.now(), number, header.ssrc, packet.len());
            self.arrivals_at = due.or(self.arrivals_at);
        }
        let events = slot.handle_rtp(&self.clock, &header, packet);
        let csrc = header.csrcs().next();
        self.check_source(ssrc, csrc, packet, &header);
        self.handle_events(ssrc, events);
    }

    pub(super) fn handle_events(&mut self, ssrc: u32, events: Vec<Event>) {
        let mid = self.slots.get(&ssrc).map(|slot| slot.section().mid.to_string()).unwrap_or_default();
        for event in events {
            match event {
                Event::Played(source, frame) => self.watch.note(&self.clock, source, frame),
                Event::Resized(source, lines) => self.watch.note_lines(&self.clock, source, lines),
                Event::Wrong(what) => self.breach(format!("slot {mid}: {what}")),
            }
        }
    }

    /// Checks that a packet's contributing source is the track whose content it carries, and that the slot has this
    /// track.
    fn check_source(&mut self, ssrc: u32, csrc: Option<u32>, packet: &[u8], header: &RtpHeader<'_>) {
        let Some(section) = self.slots.get(&ssrc).map(|slot| slot.section().clone()) else { return };
        // Retransmissions begin with the original sequence number, and may be from the previous track.
        if Some(header.ssrc) == section.rtx_ssrc {
            return;
        }
        let Some(payload) = header.payload(packet) else { return };
        let source = match section.kind {
            MediaKind::Audio => super::content::Stamp::of_sound(payload).map(|stamp| stamp.source),
            MediaKind::Video => {
                super::picture::Part::read(header.timestamp, header.marker, payload).map(|part| part.source())
            }
        };
        let Some(source) = source else { return };
        let track = self.knowledge.track_of(source).and_then(|(owner, track)| {
            owner.tracks.iter().find(|info| info.id == track).map(|info| (info.id.clone(), info.csrc))
        });
        // Without its socket the client does not know the current participants.
        let is_informed = self.socket == Socket::Open && !self.requests.is_pending(|asked| asked == Asked::Resume);
        if !is_informed {
            return;
        }
        if let Some((track, number)) = &track
            && csrc != Some(*number)
        {
            self.breach(format!("slot {}: {track} comes with CSRC {csrc:?} instead of {number}", section.mid));
        }
        let Some((slot, Some(since))) = self.knowledge.slots.get(&section.mid) else { return };
        let is_settled = self.clock.now().duration_since(*since) > SWITCH_GRACE;
        let plays = track.map(|(track, _)| track);
        if is_settled && plays != slot.track {
            let wanted = slot.track.clone();
            self.breach(format!("slot {} plays {plays:?} instead of {wanted:?}", section.mid));
        }
    }

    fn handle_rtcp(&mut self, compound: &[u8]) {
        let Some(packets) = Compound::parse(compound) else { return self.breach("no RTCP compound".into()) };
        for packet in packets {
            match packet {
                Packet::Nack { media_ssrc, lost } => self.resend(media_ssrc, lost),
                Packet::PictureLoss { media_ssrc } => self.picture_loss(media_ssrc),
                Packet::FullIntraRequest(entries) => entries.for_each(|(ssrc, _)| self.picture_loss(ssrc)),
                Packet::SenderReport(report) => self.check_sender_report(&report),
                Packet::ReceiverReport(blocks) => blocks.for_each(|block| self.check_published(block.ssrc)),
                Packet::TransportCongestion(feedback) => {
                    if let Some(wrong) = self.sent.check(&self.clock, feedback) {
                        self.breach(wrong);
                    }
                    self.adapt(|uplink, clock| uplink.hear(clock, feedback));
                }
                Packet::Malformed { packet_type } => self.breach(format!("malformed RTCP of type {packet_type}")),
                Packet::Estimate { bitrate_bps, .. } if self.uplink.is_none() => {
                    // Alone, an estimate is for sound too.
                    let sound_bps = if self.guest.lacks_transport_cc { publish::SOUND_BPS } else { 0 };
                    publish::divide(&mut self.publishers, bitrate_bps.saturating_sub(sound_bps));
                }
                Packet::Estimate { bitrate_bps, .. } => self.adapt(|uplink, _| {
                    uplink.limit(bitrate_bps);
                    Vec::new()
                }),
                Packet::SourceDescription | Packet::Goodbye(_) | Packet::Unknown { .. } => {}
            }
        }
    }

    /// Passes something to the uplink, which returns packets to retransmit; its new rate is divided between the videos.
    fn adapt(&mut self, take: impl FnOnce(&mut Uplink, &Clock) -> Vec<(u32, u16)>) {
        let Some(uplink) = &mut self.uplink else { return };
        let lost = take(uplink, &self.clock);
        publish::divide(&mut self.publishers, uplink.bps().saturating_sub(publish::SOUND_BPS));
        for (ssrc, sequence) in lost {
            self.resend(ssrc, [sequence].into_iter());
        }
    }

    fn check_published(&mut self, ssrc: u32) {
        let mut streams = self.publishers.iter().flat_map(Publisher::streams);
        if !streams.any(|stream| stream.ssrcs.0 == ssrc || stream.ssrcs.1 == ssrc) {
            self.breach(format!("feedback about {ssrc}, which is not ours"));
        }
    }

    fn resend(&mut self, ssrc: u32, lost: impl Iterator<Item = u16>) {
        self.check_published(ssrc);
        let Some(stream) = self.publishers.iter_mut().find_map(|publisher| publisher.stream_mut(ssrc)) else { return };
        let packets = stream.handle_nack(&self.clock, lost);
        self.send(packets);
    }

    fn picture_loss(&mut self, ssrc: u32) {
        self.check_published(ssrc);
        if let Some(stream) = self.publishers.iter_mut().find_map(|publisher| publisher.stream_mut(ssrc)) {
            stream.handle_picture_loss(&self.clock);
        }
    }

    fn check_sender_report(&mut self, report: &SenderReport<'_>) {
        let breach = match self.slots.get_mut(&report.ssrc) {
            Some(slot) => slot.take_report(&self.clock, report),
            None => Some(format!("a sender report about {}, which is no slot", report.ssrc)),
        };
        if let Some(breach) = breach {
            self.breach(breach);
        }
    }
}
