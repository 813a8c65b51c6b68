//! Payload of a retransmission (RFC 4588 §4): the original sequence number, then the original payload.

pub const ORIGINAL_SEQUENCE_BYTES: usize = 2;

/// The original sequence number and payload; `None` for a bandwidth probe, which has no payload at all.
pub fn restore(payload: &[u8]) -> Option<(u16, &[u8])> {
    let (sequence, original) = payload.split_first_chunk::<ORIGINAL_SEQUENCE_BYTES>()?;
    Some((u16::from_be_bytes(*sequence), original))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restores_a_retransmission() {
        assert_eq!(restore(&[0x12, 0x34, 5, 6]), Some((0x1234, &[5u8, 6][..])));
        assert_eq!(restore(&[0x12, 0x34]), Some((0x1234, &[][..])));
        assert_eq!(restore(&[0x12]), None);
        assert_eq!(restore(&[]), None);
    }
}
