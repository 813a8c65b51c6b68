//! One published track, and how a participant's offer determines its tracks.

use serde::{Deserialize, Serialize};
use shared::rtp_parameters::MediaKind;
use shared::signal::{TrackInfo, TrackIntent, TrackSource};
use shared::{Mid, TrackId};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Track {
    pub(super) id: TrackId,
    pub(super) mid: Mid,
    pub(super) source: TrackSource,
    pub(super) muted: bool,
    /// Whether a moderator muted it: then it is not forwarded, whatever the client sends, until its publisher unmutes
    /// it.
    #[serde(default)]
    pub(super) silenced: bool,
    /// Names the track as contributing source (RFC 3550 §5.1); unique in the room.
    pub(super) csrc: u32,
    /// When it was last unmuted, by the counter that numbers tracks; 0 if never.
    #[serde(default)]
    pub(super) unmuted: u32,
}

impl Track {
    pub(super) const fn kind(&self) -> MediaKind {
        kind_of(self.source)
    }

    pub(super) const fn is_screen(&self) -> bool {
        match self.source {
            TrackSource::Screen | TrackSource::ScreenAudio => true,
            TrackSource::Microphone | TrackSource::Camera => false,
        }
    }

    /// When it was last unmuted, by the counter that numbers tracks.
    pub(super) fn opened(&self) -> u32 {
        self.unmuted.max(self.csrc)
    }

    pub(super) fn set_muted(&mut self, muted: bool, next_csrc: &mut u32) {
        if self.muted && !muted {
            self.unmuted = *next_csrc;
            *next_csrc = next_csrc.saturating_add(1);
        }
        self.muted = muted;
        // Only the publisher can end what a moderator began.
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

pub(super) const fn kind_of(source: TrackSource) -> MediaKind {
    match source {
        TrackSource::Microphone | TrackSource::ScreenAudio => MediaKind::Audio,
        TrackSource::Camera | TrackSource::Screen => MediaKind::Video,
    }
}

/// The tracks of an accepted offer: a source that was already published keeps its track, so that others see no
/// interruption.
pub(super) fn tracks_of(intents: &[TrackIntent], before: &[Track], next_csrc: &mut u32) -> Vec<Track> {
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
                // A letter and a number are always an id.
                let Ok(id) = TrackId::parse(&format!("t{csrc}")) else { continue };
                *next_csrc = next_csrc.saturating_add(1);
                let (mid, source, muted) = (intent.mid.clone(), intent.source, intent.muted);
                Track { id, mid, source, muted, silenced: false, csrc, unmuted: 0 }
            }
        };
        track.mid.clone_from(&intent.mid);
        // What a moderator muted stays so until its publisher says `set_muted`.
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
