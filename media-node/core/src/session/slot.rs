//! A receive slot of a client: which track the edge wants in it, and which one plays.

use crate::forward::{Config, Forward, Packet, Retransmission, SourceNumber};
use crate::random::Random;
use crate::slab::Key;
use crate::track::Track;
use shared::control::TrackRef;
use shared::ids::Mid;
use shared::rtp_parameters::{MediaKind, Section};

/// One slot.
pub struct Slot {
    /// What leaves through it.
    pub forward: Forward,
    /// Its section is there and sends.
    pub is_active: bool,
    /// What the edge wants in it; the track may be yet to come.
    pub wish: Option<TrackRef>,
    /// The wished track, if it is there.
    wanted: Option<Key<Track>>,
    /// The track that plays until the wanted one can begin.
    playing: Option<Key<Track>>,
}

impl Slot {
    /// A slot as its section describes it; nothing if the section lacks what sending needs.
    pub fn new(section: &Section, random: &mut Random) -> Option<Self> {
        let codec = section.codecs.first()?;
        let encoding = section.encodings.first()?;
        let retransmission = encoding
            .rtx_ssrc
            .zip(codec.rtx_payload_type)
            .map(|(ssrc, payload_type)| Retransmission { ssrc, payload_type });
        let config = Config {
            kind: section.kind,
            mid: section.mid.clone(),
            ssrc: encoding.ssrc?,
            payload_type: codec.payload_type,
            clock_rate: codec.clock_rate,
            retransmission,
            extensions: section.extensions,
        };
        Some(Self { forward: Forward::new(config, random), is_active: true, wish: None, wanted: None, playing: None })
    }

    /// Whether a slot of this section would send under an SSRC that this one sends under.
    pub fn shares_ssrc_with(&self, section: &Section) -> bool {
        let config = self.forward.config();
        let own = [Some(config.ssrc), config.retransmission.map(|stream| stream.ssrc)];
        let theirs = section.encodings.iter().take(1).flat_map(|encoding| [encoding.ssrc, encoding.rtx_ssrc]);
        theirs.flatten().any(|ssrc| own.contains(&Some(ssrc)))
    }

    /// Its section.
    pub fn mid(&self) -> &Mid {
        &self.forward.config().mid
    }

    /// Sound or pictures.
    pub fn kind(&self) -> MediaKind {
        self.forward.config().kind
    }

    /// The tracks whose packets it takes: the one that plays and the one that is to follow.
    pub fn takes(&self) -> [Option<Key<Track>>; 2] {
        [self.playing, self.wanted.filter(|wanted| self.playing != Some(*wanted))]
    }

    /// The track whose key frame it waits for.
    pub fn awaits_keyframe_of(&self) -> Option<Key<Track>> {
        self.wanted.filter(|_| self.forward.awaits_keyframe_of().is_some())
    }

    /// The track that fills it.
    pub fn playing(&self) -> Option<Key<Track>> {
        self.playing
    }

    /// Lets this track follow; the one that plays goes on until the new one can begin. `None` stops.
    pub fn select(&mut self, track: Option<(Key<Track>, SourceNumber)>) {
        let (key, source) = track.unzip();
        // Two tracks under one number could not be told apart behind this point, so the first is stopped.
        let is_ambiguous = self.playing.is_some() && self.playing != key && self.forward.playing() == source;
        if is_ambiguous || key.is_none() {
            self.stop();
        }
        self.wanted = key;
        self.forward.select(source);
    }

    /// This track began anew with another stream: where it played, it starts over with its next beginning.
    pub fn begin_anew(&mut self, track: Key<Track>, source: SourceNumber) {
        if self.wanted == Some(track) {
            self.stop();
            self.select(Some((track, source)));
        } else {
            self.lose(track);
        }
    }

    /// Whether the packet may go to the slot at all: one without a picture can continue a video, not begin one.
    pub fn can_play(&self, track: &Track, packet: &Packet<'_>) -> bool {
        let is_picture = track.kind == MediaKind::Audio || packet.facts.vp8.is_some();
        self.is_active && (is_picture || self.forward.playing() == Some(track.source))
    }

    /// A packet of this track was written. Returns the track that it has taken over from, if it has.
    pub fn note_played(&mut self, track: Key<Track>) -> Option<Key<Track>> {
        if self.playing == Some(track) {
            return None;
        }
        self.playing.replace(track)
    }

    /// This track is gone.
    pub fn lose(&mut self, track: Key<Track>) {
        if self.wanted == Some(track) {
            self.stop();
        } else if self.playing == Some(track) {
            let (wanted, source) = (self.wanted, self.forward.wanted());
            self.stop();
            self.wanted = wanted;
            self.forward.select(source);
        }
    }

    fn stop(&mut self) {
        self.forward.select(None);
        self.playing = None;
        self.wanted = None;
    }
}
