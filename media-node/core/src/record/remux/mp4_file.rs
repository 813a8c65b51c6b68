//! The file as MP4: fragments, a seek index, and a header completed with the duration at the end.

use super::super::mp4::{self, Fragment, Track};
use super::super::webm::Block;
use super::finished::{Finished, LAST_FRAME_MS};
use shared::rtp_parameters::MediaKind;

/// Longest fragment: a player must read it to start anywhere inside.
const FRAGMENT_MS_MAX: u64 = 5_000;
/// Largest fragment.
const FRAGMENT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Key frames closer to each other than this need no separate fragments.
const FRAGMENT_MS_MIN: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Mp4File {
    /// Video, followed by audio if there is any.
    tracks: Vec<Track>,
    starts_ms: u64,
    ends_ms: u64,
    fragment: Fragment,
    fragments: u32,
    /// Fragments that begin with a key frame, by time and position.
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

    /// Writes the last fragment and the index.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes frames of this many bytes each 40 ms, with key frames at these times; returns the file, and the position and
    /// first time of each fragment.
    fn file(bytes: usize, times: impl Iterator<Item = u64>, keys: &[u64]) -> (Vec<u8>, Vec<(usize, u64)>) {
        let track = Track::Pictures { width: 640, height: 360, sps: vec![0x67, 66, 0, 30], pps: vec![0x68] };
        let mut out = Vec::new();
        let mut file = Mp4File::begin(track, false, 1_000, &mut out);
        for at_ms in times {
            let block = Block { at_ms: 1_000 + at_ms, is_key: keys.contains(&at_ms), bytes: vec![0x41; bytes] };
            file.add(MediaKind::Video, &block, &mut out);
        }
        file.close(&mut out);
        let (mut at, mut fragments) = (0, Vec::new());
        while let Some(length) = out.get(at..at + 4) {
            let length = u32::from_be_bytes(*length.first_chunk().expect("whole")) as usize;
            if &out[at + 4..at + 8] == b"moof" {
                let first = mp4::read::samples(&out[at..]).first().map_or(0, |sample| sample.ticks);
                fragments.push((at, first));
            }
            at += length;
        }
        (out, fragments)
    }

    fn starts(fragments: &[(usize, u64)]) -> Vec<u64> {
        fragments.iter().map(|(_, first)| *first).collect()
    }

    #[test]
    fn fragments_are_short_in_time_and_bytes() {
        let (_, fragments) = file(10, (0..12_000).step_by(40), &[0]);
        assert_eq!(starts(&fragments), [0, 5_000, 10_000]);
        let (_, fragments) = file(512 * 1_024, (0..400).step_by(40), &[0]);
        assert_eq!(starts(&fragments), [0, 160, 320]);
    }

    #[test]
    fn the_index_has_the_place_of_every_fragment_that_begins_with_a_key_frame() {
        let (file, fragments) = file(10, (0..12_000).step_by(40), &[0, 400, 2_000, 2_400, 11_000]);
        // Key frames closer than a second begin no fragment.
        assert_eq!(starts(&fragments), [0, 2_000, 7_000, 11_000]);
        let keys = fragments.iter().filter(|(_, first)| *first != 7_000);
        let entries: Vec<(u64, u64)> = keys.map(|(at, first)| (*first, *at as u64)).collect();
        assert!(file.ends_with(&mp4::index(&entries)));
    }
}
