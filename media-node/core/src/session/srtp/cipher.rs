//! The two transforms: AEAD AES-GCM (RFC 7714) and AES counter mode with HMAC-SHA1 (RFC 3711 §4).

use super::profile::{OpenError, RTCP_ENCRYPTED, RTCP_HEADER_BYTES, RTCP_INDEX_BYTES};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

const GCM_TAG_BYTES: usize = 16;
/// RFC 3711 §5.2: HMAC-SHA1 truncated to 80 bits.
const HMAC_TAG_BYTES: usize = 10;

/// The session keys of one direction and one protocol.
pub(super) enum Cipher {
    Gcm { key: Box<LessSafeKey>, salt: [u8; 12] },
    CounterMode { key: CounterKey, authentication: Box<hmac::Key>, salt: [u8; 14] },
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The keys are secrets.
        f.write_str(match self {
            Self::Gcm { .. } => "Gcm",
            Self::CounterMode { .. } => "CounterMode",
        })
    }
}

impl Cipher {
    pub(super) fn gcm(key: &[u8], salt: [u8; 12]) -> Option<Self> {
        let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        Some(Self::Gcm { key: Box::new(LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?)), salt })
    }

    pub(super) fn counter_mode(key: &[u8], authentication: &[u8], salt: [u8; 14]) -> Option<Self> {
        let authentication = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, authentication);
        Some(Self::CounterMode { key: CounterKey::new(key)?, authentication: Box::new(authentication), salt })
    }

    pub(super) fn tag_bytes(&self) -> usize {
        match self {
            Self::Gcm { .. } => GCM_TAG_BYTES,
            Self::CounterMode { .. } => HMAC_TAG_BYTES,
        }
    }

    /// Offset of the index word in an SRTCP packet of this length: after the tag with AEAD (RFC 7714 §9.2), before it
    /// otherwise (RFC 3711 §3.4).
    pub(super) fn rtcp_index_offset(&self, packet_bytes: usize) -> Option<usize> {
        let behind = match self {
            Self::Gcm { .. } => RTCP_INDEX_BYTES,
            Self::CounterMode { .. } => RTCP_INDEX_BYTES + HMAC_TAG_BYTES,
        };
        packet_bytes.checked_sub(behind).filter(|offset| *offset >= RTCP_HEADER_BYTES)
    }

    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_bytes: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, OpenError> {
        match self {
            Self::Gcm { key, salt } => {
                let (header, body) = packet.split_at_mut_checked(header_bytes).ok_or(OpenError::TooShort)?;
                let nonce = gcm_rtp_nonce(salt, ssrc, index);
                let plain = key.open_in_place(nonce, Aad::from(&*header), body).map_err(|_| OpenError::Forged)?;
                Ok(header_bytes + plain.len())
            }
            Self::CounterMode { key, authentication, salt } => {
                let plain_bytes = packet.len().checked_sub(HMAC_TAG_BYTES).ok_or(OpenError::TooShort)?;
                let (plain, tag) = packet.split_at_mut(plain_bytes);
                let expected = hmac_tag(authentication, plain, &rollover(index));
                verify_slices_are_equal(&expected, tag).map_err(|_| OpenError::Forged)?;
                let body = plain.get_mut(header_bytes..).ok_or(OpenError::TooShort)?;
                key.apply(counter_iv(salt, ssrc, index), body).ok_or(OpenError::Forged)?;
                Ok(plain_bytes)
            }
        }
    }

    pub(super) fn seal_rtp(
        &self,
        buffer: &mut [u8],
        header_bytes: usize,
        plain_bytes: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        let (plain, room) = buffer.split_at_mut_checked(plain_bytes)?;
        match self {
            Self::Gcm { key, salt } => {
                let (header, body) = plain.split_at_mut_checked(header_bytes)?;
                let room = room.get_mut(..GCM_TAG_BYTES)?;
                let nonce = gcm_rtp_nonce(salt, ssrc, index);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(&*header), body).ok()?;
                room.copy_from_slice(tag.as_ref());
            }
            Self::CounterMode { key, authentication, salt } => {
                let room = room.get_mut(..HMAC_TAG_BYTES)?;
                key.apply(counter_iv(salt, ssrc, index), plain.get_mut(header_bytes..)?)?;
                room.copy_from_slice(&hmac_tag(authentication, plain, &rollover(index)));
            }
        }
        Some(plain_bytes + self.tag_bytes())
    }

    /// The caller must check that `index_offset` and the header lie within the packet.
    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        index_offset: usize,
        ssrc: u32,
        index: u32,
    ) -> Result<usize, OpenError> {
        match self {
            Self::Gcm { key, salt } => {
                let protected = packet.get_mut(..index_offset).ok_or(OpenError::TooShort)?;
                let (header, body) = protected.split_at_mut_checked(RTCP_HEADER_BYTES).ok_or(OpenError::TooShort)?;
                let aad = Aad::from(gcm_rtcp_aad(header, index).ok_or(OpenError::TooShort)?);
                let nonce = gcm_rtcp_nonce(salt, ssrc, index);
                let plain = key.open_in_place(nonce, aad, body).map_err(|_| OpenError::Forged)?;
                Ok(RTCP_HEADER_BYTES + plain.len())
            }
            Self::CounterMode { key, authentication, salt } => {
                let tag_offset = index_offset + RTCP_INDEX_BYTES;
                let (covered, tag) = packet.split_at_mut_checked(tag_offset).ok_or(OpenError::TooShort)?;
                let expected = hmac_tag(authentication, covered, &[]);
                verify_slices_are_equal(&expected, tag).map_err(|_| OpenError::Forged)?;
                let body = covered.get_mut(RTCP_HEADER_BYTES..index_offset).ok_or(OpenError::TooShort)?;
                key.apply(counter_iv(salt, ssrc, u64::from(index)), body).ok_or(OpenError::Forged)?;
                Ok(index_offset)
            }
        }
    }

    pub(super) fn seal_rtcp(&self, buffer: &mut [u8], plain_bytes: usize, ssrc: u32, index: u32) -> Option<usize> {
        let word = (index | RTCP_ENCRYPTED).to_be_bytes();
        let end = plain_bytes + RTCP_INDEX_BYTES + self.tag_bytes();
        let (plain, room) = buffer.get_mut(..end)?.split_at_mut_checked(plain_bytes)?;
        match self {
            Self::Gcm { key, salt } => {
                let (header, body) = plain.split_at_mut_checked(RTCP_HEADER_BYTES)?;
                let aad = Aad::from(gcm_rtcp_aad(header, index)?);
                let nonce = gcm_rtcp_nonce(salt, ssrc, index);
                let tag = key.seal_in_place_separate_tag(nonce, aad, body).ok()?;
                let (tag_room, word_room) = room.split_at_mut_checked(GCM_TAG_BYTES)?;
                tag_room.copy_from_slice(tag.as_ref());
                word_room.copy_from_slice(&word);
            }
            Self::CounterMode { key, authentication, salt } => {
                let body = plain.get_mut(RTCP_HEADER_BYTES..)?;
                key.apply(counter_iv(salt, ssrc, u64::from(index)), body)?;
                let (word_room, tag_room) = room.split_at_mut_checked(RTCP_INDEX_BYTES)?;
                word_room.copy_from_slice(&word);
                tag_room.copy_from_slice(&hmac_tag(authentication, plain, &word));
            }
        }
        Some(end)
    }
}

/// RFC 7714 §8.1: two zero bytes, SSRC, rollover counter, sequence number; XOR salt.
// In two words, as the cipher reads it: a word that was written byte by byte can only be read after all earlier stores,
// the packet's payload, have reached the cache.
fn gcm_rtp_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11] = *salt;
    let salt = (u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]), u32::from_be_bytes([s8, s9, s10, s11]));
    // The lower 48 bits of the index are exactly the rollover counter and the sequence number.
    let front = salt.0 ^ u64::from(ssrc) << 16 ^ index >> 32 & 0xffff;
    let back = salt.1 ^ index as u32;
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&front.to_be_bytes());
    nonce[8..].copy_from_slice(&back.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// RFC 7714 §9.1: two zero bytes, SSRC, two zero bytes, index; XOR salt.
fn gcm_rtcp_nonce(salt: &[u8; 12], ssrc: u32, index: u32) -> Nonce {
    gcm_rtp_nonce(salt, ssrc, u64::from(index))
}

/// RFC 7714 §9.2: the header and the index word.
fn gcm_rtcp_aad(header: &[u8], index: u32) -> Option<[u8; 12]> {
    let mut aad = [0; 12];
    let (front, word) = aad.split_at_mut(RTCP_HEADER_BYTES);
    front.copy_from_slice(header.get(..RTCP_HEADER_BYTES)?);
    word.copy_from_slice(&(index | RTCP_ENCRYPTED).to_be_bytes());
    Some(aad)
}

/// RFC 3711 §4.1.1: salt · 2¹⁶ XOR SSRC · 2⁶⁴ XOR index · 2¹⁶.
fn counter_iv(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    let mut iv = [0; 16];
    iv[..14].copy_from_slice(salt);
    iv[4..8].iter_mut().zip(ssrc.to_be_bytes()).for_each(|(byte, part)| *byte ^= part);
    iv[8..14].iter_mut().zip(&index.to_be_bytes()[2..]).for_each(|(byte, part)| *byte ^= part);
    iv
}

fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// RFC 3711 §4.2: the tag over the packet and the appended bytes.
fn hmac_tag(key: &hmac::Key, covered: &[u8], appended: &[u8]) -> [u8; HMAC_TAG_BYTES] {
    let mut context = hmac::Context::with_key(key);
    context.update(covered);
    context.update(appended);
    let mut tag = [0; HMAC_TAG_BYTES];
    // HMAC-SHA1 has 20 bytes.
    tag.copy_from_slice(&context.sign().as_ref()[..HMAC_TAG_BYTES]);
    tag
}

/// An AES key that generates key streams.
pub(super) struct CounterKey(Box<EncryptingKey>);

impl CounterKey {
    /// Takes 16 or 32 bytes.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
        let key = UnboundCipherKey::new(algorithm, key).ok()?;
        Some(Self(Box::new(EncryptingKey::ctr(key).ok()?)))
    }

    /// XORs the key stream that starts at `iv` onto `data`.
    pub(super) fn apply(&self, iv: [u8; 16], data: &mut [u8]) -> Option<()> {
        self.0.less_safe_encrypt(data, EncryptionContext::Iv128(iv.into())).ok().map(|_| ())
    }
}
