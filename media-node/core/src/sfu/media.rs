//! An RTP packet's way in: whose it is, decrypted where it lies, taken in by its track.

use super::{Sfu, Timer};
use crate::ingress::track::Received;
use crate::keys::TrackKey;
use crate::rtp::RtpHeader;
use crate::session::srtp::OpenError;
use crate::session::streams::Use;
use crate::stats::DropReason;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A publisher hears soon after its first packet what it may send: browsers jump to that in their first two seconds, and
/// only creep towards it later.
const FIRST_REPORT_AFTER: Duration = Duration::from_millis(50);

impl Sfu {
    pub(super) fn handle_rtp(&mut self, now: Instant, from: SocketAddr, bytes: &mut [u8]) -> Result<(), DropReason> {
        let at = self.moment(now);
        let key = self.demux.by_address(from).ok_or(DropReason::UnknownAddress)?;
        let session = self.sessions.get_mut(key).ok_or(DropReason::UnknownAddress)?;
        let keys = session.keys.as_mut().ok_or(DropReason::NoKeys)?;
        let header_bytes = RtpHeader::parse(bytes).ok_or(DropReason::MalformedRtp)?.header_bytes();
        let opened = keys.opener.open_rtp(bytes, header_bytes)?;
        session.ice.note_authentic(now, from);
        let packet = bytes.get(..opened.bytes).ok_or(DropReason::MalformedRtp)?;
        let header = RtpHeader::parse(packet).ok_or(DropReason::MalformedRtp)?;
        let payload = header.payload(packet).ok_or(DropReason::MalformedRtp)?;
        self.stats.rtp_in += 1;
        if let Some(arrivals) = &mut session.arrivals
            && let Some(&[s0, s1]) = header.extension(arrivals.extension())
            && let Some(due) = arrivals.record(now, u16::from_be_bytes([s0, s1]), header.ssrc, packet.len())
        {
            self.deadlines.set(Timer::Arrivals(key), Some(due));
        }
        let received = match session.streams.use_of(&header).ok_or(DropReason::UnknownStream)? {
            Use::Media(track) => {
                self.fill_with(track, header.ssrc)?;
                let found = self.tracks.get_mut(track).ok_or(DropReason::UnknownStream)?;
                (track, found.receive(at, &header, payload)?)
            }
            Use::Repair(track) => {
                let found = self.tracks.get_mut(track).ok_or(DropReason::UnknownStream)?;
                (track, found.repair(at, &header, payload)?)
            }
            Use::Unused => return Err(DropReason::UnusedEncoding),
        };
        self.note_received(now, received.0, received.1);
        self.copy_fresh(now, key, received.0);
        Ok(())
    }

    /// If another stream filled the track until here, whoever takes it begins anew.
    fn fill_with(&mut self, key: TrackKey, ssrc: u32) -> Result<(), DropReason> {
        let track = self.tracks.get_mut(key).ok_or(DropReason::UnknownStream)?;
        if track.is_filled_by(ssrc) || track.receiver().is_none() {
            return Ok(());
        }
        self.track_instances += 1;
        track.restart(self.track_instances);
        for subscriber in track.subscribers.clone() {
            self.change_slot(subscriber.session, usize::from(subscriber.slot), |slot| slot.begin_anew(key));
        }
        if let Some(track) = self.tracks.get_mut(key).filter(|track| !track.subscribers.is_empty()) {
            track.keyframes.want();
        }
        Ok(())
    }

    fn note_received(&mut self, now: Instant, key: TrackKey, received: Received) {
        if received.is_first {
            self.egress.pending_tracks.push(key);
            if let Some(until) = received.held_until {
                self.hold_until(until);
            }
        }
        self.egress.is_urgent |= received.is_urgent;
        if received.is_dropped {
            self.stats.drop(DropReason::Overflow);
        }
        self.deadlines.set(Timer::Repair(key), received.repair_at);
        let Some(track) = self.tracks.get_mut(key) else { return };
        if received.begins_stream {
            self.deadlines.set(Timer::Report(track.publisher), Some(now + FIRST_REPORT_AFTER));
        }
        if received.needs_keyframe {
            track.keyframes.want();
        }
        if track.keyframes.due_at(now).is_some_and(|at| at <= now) {
            self.ask_for_keyframe(now, key);
        }
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
