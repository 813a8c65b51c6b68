//! The picture size from a sequence parameter set (ITU-T H.264 §7.3.2.1.1).

/// Profiles whose parameter sets contain the chroma format (§7.3.2.1.1).
const WITH_CHROMA_FORMAT: [u8; 13] = [44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244];
/// Macroblocks of the largest picture of level 5.2 (table A-1): 4096x2304.
const MACROBLOCKS_MAX: u32 = 36_864;
/// Most frames in a cycle of picture order counts (§7.4.2.1.1).
const CYCLE_MAX: u32 = 255;

/// Width and height of the visible part of the picture, from a NAL unit with its header.
pub fn size(unit: &[u8]) -> Option<(u16, u16)> {
    let mut bits = Bits::new(unit.get(1..)?);
    let profile = bits.take(8)? as u8;
    // Constraints and level.
    bits.take(16)?;
    bits.unsigned()?;
    let chroma_format = if WITH_CHROMA_FORMAT.contains(&profile) { chroma_format(&mut bits)? } else { 1 };
    bits.unsigned()?;
    skip_picture_order(&mut bits)?;
    // Number of reference frames, and permission for gaps in frame numbers.
    bits.unsigned()?;
    bits.take(1)?;
    let (columns, rows) = (bits.unsigned()?, bits.unsigned()?);
    // A field has every other line of a frame.
    let fields = 2 - bits.take(1)?;
    if fields == 2 {
        bits.take(1)?;
    }
    bits.take(1)?;
    let mut crop = [0; 4];
    if bits.take(1)? == 1 {
        for side in &mut crop {
            *side = bits.unsigned()?;
        }
    }
    let [left, right, top, bottom] = crop;
    let (unit_x, unit_y) = match chroma_format {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let macroblocks = columns.checked_add(1)?.checked_mul(rows.checked_add(1)?.checked_mul(fields)?)?;
    if macroblocks > MACROBLOCKS_MAX {
        return None;
    }
    let width = side(columns, 1, left.checked_add(right)?, unit_x)?;
    let height = side(rows, fields, top.checked_add(bottom)?, unit_y * fields)?;
    Some((width, height))
}

fn side(macroblocks_minus_1: u32, fields: u32, cropped: u32, unit: u32) -> Option<u16> {
    let whole = macroblocks_minus_1.checked_add(1)?.checked_mul(16)?.checked_mul(fields)?;
    let shown = whole.checked_sub(cropped.checked_mul(unit)?)?;
    u16::try_from(shown).ok().filter(|shown| *shown > 0)
}

fn chroma_format(bits: &mut Bits<'_>) -> Option<u32> {
    let format = bits.unsigned()?;
    if format == 3 {
        bits.take(1)?;
    }
    // Bit depths of luma and chroma, and the transform bypass for lossless macroblocks.
    bits.unsigned()?;
    bits.unsigned()?;
    bits.take(1)?;
    if bits.take(1)? == 1 {
        for list in 0..if format == 3 { 12 } else { 8 } {
            if bits.take(1)? == 1 {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(format)
}

/// §7.3.2.1.1.1.
fn skip_scaling_list(bits: &mut Bits<'_>, entries: u32) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..entries {
        if next != 0 {
            next = (last + i64::from(bits.signed()?) + 256) % 256;
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

fn skip_picture_order(bits: &mut Bits<'_>) -> Option<()> {
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.take(1)?;
            bits.unsigned()?;
            bits.unsigned()?;
            let frames = bits.unsigned()?;
            for _ in 0..Some(frames).filter(|frames| *frames <= CYCLE_MAX)? {
                bits.unsigned()?;
            }
        }
        _ => {}
    }
    Some(())
}

/// The bits of a unit without its emulation prevention bytes (§7.4.1).
struct Bits<'a> {
    bytes: &'a [u8],
    zeros: u8,
    current: u8,
    left: u8,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, zeros: 0, current: 0, left: 0 }
    }

    fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            self.current = self.byte()?;
            self.left = 8;
        }
        self.left -= 1;
        Some(u32::from(self.current >> self.left & 1))
    }

    fn byte(&mut self) -> Option<u8> {
        let (mut byte, mut rest) = self.bytes.split_first()?;
        if self.zeros >= 2 && *byte == 3 {
            (byte, rest) = rest.split_first()?;
            self.zeros = 0;
        }
        self.bytes = rest;
        self.zeros = if *byte == 0 { self.zeros.saturating_add(1) } else { 0 };
        Some(*byte)
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | self.bit()?;
        }
        Some(value)
    }

    /// An Exp-Golomb code (§9.1).
    fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros | self.take(zeros)?) - 1)
    }

    fn signed(&mut self) -> Option<i32> {
        let code = i64::from(self.unsigned()?);
        i32::try_from(if code % 2 == 0 { -code / 2 } else { code / 2 + 1 }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hex: &str, expected: Option<(u16, u16)>) {
        let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal");
        assert_eq!(size(&digits.chunks(2).map(byte).collect::<Vec<_>>()), expected, "{hex}");
    }

    #[test]
    fn reads_what_x264_writes() {
        check("6742c016d900a02ff97011000003000100000300140f162e48", Some((640, 360)));
        check("6742c016d900a42fe226c044000003000400000300503c58b920", Some((642, 358)));
        check("674d401feca02802dd8088000003000800000300a078c18cb0", Some((1_280, 720)));
        check("67640028acd940780227e5c044000003000400000300503c60c658", Some((1_920, 1_080)));
        check("677a000cbcd941419f8dc044000003000400000300503c50a658", Some((320, 180)));
        check("67f4000c919b282a33c7c5e022000003000200000300281e28532c", Some((322, 182)));
    }

    #[test]
    fn reads_fields_and_scaling_lists() {
        check("67640028acd94078044fde022000000300200000030283e2c5b2c0", Some((1_920, 1_080)));
        check("677a0015bcd941433f3e022000000300200000030283e28532c0", Some((320, 180)));
        check("67640016acd940a02ff97011000003000100000300140f162d96", Some((640, 360)));
    }

    /// An Exp-Golomb code.
    fn code(value: u32) -> String {
        let bits = format!("{:b}", value + 1);
        format!("{}{bits}", "0".repeat(bits.len() - 1))
    }

    /// The size in a baseline parameter set with this many macroblocks across and down.
    fn claims(columns: u32, rows: u32) -> Option<(u16, u16)> {
        size_of(66, &format!("1 1 1 1 1 0 {} {} 1 1 0 0 1", code(columns - 1), code(rows - 1)))
    }

    /// The size in a parameter set of this profile, with these bits after the level.
    fn size_of(profile: u8, bits: &str) -> Option<(u16, u16)> {
        let bits = bits.replace(' ', "");
        let mut unit = vec![0x67, profile, 0, 10];
        for byte in bits.as_bytes().chunks(8) {
            unit.push(byte.iter().enumerate().fold(0, |sum, (place, bit)| sum | (bit - b'0') << (7 - place)));
        }
        unit.push(0);
        size(&unit)
    }

    #[test]
    fn some_profiles_tell_the_format_of_colours() {
        let end = format!("{} {} 1 1 0 0 1", code(39), code(22));
        for profile in [44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244] {
            let with = |format| format!("1 {} 1 1 0 0 1 1 1 1 0 {end}", code(format));
            assert_eq!(size_of(profile, &with(1)), Some((640, 368)), "{profile}");
            assert_eq!(size_of(profile, &format!("1 {} 0 1 1 0 0 1 1 1 1 0 {end}", code(3))), Some((640, 368)));
        }
        for profile in [66, 77, 88] {
            assert_eq!(size_of(profile, &format!("1 1 1 1 1 0 {end}")), Some((640, 368)), "{profile}");
        }
    }

    #[test]
    fn scaling_lists_are_passed_over_whatever_ends_them() {
        let signed = |value: i32| code(if value > 0 { 2 * value as u32 - 1 } else { 2 * value.unsigned_abs() });
        let list = |deltas: &[i32]| format!("1{}", deltas.iter().copied().map(signed).collect::<String>());
        let end = format!("1 1 1 1 0 {} {} 1 1 0 0 1", code(39), code(22));
        for (format, lists) in [(1, 8), (3, 12)] {
            let plane = if format == 3 { "0" } else { "" };
            for place in 0..lists {
                let entries = if place < 6 { 16 } else { 64 };
                // The rest of a list repeats the value before a zero (§7.3.2.1.1.1); values count modulo 256.
                for deltas in [&vec![0; entries][..], &[-8], &[248], &[1, -9], &[1, 0, -9], &[-7, 255]] {
                    let all = "0".repeat(place) + &list(deltas) + &"0".repeat(lists - place - 1);
                    let size = size_of(100, &format!("1 {} {plane} 1 1 0 1 {all} {end}", code(format)));
                    assert_eq!(size, Some((640, 368)), "format {format}, list {place}: {deltas:?}");
                }
            }
        }
    }

    #[test]
    fn only_a_three_that_follows_two_zeros_of_its_own_is_no_data() {
        let mut bits = Bits::new(&[0, 0, 3, 0, 3, 0, 0, 3, 0, 0, 3, 1, 3]);
        let bytes: Vec<u8> = std::iter::from_fn(|| bits.byte()).collect();
        assert_eq!(bytes, [0, 0, 0, 3, 0, 0, 0, 0, 1, 3]);
    }

    #[test]
    fn a_number_may_have_as_many_bits_as_the_standard_allows() {
        let end = format!("1 1 1 1 0 {} {} 1 1 0 0 1", code(39), code(22));
        for number in [0, 1, 65_534, 65_535, 1 << 30, u32::MAX - 1] {
            assert_eq!(size_of(66, &format!("{} {end}", code(number))), Some((640, 368)), "{number}");
        }
    }

    #[test]
    fn each_order_of_pictures_is_passed_over() {
        let end = format!("1 0 {} {} 1 1 0 0 1", code(39), code(22));
        let cycle = |frames: u32| {
            format!("{} 0 {} {} {} {}", code(1), code(7), code(8), code(frames), code(9).repeat(frames as usize))
        };
        for order in [format!("{} {}", code(0), code(5)), cycle(0), cycle(3), cycle(255), code(2)] {
            assert_eq!(size_of(66, &format!("1 1 {order} {end}")), Some((640, 368)), "{order}");
        }
        assert_eq!(size_of(66, &format!("1 1 {} {end}", cycle(256))), None);
    }

    #[test]
    fn each_side_is_cropped_in_its_own_units() {
        let cropped = |chroma: u32, is_frame: u8, sides: [u32; 4]| {
            let sides = sides.map(code).join(" ");
            let plane = if chroma == 3 { "0" } else { "" };
            let fields = if is_frame == 1 { "1" } else { "0 0" };
            let colours = format!("{} {plane} 1 1 0 0", code(chroma));
            size_of(100, &format!("1 {colours} 1 1 1 1 0 {} {} {fields} 1 1 {sides} 0 1", code(39), code(10)))
        };
        for (chroma, unit_x, unit_y) in [(0, 1, 1), (1, 2, 2), (2, 2, 1), (3, 1, 1)] {
            for (is_frame, lines) in [(1, 176), (0, 352)] {
                let unit_y = unit_y * (2 - u16::from(is_frame));
                for (sides, x, y) in
                    [([3, 0, 0, 0], 3, 0), ([0, 5, 0, 0], 5, 0), ([0, 0, 7, 0], 0, 7), ([0, 0, 0, 9], 0, 9)]
                {
                    let expected = (640 - x * unit_x, lines - y * unit_y);
                    assert_eq!(cropped(chroma, is_frame, sides), Some(expected), "{chroma} {is_frame} {sides:?}");
                }
            }
        }
        assert_eq!(cropped(1, 1, [160, 160, 0, 0]), None, "nothing is left");
    }

    #[test]
    fn a_picture_beyond_level_5_2_has_no_size() {
        assert_eq!(claims(40, 23), Some((640, 368)));
        assert_eq!(claims(256, 144), Some((4_096, 2_304)));
        assert_eq!(claims(256, 145), None);
        // In fields, each row of macroblocks counts twice.
        let in_fields = |rows: u32| size_of(66, &format!("1 1 1 1 1 0 {} {} 0 1 1 0 0 1", code(255), code(rows - 1)));
        assert_eq!((in_fields(72), in_fields(73)), (Some((4_096, 2_304)), None));
        assert_eq!(claims(4_095, 4_095), None, "a tiny parameter set must not make huge black pictures");
    }

    #[test]
    fn what_is_cut_short_has_no_size() {
        let whole = [0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0xc0, 0x44];
        for length in 0..8 {
            assert_eq!(size(&whole[..length]), None, "{length}");
        }
        assert_eq!(size(&[]), None);
        assert_eq!(size(&[0x67, 66, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0]), None, "an endless number");
    }
}
