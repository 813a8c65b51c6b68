//! The track descriptions of a file (ISO/IEC 14496-12 §8.2 to §8.8).

use super::format::{PICTURE_TICKS_PER_MS, SOUND_TICKS_PER_MS, Track, boxed, full};

/// 1 in 16.16 fixed point, and the identity matrix.
const ONE: u32 = 0x1_0000;
const MATRIX: [u32; 9] = [ONE, 0, 0, 0, ONE, 0, 0, 0, 0x4000_0000];
/// No language (ISO 639-2 `und`).
const UNDETERMINED: u16 = 0x55c4;

pub(super) fn movie(out: &mut Vec<u8>, tracks: &[Track], duration_ms: u64) {
    full(out, *b"mvhd", 1, 0, |out| {
        out.extend([0; 16]);
        out.extend(1_000_u32.to_be_bytes());
        out.extend(duration_ms.to_be_bytes());
        // Rate and volume.
        out.extend(ONE.to_be_bytes());
        out.extend([1, 0]);
        out.extend([0; 10]);
        matrix(out);
        out.extend([0; 24]);
        out.extend((tracks.len() as u32 + 1).to_be_bytes());
    });
    for (number, track) in (1_u32..).zip(tracks) {
        boxed(out, *b"trak", |out| trak(out, number, track));
    }
    boxed(out, *b"mvex", |out| {
        full(out, *b"mehd", 1, 0, |out| out.extend(duration_ms.to_be_bytes()));
        for number in 1..=tracks.len() as u32 {
            full(out, *b"trex", 0, 0, |out| {
                out.extend(number.to_be_bytes());
                // The only description, and nothing else by default.
                out.extend(1_u32.to_be_bytes());
                out.extend([0; 12]);
            });
        }
    });
}

fn matrix(out: &mut Vec<u8>) {
    MATRIX.iter().for_each(|value| out.extend(value.to_be_bytes()));
}

fn trak(out: &mut Vec<u8>, number: u32, track: &Track) {
    let (width, height, volume) = match track {
        Track::Sound => (0, 0, [1, 0]),
        Track::Pictures { width, height, .. } => (*width, *height, [0, 0]),
    };
    // Enabled, and in the movie.
    full(out, *b"tkhd", 1, 3, |out| {
        out.extend([0; 16]);
        out.extend(number.to_be_bytes());
        out.extend([0; 4 + 8 + 8 + 4]);
        out.extend(volume);
        out.extend([0; 2]);
        matrix(out);
        for side in [width, height] {
            out.extend((u32::from(side) << 16).to_be_bytes());
        }
    });
    boxed(out, *b"mdia", |out| {
        let (ticks_per_ms, handler) = match track {
            Track::Sound => (SOUND_TICKS_PER_MS, *b"soun"),
            Track::Pictures { .. } => (PICTURE_TICKS_PER_MS, *b"vide"),
        };
        full(out, *b"mdhd", 1, 0, |out| {
            out.extend([0; 16]);
            out.extend((ticks_per_ms as u32 * 1_000).to_be_bytes());
            out.extend([0; 8]);
            out.extend(UNDETERMINED.to_be_bytes());
            out.extend([0; 2]);
        });
        full(out, *b"hdlr", 0, 0, |out| {
            out.extend([0; 4]);
            out.extend(handler);
            out.extend([0; 12 + 1]);
        });
        boxed(out, *b"minf", |out| media(out, track));
    });
}

fn media(out: &mut Vec<u8>, track: &Track) {
    match track {
        Track::Sound => full(out, *b"smhd", 0, 0, |out| out.extend([0; 4])),
        Track::Pictures { .. } => full(out, *b"vmhd", 0, 1, |out| out.extend([0; 8])),
    }
    boxed(out, *b"dinf", |out| {
        full(out, *b"dref", 0, 0, |out| {
            out.extend(1_u32.to_be_bytes());
            // The samples are in this file.
            full(out, *b"url ", 0, 1, |_| {});
        });
    });
    boxed(out, *b"stbl", |out| {
        full(out, *b"stsd", 0, 0, |out| {
            out.extend(1_u32.to_be_bytes());
            match track {
                Track::Sound => boxed(out, *b"Opus", sound),
                Track::Pictures { width, height, sps, pps } => {
                    boxed(out, *b"avc3", |out| pictures(out, (*width, *height), sps, pps));
                }
            }
        });
        // All samples are in fragments.
        for kind in [*b"stts", *b"stsc", *b"stco"] {
            full(out, kind, 0, 0, |out| out.extend([0; 4]));
        }
        full(out, *b"stsz", 0, 0, |out| out.extend([0; 8]));
    });
}

/// Opus in ISOBMFF §4.3.
fn sound(out: &mut Vec<u8>) {
    out.extend([0, 0, 0, 0, 0, 0, 0, 1]);
    out.extend([0; 8]);
    // Two channels (a decoder duplicates a single one), 16 bits, 48 kHz.
    out.extend([0, 2, 0, 16, 0, 0, 0, 0]);
    out.extend((48_000_u32 << 16).to_be_bytes());
    // No pre-skip, because the recording starts in mid-stream.
    boxed(out, *b"dOps", |out| {
        out.extend([0, 2, 0, 0]);
        out.extend(48_000_u32.to_be_bytes());
        out.extend([0, 0, 0]);
    });
}

/// ISO/IEC 14496-12 §12.1.3 and 14496-15 §5.3.3.
fn pictures(out: &mut Vec<u8>, (width, height): (u16, u16), sps: &[u8], pps: &[u8]) {
    out.extend([0, 0, 0, 0, 0, 0, 0, 1]);
    out.extend([0; 16]);
    out.extend(width.to_be_bytes());
    out.extend(height.to_be_bytes());
    // 72 dpi, one frame per sample, no name, 24-bit colour.
    out.extend(0x48_0000_u32.to_be_bytes());
    out.extend(0x48_0000_u32.to_be_bytes());
    out.extend([0, 0, 0, 0, 0, 1]);
    out.extend([0; 32]);
    out.extend([0, 24, 0xff, 0xff]);
    boxed(out, *b"avcC", |out| {
        out.push(1);
        out.extend(sps.iter().skip(1).take(3));
        // 4-byte lengths, one set of each kind.
        out.extend([0xff, 0xe1]);
        out.extend((sps.len() as u16).to_be_bytes());
        out.extend_from_slice(sps);
        out.push(1);
        out.extend((pps.len() as u16).to_be_bytes());
        out.extend_from_slice(pps);
    });
}

#[cfg(test)]
mod tests {
    use super::super::header;
    use super::*;

    /// The bytes after the kind of the first such box.
    fn body(file: &[u8], kind: [u8; 4]) -> &[u8] {
        let at = file.windows(4).position(|window| window == kind).expect("the box");
        let length = u32::from_be_bytes(*file[at - 4..].first_chunk().expect("a length"));
        &file[at + 4..at - 4 + length as usize]
    }

    #[test]
    fn a_decoder_finds_the_parameters_of_its_pictures_in_the_header() {
        let (sps, pps) = (vec![0x67, 0x42, 0xc0, 0x16, 0xd9, 0, 0xa0], vec![0x68, 0xce, 0x3c]);
        let pictures = Track::Pictures { width: 640, height: 360, sps: sps.clone(), pps: pps.clone() };
        let file = header(&[pictures, Track::Sound], 1_000);
        let avcc = body(body(&file, *b"avc3"), *b"avcC");
        // Version 1, profile and level, 4-byte lengths; then one set of each kind with its length before it.
        let expected = [&[1, 0x42, 0xc0, 0x16, 0xff, 0xe1, 0, 7][..], &sps, &[1, 0, 3], &pps].concat();
        assert_eq!(avcc, expected);
        assert_eq!(&body(&file, *b"avc3")[24..28], [2, 0x80, 1, 0x68], "640 × 360");
    }
}
