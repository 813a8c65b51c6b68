//! Datagrams in a TCP stream: the same ones are found however the stream is split, none is longer than allowed, and
//! written again they are the stream.

use media_core::framing::{DATAGRAM_BYTES_MAX, HEADER_BYTES, TooLong, header, next_datagram};
use media_core::stun::REQUEST_BYTES_MAX;

pub fn check(bytes: &[u8]) {
    for most in [REQUEST_BYTES_MAX, DATAGRAM_BYTES_MAX] {
        let whole = split(bytes, bytes.len().max(1), most);
        let written: Vec<u8> = whole.0.iter().flat_map(|datagram| [&header(datagram)[..], datagram].concat()).collect();
        assert!(bytes.starts_with(&written));
        for step in [1, 2, 3, 21] {
            assert_eq!(split(bytes, step, most), whole, "{step} bytes at a time");
        }
    }
}

/// The datagrams of a stream that arrives `step` bytes at a time; true if it then broke.
fn split(bytes: &[u8], step: usize, most: usize) -> (Vec<Vec<u8>>, bool) {
    let (mut held, mut found) = (Vec::new(), Vec::new());
    for part in bytes.chunks(step) {
        held.extend_from_slice(part);
        loop {
            match next_datagram(&held, most) {
                Ok(Some(place)) => {
                    assert!(place.len() <= most && place.end <= held.len());
                    found.push(held[place.clone()].to_vec());
                    held.drain(..place.end);
                }
                // Less than one datagram is ever held.
                Ok(None) => {
                    assert!(held.len() < HEADER_BYTES + most);
                    break;
                }
                Err(TooLong) => return (found, true),
            }
        }
    }
    (found, false)
}
