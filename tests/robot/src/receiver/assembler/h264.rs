//! Writes the units of an H.264 packet (RFC 6184) as a byte stream, each after a 4-byte start code.

use bytes::BytesMut;

const START_CODE: [u8; 4] = [0, 0, 0, 1];
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// True if a key frame begins with this packet, which then contains a sequence parameter set, alone or as the first of
/// several units.
pub(super) fn starts_key_frame(payload: &[u8]) -> bool {
    let kind = |at: usize| payload.get(at).map_or(0, |header| header & 0x1f);
    kind(0) == 7 || kind(0) == STAP_A && kind(3) == 7
}

pub(super) fn append(data: &mut BytesMut, payload: &[u8]) -> Option<()> {
    let (header, rest) = payload.split_first()?;
    match header & 0x1f {
        STAP_A => {
            let mut rest = rest;
            while let Some((length, tail)) = rest.split_first_chunk::<2>() {
                let (unit, tail) = tail.split_at_checked(u16::from_be_bytes(*length).into())?;
                data.extend_from_slice(&START_CODE);
                data.extend_from_slice(unit);
                rest = tail;
            }
        }
        FU_A => {
            let (flags, piece) = rest.split_first()?;
            if flags & 0x80 != 0 {
                data.extend_from_slice(&START_CODE);
                data.extend_from_slice(&[header & 0xe0 | flags & 0x1f]);
            }
            data.extend_from_slice(piece);
        }
        _ => {
            data.extend_from_slice(&START_CODE);
            data.extend_from_slice(payload);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payloads: &[&[u8]], expected: &[u8]) {
        let mut data = BytesMut::new();
        payloads.iter().for_each(|payload| append(&mut data, payload).expect("well formed"));
        assert_eq!(data[..], *expected);
    }

    #[test]
    fn units_become_a_byte_stream() {
        check(&[&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68]], &[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68]);
        check(&[&[0x7c, 0x85, 1], &[0x7c, 0x05, 2], &[0x7c, 0x45, 3]], &[0, 0, 0, 1, 0x65, 1, 2, 3]);
        check(&[&[0x41, 9]], &[0, 0, 0, 1, 0x41, 9]);
        assert!(starts_key_frame(&[0x67, 1]) && starts_key_frame(&[0x78, 0, 1, 0x67]) && !starts_key_frame(&[0x41]));
    }
}
