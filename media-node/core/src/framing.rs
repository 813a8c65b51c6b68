//! Datagrams in a TCP stream (RFC 4571 §2): each follows its length in two bytes.

use std::ops::Range;

pub const HEADER_BYTES: usize = 2;
/// Longest datagram over TCP. Clients keep theirs below an Ethernet frame, as over UDP; a longer one could not be
/// forwarded.
pub const DATAGRAM_BYTES_MAX: usize = 4_096;

/// The next datagram is longer than its sender may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// The place of the first datagram in a stream; `None` until it is complete. The rest of the stream follows it.
///
/// A datagram of more than `bytes_max` is refused as soon as its length has arrived, so memory stays bounded.
pub fn next_datagram(stream: &[u8], bytes_max: usize) -> Result<Option<Range<usize>>, TooLong> {
    let Some(header) = stream.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let bytes = usize::from(u16::from_be_bytes(*header));
    if bytes > bytes_max {
        return Err(TooLong);
    }
    let place = HEADER_BYTES..HEADER_BYTES + bytes;
    Ok((place.end <= stream.len()).then_some(place))
}

/// The bytes that precede a datagram in a stream.
pub fn header(datagram: &[u8]) -> [u8; HEADER_BYTES] {
    // The arena's datagrams are far shorter.
    u16::try_from(datagram.len()).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(datagrams: &[Vec<u8>]) -> Vec<u8> {
        datagrams.iter().flat_map(|datagram| [&header(datagram)[..], datagram].concat()).collect()
    }

    /// The datagrams of a stream that arrives in these parts.
    fn read<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
        let (mut held, mut found) = (Vec::new(), Vec::new());
        for part in parts {
            held.extend_from_slice(part);
            while let Some(place) = next_datagram(&held, DATAGRAM_BYTES_MAX).expect("none is too long") {
                found.push(held[place.clone()].to_vec());
                held.drain(..place.end);
            }
        }
        assert!(held.is_empty());
        found
    }

    #[test]
    fn finds_the_same_datagrams_however_the_stream_is_cut() {
        let datagrams =
            [vec![1; 20], vec![], vec![2], vec![3; 255], vec![4; 256], vec![5; 1_200], vec![], vec![6; 100]];
        let stream = stream(&datagrams);
        for cut in 0..=stream.len() {
            let (before, after) = stream.split_at(cut);
            assert_eq!(read([before, after].into_iter()), datagrams, "cut at {cut}");
        }
        for step in 1..300 {
            assert_eq!(read(stream.chunks(step)), datagrams, "{step} bytes at a time");
        }
        let short = &stream[..30];
        for first in 0..short.len() {
            for second in first..short.len() {
                let parts = [&short[..first], &short[first..second], &short[second..], &stream[30..]];
                assert_eq!(read(parts.into_iter()), datagrams, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_long_datagram_is_refused_before_it_arrives() {
        assert_eq!(next_datagram(&[0], 100), Ok(None));
        assert_eq!(next_datagram(&[0, 100], 100), Ok(None));
        assert_eq!(next_datagram(&[0, 101], 100), Err(TooLong));
        // The first bytes of an HTTP request and of a TLS handshake.
        assert_eq!(next_datagram(b"GE", DATAGRAM_BYTES_MAX), Err(TooLong));
        assert_eq!(next_datagram(&[0x16, 3], DATAGRAM_BYTES_MAX), Err(TooLong));
    }
}
