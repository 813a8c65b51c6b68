//! One published track: its section, and a stream for each of its encodings.

use super::rate::STOPPED_AFTER;
use super::stream::Subscriber;
use super::wanted::Wanted;
use crate::keys::{SessionKey, StreamKey};
use crate::record::tap::TapNumber;
use shared::control::TrackRef;
use shared::ids::SessionId;
use shared::rtp_parameters::{MediaKind, Section};
use std::time::Instant;

/// Frames that a layer must send after its publisher's link was overloaded before it counts as alive again.
const FRAMES_PROVING: u8 = 4;
/// Frames of the other layers after which a silent layer counts as stopped: a slow screen share pauses on all.
const FRAMES_MISSED_MAX: u8 = 3;

pub struct Track {
    pub publisher: SessionKey,
    pub reference: TrackRef,
    pub kind: MediaKind,
    /// In the order of the section's encodings.
    pub layers: Vec<Layer>,
    /// Every slot that wants it, including those in which it is paused.
    pub viewers: Vec<Subscriber>,
    /// The layers that its viewers need.
    pub wanted: Wanted,
    /// The number under which its packets are copied for the recorder.
    pub tap: Option<TapNumber>,
    section: Section,
}

#[derive(Clone, Copy, Debug)]
pub struct Layer {
    pub stream: StreamKey,
    /// Time of its last complete frame.
    frame_at: Option<Instant>,
    /// Frames of the other layers since then.
    frames_missed: u8,
    /// Frames that it must still send before it counts as alive.
    frames_owed: u8,
    /// The limit of its publisher below which it is probably not sent.
    needs_bps: u64,
}

impl Track {
    /// Creates a track without layers.
    pub fn new(publisher: SessionKey, session: &SessionId, section: &Section) -> Self {
        Self {
            publisher,
            reference: TrackRef { session: session.clone(), mid: section.mid.clone() },
            kind: section.kind,
            layers: Vec::new(),
            viewers: Vec::new(),
            wanted: Wanted::all(),
            tap: None,
            section: section.clone(),
        }
    }

    /// True if the section describes this track.
    pub fn is_of(&self, section: &Section) -> bool {
        self.section == *section
    }

    pub fn add_layer(&mut self, stream: StreamKey) {
        self.layers.push(Layer { stream, frame_at: None, frames_missed: 0, frames_owed: 0, needs_bps: 0 });
    }

    pub fn streams(&self) -> impl DoubleEndedIterator<Item = StreamKey> {
        self.layers.iter().map(|layer| layer.stream)
    }

    /// Its only stream; `None` if it has several.
    pub fn single(&self) -> Option<StreamKey> {
        if let [layer] = self.layers.as_slice() { Some(layer.stream) } else { None }
    }

    pub fn is_layered(&self) -> bool {
        self.layers.len() > 1
    }

    /// RTP stream id (RFC 8852) of a layer.
    pub fn rid(&self, place: usize) -> Option<&str> {
        self.section.encodings.get(place)?.rid.as_deref()
    }

    /// Treats all other layers as stopped until they prove that they are sent.
    pub fn doubt_all_but(&mut self, now: Instant, sure: Option<StreamKey>) {
        for layer in &mut self.layers {
            if Some(layer.stream) == sure {
                *layer = Layer { frame_at: Some(now), frames_missed: 0, frames_owed: 0, ..*layer };
            } else {
                layer.frames_owed = FRAMES_PROVING;
            }
        }
    }

    pub fn set_need(&mut self, stream: StreamKey, needs_bps: u64) {
        self.layers.iter_mut().filter(|layer| layer.stream == stream).for_each(|layer| layer.needs_bps = needs_bps);
    }

    /// Handles a key frame of one layer; true if the layer was stopped until now. With less than it needs, a layer is
    /// not sent: its key frame comes from a queue.
    pub fn note_keyframe(&mut self, now: Instant, stream: StreamKey, limit_bps: u64) -> bool {
        let is_back = |layer: &&mut Layer| {
            layer.stream == stream
                && layer.frame_at.is_some()
                && !layer.is_alive(now)
                && (layer.frames_owed == 0 || layer.needs_bps <= limit_bps)
        };
        let Some(layer) = self.layers.iter_mut().find(is_back) else { return false };
        *layer = Layer { frame_at: Some(now), frames_missed: 0, frames_owed: 0, ..*layer };
        true
    }

    /// Handles a complete frame of one layer. While its publisher's link `is_busy`, it proves nothing: it may come from a
    /// queue.
    pub fn note_frame(&mut self, now: Instant, stream: StreamKey, is_busy: bool) {
        for layer in &mut self.layers {
            if layer.stream == stream {
                layer.frame_at = Some(now);
                layer.frames_missed = 0;
                layer.frames_owed = layer.frames_owed.saturating_sub(u8::from(!is_busy));
            } else {
                layer.frames_missed = layer.frames_missed.saturating_add(1);
            }
        }
    }
}

impl Layer {
    /// True if its publisher sends it, which is not the case if the other layers continue without it.
    pub fn is_alive(&self, now: Instant) -> bool {
        self.frames_owed == 0
            && self.frame_at.is_some_and(|at| {
                self.frames_missed < FRAMES_MISSED_MAX || now.saturating_duration_since(at) < STOPPED_AFTER
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::Mid;
    use shared::rtp_parameters::{Encoding, Flow, HeaderExtensions};
    use std::time::Duration;

    fn track() -> Track {
        let section = Section {
            mid: Mid::parse("1").expect("a mid"),
            kind: MediaKind::Video,
            flow: Flow::ClientToNode,
            codecs: Vec::new(),
            extensions: HeaderExtensions::default(),
            encodings: vec![Encoding::default(); 2],
            csrc: 1,
        };
        let mut track = Track::new(SessionKey::numbered(0), &SessionId::parse("s").expect("an id"), &section);
        track.add_layer(StreamKey::numbered(0));
        track.add_layer(StreamKey::numbered(1));
        track
    }

    /// Plays frames (ms, layer) and checks which layers are alive at the end.
    fn check(frames: &[(u64, u32)], at_ms: u64, expected: [bool; 2]) {
        let start = crate::virtual_time::start();
        let mut track = track();
        for (ms, layer) in frames {
            track.note_frame(start + Duration::from_millis(*ms), StreamKey::numbered(*layer), false);
        }
        let alive: Vec<_> =
            track.layers.iter().map(|layer| layer.is_alive(start + Duration::from_millis(at_ms))).collect();
        assert_eq!(alive, expected, "{frames:?}");
    }

    #[test]
    fn a_layer_without_frames_is_not_alive() {
        check(&[], 0, [false, false]);
        check(&[(0, 1)], 10, [false, true]);
    }

    #[test]
    fn a_layer_that_the_others_leave_behind_has_stopped() {
        let alone = [(0, 0), (0, 1), (100, 0), (200, 0), (300, 0)];
        check(&alone, 300, [true, true]);
        check(&alone, 500, [true, false]);
        let back = [&alone[..], &[(600, 1)]].concat();
        check(&back, 600, [true, true]);
    }

    #[test]
    fn a_doubted_layer_is_alive_again_after_frames_or_with_a_key_frame_that_its_publisher_can_send() {
        let at = |ms| crate::virtual_time::start() + Duration::from_millis(ms);
        let layer = StreamKey::numbered(1);
        let doubted = || {
            let mut track = track();
            track.note_frame(at(0), StreamKey::numbered(0), false);
            track.note_frame(at(0), layer, false);
            track.set_need(layer, 400_000);
            track.doubt_all_but(at(0), Some(StreamKey::numbered(0)));
            track
        };
        let alive = |track: &Track| track.layers.iter().map(|layer| layer.is_alive(at(50))).collect::<Vec<_>>();
        let mut track = doubted();
        assert_eq!(alive(&track), [true, false]);
        assert!(!track.note_keyframe(at(50), layer, 300_000), "from a queue");
        assert_eq!(alive(&track), [true, false]);
        assert!(track.note_keyframe(at(50), layer, 500_000));
        assert_eq!(alive(&track), [true, true]);
        assert!(!track.note_keyframe(at(50), layer, 500_000), "it was known already");
        let mut track = doubted();
        (0..9).for_each(|_| track.note_frame(at(50), layer, true));
        assert_eq!(alive(&track), [true, false], "from a queue");
        (0..4).for_each(|_| track.note_frame(at(50), layer, false));
        assert!(alive(&track)[1]);
    }

    #[test]
    fn a_pause_of_all_layers_stops_none() {
        check(&[(0, 0), (0, 1)], 60_000, [true, true]);
        check(&[(0, 0), (0, 1), (60_000, 0)], 60_000, [true, true]);
    }
}
