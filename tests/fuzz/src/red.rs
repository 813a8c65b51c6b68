//! Redundant audio: the result of reading can be written, and reads again as the same.

use media_core::codec::red::{Blocks, EARLIER_MAX, write};

const OPUS: u8 = 111;

pub fn check(payload: &[u8]) {
    let Some(blocks) = Blocks::parse(payload, OPUS) else { return };
    assert!(blocks.earlier().count() <= EARLIER_MAX);
    let mut out = vec![0; payload.len()];
    let length = write(&mut out, OPUS, blocks.primary, blocks.earlier()).expect("no longer than it was");
    assert_eq!(Blocks::parse(&out[..length], OPUS), Some(blocks));
}
