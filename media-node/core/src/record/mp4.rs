//! Fragmented MP4 (ISO/IEC 14496-12) with H.264 (14496-15) and Opus, as it is written and read here: parts that can be put one
//! behind the other, and their frames again.
//!
//! A part is one fragment. The first part of a track carries the header before it. Parameter sets are in the samples as well
//! (`avc3`), as the size of a picture may change with each key frame.

pub mod read;
mod tracks;

use super::webm::Block;

/// Milliseconds are what times of pictures count; Opus counts samples (Opus in ISOBMFF §4.4).
const PICTURE_TICKS_PER_MS: u64 = 1;
const SOUND_TICKS_PER_MS: u64 = 48;
/// How long a sample lasts after which none is known.
const LAST_SAMPLE_MS: u64 = 20;
/// Sample flags (14496-12 §8.8.3.1): depends on no other; depends on others and is no place to begin.
const SYNC: u32 = 0x0200_0000;
const NOT_SYNC: u32 = 0x0101_0000;

/// One track of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Track {
    /// Opus.
    Sound,
    /// H.264, of this size at its first picture.
    Pictures {
        width: u16,
        height: u16,
        /// NAL units, each with its header.
        sps: Vec<u8>,
        pps: Vec<u8>,
    },
}

impl Track {
    /// What a key frame says of its track; nothing where its parameters are missing.
    #[must_use]
    pub fn of(frame: &[u8]) -> Option<Self> {
        let find = |wanted: u8| units(frame).find(|unit| crate::codec::h264::kind_of(unit) == wanted);
        let (sps, pps) = (find(crate::codec::h264::kind::SPS)?, find(crate::codec::h264::kind::PPS)?);
        let (width, height) = crate::codec::h264::sps::size(sps)?;
        // The header repeats the profile and level of the set, and has two bytes for the length of each.
        let fits = sps.len() >= 4 && sps.len().max(pps.len()) <= usize::from(u16::MAX);
        fits.then(|| Self::Pictures { width, height, sps: sps.to_vec(), pps: pps.to_vec() })
    }

    const fn ticks_per_ms(&self) -> u64 {
        match self {
            Self::Sound => SOUND_TICKS_PER_MS,
            Self::Pictures { .. } => PICTURE_TICKS_PER_MS,
        }
    }
}

/// The NAL units of a frame, which has the length of each before it in 4 bytes.
pub fn units(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = frame;
    std::iter::from_fn(move || {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let (unit, tail) = tail.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = tail;
        Some(unit)
    })
}

/// What a file begins with; always of the same length for the same tracks.
#[must_use]
pub fn header(tracks: &[Track], duration_ms: u64) -> Vec<u8> {
    let mut out = Vec::new();
    boxed(&mut out, *b"ftyp", |out| {
        out.extend_from_slice(b"iso6\0\0\0\0iso5iso6mp41");
    });
    boxed(&mut out, *b"moov", |out| tracks::movie(out, tracks, duration_ms));
    out
}

/// A fragment that is being filled.
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
    /// An empty one for a file with these tracks.
    #[must_use]
    pub fn new(tracks: &[Track]) -> Self {
        let run = |track: &Track| Run { ticks_per_ms: track.ticks_per_ms(), samples: Vec::new(), data: Vec::new() };
        Self { runs: tracks.iter().map(run).collect() }
    }

    /// A fragment of pictures alone.
    #[must_use]
    pub fn of_pictures() -> Self {
        Self { runs: vec![Run { ticks_per_ms: PICTURE_TICKS_PER_MS, samples: Vec::new(), data: Vec::new() }] }
    }

    /// When its first sample is.
    #[must_use]
    pub fn starts_ms(&self) -> Option<u64> {
        self.runs.iter().filter_map(|run| run.samples.first()).map(|sample| sample.at_ms).min()
    }

    /// Whether there are samples of the track at this place.
    #[must_use]
    pub fn has_any_of(&self, track: usize) -> bool {
        self.runs.get(track).is_some_and(|run| !run.samples.is_empty())
    }

    /// How large its samples are.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.runs.iter().map(|run| run.data.len()).sum()
    }

    /// Adds a sample of the track at this place; no sample of a track comes before another one.
    pub fn add(&mut self, track: usize, block: &Block) {
        if let Some(run) = self.runs.get_mut(track) {
            run.data.extend_from_slice(&block.bytes);
            run.samples.push(Sample { at_ms: block.at_ms, is_key: block.is_key, bytes: block.bytes.len() });
        }
    }

    /// Writes it as the fragment of this number; the last sample of each track lasts until `ends_ms`, where that is known.
    pub fn write(&self, out: &mut Vec<u8>, number: u32, ends_ms: Option<u64>) {
        let begins = out.len();
        let mut offsets = Vec::new();
        boxed(out, *b"moof", |out| {
            full(out, *b"mfhd", 0, 0, |out| out.extend(number.to_be_bytes()));
            for (track, run) in (1_u32..).zip(&self.runs).filter(|(_, run)| !run.samples.is_empty()) {
                boxed(out, *b"traf", |out| offsets.push((run, run.write(out, track, ends_ms))));
            }
        });
        // Where the data of a track is, is counted from the start of the fragment.
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
    /// Returns where the offset of the data goes.
    fn write(&self, out: &mut Vec<u8>, track: u32, ends_ms: Option<u64>) -> usize {
        // Offsets are counted from the start of the fragment (14496-12 §8.8.7.1).
        full(out, *b"tfhd", 0, 0x02_0000, |out| out.extend(track.to_be_bytes()));
        let starts_ms = self.samples.first().map_or(0, |sample| sample.at_ms);
        full(out, *b"tfdt", 1, 0, |out| out.extend((starts_ms * self.ticks_per_ms).to_be_bytes()));
        let mut place = 0;
        // An offset, and of each sample its duration, size and flags.
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

/// Where a player can jump to in the first track, which is of pictures: when, and where in the file that fragment is
/// (14496-12 §8.8.9).
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
                // The first sample of its first run there, which stands first.
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

/// A box around what `body` writes.
fn boxed(out: &mut Vec<u8>, kind: [u8; 4], body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    body(out);
    let length = (out.len() - at) as u32;
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// A box with a version and flags.
fn full(out: &mut Vec<u8>, kind: [u8; 4], version: u8, flags: u32, body: impl FnOnce(&mut Vec<u8>)) {
    boxed(out, kind, |out| {
        out.extend((u32::from(version) << 24 | flags).to_be_bytes());
        body(out);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_as_the_standard_has_it() {
        let expected = [
            &[0, 0, 0, 86][..],
            b"mfra",
            &[0, 0, 0, 62],
            b"tfra",
            // Version 1: 64 bits each for time and place. The first track, numbers of a byte each, two entries.
            &[1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2],
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 1, 1],
            &[0, 0, 0, 0, 0, 0, 3, 0xfc, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1],
            &[0, 0, 0, 16],
            b"mfro",
            // How long all of it is: players look for it from the end of the file.
            &[0, 0, 0, 0, 0, 0, 0, 86],
        ];
        assert_eq!(index(&[(0, 512), (1_020, 1 << 32)]), expected.concat());
    }
}
