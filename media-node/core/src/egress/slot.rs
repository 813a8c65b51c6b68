//! A receive slot of a client: which track the edge wants in it, which one plays, and the switch between them.

use super::config::Config;
use super::outgoing::{Outgoing, Written};
use super::rewrite::Origin;
use crate::ingress::receive::{ClockOffset, SourceClock};
use crate::keys::TrackKey;
use crate::packet::{Facts, Moment, Packet};
use crate::random::Random;
use crate::rtcp::ntp::NtpTime;
use crate::rtcp::write::Sent;
use shared::control::TrackRef;
use shared::ids::Mid;
use shared::rtp_parameters::MediaKind;
use std::time::{Duration, Instant};

pub struct Slot {
    /// Its section is there and sends.
    pub is_active: bool,
    /// What the edge wants in it; the track may be yet to come.
    pub wish: Option<TrackRef>,
    /// The wished track, if it is there.
    wanted: Option<TrackKey>,
    /// The track that plays until the wanted one can begin.
    playing: Option<TrackKey>,
    outgoing: Outgoing,
}

impl Slot {
    pub fn new(config: Config, random: &mut Random) -> Self {
        Self { is_active: true, wish: None, wanted: None, playing: None, outgoing: Outgoing::new(config, random) }
    }

    pub fn config(&self) -> &Config {
        self.outgoing.config()
    }

    pub fn mid(&self) -> &Mid {
        &self.config().mid
    }

    pub fn kind(&self) -> MediaKind {
        self.config().kind
    }

    /// The tracks whose packets it takes: the one that plays and the one that is to follow.
    pub fn takes(&self) -> [Option<TrackKey>; 2] {
        [self.playing, self.wanted.filter(|wanted| self.playing != Some(*wanted))]
    }

    /// The track whose key frame it waits for.
    pub fn awaits_keyframe_of(&self) -> Option<TrackKey> {
        self.wanted.filter(|wanted| self.kind() == MediaKind::Video && self.playing != Some(*wanted))
    }

    pub fn playing(&self) -> Option<TrackKey> {
        self.playing
    }

    /// Lets this track follow; the one that plays goes on until the new one can begin. `None` stops.
    pub fn select(&mut self, track: Option<TrackKey>) {
        self.wanted = track;
        if track.is_none() {
            self.playing = None;
        }
    }

    /// This track continues with another stream: where it plays, it starts over with the next key frame.
    pub fn begin_anew(&mut self, track: TrackKey) {
        if self.playing == Some(track) {
            self.playing = None;
        }
    }

    /// This track is gone.
    pub fn lose(&mut self, track: TrackKey) {
        if self.wanted == Some(track) {
            self.select(None);
        } else {
            self.begin_anew(track);
        }
    }

    /// Writes a packet of `track` into `out` as the slot's next, if that track plays or begins to. `earlier` as in
    /// [`Outgoing::write_next`].
    pub fn forward<'a>(
        &mut self,
        at: Moment,
        track: TrackKey,
        packet: &Packet<'_>,
        earlier: impl Iterator<Item = Packet<'a>>,
        out: &mut [u8],
    ) -> Option<Written> {
        if !self.is_active {
            return None;
        }
        if self.playing != Some(track) {
            if self.wanted != Some(track) || !self.can_begin_with(&packet.facts) {
                return None;
            }
            self.outgoing.switch(at.now, track, &packet.facts);
            self.playing = Some(track);
        }
        self.outgoing.write_next(at, track, packet, earlier, out)
    }

    /// As [`Outgoing::nack`].
    pub fn nack(&mut self, now: Instant, sequence: u16, round_trip: Duration) -> Option<Origin> {
        self.outgoing.nack(now, sequence, round_trip)
    }

    /// As [`Outgoing::recent`], while something plays.
    pub fn recent(&self, age: u16) -> Option<Origin> {
        self.playing?;
        self.outgoing.recent(age).filter(|_| self.is_active)
    }

    /// As [`Outgoing::write_again`].
    pub fn retransmit(&mut self, at: Moment, origin: Origin, packet: &Packet<'_>, out: &mut [u8]) -> Option<Written> {
        self.outgoing.write_again(at, origin, packet, out)
    }

    /// `clock` and `offset` are those of the track that plays.
    pub fn sender_report(&self, ntp: NtpTime, clock: SourceClock, offset: &ClockOffset) -> Option<Sent> {
        self.outgoing.sender_report(ntp, self.playing?, clock, offset)
    }

    /// A video packet without payload can continue a video, not begin one.
    fn can_begin_with(&self, facts: &Facts) -> bool {
        facts.is_entry() && (self.kind() == MediaKind::Audio || facts.vp8.is_some())
    }
}

#[cfg(test)]
mod tests;
