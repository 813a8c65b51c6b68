//! A receive slot of a client: the track chosen by the edge, the current stream, and the switch between streams.

use super::config::Config;
use super::outgoing::{Lateness, Outgoing, Written};
use super::rewrite::Origin;
use super::slowed::Slowed;
use crate::congestion::allocate::{Grant, Raises};
use crate::ingress::receive::{ClockOffset, SourceClock};
use crate::keys::{StreamKey, TrackKey};
use crate::packet::{Facts, Moment, Packet};
use crate::quality::{Reception, Tally};
use crate::random::Random;
use crate::rtcp::ntp::NtpTime;
use crate::rtcp::write::Sent;
use crate::tempo::Tempo;
use shared::control::TrackRef;
use shared::ids::Mid;
use shared::rtp_parameters::{CodecName, MediaKind};
use std::time::{Duration, Instant};

pub struct Slot {
    /// True if its section exists and sends.
    pub is_active: bool,
    /// The edge's choice; the track may not exist yet.
    pub wish: Option<Wish>,
    /// The wished track, if it exists.
    pub track: Option<TrackKey>,
    pub raises: Raises,
    /// See [`crate::congestion::allocate::Demand::overdrawn_since`].
    pub overdrawn_since: Option<Instant>,
    /// See [`crate::congestion::allocate::Demand::is_given_up`].
    pub is_given_up: bool,
    pub grant: Option<Grant>,
    /// True if the track comes only in codecs that the section lacks.
    pub is_undecodable: bool,
    pub tally: Tally,
    pub reception: Reception,
    /// The chosen layer of the track.
    wanted: Option<StreamKey>,
    tempo: Tempo,
    slowed: Slowed,
    /// The stream that plays until the wanted one can begin.
    playing: Option<StreamKey>,
    outgoing: Outgoing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub track: TrackRef,
    /// The height of the viewer's tile in lines.
    pub lines_max: Option<u16>,
    /// Lower numbers are served first.
    pub priority: u8,
}

impl Slot {
    pub fn new(config: Config, random: &mut Random) -> Self {
        Self {
            is_active: true,
            wish: None,
            track: None,
            raises: Raises::default(),
            overdrawn_since: None,
            is_given_up: false,
            grant: None,
            is_undecodable: false,
            tally: Tally::default(),
            reception: Reception::default(),
            wanted: None,
            tempo: Tempo::Full,
            slowed: Slowed::default(),
            playing: None,
            outgoing: Outgoing::new(config, random),
        }
    }

    pub fn config(&self) -> &Config {
        self.outgoing.config()
    }

    /// Takes newly negotiated parameters. A stream in a codec that is no longer negotiated ends.
    pub fn negotiate_again(&mut self, config: Config) {
        self.is_active = true;
        if *self.config() != config {
            self.outgoing.renegotiate(config);
        }
    }

    pub fn mid(&self) -> &Mid {
        &self.config().mid
    }

    pub fn kind(&self) -> MediaKind {
        self.config().kind
    }

    /// The accepted streams: the current one and the one that follows.
    pub fn takes(&self) -> [Option<StreamKey>; 2] {
        [self.playing, self.wanted.filter(|wanted| self.playing != Some(*wanted))]
    }

    /// The stream whose key frame it waits for.
    pub fn awaits_keyframe_of(&self) -> Option<StreamKey> {
        self.wanted.filter(|wanted| self.kind() == MediaKind::Video && self.playing != Some(*wanted))
    }

    pub fn playing(&self) -> Option<StreamKey> {
        self.playing
    }

    pub fn wanted(&self) -> Option<StreamKey> {
        self.wanted
    }

    /// The wanted tempo of the wanted stream.
    pub fn tempo(&self) -> Tempo {
        self.tempo
    }

    /// See [`crate::egress::rewrite::Rewriter::coming_tempo`].
    pub fn coming_tempo(&self) -> Tempo {
        self.outgoing.coming_tempo()
    }

    /// Chooses the stream and tempo that follow; the current stream continues until the new one can begin. `None`
    /// stops.
    pub fn select(&mut self, stream: Option<StreamKey>, tempo: Tempo) {
        (self.wanted, self.tempo) = (stream, tempo);
        if stream.is_none() {
            self.playing = None;
            self.tally.stopped();
        } else if self.playing == stream {
            self.outgoing.set_tempo(tempo);
        }
    }

    /// The stream that plays slower than wanted, if probably only a key frame can change that.
    pub fn poll_slowed(&mut self, now: Instant) -> Option<StreamKey> {
        let is_slowed = self.playing.is_some() && self.playing == self.wanted && self.outgoing.waits_for_more();
        self.slowed.poll(now, is_slowed).then_some(self.playing?)
    }

    /// Reduces the current stream to its base layer until the wanted stream can begin.
    pub fn slow_down(&mut self) {
        if self.playing != self.wanted {
            self.outgoing.set_tempo(Tempo::Base);
        }
    }

    /// Handles a stream that continues under another SSRC: if it plays here, it restarts with the next key frame.
    pub fn begin_anew(&mut self, stream: StreamKey) {
        if self.playing == Some(stream) {
            self.playing = None;
        }
    }

    /// Stops the current stream before the wanted one can begin.
    pub fn let_go(&mut self) {
        if self.playing != self.wanted {
            self.playing = None;
        }
    }

    pub fn lose(&mut self, stream: StreamKey) {
        if self.wanted == Some(stream) {
            self.select(None, Tempo::Full);
        } else {
            self.begin_anew(stream);
        }
    }

    /// Writes a packet of `stream` into `out` as the slot's next, if that stream plays or begins to. `earlier` as in
    /// [`Outgoing::write_next`]; `offset` returns [`crate::ingress::stream::Stream::timestamp_offset`] for the given
    /// stream.
    pub fn forward<'a>(
        &mut self,
        at: Moment,
        stream: StreamKey,
        packet: &Packet<'_>,
        earlier: impl Iterator<Item = Packet<'a>>,
        offset: impl FnOnce(StreamKey) -> Option<u32>,
        out: &mut [u8],
    ) -> Option<Written> {
        if !self.is_active {
            return None;
        }
        if self.playing != Some(stream) {
            if self.wanted != Some(stream) || !self.can_begin_with(&packet.facts) {
                return None;
            }
            let offset = self.playing.and_then(offset);
            self.outgoing.set_tempo(self.tempo);
            self.outgoing.switch(at.now, stream, &packet.facts, offset);
            self.playing = Some(stream);
        }
        let written = self.outgoing.write_next(at, stream, packet, earlier, out)?;
        self.tally.packet(packet.payload.len());
        if packet.facts.marker && self.kind() == MediaKind::Video {
            self.tally.frame(at.now);
            self.slowed.frame();
        }
        Some(written)
    }

    /// See [`crate::egress::rewrite::Rewriter::leaves_out`].
    pub fn leaves_out(&self, stream: StreamKey, facts: &Facts) -> bool {
        self.playing == Some(stream) && self.outgoing.leaves_out(stream, facts)
    }

    /// See [`Outgoing::nack`]. While nothing plays nothing is repaired: the next stream begins with a key frame.
    pub fn nack(&mut self, now: Instant, sequence: u16, round_trip: Duration) -> Option<Origin> {
        self.playing?;
        self.outgoing.nack(now, sequence, round_trip)
    }

    /// See [`Outgoing::lateness`].
    pub fn lateness(&self, now: Instant, origin: Origin, facts: &Facts, round_trip: Duration) -> Option<Lateness> {
        self.outgoing.lateness(now, origin, facts, round_trip)
    }

    /// See [`Outgoing::recent`]; `None` while nothing plays.
    pub fn recent(&self, age: u16) -> Option<Origin> {
        self.playing?;
        self.outgoing.recent(age).filter(|_| self.is_active)
    }

    /// See [`Outgoing::can_repeat`].
    pub fn can_repeat(&self, codec: CodecName) -> bool {
        self.outgoing.can_repeat(codec)
    }

    /// True if padding can be sent instead.
    pub fn can_pad(&self) -> bool {
        self.is_active && self.outgoing.can_pad()
    }

    /// See [`Outgoing::write_padding`].
    pub fn pad(&mut self, at: Moment, out: &mut [u8]) -> Option<Written> {
        self.outgoing.write_padding(at, out)
    }

    /// See [`Outgoing::write_again`].
    pub fn retransmit(&mut self, at: Moment, origin: Origin, packet: &Packet<'_>, out: &mut [u8]) -> Option<Written> {
        self.outgoing.write_again(at, origin, packet, out)
    }

    /// `clock` and `offset` describe the current stream.
    pub fn sender_report(&self, ntp: NtpTime, clock: SourceClock, offset: &ClockOffset) -> Option<Sent> {
        self.outgoing.sender_report(ntp, self.playing?, clock, offset)
    }

    /// A video packet without payload can continue a video, not begin one.
    fn can_begin_with(&self, facts: &Facts) -> bool {
        facts.is_entry()
            && self.config().format(facts.codec).is_some()
            && (self.kind() == MediaKind::Audio || facts.picture.is_some())
    }
}

#[cfg(test)]
mod tests;
