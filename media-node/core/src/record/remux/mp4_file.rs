//! The file as MP4: fragments, an index to jump by, and a header that knows at the end how long it plays.

use super::super::mp4::{self, Fragment, Track};
use super::super::webm::Block;
use super::{Finished, LAST_FRAME_MS};
use shared::rtp_parameters::MediaKind;

/// A fragment ends after so long: what a player has to read to begin somewhere.
const FRAGMENT_MS_MAX: u64 = 5_000;
/// Or when it is this large.
const FRAGMENT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Key frames nearer to each other than this need no fragment each.
const FRAGMENT_MS_MIN: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Mp4File {
    /// Pictures, and sound behind them if there is any.
    tracks: Vec<Track>,
    starts_ms: u64,
    ends_ms: u64,
    fragment: Fragment,
    fragments: u32,
    /// The fragments whose pictures begin with a key frame: when, and where.
    entries: Vec<(u64, u64)>,
    /// Bytes of the file so far.
    position: u64,
}

impl Mp4File {
    /// A file whose first frame is at `starts_ms`; writes its header.
    pub(super) fn begin(pictures: Track, has_sound: bool, starts_ms: u64, out: &mut Vec<u8>) -> Self {
        let mut tracks = vec![pictures];
        tracks.extend(has_sound.then_some(Track::Sound));
        let header = mp4::header(&tracks, 0);
        out.extend_from_slice(&header);
        let fragment = Fragment::new(&tracks);
        let position = header.len() as u64;
        Self { tracks, starts_ms, ends_ms: starts_ms, fragment, fragments: 0, entries: Vec::new(), position }
    }

    pub(super) fn add(&mut self, kind: MediaKind, block: &Block, out: &mut Vec<u8>) {
        let block = Block { at_ms: block.at_ms.saturating_sub(self.starts_ms), ..block.clone() };
        self.ends_ms = self.ends_ms.max(block.at_ms + LAST_FRAME_MS + self.starts_ms);
        let is_entry = kind == MediaKind::Video && block.is_key;
        if let Some(starts_ms) = self.fragment.starts_ms() {
            let lasts_ms = block.at_ms.saturating_sub(starts_ms);
            let is_jump = is_entry && lasts_ms >= FRAGMENT_MS_MIN;
            if is_jump || lasts_ms >= FRAGMENT_MS_MAX || self.fragment.bytes() >= FRAGMENT_BYTES_MAX {
                self.flush(out);
            }
        }
        if is_entry && !self.fragment.has_any_of(0) {
            self.entries.push((block.at_ms, self.position));
        }
        self.fragment.add(usize::from(kind == MediaKind::Audio), &block);
    }

    /// The last fragment, and the index.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        self.flush(out);
        out.extend(mp4::index(&self.entries));
    }

    pub(super) fn finished(&self) -> Finished {
        let duration_ms = self.ends_ms - self.starts_ms;
        let header = Some(mp4::header(&self.tracks, duration_ms));
        Finished { header, starts_ms: self.starts_ms, duration_ms }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        if self.fragment.starts_ms().is_none() {
            return;
        }
        let fragment = std::mem::replace(&mut self.fragment, Fragment::new(&self.tracks));
        self.fragments += 1;
        let before = out.len();
        fragment.write(out, self.fragments, None);
        self.position += (out.len() - before) as u64;
    }
}
