//! Published vectors, both directions of every profile, and state that an attacker must not change.

use super::*;

const PROFILES: [Profile; 3] = [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::Aes128CmSha1_80];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("hexadecimal") as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// Checks that `plain` seals to `sealed` and `sealed` opens to `plain`, as RTP with the given rollover counter.
fn check_rtp(cipher: &Cipher, ssrc: u32, index: u64, plain: &str, sealed: &str) {
    let (plain, sealed) = (hex(plain), hex(sealed));
    let mut buffer = plain.clone();
    buffer.resize(plain.len() + OVERHEAD_BYTES_MAX, 0);
    let bytes = cipher.seal_rtp(&mut buffer, 12, plain.len(), ssrc, index).expect("room");
    assert_eq!(buffer[..bytes], sealed);
    let mut packet = sealed;
    assert_eq!(cipher.open_rtp(&mut packet, 12, ssrc, index), Ok(plain.len()));
    assert_eq!(packet[..plain.len()], plain);
}

fn check_rtcp(cipher: &Cipher, ssrc: u32, index: u32, plain: &str, sealed: &str) {
    let (plain, sealed) = (hex(plain), hex(sealed));
    let mut buffer = plain.clone();
    buffer.resize(plain.len() + OVERHEAD_BYTES_MAX, 0);
    let bytes = cipher.seal_rtcp(&mut buffer, plain.len(), ssrc, index).expect("room");
    assert_eq!(buffer[..bytes], sealed);
    let mut packet = sealed;
    let offset = cipher.rtcp_index_offset(packet.len()).expect("long enough");
    assert_eq!(cipher.open_rtcp(&mut packet, offset, ssrc, index), Ok(plain.len()));
    assert_eq!(packet[..plain.len()], plain);
}

const GCM_PLAIN: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070
    61727465 73207472 6573";
const GCM_SALT: [u8; 12] = *b"Quid pro quo";
const GCM_SSRC: u32 = 0x5501_a0b2;

#[test]
fn seals_and_opens_rtp_like_rfc_7714_section_16() {
    let key: Vec<u8> = (0..32).collect();
    check_rtp(
        &Cipher::gcm(&key[..16], GCM_SALT).expect("length"),
        GCM_SSRC,
        0xf17b,
        GCM_PLAIN,
        "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf
         8833 899d7f27 beb16a91 52cf765e e4390cce",
    );
    check_rtp(
        &Cipher::gcm(&key, GCM_SALT).expect("length"),
        GCM_SSRC,
        0xf17b,
        GCM_PLAIN,
        "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799
         b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
    );
}

#[test]
fn seals_and_opens_rtcp_like_rfc_7714_section_17() {
    let key: Vec<u8> = (0..32).collect();
    check_rtcp(
        &Cipher::gcm(&key[..16], GCM_SALT).expect("length"),
        0x4d61_7273,
        0x5d4,
        "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef
         deadbeef",
        "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded
         0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
    );
}

#[test]
fn counter_mode_gives_the_packets_of_libsrtp() {
    // The vector with which libsrtp, and thus every browser, tests itself.
    let master_key = hex("e1f97a0d3e018be0d64fa32c06de4139");
    let master_salt = hex("0ec675ad498afeebb6960b3aabe6");
    let ciphers = Ciphers::derive(Profile::Aes128CmSha1_80, &master_key, &master_salt).expect("lengths");
    check_rtp(
        &ciphers.rtp,
        0xcafe_babe,
        0x1234,
        "800f1234 decafbad cafebabe abababab abababab abababab abababab",
        "800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc 99ea179b 8dbb",
    );
    check_rtcp(
        &ciphers.rtcp,
        0xcafe_babe,
        1,
        "81c8000b cafebabe abababab abababab abababab abababab",
        "81c8000b cafebabe 7128035b e487b9bd bef89041 f977a5a8 80000001 993e08cd 54d6c123 0798",
    );
}

#[test]
fn counter_mode_makes_the_key_stream_of_rfc_3711_appendix_b_2() {
    let key = cipher::CounterKey::new(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).expect("length");
    let mut stream = [0; 48];
    key.apply(hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000").try_into().expect("16 bytes"), &mut stream).expect("applies");
    assert_eq!(
        stream[..],
        hex("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0")
    );
}

/// The two ends of one association.
fn ends(profile: Profile) -> ((Opener, Sealer), (Opener, Sealer)) {
    let material: Vec<u8> = (0..88).map(|byte: u8| byte.wrapping_mul(37)).collect();
    let end = |side| contexts(profile, &material, side).expect("enough material");
    (end(Side::Client), end(Side::Server))
}

fn sealed(sealer: &Sealer, ssrc: u32, index: u64) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend((index as u16).to_be_bytes());
    packet.extend([0, 0, 0, 9]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(b"a payload");
    let plain = packet.len();
    packet.resize(plain + OVERHEAD_BYTES_MAX, 0);
    let bytes = sealer.seal_rtp(&mut packet, 12, plain, ssrc, index).expect("room");
    packet.truncate(bytes);
    packet
}

#[test]
fn each_side_opens_what_the_other_seals() {
    for profile in PROFILES {
        let ((mut client_opens, mut client_seals), (mut server_opens, mut server_seals)) = ends(profile);
        for index in [65_535, 65_536, 65_538, 65_537] {
            let mut packet = sealed(&client_seals, 7, index);
            assert_eq!(packet.len(), 21 + profile.tag_bytes());
            assert_eq!(server_opens.open_rtp(&mut packet, 12), Ok(Opened { bytes: 21, index }), "{profile:?}");
            assert_eq!(&packet[12..21], b"a payload");
            assert!(client_opens.open_rtp(&mut sealed(&client_seals, 7, index), 12).is_err(), "its own direction");
            assert!(client_opens.open_rtp(&mut sealed(&server_seals, 7, index), 12).is_ok());
        }
        for (sealer, opener) in [(&mut client_seals, &mut server_opens), (&mut server_seals, &mut client_opens)] {
            for _ in 0..3 {
                let mut packet = hex("80c90001 00000007 00000000 00000000 00000000 00000000 00000000");
                let bytes = sealer.seal_rtcp(&mut packet, 8).expect("room");
                assert_eq!(bytes, 8 + profile.tag_bytes() + 4);
                assert_eq!(opener.open_rtcp(&mut packet[..bytes]), Ok(8));
                assert_eq!(packet[..8], hex("80c90001 00000007"));
            }
        }
    }
}

#[test]
fn replayed_packets_are_refused() {
    for profile in PROFILES {
        let ((_, mut client_seals), (mut server_opens, _)) = ends(profile);
        let packet = sealed(&client_seals, 7, 100);
        assert!(server_opens.open_rtp(&mut packet.clone(), 12).is_ok());
        assert_eq!(server_opens.open_rtp(&mut packet.clone(), 12), Err(OpenError::Replayed));
        let mut report = hex("80c90001 00000007 00000000 00000000 00000000 00000000 00000000");
        let bytes = client_seals.seal_rtcp(&mut report, 8).expect("room");
        assert!(server_opens.open_rtcp(&mut report.clone()[..bytes]).is_ok());
        assert_eq!(server_opens.open_rtcp(&mut report[..bytes]), Err(OpenError::Replayed));
    }
}

#[test]
fn forged_packets_move_nothing() {
    for profile in PROFILES {
        let ((_, client_seals), (mut server_opens, _)) = ends(profile);
        assert!(server_opens.open_rtp(&mut sealed(&client_seals, 7, 100), 12).is_ok());
        // A far jump ahead under a known SSRC, and more unknown SSRCs than fit.
        let mut jump = sealed(&client_seals, 7, 30_000);
        *jump.last_mut().expect("not empty") ^= 1;
        assert_eq!(server_opens.open_rtp(&mut jump, 12), Err(OpenError::Forged));
        for ssrc in 0..2 * STREAMS_PER_SESSION_MAX as u32 {
            let mut packet = sealed(&client_seals, 1_000 + ssrc, 1);
            packet[12] ^= 1;
            assert_eq!(server_opens.open_rtp(&mut packet, 12), Err(OpenError::Forged));
        }
        assert_eq!(server_opens.rtp.streams.len(), 1);
        assert_eq!(server_opens.open_rtp(&mut sealed(&client_seals, 7, 101), 12).map(|opened| opened.index), Ok(101));
    }
}

#[test]
fn every_bit_of_a_packet_is_authentic() {
    for profile in PROFILES {
        let ((_, client_seals), (mut server_opens, _)) = ends(profile);
        let packet = sealed(&client_seals, 7, 100);
        for bit in 0..packet.len() * 8 {
            let mut packet = packet.clone();
            packet[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(server_opens.open_rtp(&mut packet, 12), Err(OpenError::Forged), "{profile:?} bit {bit}");
        }
    }
}

#[test]
fn the_number_of_streams_is_bounded() {
    let ((_, client_seals), (mut server_opens, _)) = ends(Profile::AeadAes128Gcm);
    for ssrc in 0..STREAMS_PER_SESSION_MAX as u32 {
        assert!(server_opens.open_rtp(&mut sealed(&client_seals, ssrc, 1), 12).is_ok());
    }
    let mut one_more = sealed(&client_seals, 1_000, 1);
    assert_eq!(server_opens.open_rtp(&mut one_more, 12), Err(OpenError::TooManyStreams));
    assert!(server_opens.open_rtp(&mut sealed(&client_seals, 3, 2), 12).is_ok(), "known streams go on");
}

#[test]
fn short_packets_are_refused() {
    for profile in PROFILES {
        let ((_, mut client_seals), (mut server_opens, _)) = ends(profile);
        let packet = sealed(&client_seals, 7, 100);
        let mut report = hex("80c90001 00000007 00000000 00000000 00000000 00000000 00000000");
        let bytes = client_seals.seal_rtcp(&mut report, 8).expect("room");
        for length in 0..packet.len() {
            assert!(server_opens.open_rtp(&mut packet.clone()[..length], 12).is_err());
        }
        for length in 0..bytes {
            assert!(server_opens.open_rtcp(&mut report.clone()[..length]).is_err());
        }
        let mut whole = packet;
        let beyond = whole.len() + 1;
        assert!(server_opens.open_rtp(&mut whole, beyond).is_err(), "a header longer than the packet");
    }
}

#[test]
fn rtcp_in_the_clear_is_refused() {
    for profile in PROFILES {
        let ((_, mut client_seals), (mut server_opens, _)) = ends(profile);
        let mut report = hex("80c90001 00000007 00000000 00000000 00000000 00000000 00000000");
        let bytes = client_seals.seal_rtcp(&mut report, 8).expect("room");
        let offset = client_seals.ciphers.rtcp.rtcp_index_offset(bytes).expect("long enough");
        report[offset] &= 0x7f;
        assert_eq!(server_opens.open_rtcp(&mut report[..bytes]), Err(OpenError::Forged));
    }
}

#[test]
fn keys_do_not_outlive_their_rtcp_index() {
    let ((_, mut client_seals), _) = ends(Profile::AeadAes128Gcm);
    client_seals.rtcp_index = (1 << 31) - 1;
    let mut report = [0; 40];
    assert!(client_seals.seal_rtcp(&mut report, 8).is_some());
    assert_eq!(client_seals.seal_rtcp(&mut report, 8), None);
}
