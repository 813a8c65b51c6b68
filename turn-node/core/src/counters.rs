//! Counters for the operator.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Neither STUN nor ChannelData, or malformed.
    pub malformed: u64,
    /// ChannelData or Send without allocation, channel or permission.
    pub not_permitted: u64,
    /// A peer's data without permission.
    pub peer_not_permitted: u64,
    /// A peer's data that does not fit a message to the client.
    pub too_long: u64,
    /// Over the user's bandwidth.
    pub over_quota: u64,
    /// Requests left unanswered because their address gets too many error responses.
    pub unanswered: u64,
    /// Requests answered with an error, by code.
    pub refused: Refused,
}

/// Requests answered with an error, by code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused([u64; Refused::CODES.len()]);

impl Refused {
    /// Every error code the server uses (RFC 8656 §19, RFC 6062 §6.3, RFC 8489 §14.8).
    pub const CODES: [u16; 14] = [400, 401, 403, 420, 437, 438, 440, 441, 442, 443, 446, 447, 486, 508];

    pub fn counts(&self) -> impl Iterator<Item = (u16, u64)> {
        Self::CODES.into_iter().zip(self.0)
    }

    pub(crate) fn count(&mut self, code: u16) {
        let place = Self::CODES.iter().position(|known| *known == code);
        if let Some(count) = place.and_then(|place| self.0.get_mut(place)) {
            *count += 1;
        }
    }
}
