//! Reads H.264 as a byte stream (ITU-T H.264 annex B), which contains no timestamps.

use super::Frame;
use bytes::{Bytes, BytesMut};
use std::time::Duration;

/// Types of NAL units (table 7-1).
const SLICE: u8 = 1;
const IDR: u8 = 5;
const SPS: u8 = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum H264Error {
    #[error("no start code")]
    NoStartCode,
    #[error("the first picture is no key frame")]
    NoKeyFrame,
}

/// The pictures, each unit after a 4-byte start code.
pub(super) fn parse(file: &Bytes, frames_per_second: u32) -> Result<Vec<Frame>, H264Error> {
    let units = units(file);
    let first = units.first().and_then(|unit| unit.first()).ok_or(H264Error::NoStartCode)?;
    if first & 0x1f != SPS {
        return Err(H264Error::NoKeyFrame);
    }
    let mut pictures: Vec<(BytesMut, bool)> = Vec::new();
    for unit in units {
        let kind = unit.first().map_or(0, |header| header & 0x1f);
        // A slice's header begins with the number of its first macroblock; 0 is encoded as a single bit.
        let starts = kind == SPS || matches!(kind, SLICE | IDR) && unit.get(1).is_some_and(|byte| byte & 0x80 != 0);
        if pictures.last().is_none_or(|(_, has_slice)| starts && *has_slice) {
            pictures.push((BytesMut::new(), false));
        }
        let Some((data, has_slice)) = pictures.last_mut() else { continue };
        data.extend_from_slice(&[0, 0, 0, 1]);
        data.extend_from_slice(unit);
        *has_slice |= matches!(kind, SLICE | IDR);
    }
    let duration = Duration::from_secs(1) / frames_per_second;
    Ok(pictures.into_iter().map(|(data, _)| Frame { data: data.freeze(), duration }).collect())
}

/// The units between the start codes, without trailing zeros.
fn units(file: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let mut parts = file.windows(3).enumerate().filter(|(_, window)| *window == [0, 0, 1]).map(|(at, _)| at).peekable();
    while let Some(at) = parts.next() {
        let unit = file.get(at + 3..parts.peek().copied().unwrap_or(file.len())).unwrap_or_default();
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        units.extend(unit.get(..unit.len() - zeros).filter(|unit| !unit.is_empty()));
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_begin_with_parameters_or_their_first_slice() {
        let file = [
            &[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 0x80, 3, 0, 0, 1, 0x65, 0x40][..],
            &[0, 0, 0, 1, 0x41, 0x80, 4, 0, 0, 1, 0x41, 0x20, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 0x80],
        ]
        .concat();
        let frames = parse(&file.into(), 10).expect("well formed");
        let expected: [&[u8]; 3] = [
            &[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 0x80, 3, 0, 0, 0, 1, 0x65, 0x40],
            &[0, 0, 0, 1, 0x41, 0x80, 4, 0, 0, 0, 1, 0x41, 0x20],
            &[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x65, 0x80],
        ];
        assert_eq!(frames.iter().map(|frame| &frame.data[..]).collect::<Vec<_>>(), expected);
        assert!(frames.iter().all(|frame| frame.duration == Duration::from_millis(100)));
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(parse(&Bytes::from_static(b"DKIF"), 10), Err(H264Error::NoStartCode));
        assert_eq!(parse(&Bytes::from_static(&[0, 0, 1, 0x41, 0x80]), 10), Err(H264Error::NoKeyFrame));
    }
}
