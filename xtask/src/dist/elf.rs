//! Checks a single property of a program: whether it needs a dynamic loader.

/// Type of the program header that names the loader (System V ABI, `PT_INTERP`).
const PT_INTERP: u32 = 3;

/// True if these bytes are a 64-bit little-endian ELF program that starts without a loader, and therefore without any
/// library.
pub(super) fn is_static(program: &[u8]) -> bool {
    let (Some(offset), Some(size), Some(count)) = (u64_at(program, 32), u16_at(program, 54), u16_at(program, 56))
    else {
        return false;
    };
    let starts_right = program.starts_with(b"\x7fELF\x02\x01");
    let kind = |index: u16| u32_at(program, usize::try_from(offset).ok()? + usize::from(index) * usize::from(size));
    starts_right && count > 0 && (0..count).all(|index| kind(index).is_some_and(|kind| kind != PT_INTERP))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header with program headers of these kinds.
    fn program(kinds: &[u32]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(64, 0);
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = u8::try_from(kinds.len()).expect("few");
        for kind in kinds {
            bytes.extend(kind.to_le_bytes());
            bytes.resize(bytes.len() + 52, 0);
        }
        bytes
    }

    #[test]
    fn a_program_with_a_loader_is_not_static() {
        assert!(is_static(&program(&[1, 2])));
        assert!(!is_static(&program(&[1, PT_INTERP, 2])));
        let own = std::fs::read(std::env::current_exe().expect("a program")).expect("its file");
        assert!(!is_static(&own), "tests are linked dynamically");
    }

    #[test]
    fn what_is_no_program_is_not_static() {
        let whole = program(&[1, 2]);
        for length in 0..whole.len() {
            assert!(!is_static(&whole[..length.min(64 + 56)]), "{length}");
        }
        assert!(!is_static(b"#!/bin/sh"));
    }
}
