//! The rules of a room, which moderators and the application can change while it exists.

use super::TrackSource;
use serde::{Deserialize, Serialize};

/// The purpose of a room. `chat` admits no media, `voice` microphones only; `private` admits only invited participants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RoomType {
    Cinema,
    Mansion,
    Private,
    Appointment,
    #[default]
    Instant,
    Chat,
    Voice,
    Video,
}

impl RoomType {
    #[must_use]
    pub const fn admits(self, source: TrackSource) -> bool {
        match self {
            Self::Chat => false,
            Self::Voice => matches!(source, TrackSource::Microphone),
            Self::Cinema | Self::Mansion | Self::Private | Self::Appointment | Self::Instant | Self::Video => true,
        }
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_instant(&self) -> bool {
        *self == Self::Instant
    }
}

/// The treatment of a participant who joins while connected already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// The earlier connection ends.
    #[default]
    Replace,
    /// The later connection is refused. One that takes the place of a lost one is no duplicate.
    Reject,
    /// Both stay, as participants of their own: the later ones have the ids `<id>~2` to `<id>~8`.
    Allow,
}

/// The limits of a client's camera by the state of its uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum QualityProfile {
    Soulseer,
    Cinema,
    Kaa,
}

/// The features of a room; those that are absent are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Features {
    pub chat: bool,
    pub screen_share: bool,
    pub file_transfer: bool,
    pub recording: bool,
    pub whiteboard: bool,
    pub reactions: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self { chat: true, screen_share: true, file_transfer: true, recording: true, whiteboard: true, reactions: true }
    }
}

impl Features {
    #[must_use]
    pub fn are_all_on(&self) -> bool {
        *self == Self::default()
    }

    #[must_use]
    pub const fn admit(self, source: TrackSource) -> bool {
        match source {
            TrackSource::Screen | TrackSource::ScreenAudio => self.screen_share,
            TrackSource::Microphone | TrackSource::Camera => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TrackSource::{Camera, Microphone, Screen, ScreenAudio};

    fn check(room: RoomType, features: Features, expected: &[TrackSource]) {
        let all = [Microphone, Camera, Screen, ScreenAudio];
        let admitted: Vec<_> = all.into_iter().filter(|of| room.admits(*of) && features.admit(*of)).collect();
        assert_eq!(admitted, expected, "{room:?}");
    }

    #[test]
    fn type_and_features_admit_sources() {
        let all_on = Features::default();
        check(RoomType::Cinema, all_on, &[Microphone, Camera, Screen, ScreenAudio]);
        check(RoomType::Chat, all_on, &[]);
        check(RoomType::Voice, all_on, &[Microphone]);
        check(RoomType::Video, Features { screen_share: false, ..all_on }, &[Microphone, Camera]);
    }

    #[test]
    fn absent_features_are_on_and_unknown_ones_refused() {
        let read = |text: &str| serde_json::from_str::<Features>(text);
        assert_eq!(read(r#"{"chat":false}"#).expect("features"), Features { chat: false, ..Features::default() });
        assert!(read(r#"{"screenshare":false}"#).is_err());
    }
}
