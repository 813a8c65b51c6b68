//! Splits a large `welcome` into frames, and reassembles it at the node.

use super::{Forward, Microphones, RecordingOrder, RoomToNode};
use crate::limits;
use crate::rtp_parameters::Session;

#[must_use]
pub fn divide_welcome(
    sessions: Vec<Session>,
    forwards: Vec<Forward>,
    recording: Option<RecordingOrder>,
    microphones: Microphones,
) -> Vec<RoomToNode> {
    if sessions.len() <= limits::SESSIONS_PER_WELCOME_PART && forwards.len() <= limits::FORWARDS_BESIDE_SESSIONS {
        return vec![RoomToNode::Welcome { sessions, forwards, recording, microphones }];
    }
    let sessions = chunks(sessions, limits::SESSIONS_PER_WELCOME_PART)
        .map(|sessions| RoomToNode::WelcomePart { sessions, forwards: Vec::new() });
    let forwards = chunks(forwards, limits::FORWARDS_PER_FRAME)
        .map(|forwards| RoomToNode::WelcomePart { sessions: Vec::new(), forwards });
    let last = RoomToNode::Welcome { sessions: Vec::new(), forwards: Vec::new(), recording, microphones };
    sessions.chain(forwards).chain([last]).collect()
}

/// Divides a list into frames of at most `most`.
pub fn chunks<T>(list: Vec<T>, most: usize) -> impl Iterator<Item = Vec<T>> {
    let mut list = list.into_iter();
    std::iter::from_fn(move || {
        let chunk: Vec<T> = list.by_ref().take(most).collect();
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// Reassembles a `welcome`. There is one for each socket, because the parts of a lost socket are discarded.
#[derive(Debug, Default)]
pub struct WelcomeParts {
    sessions: Vec<Session>,
    forwards: Vec<Forward>,
    parts: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the welcome has more than {} parts", limits::WELCOME_PARTS_MAX)]
pub struct TooManyParts;

impl WelcomeParts {
    /// Handles a message from the room. Returns nothing for a part, the complete state for the final `welcome`, and any
    /// other message unchanged.
    pub fn take(&mut self, message: RoomToNode) -> Result<Option<RoomToNode>, TooManyParts> {
        match message {
            RoomToNode::WelcomePart { .. } if self.parts >= limits::WELCOME_PARTS_MAX => {
                *self = Self::default();
                Err(TooManyParts)
            }
            RoomToNode::WelcomePart { sessions, forwards } => {
                self.parts = self.parts.saturating_add(1);
                self.sessions.extend(sessions);
                self.forwards.extend(forwards);
                Ok(None)
            }
            RoomToNode::Welcome { sessions, forwards, recording, microphones } => {
                let mut whole = std::mem::take(self);
                whole.sessions.extend(sessions);
                whole.forwards.extend(forwards);
                let (sessions, forwards) = (whole.sessions, whole.forwards);
                Ok(Some(RoomToNode::Welcome { sessions, forwards, recording, microphones }))
            }
            message => Ok(Some(message)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Message, RecordedParticipant, RecordedTrack, TrackRef};
    use crate::rtp_parameters::{
        Codec, CodecName, Encoding, Fingerprint, Flow, HeaderExtensions, IceParameters, MediaKind, Section,
    };
    use crate::signal::TrackSource;
    use crate::trace::Trace;
    use crate::{Mid, ParticipantId, RecordingId, SessionId, TrackId, UnixMillis};

    fn longest<T>(parse: impl Fn(&str) -> T, bytes: usize, number: usize) -> T {
        parse(&format!("{number:0>bytes$}"))
    }

    fn session_id(number: usize) -> SessionId {
        longest(|text| SessionId::parse(text).expect("a valid value"), SessionId::BYTES_MAX, number)
    }

    fn mid() -> Mid {
        longest(|text| Mid::parse(text).expect("a valid value"), Mid::BYTES_MAX, 0)
    }

    /// A session of the maximum size.
    fn session(number: usize) -> Session {
        let codec = Codec { name: CodecName::Opus, payload_type: 127, rtx_payload_type: Some(127), clock_rate: 90_000 };
        let id = Some(255);
        let section = Section {
            mid: mid(),
            kind: MediaKind::Audio,
            flow: Flow::ClientToNode,
            codecs: vec![codec; limits::CODECS_PER_SECTION_MAX],
            extensions: HeaderExtensions {
                mid: id,
                rid: id,
                repaired_rid: id,
                abs_send_time: id,
                transport_cc: id,
                audio_level: id,
                video_orientation: id,
            },
            encodings: vec![
                Encoding {
                    ssrc: Some(u32::MAX),
                    rtx_ssrc: Some(u32::MAX),
                    rid: Some("r".repeat(limits::RID_BYTES_MAX))
                };
                limits::ENCODINGS_PER_SECTION_MAX
            ],
            csrc: u32::MAX,
        };
        Session {
            session: session_id(number),
            participant: longest(
                |text| ParticipantId::parse(text).expect("a valid value"),
                ParticipantId::BYTES_MAX,
                number,
            ),
            ice: IceParameters {
                node_ufrag: "u".repeat(32),
                node_pwd: "p".repeat(32),
                client_ufrag: "u".repeat(256),
                client_pwd: "p".repeat(256),
            },
            client_fingerprint: Fingerprint([255; 32]),
            trace: Some(Trace::begin([255; 24])),
            other_fingerprints: vec![Fingerprint([254; 32]); limits::FINGERPRINTS_PER_SESSION_MAX - 1],
            bandwidth: crate::token::Bandwidth { send_bps_max: Some(u32::MAX), receive_bps_max: Some(u32::MAX) },
            sections: vec![section; limits::SECTIONS_PER_OFFER_MAX],
        }
    }

    fn forward(number: usize) -> Forward {
        let track = Some(TrackRef { session: session_id(number), mid: mid() });
        Forward { session: session_id(number), mid: mid(), track, lines_max: Some(u16::MAX), priority: u8::MAX }
    }

    fn order() -> RecordingOrder {
        let track = RecordedTrack {
            id: longest(|text| TrackId::parse(text).expect("a valid value"), TrackId::BYTES_MAX, 0),
            track: TrackRef { session: session_id(0), mid: mid() },
            source: TrackSource::ScreenAudio,
            muted: false,
        };
        let participant = |publishes| RecordedParticipant {
            id: longest(|text| ParticipantId::parse(text).expect("a valid value"), ParticipantId::BYTES_MAX, 0),
            name: "😀".repeat(limits::NAME_CHARS_MAX),
            tracks: vec![track.clone(); if publishes { limits::TRACKS_PER_PARTICIPANT_MAX } else { 0 }],
        };
        let participants = 0..limits::PARTICIPANTS_PER_ROOM_MAX;
        RecordingOrder {
            recording: RecordingId::parse("r").expect("a valid value"),
            key_prefix: "p".repeat(512),
            started_at: UnixMillis(1),
            sent_at: UnixMillis(1),
            trace: Some(Trace::begin([255; 24])),
            participants: participants.map(|number| participant(number < limits::PUBLISHERS_PER_ROOM_MAX)).collect(),
        }
    }

    /// All tracks of all publishers.
    fn microphones() -> Microphones {
        let tracks =
            (0..limits::MICROPHONES_PER_ROOM_MAX).map(|number| TrackRef { session: session_id(number), mid: mid() });
        Microphones { heard: Vec::new(), waiting: tracks.collect() }
    }

    #[test]
    fn the_largest_room_fits_its_frames() {
        // During a move, each participant has two sessions.
        let sessions: Vec<_> = (0..2 * limits::PARTICIPANTS_PER_ROOM_MAX).map(session).collect();
        let slots = 2 * limits::SLOTS_PER_KIND_MAX * limits::PARTICIPANTS_PER_ROOM_MAX;
        let forwards: Vec<_> = (0..slots).map(forward).collect();
        let microphones = microphones();
        let whole = RoomToNode::Welcome { sessions, forwards, recording: Some(order()), microphones };
        let RoomToNode::Welcome { sessions, forwards, recording, microphones } = whole.clone() else { unreachable!() };
        let frames = divide_welcome(sessions, forwards, recording, microphones);
        assert!(frames.len() > 1 && frames.len() <= limits::WELCOME_PARTS_MAX + 1, "{} frames", frames.len());
        let mut parts = WelcomeParts::default();
        let mut done = None;
        for frame in frames {
            assert_eq!(done, None, "the welcome is the last");
            let text = frame.to_json();
            assert!(text.len() <= limits::CONTROL_FRAME_BYTES_MAX, "{} bytes", text.len());
            done = parts.take(RoomToNode::parse(&text).expect("a valid value")).expect("a valid value");
        }
        assert!(done == Some(whole), "what arrives is what was said");
    }

    #[test]
    fn a_usual_room_is_one_frame() {
        let sessions = (0..limits::SESSIONS_PER_WELCOME_PART).map(session).collect();
        let forwards = (0..limits::FORWARDS_BESIDE_SESSIONS).map(forward).collect();
        let frames = divide_welcome(sessions, forwards, Some(order()), microphones());
        assert_eq!(frames.len(), 1);
        assert!(frames[0].to_json().len() <= limits::CONTROL_FRAME_BYTES_MAX);
    }

    #[test]
    fn parts_that_never_end_are_refused() {
        let part = || RoomToNode::WelcomePart { sessions: vec![], forwards: vec![] };
        let mut parts = WelcomeParts::default();
        for _ in 0..limits::WELCOME_PARTS_MAX {
            assert_eq!(parts.take(part()), Ok(None));
        }
        assert_eq!(parts.take(part()), Err(TooManyParts));
    }
}
