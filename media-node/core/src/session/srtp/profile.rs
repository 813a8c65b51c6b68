//! Protection profiles, and the layout of packets that is common to them.

/// Most SSRCs of one client: six tracks of four encodings with their retransmissions, and those that only RTCP uses.
pub const STREAMS_PER_SESSION_MAX: usize = 64;
/// The unencrypted part of an RTCP packet (RFC 3711 §3.4).
pub(super) const RTCP_HEADER_BYTES: usize = 8;
pub(super) const RTCP_INDEX_BYTES: usize = 4;
/// The bit of the SRTCP index word that marks an encrypted payload.
pub(super) const RTCP_ENCRYPTED: u32 = 1 << 31;

/// Protection profiles negotiated by DTLS (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The cheapest that browsers support.
    AeadAes128Gcm,
    /// Chosen by DTLS 1.2 with a client that lists it.
    AeadAes256Gcm,
    /// Supported by every client.
    Aes128CmSha1_80,
}

impl Profile {
    pub(super) const fn key_bytes(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::Aes128CmSha1_80 => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    pub(super) const fn salt_bytes(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            Self::Aes128CmSha1_80 => 14,
        }
    }

    /// Length of the tag after each packet.
    pub const fn tag_bytes(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::Aes128CmSha1_80 => 10,
        }
    }
}

/// The reason a packet was not opened. None of these changes any state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No room for header and tag.
    #[error("too short for its header and tag")]
    TooShort,
    /// A duplicate, or too old to tell.
    #[error("replayed, or older than the window")]
    Replayed,
    /// The tag is wrong, or the packet is not encrypted at all.
    #[error("not authentic")]
    Forged,
    /// The client uses too many SSRCs.
    #[error("more than {STREAMS_PER_SESSION_MAX} streams")]
    TooManyStreams,
}
