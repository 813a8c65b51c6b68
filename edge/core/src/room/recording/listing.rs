//! Lists recordings in pages, newest first.

use super::super::Room;
use super::{Recording, RecordingError};
use serde::{Deserialize, Serialize};
use shared::signal::{RecordingFile, RecordingInfo};
use shared::{RecordingId, UnixMillis};

/// A recording with its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingListing {
    pub recording: RecordingInfo,
    pub files: Vec<RecordingFile>,
    /// The key of the manifest.
    pub manifest: Option<String>,
}

/// The end of a page: the next one starts with older recordings. Deleting or starting recordings in between does not
/// shift the pages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordingCursor {
    started_at: UnixMillis,
    id: RecordingId,
}

impl RecordingCursor {
    /// Reads what [`std::fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        /// Digits of the last moment that a page can end with: some 30,000 years from 1970.
        const DIGITS_MAX: usize = 15;
        let (started_at, id) = text.split_once('.')?;
        // `parse` would take a plus sign.
        let digits = started_at.bytes().all(|byte| byte.is_ascii_digit()) && started_at.len() <= DIGITS_MAX;
        let started_at = UnixMillis(started_at.parse().ok().filter(|_| digits)?);
        Some(Self { started_at, id: RecordingId::parse(id).ok()? })
    }
}

impl std::fmt::Display for RecordingCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.started_at.0, self.id)
    }
}

impl Recording {
    fn listing(&self, id: &RecordingId) -> RecordingListing {
        RecordingListing { recording: self.info(id), files: self.files.clone(), manifest: self.manifest.clone() }
    }
}

impl Room {
    /// All recordings that are not deleted.
    pub(super) fn kept_recordings(&self) -> impl Iterator<Item = (&RecordingId, &Recording)> {
        self.recordings.iter().filter(|(_, recording)| !recording.is_deleted())
    }

    /// One recording, if it is not deleted.
    pub(super) fn recording_listing(&self, id: &RecordingId) -> Result<RecordingListing, RecordingError> {
        let recording = self.recordings.get(id).filter(|recording| !recording.is_deleted());
        recording.map(|recording| recording.listing(id)).ok_or_else(|| self.unknown_recording(id))
    }

    /// At most `limit` of those that are older than where the page before ended, and where this one ends if there are more.
    pub(super) fn recordings_page(
        &self,
        after: Option<&RecordingCursor>,
        limit: usize,
    ) -> (Vec<RecordingListing>, Option<RecordingCursor>) {
        let place = |id: &RecordingId, recording: &Recording| RecordingCursor {
            started_at: recording.started_at,
            id: id.clone(),
        };
        let placed = self.kept_recordings().map(|(id, recording)| (place(id, recording), recording));
        let mut rest: Vec<_> = placed.filter(|(place, _)| after.is_none_or(|after| place < after)).collect();
        rest.sort_by(|(a, _), (b, _)| b.cmp(a));
        let has_more = rest.len() > limit;
        rest.truncate(limit);
        let next = rest.last().filter(|_| has_more).map(|(place, _)| place.clone());
        (rest.into_iter().map(|(place, recording)| recording.listing(&place.id)).collect(), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_one_that_a_page_named() {
        let text = "1800000060000.r5m8n2p4q6s9t7v3";
        assert_eq!(RecordingCursor::parse(text).map(|cursor| cursor.to_string()).as_deref(), Some(text));
        for bad in ["", ".", "1.", ".a", "1.a-b", "+1.a", "-1.a", "1.a.b", "1234567890123456.a"] {
            assert_eq!(RecordingCursor::parse(bad), None, "{bad}");
        }
    }
}
