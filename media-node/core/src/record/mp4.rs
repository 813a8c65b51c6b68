//! Fragmented MP4 (ISO/IEC 14496-12) with H.264 (14496-15) and Opus, written as concatenable parts and read back as
//! frames.
//!
//! A part is one fragment. The first part of a track carries the header before it. Parameter sets are also in the
//! samples (`avc3`), as the size of a picture may change with each key frame.

mod format;
pub mod read;
mod tracks;

pub use format::{Track, units};

use super::webm::Block;
use format::{PICTURE_TICKS_PER_MS, boxed, full};

/// Duration of a sample without a successor.
const LAST_SAMPLE_MS: u64 = 20;
/// Sample flags (14496-12 §8.8.3.1): depends on no other; depends on others and is no entry point.
const SYNC: u32 = 0x0200_0000;
const NOT_SYNC: u32 = 0x0101_0000;

/// The beginning of a file; always the same length for the same tracks.
#[must_use]
pub fn header(tracks: &[Track], duration_ms: u64) -> Vec<u8> {
    let mut out = Vec::new();
    boxed(&mut out, *b"ftyp", |out| {
        out.extend_from_slice(b"iso6\0\0\0\0iso5iso6mp41");
    });
    boxed(&mut out, *b"moov", |out| tracks::movie(out, tracks, duration_ms));
    out
}

/// A fragment under construction.
#[derive(Clone, Debug)]
pub struct Fragment {
    runs: Vec<Run>,
}

/// The samples of one track.
#[derive(Clone, Debug)]
struct Run {
    ticks_per_ms: u64,
    samples: Vec<Sample>,
    data: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at_ms: u64,
    is_key: bool,
    bytes: usize,
}

impl Fragment {
    /// An empty fragment for a file with these tracks.
    #[must_use]
    pub fn new(tracks: &[Track]) -> Self {
        let run = |track: &Track| Run { ticks_per_ms: track.ticks_per_ms(), samples: Vec::new(), data: Vec::new() };
        Self { runs: tracks.iter().map(run).collect() }
    }

    /// An empty fragment for video only.
    #[must_use]
    pub fn of_pictures() -> Self {
        Self { runs: vec![Run { ticks_per_ms: PICTURE_TICKS_PER_MS, samples: Vec::new(), data: Vec::new() }] }
    }

    /// The time of its first sample.
    #[must_use]
    pub fn starts_ms(&self) -> Option<u64> {
        self.runs.iter().filter_map(|run| run.samples.first()).map(|sample| sample.at_ms).min()
    }

    /// True if there are samples of the track with this number.
    #[must_use]
    pub fn has_any_of(&self, track: usize) -> bool {
        self.runs.get(track).is_some_and(|run| !run.samples.is_empty())
    }

    /// The size of its samples.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.runs.iter().map(|run| run.data.len()).sum()
    }

    /// Adds a sample; times within a track must not decrease.
    pub fn add(&mut self, track: usize, block: &Block) {
        if let Some(run) = self.runs.get_mut(track) {
            run.data.extend_from_slice(&block.bytes);
            run.samples.push(Sample { at_ms: block.at_ms, is_key: block.is_key, bytes: block.bytes.len() });
        }
    }

    /// Writes the fragment with this number; the last sample of each track lasts until `ends_ms`, if known.
    pub fn write(&self, out: &mut Vec<u8>, number: u32, ends_ms: Option<u64>) {
        let begins = out.len();
        let mut offsets = Vec::new();
        boxed(out, *b"moof", |out| {
            full(out, *b"mfhd", 0, 0, |out| out.extend(number.to_be_bytes()));
            for (track, run) in (1_u32..).zip(&self.runs).filter(|(_, run)| !run.samples.is_empty()) {
                boxed(out, *b"traf", |out| offsets.push((run, run.write(out, track, ends_ms))));
            }
        });
        // Data offsets are counted from the start of the fragment.
        let mut offset = out.len() - begins + 8;
        for (run, place) in offsets {
            if let Some(bytes) = out.get_mut(place..place + 4) {
                bytes.copy_from_slice(&(offset as u32).to_be_bytes());
            }
            offset += run.data.len();
        }
        boxed(out, *b"mdat", |out| self.runs.iter().for_each(|run| out.extend_from_slice(&run.data)));
    }
}

impl Run {
    /// Returns the position of the data offset.
    fn write(&self, out: &mut Vec<u8>, track: u32, ends_ms: Option<u64>) -> usize {
        // Offsets are counted from the start of the fragment (14496-12 §8.8.7.1).
        full(out, *b"tfhd", 0, 0x02_0000, |out| out.extend(track.to_be_bytes()));
        let starts_ms = self.samples.first().map_or(0, |sample| sample.at_ms);
        full(out, *b"tfdt", 1, 0, |out| out.extend((starts_ms * self.ticks_per_ms).to_be_bytes()));
        let mut place = 0;
        // An offset, followed by each sample's duration, size and flags.
        full(out, *b"trun", 0, 0x701, |out| {
            out.extend((self.samples.len() as u32).to_be_bytes());
            place = out.len();
            out.extend([0; 4]);
            let next = self.samples.iter().skip(1).map(|next| Some(next.at_ms)).chain([ends_ms]);
            for (sample, next_ms) in self.samples.iter().zip(next) {
                let lasts_ms = next_ms.map_or(LAST_SAMPLE_MS, |next_ms| next_ms.saturating_sub(sample.at_ms));
                out.extend(((lasts_ms * self.ticks_per_ms) as u32).to_be_bytes());
                out.extend((sample.bytes as u32).to_be_bytes());
                out.extend(if sample.is_key { SYNC } else { NOT_SYNC }.to_be_bytes());
            }
        });
        place
    }
}

/// The entry points of the first track, which is video: time, and position of the fragment in the file (14496-12
/// §8.8.9).
#[must_use]
pub fn index(entries: &[(u64, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    boxed(&mut out, *b"mfra", |out| {
        full(out, *b"tfra", 1, 0, |out| {
            out.extend(1_u32.to_be_bytes());
            out.extend([0; 4]);
            out.extend((entries.len() as u32).to_be_bytes());
            for (at_ms, position) in entries {
                out.extend((at_ms * PICTURE_TICKS_PER_MS).to_be_bytes());
                out.extend(position.to_be_bytes());
                // The first sample of the fragment's first run.
                out.extend([1; 3]);
            }
        });
        full(out, *b"mfro", 0, 0, |out| out.extend([0; 4]));
    });
    let length = out.len() as u32;
    if let Some(last) = out.last_chunk_mut::<4>() {
        *last = length.to_be_bytes();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The boxes in `bytes`, one per line: depth, kind, and the hexadecimal body with the number of bytes in runs of
    /// zeros.
    fn boxes(bytes: &[u8], depth: usize) -> String {
        const CONTAINERS: &[&str] = &["moov", "trak", "mdia", "minf", "dinf", "stbl", "mvex", "moof", "traf"];
        let (mut rest, mut text) = (bytes, String::new());
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let kind = std::str::from_utf8(&tail[..4]).expect("a kind");
            let (whole, after) = rest.split_at(u32::from_be_bytes(*length) as usize);
            text += &format!("{depth} {kind}");
            text += &if CONTAINERS.contains(&kind) {
                format!("\n{}", boxes(&whole[8..], depth + 1))
            } else {
                format!(" {}\n", words(&whole[8..]))
            };
            rest = after;
        }
        text
    }

    fn words(bytes: &[u8]) -> String {
        let run = |run: &[u8]| match run {
            [0, ..] if run.len() > 2 => format!("({})", run.len()),
            _ => run.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        bytes.chunk_by(|a, b| (*a == 0) == (*b == 0)).map(run).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_box_is_as_the_standards_have_it() {
        let (sps, pps) = (vec![0x67, 0x42, 0xc0, 0x16, 0xd9], vec![0x68, 0xce, 0x3c]);
        let tracks = [Track::Pictures { width: 640, height: 360, sps, pps }, Track::Sound];
        let mut bytes = header(&tracks, 1_000);
        let mut fragment = Fragment::new(&tracks);
        let block = |at_ms, is_key, bytes: &[u8]| Block { at_ms, is_key, bytes: bytes.to_vec() };
        fragment.add(0, &block(100, true, b"key"));
        fragment.add(0, &block(133, false, b"delta"));
        fragment.add(1, &block(90, true, b"sound"));
        assert_eq!((fragment.starts_ms(), fragment.bytes()), (Some(90), 13));
        fragment.write(&mut bytes, 7, Some(200));
        // A fragment of one track has nothing of the other.
        let mut fragment = Fragment::new(&tracks);
        fragment.add(1, &block(200, true, b"sound"));
        fragment.write(&mut bytes, 8, None);
        assert_eq!(boxes(&bytes, 0), include_str!("../../../../tests/vectors/recording/mp4.txt"));
    }

    #[test]
    fn a_key_frame_names_its_parameters_if_they_fit_the_header() {
        const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x16, 0xd9, 0, 0xa0, 0x2f, 0xf9, 0x70, 0x11];
        let frame = |units: &[&[u8]]| -> Vec<u8> {
            units.iter().flat_map(|unit| [&(unit.len() as u32).to_be_bytes()[..], *unit].concat()).collect()
        };
        let pps = |bytes: usize| [&[0x68][..], &vec![1; bytes - 1]].concat();
        let longest = usize::from(u16::MAX);
        for (bytes, fits) in [(3, true), (longest, true), (longest + 1, false)] {
            let track = Track::of(&frame(&[SPS, &pps(bytes), &[0x65, 1]]));
            assert_eq!(track.is_some(), fits, "{bytes}");
        }
        assert_eq!(Track::of(&frame(&[SPS, &[0x65, 1]])), None);
        assert_eq!(Track::of(&frame(&[&pps(3), &[0x65, 1]])), None);
    }

    #[test]
    fn the_index_is_as_the_standard_has_it() {
        let expected = [
            &[0, 0, 0, 86][..],
            b"mfra",
            &[0, 0, 0, 62],
            b"tfra",
            // Version 1: 64 bits each for time and position. The first track, one-byte numbers, two entries.
            &[1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2],
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 1, 1],
            &[0, 0, 0, 0, 0, 0, 3, 0xfc, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1],
            &[0, 0, 0, 16],
            b"mfro",
            // Total length: players look for it from the end of the file.
            &[0, 0, 0, 0, 0, 0, 0, 86],
        ];
        assert_eq!(index(&[(0, 512), (1_020, 1 << 32)]), expected.concat());
    }
}
