//! SRTP and SRTCP (RFC 3711, RFC 7714), in place and without allocation: one [`Opener`] and one [`Sealer`] per session.

mod cipher;
mod derivation;
mod profile;
mod replay;

pub use profile::{OpenError, Profile, STREAMS_PER_SESSION_MAX};

use cipher::Cipher;
use derivation::Labels;
use profile::RTCP_ENCRYPTED;
use replay::ReplayWindow;

/// Largest overhead of any profile: a 16-byte tag and the index of SRTCP.
pub const OVERHEAD_BYTES_MAX: usize = 20;

/// Shortest RTP packet: a fixed header.
const RTP_HEADER_BYTES: usize = 12;
/// Our side of the DTLS association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// We sent the ClientHello: tests and load.
    Client,
    /// We answered it: the node.
    Server,
}

/// Creates both directions' contexts from the keying material exported by DTLS.
pub fn contexts(profile: Profile, material: &[u8], side: Side) -> Option<(Opener, Sealer)> {
    // RFC 5764 §4.2: client key, server key, client salt, server salt.
    let (client_key, rest) = material.split_at_checked(profile.key_bytes())?;
    let (server_key, rest) = rest.split_at_checked(profile.key_bytes())?;
    let (client_salt, rest) = rest.split_at_checked(profile.salt_bytes())?;
    let (server_salt, _) = rest.split_at_checked(profile.salt_bytes())?;
    let client = Ciphers::derive(profile, client_key, client_salt)?;
    let server = Ciphers::derive(profile, server_key, server_salt)?;
    Some(match side {
        Side::Client => (Opener::new(server), Sealer::new(client)),
        Side::Server => (Opener::new(client), Sealer::new(server)),
    })
}

/// The two ciphers of one direction.
#[derive(Debug)]
struct Ciphers {
    rtp: Cipher,
    rtcp: Cipher,
}

impl Ciphers {
    fn derive(profile: Profile, master_key: &[u8], master_salt: &[u8]) -> Option<Self> {
        Some(Self {
            rtp: derivation::cipher(profile, master_key, master_salt, Labels::RTP)?,
            rtcp: derivation::cipher(profile, master_key, master_salt, Labels::RTCP)?,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Length of header and decrypted payload.
    pub bytes: usize,
    /// Rollover counter and sequence number, 48 bits (RFC 3711 §3.3.1).
    pub index: u64,
}

/// Authenticates and decrypts one client's packets.
#[derive(Debug)]
pub struct Opener {
    ciphers: Ciphers,
    rtp: Streams,
    rtcp: Streams,
}

impl Opener {
    fn new(ciphers: Ciphers) -> Self {
        Self { ciphers, rtp: Streams::default(), rtcp: Streams::default() }
    }

    /// Opens an RTP packet in place; `header_bytes` is the length of its header, including extensions.
    pub fn open_rtp(&mut self, packet: &mut [u8], header_bytes: usize) -> Result<Opened, OpenError> {
        let fixed = packet.first_chunk::<RTP_HEADER_BYTES>().ok_or(OpenError::TooShort)?;
        let [_, _, s0, s1, _, _, _, _, i0, i1, i2, i3] = *fixed;
        let sequence = u16::from_be_bytes([s0, s1]);
        let ssrc = u32::from_be_bytes([i0, i1, i2, i3]);
        let position = self.rtp.position(ssrc)?;
        let index = match self.rtp.window(position) {
            Some(window) => window.estimate(sequence).filter(|index| window.is_fresh(*index)),
            None => Some(u64::from(sequence)),
        };
        let index = index.ok_or(OpenError::Replayed)?;
        let bytes = self.ciphers.rtp.open_rtp(packet, header_bytes, ssrc, index)?;
        self.rtp.accept(position, ssrc, index);
        Ok(Opened { bytes, index })
    }

    /// Opens an RTCP packet in place and returns its length.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let index_offset = self.ciphers.rtcp.rtcp_index_offset(packet.len()).ok_or(OpenError::TooShort)?;
        let word = packet.get(index_offset..).and_then(<[u8]>::first_chunk).ok_or(OpenError::TooShort)?;
        let word = u32::from_be_bytes(*word);
        // RFC 8827 §6.5 rules out unencrypted media, so we refuse unencrypted RTCP as well.
        if word & RTCP_ENCRYPTED == 0 {
            return Err(OpenError::Forged);
        }
        let ssrc = packet.get(4..).and_then(<[u8]>::first_chunk).ok_or(OpenError::TooShort)?;
        let ssrc = u32::from_be_bytes(*ssrc);
        let index = word & !RTCP_ENCRYPTED;
        let position = self.rtcp.position(ssrc)?;
        if self.rtcp.window(position).is_some_and(|window| !window.is_fresh(u64::from(index))) {
            return Err(OpenError::Replayed);
        }
        let bytes = self.ciphers.rtcp.open_rtcp(packet, index_offset, ssrc, index)?;
        self.rtcp.accept(position, ssrc, u64::from(index));
        Ok(bytes)
    }
}

/// The replay windows of one direction. Only authentic packets add or move one.
#[derive(Debug, Default)]
struct Streams {
    // A client has a handful: a linear search beats hashing.
    streams: Vec<(u32, ReplayWindow)>,
}

impl Streams {
    /// The stream's position, or that of a new one; refuses a new one if there are too many.
    fn position(&self, ssrc: u32) -> Result<usize, OpenError> {
        let position = self.streams.iter().position(|(known, _)| *known == ssrc).unwrap_or(self.streams.len());
        if position < STREAMS_PER_SESSION_MAX { Ok(position) } else { Err(OpenError::TooManyStreams) }
    }

    fn window(&self, position: usize) -> Option<&ReplayWindow> {
        self.streams.get(position).map(|(_, window)| window)
    }

    fn accept(&mut self, position: usize, ssrc: u32, index: u64) {
        match self.streams.get_mut(position) {
            Some((_, window)) => window.accept(index),
            None => self.streams.push((ssrc, ReplayWindow::starting_at(index))),
        }
    }
}

/// Encrypts packets to one client. Nothing else may send with these keys.
#[derive(Debug)]
pub struct Sealer {
    ciphers: Ciphers,
    rtcp_index: u32,
}

impl Sealer {
    fn new(ciphers: Ciphers) -> Self {
        Self { ciphers, rtcp_index: 0 }
    }

    pub fn rtp_overhead_bytes(&self) -> usize {
        self.ciphers.rtp.tag_bytes()
    }

    /// Seals an RTP packet at the front of `buffer`, of which `plain_bytes` are header and payload. Returns its length
    /// with the tag, or `None` if the buffer is too short.
    ///
    /// `index` is the rollover counter with the header's sequence number. With AEAD an index must never be used for two
    /// different packets of one SSRC (RFC 7714 §8.1); the caller must ensure that.
    pub fn seal_rtp(
        &self,
        buffer: &mut [u8],
        header_bytes: usize,
        plain_bytes: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        self.ciphers.rtp.seal_rtp(buffer, header_bytes, plain_bytes, ssrc, index)
    }

    /// Seals a compound RTCP packet at the front of `buffer`; returns its length with index and tag. `None` if the
    /// buffer is too short, or after 2³¹ packets, the lifetime of the keys (RFC 3711 §9.2).
    pub fn seal_rtcp(&mut self, buffer: &mut [u8], plain_bytes: usize) -> Option<usize> {
        let index = self.rtcp_index;
        let ssrc = u32::from_be_bytes(*buffer.get(4..)?.first_chunk()?);
        if index & RTCP_ENCRYPTED != 0 {
            return None;
        }
        let bytes = self.ciphers.rtcp.seal_rtcp(buffer, plain_bytes, ssrc, index)?;
        self.rtcp_index += 1;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests;
