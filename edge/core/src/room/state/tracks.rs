//! One published track, and how a participant's offer determines its tracks.

use serde::{Deserialize, Serialize};
use shared::rtp_parameters::MediaKind;
use shared::signal::{TrackInfo, TrackIntent, TrackSource};
use shared::{Mid, TrackId};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Track {
    pub(crate) id: TrackId,
    pub(crate) mid: Mid,
    pub(crate) source: TrackSource,
    pub(crate) muted: bool,
    /// True if a moderator muted it: the track is not forwarded until its publisher unmutes it.
    #[serde(default)]
    pub(crate) silenced: bool,
    /// Names the track as contributing source (RFC 3550 §5.1); unique in the room.
    pub(crate) csrc: u32,
    /// The value of the track counter at the last unmuting; 0 if never.
    #[serde(default)]
    pub(crate) unmuted: u32,
}

impl Track {
    pub(crate) const fn kind(&self) -> MediaKind {
        kind_of(self.source)
    }

    pub(crate) const fn is_screen(&self) -> bool {
        match self.source {
            TrackSource::Screen | TrackSource::ScreenAudio => true,
            TrackSource::Microphone | TrackSource::Camera => false,
        }
    }

    /// The value of the track counter at the last unmuting or, if later, at publication.
    pub(crate) fn opened(&self) -> u32 {
        self.unmuted.max(self.csrc)
    }

    pub(crate) fn set_muted(&mut self, muted: bool, next_csrc: &mut u32) {
        if self.muted && !muted {
            self.unmuted = *next_csrc;
            *next_csrc = next_csrc.saturating_add(1);
        }
        self.muted = muted;
        // Only the publisher can lift a moderator's mute.
        self.silenced &= muted;
    }
}

impl From<&Track> for TrackInfo {
    fn from(track: &Track) -> Self {
        Self {
            id: track.id.clone(),
            mid: track.mid.clone(),
            kind: track.kind(),
            source: track.source,
            muted: track.muted,
            csrc: track.csrc,
        }
    }
}

pub(crate) const fn kind_of(source: TrackSource) -> MediaKind {
    match source {
        TrackSource::Microphone | TrackSource::ScreenAudio => MediaKind::Audio,
        TrackSource::Camera | TrackSource::Screen => MediaKind::Video,
    }
}

/// The tracks of an accepted offer: a source that was already published keeps its track, so that others see no
/// interruption.
pub(crate) fn tracks_of(intents: &[TrackIntent], before: &[Track], next_csrc: &mut u32) -> Vec<Track> {
    let mut left: Vec<&Track> = before.iter().collect();
    let mut take = |intent: &TrackIntent| {
        let same = |track: &&Track| track.source == intent.source;
        let index = left
            .iter()
            .position(|track| same(track) && track.mid == intent.mid)
            .or_else(|| left.iter().position(same))?;
        Some(left.remove(index))
    };
    let mut tracks = Vec::with_capacity(intents.len());
    for intent in intents {
        let mut track = match take(intent) {
            Some(track) => track.clone(),
            None => {
                let csrc = *next_csrc;
                // A letter and a number are always a valid id.
                let Ok(id) = TrackId::parse(&format!("t{csrc}")) else { continue };
                *next_csrc = next_csrc.saturating_add(1);
                let (mid, source, muted) = (intent.mid.clone(), intent.source, intent.muted);
                Track { id, mid, source, muted, silenced: false, csrc, unmuted: 0 }
            }
        };
        track.mid.clone_from(&intent.mid);
        // A moderator's mute lasts until the publisher sends `set_muted`.
        track.set_muted(intent.muted || track.silenced, next_csrc);
        tracks.push(track);
    }
    tracks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(mid: &str, source: TrackSource) -> TrackIntent {
        TrackIntent { mid: Mid::parse(mid).unwrap(), source, muted: false }
    }

    fn check(intents: &[TrackIntent], before: &[Track], expected: &[(&str, &str)]) {
        let tracks = tracks_of(intents, before, &mut 7);
        let told: Vec<_> = tracks.iter().map(|t| (t.id.as_str(), t.mid.as_str())).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn new_tracks_get_new_numbers() {
        check(
            &[intent("0", TrackSource::Microphone), intent("1", TrackSource::Camera)],
            &[],
            &[("t7", "0"), ("t8", "1")],
        );
    }

    #[test]
    fn a_source_stays_the_same_track_in_another_section() {
        let before = tracks_of(&[intent("0", TrackSource::Camera), intent("1", TrackSource::Screen)], &[], &mut 1);
        check(
            &[intent("5", TrackSource::Screen), intent("6", TrackSource::Microphone)],
            &before,
            &[("t2", "5"), ("t7", "6")],
        );
    }

    #[test]
    fn of_two_alike_the_section_decides() {
        let cameras = [intent("0", TrackSource::Camera), intent("1", TrackSource::Camera)];
        let before = tracks_of(&cameras, &[], &mut 1);
        check(&[intent("1", TrackSource::Camera)], &before, &[("t2", "1")]);
    }
}
