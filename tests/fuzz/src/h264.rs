//! H.264 payloads: unpacking and packing a packet gives the same units.

use media_core::codec::h264::{self, Summary, Unit, Units, kind};

/// Reads `payload`, and packs the result.
pub fn check(payload: &[u8]) {
    if let Some((width, height)) = h264::resolution(payload) {
        assert!(width > 0 && height > 0);
    }
    let Some(units) = Units::parse(payload) else {
        assert_eq!(Summary::parse(payload), None);
        return;
    };
    let has_parameters = units.clone().any(|unit| unit.kind() == kind::SPS);
    let summary = Summary::parse(payload).expect("units have a summary");
    assert!(has_parameters || !summary.starts_keyframe);
    let mut expected = payload.to_vec();
    if payload[0] & 0x1f == kind::FU_A {
        // The reserved bit is ignored.
        expected[1] &= !0x20;
    }
    assert_eq!(pack(units, payload[0]), expected);
}

fn pack(units: Units<'_>, first: u8) -> Vec<u8> {
    let is_aggregate = first & 0x1f == kind::STAP_A;
    let mut packed = if is_aggregate { vec![first] } else { Vec::new() };
    for unit in units {
        match unit {
            Unit::Whole(bytes) => {
                assert!(!bytes.is_empty());
                if is_aggregate {
                    packed.extend((bytes.len() as u16).to_be_bytes());
                }
                packed.extend_from_slice(bytes);
            }
            Unit::Fragment { header, is_first, is_last, bytes } => {
                assert!(!bytes.is_empty());
                assert!(!is_first || !is_last, "a unit in one piece is not cut");
                packed.push(first);
                packed.push(u8::from(is_first) << 7 | u8::from(is_last) << 6 | header & 0x1f);
                packed.extend_from_slice(bytes);
            }
        }
    }
    packed
}
