//! Messages to clients: reports, requests for missing packets, and key frame requests.

use super::{Sfu, Timer};
use crate::congestion::remb;
use crate::ingress::missing;
use crate::ingress::track::Track;
use crate::keys::{SessionKey, StreamKey};
use crate::rtcp::write::{Full, Writer};
use crate::session::Session;
use crate::session::srtp::OVERHEAD_BYTES_MAX;
use shared::rtp_parameters::MediaKind;
use std::time::{Duration, Instant};

/// Interval of reports, similar to that of browsers.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Spread of the interval, so that the reports of a thousand sessions do not coincide.
const REPORT_SPREAD_MS: u64 = 128;
/// Reports due at about the same time leave together: one wake-up for some of the sessions, not one for each.
const REPORT_GRID: Duration = Duration::from_millis(32);
/// Longest compound, before SRTCP's overhead.
const COMPOUND_BYTES_MAX: usize = 1_200;
/// Most sender reports (28 bytes each) of one compound, in addition to a receiver report of 31 blocks (752 bytes at
/// most) and an estimate.
const SENDER_REPORTS_PER_COMPOUND: usize = 8;
/// Canonical name of all the node's streams (RFC 3550 §6.5.1).
const CANONICAL_NAME: &[u8] = b"rotunda";

impl Sfu {
    /// Sends a session its reports, and schedules the next in a second.
    pub(super) fn report(&mut self, now: Instant, key: SessionKey) {
        if !self.sessions.get(key).is_some_and(Session::is_connected) {
            return;
        }
        let spread = Duration::from_millis(self.random.next_u64() % REPORT_SPREAD_MS);
        let at = self.clock.aligned(now + REPORT_INTERVAL + spread, REPORT_GRID);
        self.deadlines.set(Timer::Report(key), Some(at));
        self.ease_relief(key);
        self.report_reception(now, key);
        self.report_sending(now, key);
    }

    /// Reports the arrival of each packet to a publisher, which estimates the capacity of its path from it.
    pub(super) fn report_arrivals(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let feedback_ssrc = session.feedback_ssrc;
        let Some(mut uplink) = session.uplink.take() else { return };
        let hides_losses = uplink.overload.hides_losses(now);
        while let Some(arrivals) = &mut uplink.arrivals {
            let Some(report) = arrivals.next_report(now, hides_losses) else { break };
            let mut told = 0;
            self.send_rtcp(key, |writer| {
                writer.receiver_report(feedback_ssrc, std::iter::empty())?;
                told = writer.transport_feedback(feedback_ssrc, report)?;
                Ok(())
            });
            self.stats.arrival_reports_out += u64::from(told > 0);
            arrivals.reported(told);
        }
        if let Some(session) = self.sessions.get_mut(key) {
            session.uplink = Some(uplink);
        }
    }

    /// Reports the reception of the client's streams.
    fn report_reception(&mut self, now: Instant, key: SessionKey) {
        let ntp = self.clock.at(now);
        let Some(session) = self.sessions.get_mut(key) else { return };
        let feedback_ssrc = session.feedback_ssrc;
        let mut blocks = Vec::with_capacity(session.tracks.len());
        let mut videos = Vec::with_capacity(session.tracks.len());
        let (mut arrived_bps, mut lost_bps) = (0.0, 0.0);
        let tracks = session.tracks.iter().filter_map(|track| self.tracks.get(*track));
        for key in tracks.flat_map(Track::streams) {
            let Some(stream) = self.streams.get_mut(key) else { continue };
            let bps = stream.bitrate_bps(now) as f64;
            let Some(block) = stream.receiver().and_then(|receiver| receiver.report(ntp)) else { continue };
            (arrived_bps, lost_bps) = (arrived_bps + bps, lost_bps + bps * f64::from(block.fraction_lost) / 256.0);
            videos.extend((stream.kind == MediaKind::Video).then_some(block.ssrc));
            blocks.push(block);
        }
        if blocks.is_empty() {
            return;
        }
        if let Some(uplink) = &mut session.uplink {
            uplink.report(now, arrived_bps, lost_bps / arrived_bps.max(1.0));
        }
        // A client with arrival reports probes for its rate; for it an estimate is only a cap.
        let has_arrivals = session.uplink.as_ref().is_some_and(|uplink| uplink.arrivals.is_some());
        let most = self.bandwidth.client_in_bps_max;
        let needs_estimate = !has_arrivals || session.limit_bps().is_some() || most.is_some();
        let estimate_bps = needs_estimate.then(|| video_bps_max(session, most)).filter(|_| !videos.is_empty());
        self.send_rtcp(key, |writer| {
            writer.receiver_report(feedback_ssrc, blocks.into_iter())?;
            writer.canonical_name(feedback_ssrc, CANONICAL_NAME)?;
            estimate_bps.map_or(Ok(()), |bps| writer.estimate(feedback_ssrc, bps, &videos))
        });
    }

    /// Tells a publisher at once that its cap has changed or is lifted.
    pub(super) fn report_cap(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get(key) else { return };
        let feedback_ssrc = session.feedback_ssrc;
        let tracks = session.tracks.iter().filter_map(|track| self.tracks.get(*track));
        let streams = tracks.flat_map(Track::streams).filter_map(|key| self.streams.get(key)?.video_ssrc());
        let videos: Vec<_> = streams.collect();
        if videos.is_empty() {
            return;
        }
        let estimate_bps = video_bps_max(session, self.bandwidth.client_in_bps_max);
        self.send_rtcp(key, |writer| {
            writer.receiver_report(feedback_ssrc, std::iter::empty())?;
            writer.estimate(feedback_ssrc, estimate_bps, &videos)
        });
    }

    /// Sends sender reports for the client's slots.
    fn report_sending(&mut self, now: Instant, key: SessionKey) {
        let ntp = self.clock.at(now);
        let Some(session) = self.sessions.get(key) else { return };
        let sent = session.slots.iter().filter_map(|slot| {
            let stream = self.streams.get(slot.playing()?)?;
            let publisher = self.sessions.get(stream.publisher)?;
            slot.sender_report(ntp, stream.clock()?, &publisher.clock_offset)
        });
        let sent: Vec<_> = sent.collect();
        for reports in sent.chunks(SENDER_REPORTS_PER_COMPOUND) {
            self.send_rtcp(key, |writer| {
                reports.iter().try_for_each(|sent| {
                    writer.sender_report(*sent)?;
                    writer.canonical_name(sent.ssrc, CANONICAL_NAME)
                })
            });
        }
    }

    /// Requests missing packets from a publisher.
    pub(super) fn ask_for_losses(&mut self, now: Instant, key: StreamKey) {
        let Some(stream) = self.streams.get(key) else { return };
        let publisher = stream.publisher;
        // A slot that takes it later begins with a key frame.
        if stream.subscribers.is_empty() && stream.tap.is_none() {
            return self.give_up_losses(key);
        }
        if let Some(at) = self.postponed(now, publisher).filter(|_| !self.has_begun_anew(key)) {
            return self.deadlines.set(Timer::Repair(key), Some(at));
        }
        let Some(stream) = self.streams.get_mut(key) else { return };
        let Some(session) = self.sessions.get(publisher) else { return };
        let (feedback_ssrc, round_trip) = (session.feedback_ssrc, session.round_trip);
        let Some(receiver) = stream.receiver() else { return };
        let ssrc = receiver.ssrc();
        let Some(missing) = receiver.missing() else { return };
        let mut buffer = missing::due_buffer();
        let due = missing.take_due(now, round_trip, &mut buffer);
        self.deadlines.set(Timer::Repair(key), missing.due_at());
        if due.is_empty() {
            return;
        }
        stream.tally.nack();
        self.stats.nacked_upstream += due.len() as u64;
        self.send_rtcp(publisher, |writer| {
            writer.receiver_report(feedback_ssrc, std::iter::empty())?;
            writer.nack(feedback_ssrc, ssrc, due.iter().copied())
        });
    }

    /// Handles the need of a subscriber or the recorder for a key frame of this stream.
    pub(super) fn want_keyframe(&mut self, now: Instant, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.keyframes.want();
            self.ask_for_keyframe(now, key);
        }
    }

    /// Requests a key frame from a publisher if it is time, and schedules the next request. A stream without any packet
    /// is asked once it has one, which begins with a key frame anyway.
    pub(super) fn ask_for_keyframe(&mut self, now: Instant, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key).filter(|stream| stream.kind == MediaKind::Video) else { return };
        let (publisher, has_packets) = (stream.publisher, stream.receiver().is_some());
        match self.postponed(now, publisher).filter(|_| has_packets) {
            Some(at) => self.deadlines.set(Timer::Keyframe(key), Some(at)),
            None => self.ask_busy_for_keyframe(now, key),
        }
    }

    /// Like [`Self::ask_for_keyframe`], even if the publisher's link is busy.
    pub(super) fn ask_busy_for_keyframe(&mut self, now: Instant, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let publisher = stream.publisher;
        let Some(ssrc) = stream.receiver().map(|receiver| receiver.ssrc()) else { return };
        let Some(session) = self.sessions.get(publisher).filter(|session| session.is_connected()) else { return };
        let feedback_ssrc = session.feedback_ssrc;
        let is_due = stream.keyframes.take_due(now);
        if is_due {
            stream.tally.pli();
        }
        self.deadlines.set(Timer::Keyframe(key), stream.keyframes.due_at(now));
        if is_due {
            self.stats.keyframe_requests_out += 1;
            self.send_rtcp(publisher, |writer| {
                writer.receiver_report(feedback_ssrc, std::iter::empty())?;
                writer.picture_loss(feedback_ssrc, ssrc)
            });
        }
    }

    /// Writes, seals and sends one compound. RFC 3550 §6.1 requires a report first, so `write` must begin with one.
    fn send_rtcp(&mut self, key: SessionKey, write: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let (Some(keys), Some(to)) = (&mut session.keys, session.ice.selected()) else { return };
        let mut buffer = [0; COMPOUND_BYTES_MAX + OVERHEAD_BYTES_MAX];
        let Some(room) = buffer.get_mut(..COMPOUND_BYTES_MAX) else { return };
        let mut writer = Writer::new(room);
        // Packets that did not fit are omitted; the others are whole.
        let is_whole = write(&mut writer).is_ok();
        let plain_bytes = writer.bytes();
        debug_assert!(is_whole, "compounds are bounded below the buffer");
        if let Some(bytes) = keys.sealer.seal_rtcp(&mut buffer, plain_bytes) {
            self.egress.send(&mut self.stats, to, buffer.get(..bytes).unwrap_or_default().to_vec());
        }
    }
}

/// The limit of a client's video: its link, its viewers' downlinks, and the operator's limit.
fn video_bps_max(session: &Session, most: Option<u64>) -> u64 {
    [session.limit_bps(), most].into_iter().flatten().min().unwrap_or(remb::BPS_MAX)
}
