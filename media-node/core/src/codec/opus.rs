//! Opus in RTP (RFC 7587): every packet stands alone, so forwarding needs to recognise only silence.

/// Longest payload of an encoder in discontinuous transmission: a TOC byte with at most one byte of frame (RFC 6716
/// §3.1 and the DTX of RFC 7587 §3.1.3).
const SILENCE_BYTES_MAX: usize = 2;

/// True if the payload stands for silence (discontinuous transmission), and thus says nothing about speakers.
pub fn is_silence(payload: &[u8]) -> bool {
    payload.len() <= SILENCE_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comfort_noise_is_silence_and_speech_is_not() {
        assert!(is_silence(&[]) && is_silence(&[0x78]) && is_silence(&[0x78, 0x00]));
        assert!(!is_silence(&[0x78, 0xff, 0xfe]));
    }
}
