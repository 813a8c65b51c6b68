//! Derives session keys from master keys (RFC 3711 §4.3, RFC 7714 §11).

use super::cipher::{Cipher, CounterKey};
use super::profile::Profile;

/// The labels of the three derived keys (RFC 3711 §4.3.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Labels {
    encryption: u8,
    authentication: u8,
    salt: u8,
}

impl Labels {
    pub(super) const RTP: Self = Self { encryption: 0, authentication: 1, salt: 2 };
    pub(super) const RTCP: Self = Self { encryption: 3, authentication: 4, salt: 5 };
}

/// Derives one cipher; `None` if the lengths do not fit the profile.
pub(super) fn cipher(profile: Profile, master_key: &[u8], master_salt: &[u8], labels: Labels) -> Option<Cipher> {
    let master = CounterKey::new(master_key)?;
    let mut key = [0; 32];
    let key = key.get_mut(..profile.key_bytes())?;
    derive(&master, master_salt, labels.encryption, key)?;
    match profile {
        Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => {
            let mut salt = [0; 12];
            derive(&master, master_salt, labels.salt, &mut salt)?;
            Cipher::gcm(key, salt)
        }
        Profile::Aes128CmSha1_80 => {
            let (mut authentication, mut salt) = ([0; 20], [0; 14]);
            derive(&master, master_salt, labels.authentication, &mut authentication)?;
            derive(&master, master_salt, labels.salt, &mut salt)?;
            Cipher::counter_mode(key, &authentication, salt)
        }
    }
}

/// Fills `out` with the key stream selected by the label. The key derivation rate is always zero (RFC 5764 §4.2).
fn derive(master: &CounterKey, master_salt: &[u8], label: u8, out: &mut [u8]) -> Option<()> {
    let mut iv = [0; 16];
    // RFC 3711 §4.3.1: x = label ‖ index XOR salt, so the label meets the salt's byte 7.
    iv.get_mut(..master_salt.len())?.copy_from_slice(master_salt);
    iv[7] ^= label;
    out.fill(0);
    master.apply(iv, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derives_the_keys_of_rfc_3711_appendix_b_3() {
        let master_key = 0xE1F9_7A0D_3E01_8BE0_D64F_A32C_06DE_4139_u128.to_be_bytes();
        let salt = [0x0E, 0xC6, 0x75, 0xAD, 0x49, 0x8A, 0xFE, 0xEB, 0xB6, 0x96, 0x0B, 0x3A, 0xAB, 0xE6];
        let master = CounterKey::new(&master_key).expect("length");
        let derived = |label: u8, bytes: usize| {
            let mut out = vec![0; bytes];
            derive(&master, &salt, label, &mut out).expect("derives");
            out
        };
        assert_eq!(derived(0, 16), 0xC61E_7A93_744F_39EE_1073_4AFE_3FF7_A087_u128.to_be_bytes());
        assert_eq!(
            derived(2, 14),
            [0x30, 0xCB, 0xBC, 0x08, 0x86, 0x3D, 0x8C, 0x85, 0xD4, 0x9D, 0xB3, 0x4A, 0x9A, 0xE1]
        );
        assert_eq!(
            derived(1, 20),
            [
                0xCE, 0xBE, 0x32, 0x1F, 0x6F, 0xF7, 0x71, 0x6B, 0x6F, 0xD4, 0xAB, 0x49, 0xAF, 0x25, 0x6A, 0x15, 0x6D,
                0x38, 0xBA, 0xA4
            ]
        );
    }
}
