//! A receive slot of a client: which track the edge wants in it, and which one plays.

use crate::forward::{Config, Forward, Packet, Retransmission, SourceNumber};
use crate::random::Random;
use crate::slab::Key;
use crate::track::Track;
use shared::control::TrackRef;
use shared::ids::Mid;
use shared::rtp_parameters::{MediaKind, Section};

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

#[cfg(test)]
mod tests {
    use super::*;
    use shared::rtp_parameters::{Codec, CodecName, Encoding, Flow, HeaderExtensions};

    fn section(ssrc: Option<u32>, rtx_ssrc: Option<u32>) -> Section {
        Section {
            mid: Mid::parse("3").expect("a mid"),
            kind: MediaKind::Video,
            flow: Flow::NodeToClient,
            codecs: vec![Codec {
                name: CodecName::Vp8,
                payload_type: 96,
                rtx_payload_type: Some(97),
                clock_rate: 90_000,
            }],
            extensions: HeaderExtensions::default(),
            encodings: vec![Encoding { ssrc, rtx_ssrc, rid: None }],
            csrc: 0,
        }
    }

    fn slot() -> Slot {
        Slot::new(&section(Some(1), Some(2)), &mut Random::seeded(1)).expect("complete")
    }

    fn key(number: u32) -> Key<Track> {
        Key::numbered(number)
    }

    /// A slot in which track `a` plays and, if told, `b` is to follow.
    fn playing(a: u32, b: Option<u32>) -> Slot {
        let mut slot = slot();
        slot.select(Some((key(a), SourceNumber(a))));
        assert_eq!(slot.note_played(key(a)), None);
        b.into_iter().for_each(|b| slot.select(Some((key(b), SourceNumber(b)))));
        slot
    }

    #[test]
    fn a_section_without_an_ssrc_or_codec_makes_no_slot() {
        let mut random = Random::seeded(1);
        assert!(Slot::new(&section(None, None), &mut random).is_none());
        let without_codec = Section { codecs: Vec::new(), ..section(Some(1), None) };
        assert!(Slot::new(&without_codec, &mut random).is_none());
    }

    #[test]
    fn notices_any_ssrc_in_common() {
        let slot = slot();
        for (ssrc, rtx_ssrc, expected) in [(1, 9, true), (9, 2, true), (2, 9, true), (9, 1, true), (8, 9, false)] {
            assert_eq!(slot.shares_ssrc_with(&section(Some(ssrc), Some(rtx_ssrc))), expected, "{ssrc} {rtx_ssrc}");
        }
    }

    #[test]
    fn takes_both_tracks_until_the_second_has_begun() {
        let mut slot = playing(1, Some(2));
        assert_eq!(slot.takes(), [Some(key(1)), Some(key(2))]);
        assert_eq!(slot.awaits_keyframe_of(), Some(key(2)));
        assert_eq!(slot.note_played(key(2)), Some(key(1)), "the first is let go");
        assert_eq!(slot.takes(), [Some(key(2)), None]);
        slot.select(None);
        assert_eq!(slot.takes(), [None, None]);
    }

    #[test]
    fn losing_a_track_leaves_the_other_only_if_that_is_the_wanted_one() {
        let mut slot = playing(1, Some(2));
        slot.lose(key(1));
        assert_eq!((slot.takes(), slot.awaits_keyframe_of()), ([None, Some(key(2))], Some(key(2))));
        let mut slot = playing(1, Some(2));
        slot.lose(key(2));
        assert_eq!(slot.takes(), [None, None]);
    }
}
