//! The parts of RTCP packets that their readers and writers share.

/// Packet types (RFC 3550 §12.1, RFC 4585 §6.1).
pub(super) const SENDER_REPORT: u8 = 200;
pub(super) const RECEIVER_REPORT: u8 = 201;
pub(super) const SOURCE_DESCRIPTION: u8 = 202;
pub(super) const GOODBYE: u8 = 203;
pub(super) const TRANSPORT_FEEDBACK: u8 = 205;
pub(super) const PAYLOAD_FEEDBACK: u8 = 206;
/// Feedback message types (RFC 4585 §6.2.1, §6.3.1; RFC 5104 §4.3.1; RFC 4585 §6.4; transport-wide congestion control).
pub(super) const NACK: u8 = 1;
pub(super) const TRANSPORT_CC: u8 = 15;
pub(super) const PICTURE_LOSS: u8 = 1;
pub(super) const FULL_INTRA: u8 = 4;
pub(super) const APPLICATION_LAYER: u8 = 15;

/// Reception of one stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the stream began.
    pub packets_lost: i32,
    /// Extended highest sequence number: the wraps are in the upper half.
    pub highest_sequence: u32,
    /// Variation of the transit time, in ticks.
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time, 0 if there was none.
    pub last_sender_report: u32,
    /// Time since that report arrived, in 1/65536 s.
    pub delay_since_sender_report: u32,
}

/// The buffer has no room for the packet; earlier packets are untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room for another RTCP packet")]
pub struct Full;

/// The body of a packet under construction.
pub(super) struct Body<'b> {
    pub(super) free: &'b mut [u8],
    pub(super) length: usize,
    pub(super) is_padded: bool,
}

impl Body<'_> {
    pub(super) fn word(&mut self, word: u32) -> Result<(), Full> {
        self.bytes(&word.to_be_bytes())
    }

    /// Fills the last word (RFC 3550 §6.4.1): the last byte counts the padding, itself included.
    pub(super) fn pad(&mut self) -> Result<(), Full> {
        let padding = self.length.next_multiple_of(4) - self.length;
        self.is_padded = padding > 0;
        let bytes = [&[][..], &[1], &[0, 2], &[0, 0, 3]];
        self.bytes(bytes.get(padding).copied().unwrap_or_default())
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.length + bytes.len();
        self.free.get_mut(self.length..end).ok_or(Full)?.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }
}
