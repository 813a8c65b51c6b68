//! H.264 parameters (RFC 6184 §8.1): the forwarded profiles, and their names in an answer.

use crate::steps::look_through;
use shared::rtp_parameters::{Codec, CodecName};
use std::fmt::Write;

/// The answer's `profile-level-id`: constrained baseline with level 3.1, main with level 5.
const fn profile_level_id(name: CodecName) -> Option<u32> {
    match name {
        CodecName::H264ConstrainedBaseline => Some(0x42_e01f),
        CodecName::H264Main => Some(0x4d_0032),
        CodecName::Opus | CodecName::Red | CodecName::Vp8 => None,
    }
}

/// The codec described by an `a=fmtp` line of H.264, if it can be forwarded: packetization mode 1 only, and a different
/// level only if the client allows level asymmetry.
pub(super) fn profile(parameters: &str) -> Option<CodecName> {
    let (mut is_mode_1, mut is_asymmetric, mut id) = (false, false, None);
    for parameter in parameters.split(';') {
        let parameter = look_through(parameter);
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("packetization-mode") {
            is_mode_1 = value == "1";
        } else if name.eq_ignore_ascii_case("level-asymmetry-allowed") {
            is_asymmetric = value == "1";
        } else if name.eq_ignore_ascii_case("profile-level-id") {
            id = parse(value);
        }
    }
    let id = id.filter(|_| is_mode_1)?;
    let name = profile_of(id)?;
    (is_asymmetric || Some(id & 0xff) == profile_level_id(name).map(|own| own & 0xff)).then_some(name)
}

fn parse(value: &str) -> Option<u32> {
    let is_id = value.len() == 6 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(value, 16).ok().filter(|_| is_id)
}

/// RFC 6184 table 5: a profile is identified by its number and constraint flags.
const fn profile_of(id: u32) -> Option<CodecName> {
    let (number, constraints) = (id >> 16, id >> 8 & 0xff);
    match number {
        0x42 if constraints & 0x4f == 0x40 => Some(CodecName::H264ConstrainedBaseline),
        0x4d if constraints & 0x8f == 0x80 => Some(CodecName::H264ConstrainedBaseline),
        0x58 if constraints & 0xcf == 0xc0 => Some(CodecName::H264ConstrainedBaseline),
        0x4d if constraints & 0xaf == 0 => Some(CodecName::H264Main),
        _ => None,
    }
}

pub(super) fn write(text: &mut String, codec: &Codec) {
    if let Some(id) = profile_level_id(codec.name) {
        let of = codec.payload_type;
        let _ =
            write!(text, "a=fmtp:{of} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={id:06x}\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parameters: &str, expected: Option<CodecName>) {
        assert_eq!(profile(parameters), expected, "{parameters}");
    }

    const BASELINE: Option<CodecName> = Some(CodecName::H264ConstrainedBaseline);
    const MAIN: Option<CodecName> = Some(CodecName::H264Main);

    #[test]
    fn knows_the_profiles_of_browsers() {
        let browser = |id: &str| format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={id}");
        for (id, expected) in [
            ("42e01f", BASELINE),
            ("42E034", BASELINE),
            ("42c01e", BASELINE),
            ("4d801f", BASELINE),
            ("4d001f", MAIN),
            ("4d0032", MAIN),
            ("4d401f", MAIN),
            ("42001f", None),
            ("640c1f", None),
            ("64001f", None),
            ("42e0", None),
            ("42e01g", None),
            ("+2e01f", None),
        ] {
            check(&browser(id), expected);
        }
    }

    #[test]
    fn each_constraint_of_the_table_counts_and_no_other() {
        // RFC 6184 table 5, one character per bit: its value, or `x` for any.
        for (number, pattern, expected) in [
            (0x42, "x1xx0000", BASELINE),
            (0x4d, "1xxx0000", BASELINE),
            (0x58, "11xx0000", BASELINE),
            (0x4d, "0x0x0000", MAIN),
        ] {
            for constraints in 0..=255_u32 {
                let fits = pattern
                    .bytes()
                    .enumerate()
                    .all(|(place, bit)| bit == b'x' || u32::from(bit - b'0') == constraints >> (7 - place) & 1);
                let name = profile_of(number << 16 | constraints << 8 | 0x1f);
                assert_eq!(name == expected, fits, "{number:x} {constraints:08b}");
            }
        }
    }

    #[test]
    fn takes_packetization_mode_1_alone() {
        check("level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f", None);
        check("level-asymmetry-allowed=1;profile-level-id=42e01f", None);
        check(" Profile-Level-Id = 42e01f ; Packetization-Mode = 1 ; level-asymmetry-allowed=1", BASELINE);
        check("packetization-mode=1", None);
    }

    #[test]
    fn without_asymmetry_the_level_is_the_same() {
        check("packetization-mode=1;profile-level-id=42e01f", BASELINE);
        check("packetization-mode=1;profile-level-id=42e034", None);
        check("packetization-mode=1;profile-level-id=4d0032", MAIN);
    }
}
