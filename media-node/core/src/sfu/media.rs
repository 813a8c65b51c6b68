//! The incoming path of an RTP packet: assigned to a session, decrypted in place, accepted by its stream.

use super::{Sfu, Timer};
use crate::congestion::overload::Time;
use crate::ingress::stream::{Received, Stream, Subscriber};
use crate::keys::{SessionKey, StreamKey};
use crate::path::Path;
use crate::rtp::RtpHeader;
use crate::session::srtp::OpenError;
use crate::session::streams::Use;
use crate::stats::DropReason;
use shared::rtp_parameters::MediaKind;
use std::time::{Duration, Instant};

/// A publisher gets an estimate soon after its first packet: browsers jump to it in their first two seconds, and only
/// creep towards it later.
const FIRST_REPORT_AFTER: Duration = Duration::from_millis(50);

impl Sfu {
    pub(super) fn handle_rtp(&mut self, now: Instant, from: Path, bytes: &mut [u8]) -> Result<(), DropReason> {
        let at = self.moment(now);
        let key = self.demux.by_path(from).ok_or(DropReason::UnknownAddress)?;
        let session = self.sessions.get_mut(key).ok_or(DropReason::UnknownAddress)?;
        let keys = session.keys.as_mut().ok_or(DropReason::NoKeys)?;
        let header_bytes = RtpHeader::parse(bytes).ok_or(DropReason::MalformedRtp)?.header_bytes();
        let opened = keys.opener.open_rtp(bytes, header_bytes)?;
        session.ice.note_authentic(now, from);
        let packet = bytes.get(..opened.bytes).ok_or(DropReason::MalformedRtp)?;
        let header = RtpHeader::parse(packet).ok_or(DropReason::MalformedRtp)?;
        let payload = header.payload(packet).ok_or(DropReason::MalformedRtp)?;
        self.stats.rtp_in += 1;
        let mut overload = None;
        if let Some(uplink) = &mut session.uplink
            && let Some(arrivals) = &mut uplink.arrivals
            && let Some(&[s0, s1]) = header.extension(arrivals.extension())
        {
            let number = u16::from_be_bytes([s0, s1]);
            overload = uplink.overload.record(now, number, packet.len());
            if let Some(due) = arrivals.record(now, number, header.ssrc, packet.len()) {
                self.deadlines.set(Timer::Arrivals(key), Some(due));
            }
        }
        let unnumbered = session.uplink.as_mut().filter(|uplink| uplink.arrivals.is_none());
        let is_unnumbered = unnumbered.is_some();
        if let Some(uplink) = unnumbered {
            let stream = match session.streams.use_of(&header) {
                Some(Use::Media(stream)) => self.streams.get(stream),
                Some(Use::Repair(_) | Use::Unused) | None => None,
            };
            let distance = stream.map_or(0, |stream| stream.distance(&header));
            overload = uplink.overload.record_unnumbered(now, distance, packet.len());
        }
        let received = match session.streams.use_of(&header).ok_or(DropReason::UnknownStream)? {
            Use::Media(stream) => {
                self.fill_with(stream, header.ssrc)?;
                let found = self.streams.get_mut(stream).ok_or(DropReason::UnknownStream)?;
                (stream, found.receive(at, &header, payload)?)
            }
            Use::Repair(stream) => {
                let found = self.streams.get_mut(stream).ok_or(DropReason::UnknownStream)?;
                (stream, found.repair(at, &header, payload)?)
            }
            Use::Unused => return Err(DropReason::UnusedEncoding),
        };
        self.note_time(now, key, received.0, &header, is_unnumbered);
        self.note_audio(now, key, received.0, &header, payload);
        if header.marker {
            self.note_frame(now, received.0);
        }
        self.note_received(now, received.0, received.1);
        self.copy_fresh(now, key, received.0);
        if let Some(change) = overload {
            self.note_overload(now, key, change);
        }
        Ok(())
    }

    /// Restarts the stream if it had another SSRC before.
    fn fill_with(&mut self, key: StreamKey, ssrc: u32) -> Result<(), DropReason> {
        let stream = self.streams.get_mut(key).ok_or(DropReason::UnknownStream)?;
        if stream.is_filled_by(ssrc) || stream.receiver().is_none() {
            return Ok(());
        }
        self.stream_instances += 1;
        stream.restart(self.stream_instances);
        for subscriber in stream.subscribers.clone() {
            self.change_slot(subscriber.session, usize::from(subscriber.slot), |slot| slot.begin_anew(key));
        }
        if let Some(stream) = self.streams.get_mut(key).filter(|stream| !stream.subscribers.is_empty()) {
            stream.keyframes.want();
        }
        Ok(())
    }

    /// Measures how long packets wait on the publisher's link: by audio, without transport-wide numbers by any stream.
    fn note_time(
        &mut self,
        now: Instant,
        key: SessionKey,
        stream: StreamKey,
        header: &RtpHeader<'_>,
        is_unnumbered: bool,
    ) {
        let is_measured = |stream: &&Stream| is_unnumbered || stream.kind == MediaKind::Audio;
        let Some(stream) = self.streams.get(stream).filter(is_measured) else { return };
        let Some(uplink) = self.sessions.get_mut(key).and_then(|session| session.uplink.as_mut()) else { return };
        let (kind, clock_rate) = (stream.kind, stream.clock_rate());
        let time = Time { kind, ssrc: header.ssrc, timestamp: header.timestamp, clock_rate };
        if uplink.record_time(now, time) {
            self.report_cap(key);
        }
    }

    /// Notices that the publisher begins to speak.
    fn note_audio(
        &mut self,
        now: Instant,
        key: SessionKey,
        stream_key: StreamKey,
        header: &RtpHeader<'_>,
        payload: &[u8],
    ) {
        let stream = self.streams.get_mut(stream_key).filter(|stream| stream.kind == MediaKind::Audio);
        if stream.is_some_and(|stream| stream.listen(now, header, payload)) {
            self.note_voice(now, key, stream_key);
        }
    }

    /// Finds stopped layers at the end of a frame of another one.
    fn note_frame(&mut self, now: Instant, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key).filter(|stream| stream.kind == MediaKind::Video) else { return };
        stream.tally.frame(now);
        let (track_key, publisher) = (stream.track, stream.publisher);
        let uplink = self.sessions.get(publisher).and_then(|session| session.uplink.as_ref());
        let is_busy = uplink.is_some_and(|uplink| uplink.overload.is_overloaded());
        let Some(track) = self.tracks.get_mut(track_key) else { return };
        track.note_frame(now, key, is_busy);
        if track.tap.is_some() && track.single().is_none() {
            self.aim_tap(now, track_key);
        }
    }

    fn note_received(&mut self, now: Instant, key: StreamKey, received: Received) {
        if received.is_first {
            self.egress.pending_streams.push(key);
            if let Some(until) = received.held_until {
                self.hold_until(until);
            }
        }
        if received.starts_keyframe {
            self.note_keyframe(now, key);
        }
        self.egress.is_urgent |= received.is_urgent;
        if received.is_dropped {
            self.stats.drop(DropReason::Overflow);
        }
        self.deadlines.set(Timer::Repair(key), received.repair_at);
        let Some(stream) = self.streams.get_mut(key) else { return };
        if received.begins_stream {
            self.deadlines.set(Timer::Report(stream.publisher), Some(now + FIRST_REPORT_AFTER));
        }
        if received.needs_keyframe && (stream.tap.is_some() || !stream.subscribers.is_empty()) {
            stream.keyframes.want();
        }
        if stream.keyframes.due_at(now).is_some_and(|at| at <= now) {
            self.ask_for_keyframe(now, key);
        }
        if received.changes_codec {
            self.note_codec(now, key);
        }
    }

    /// Reselects streams for viewers that cannot decode a stream's codec any more, or can again. This happens on the
    /// common grid, as the codec may change with every packet.
    fn note_codec(&mut self, now: Instant, key: StreamKey) {
        let Some((stream, codec)) = self.streams.get(key).and_then(|stream| Some((stream, stream.codec()?))) else {
            return;
        };
        let viewers = self.tracks.get(stream.track).into_iter().flat_map(|track| &track.viewers);
        let is_affected = |viewer: &&Subscriber| {
            let slot =
                self.sessions.get(viewer.session).and_then(|session| session.slots.get(usize::from(viewer.slot)));
            slot.is_some_and(|slot| slot.is_undecodable == slot.config().format(codec).is_some())
        };
        let affected: Vec<_> = viewers.filter(is_affected).map(|viewer| viewer.session).collect();
        let at = self.clock.aligned(now, super::select::GRID);
        affected.into_iter().for_each(|session| self.deadlines.set(Timer::Select(session), Some(at)));
    }
}

impl From<OpenError> for DropReason {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::TooShort => Self::MalformedRtp,
            OpenError::Replayed => Self::SrtpReplay,
            OpenError::Forged => Self::SrtpAuthentication,
            OpenError::TooManyStreams => Self::SrtpStreams,
        }
    }
}
