//! Reads the samples of a part, or of several in a row; skips everything else.

use super::super::webm::Block;
use super::format::PICTURE_TICKS_PER_MS;

/// One sample, with its time in ticks of its track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub track: u32,
    pub ticks: u64,
    pub is_key: bool,
    pub bytes: Vec<u8>,
}

/// True if `bytes` begin like parts written here.
#[must_use]
pub fn is_part(bytes: &[u8]) -> bool {
    bytes.get(4..8).is_some_and(|kind| kind == b"ftyp" || kind == b"moof")
}

/// The frames of video parts.
#[must_use]
pub fn blocks(bytes: &[u8]) -> Vec<Block> {
    let block = |Sample { ticks, is_key, bytes, .. }| Block { at_ms: ticks / PICTURE_TICKS_PER_MS, is_key, bytes };
    samples(bytes).into_iter().map(block).collect()
}

/// Reads until the first malformed byte; earlier samples count.
#[must_use]
pub fn samples(bytes: &[u8]) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut rest = bytes;
    while let Some((kind, body, after)) = split(rest) {
        if kind == *b"moof" {
            for (_, traf) in boxes(body).filter(|(kind, _)| kind == b"traf") {
                if run(rest, traf, &mut samples).is_none() {
                    return samples;
                }
            }
        }
        rest = after;
    }
    samples
}

/// The samples of one track in the first fragment of `fragment`.
fn run(fragment: &[u8], traf: &[u8], samples: &mut Vec<Sample>) -> Option<()> {
    let find = |wanted: &[u8; 4]| boxes(traf).find(|(kind, _)| kind == wanted).map(|(_, body)| body);
    let track = number(find(b"tfhd")?, 4)?;
    let tfdt = find(b"tfdt")?;
    let mut ticks = u64::from(number(tfdt, 4)?) << 32 | u64::from(number(tfdt, 8)?);
    let trun = find(b"trun")?;
    // Runs written here have version and flags, count and offset, and three numbers for each sample.
    let count = number(trun, 4)? as usize;
    let mut at = number(trun, 8)? as usize;
    for entry in trun.get(12..)?.chunks_exact(12).take(count) {
        let (lasts, length) = (number(entry, 0)?, number(entry, 4)? as usize);
        let bytes = fragment.get(at..at.checked_add(length)?)?.to_vec();
        samples.push(Sample { track, ticks, is_key: number(entry, 8)? & 0x1_0000 == 0, bytes });
        at += length;
        ticks = ticks.checked_add(lasts.into())?;
    }
    Some(())
}

fn boxes(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (kind, body, after) = split(rest)?;
        rest = after;
        Some((kind, body))
    })
}

/// The first box: its kind, its body, and the rest.
fn split(bytes: &[u8]) -> Option<([u8; 4], &[u8], &[u8])> {
    let (length, tail) = bytes.split_first_chunk::<4>()?;
    let (kind, _) = tail.split_first_chunk::<4>()?;
    let (whole, after) = bytes.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((*kind, whole.get(8..)?, after))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::super::{Fragment, Track, header};
    use super::*;

    fn frame(at_ms: u64, is_key: bool, bytes: &[u8]) -> Block {
        Block { at_ms, is_key, bytes: bytes.to_vec() }
    }

    fn part(frames: &[Block], ends_ms: Option<u64>) -> Vec<u8> {
        let mut fragment = Fragment::of_pictures();
        frames.iter().for_each(|frame| fragment.add(0, frame));
        let mut bytes = Vec::new();
        fragment.write(&mut bytes, 1, ends_ms);
        bytes
    }

    #[test]
    fn parts_in_a_row_are_one_file() {
        let frames = [
            frame(10, true, b"one"),
            frame(43, false, b"two"),
            frame(1 << 33, false, b""),
            frame((1 << 33) + 5, true, b"4"),
        ];
        let track = Track::Pictures { width: 640, height: 360, sps: vec![0x67, 1, 2, 3], pps: vec![0x68] };
        let mut bytes = header(&[track], 0);
        assert!(is_part(&bytes));
        bytes.extend(part(&frames[..2], Some(60)));
        bytes.extend(part(&frames[2..], None));
        assert_eq!(blocks(&bytes), frames);
        // The second part alone contains its frames as well.
        assert_eq!(blocks(&part(&frames[2..], None)), frames[2..]);
    }

    #[test]
    fn tracks_of_one_fragment_have_their_own_data_and_clocks() {
        let pictures = Track::Pictures { width: 2, height: 2, sps: vec![0; 4], pps: Vec::new() };
        let mut fragment = Fragment::new(&[Track::Sound, pictures]);
        fragment.add(1, &frame(100, true, b"picture"));
        fragment.add(0, &frame(90, true, b"sound"));
        fragment.add(0, &frame(110, true, b"more"));
        let mut bytes = Vec::new();
        fragment.write(&mut bytes, 7, None);
        let sample = |track, ticks, bytes: &[u8]| Sample { track, ticks, is_key: true, bytes: bytes.to_vec() };
        let expected = [sample(1, 90 * 48, b"sound"), sample(1, 110 * 48, b"more"), sample(2, 100, b"picture")];
        assert_eq!(samples(&bytes), expected);
    }

    #[test]
    fn what_is_cut_off_takes_nothing_before_it_along() {
        let whole = part(&[frame(10, true, b"one")], None);
        let mut bytes = whole.clone();
        bytes.extend_from_slice(&whole[..whole.len() - 1]);
        assert_eq!(blocks(&bytes), [frame(10, true, b"one")]);
        assert_eq!(blocks(b""), []);
        assert_eq!(blocks(&[0; 64]), []);
    }
}
