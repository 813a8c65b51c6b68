//! Reads IVF, the container of libvpx: a 32-byte header, then frames behind 12-byte headers, all little-endian.

use super::Frame;
use bytes::{Buf, Bytes};
use std::time::Duration;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IvfError {
    /// No `DKIF` header of 32 bytes.
    #[error("not an IVF file")]
    NotIvf,
    /// Another codec.
    #[error("the codec is not VP8")]
    NotVp8,
    /// A time base with a zero numerator or denominator.
    #[error("the time base is zero")]
    NoTimeBase,
    /// A frame is longer than the rest of the file.
    #[error("frame {index} is cut off")]
    CutOff {
        /// Counted from 0.
        index: usize,
    },
    /// Frames must be ordered by time.
    #[error("frame {index} comes before the one that precedes it")]
    BackInTime {
        /// Counted from 0.
        index: usize,
    },
}

pub(super) fn parse(file: &Bytes) -> Result<Vec<Frame>, IvfError> {
    let (mut rest, tick) = header(file.clone())?;
    let mut shown: Vec<(u64, Bytes)> = Vec::new();
    while rest.has_remaining() {
        let index = shown.len();
        if rest.len() < FRAME_HEADER_BYTES {
            return Err(IvfError::CutOff { index });
        }
        let (bytes, ticks) = (rest.get_u32_le() as usize, rest.get_u64_le());
        if rest.len() < bytes {
            return Err(IvfError::CutOff { index });
        }
        if shown.last().is_some_and(|(before, _)| ticks <= *before) {
            return Err(IvfError::BackInTime { index });
        }
        shown.push((ticks, rest.split_to(bytes)));
    }
    Ok(with_durations(shown, tick))
}

/// The rest of the file, and the duration of one tick.
fn header(mut file: Bytes) -> Result<(Bytes, Duration), IvfError> {
    if file.len() < HEADER_BYTES || !file.starts_with(b"DKIF") {
        return Err(IvfError::NotIvf);
    }
    let rest = file.split_off(HEADER_BYTES);
    let mut fields = file.slice(8..);
    if fields.get_u32() != u32::from_be_bytes(*b"VP80") {
        return Err(IvfError::NotVp8);
    }
    fields.advance(4); // Width and height: the frames contain them too.
    let (per_second, ticks) = (fields.get_u32_le(), fields.get_u32_le());
    if per_second == 0 || ticks == 0 {
        return Err(IvfError::NoTimeBase);
    }
    Ok((rest, Duration::from_secs_f64(f64::from(ticks) / f64::from(per_second))))
}

/// A frame lasts until the next one; the last as long as the one before it.
fn with_durations(shown: Vec<(u64, Bytes)>, tick: Duration) -> Vec<Frame> {
    let mut last = 1;
    let next: Vec<u64> = shown.iter().skip(1).map(|(ticks, _)| *ticks).collect();
    shown
        .into_iter()
        .enumerate()
        .map(|(index, (ticks, data))| {
            last = next.get(index).map_or(last, |next| next - ticks);
            Frame { data, duration: tick.mul_f64(last as f64) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(codec: &[u8; 4], rate: u32, frames: &[(u64, &[u8])]) -> Vec<u8> {
        let mut bytes = b"DKIF\0\0\x20\0".to_vec();
        bytes.extend(codec);
        bytes.extend([64, 0, 48, 0]);
        bytes.extend(rate.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend([0; 8]);
        for (ticks, data) in frames {
            bytes.extend((data.len() as u32).to_le_bytes());
            bytes.extend(ticks.to_le_bytes());
            bytes.extend(*data);
        }
        bytes
    }

    fn check(bytes: &[u8], expected: Result<&[(&[u8], u64)], IvfError>) {
        let frames = parse(&Bytes::copy_from_slice(bytes));
        let expected = expected.map(|frames| {
            let frame = |(data, ms): &(&[u8], u64)| Frame {
                data: Bytes::copy_from_slice(data),
                duration: Duration::from_millis(*ms),
            };
            frames.iter().map(frame).collect::<Vec<_>>()
        });
        assert_eq!(frames, expected);
    }

    #[test]
    fn a_frame_lasts_until_the_next() {
        check(&file(b"VP80", 10, &[(0, b"a"), (2, b"bc"), (3, b"")]), Ok(&[(b"a", 200), (b"bc", 100), (b"", 100)]));
        check(&file(b"VP80", 10, &[]), Ok(&[]));
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let whole = file(b"VP80", 10, &[(0, b"abc")]);
        check(&whole[..31], Err(IvfError::NotIvf));
        check(&whole[..40], Err(IvfError::CutOff { index: 0 }));
        check(&whole[..whole.len() - 1], Err(IvfError::CutOff { index: 0 }));
        check(&file(b"VP80", 10, &[(1, b"a"), (1, b"b")]), Err(IvfError::BackInTime { index: 1 }));
    }

    #[test]
    fn another_codec_or_no_time_base_is_refused() {
        check(&file(b"VP90", 10, &[]), Err(IvfError::NotVp8));
        check(&file(b"VP80", 0, &[]), Err(IvfError::NoTimeBase));
    }
}
