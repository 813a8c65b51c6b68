//! Reads the frames of a part, or of several in a row; skips everything else.

use super::Block;
use super::ebml::{Element, Elements, id, uint};

/// Length of a block's track number, time and flags, as written here.
const BLOCK_HEAD_BYTES: usize = 4;

/// Reads until the first malformed byte; earlier frames count.
#[must_use]
pub fn blocks(bytes: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    collect(Elements(bytes), &mut blocks);
    blocks
}

fn collect(elements: Elements<'_>, blocks: &mut Vec<Block>) {
    for Element { id, body } in elements {
        match id {
            // A segment of unknown size extends to the end; nested segments are ignored.
            id::SEGMENT => clusters(Elements(body), blocks),
            id::CLUSTER => cluster(body, blocks),
            _ => {}
        }
    }
}

fn clusters(elements: Elements<'_>, blocks: &mut Vec<Block>) {
    for element in elements.filter(|element| element.id == id::CLUSTER) {
        cluster(element.body, blocks);
    }
}

fn cluster(body: &[u8], blocks: &mut Vec<Block>) {
    let mut starts_ms = 0;
    for Element { id, body } in Elements(body) {
        match id {
            id::TIMESTAMP => starts_ms = uint(body).unwrap_or(0),
            id::SIMPLE_BLOCK => blocks.extend(block(starts_ms, body)),
            _ => {}
        }
    }
}

fn block(starts_ms: u64, body: &[u8]) -> Option<Block> {
    let ([_track, high, low, flags], bytes) = body.split_first_chunk::<BLOCK_HEAD_BYTES>()?;
    let relative = i16::from_be_bytes([*high, *low]);
    let at_ms = starts_ms.checked_add_signed(relative.into())?;
    Some(Block { at_ms, is_key: flags & 0x80 != 0, bytes: bytes.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::super::{Cluster, Media, live_header};
    use super::*;

    fn frame(at_ms: u64, is_key: bool, bytes: &[u8]) -> Block {
        Block { at_ms, is_key, bytes: bytes.to_vec() }
    }

    fn part(frames: &[Block]) -> Vec<u8> {
        let mut cluster = Cluster::new(frames[0].at_ms);
        assert!(frames.iter().all(|frame| cluster.add(1, frame)));
        let mut bytes = Vec::new();
        cluster.write(&mut bytes);
        bytes
    }

    #[test]
    fn parts_in_a_row_are_one_file() {
        let frames =
            [frame(10, true, b"one"), frame(43, false, b"two"), frame(5_010, false, b""), frame(5_043, true, b"4")];
        let mut bytes = live_header(Media::Video { width: 640, height: 360 });
        bytes.extend(part(&frames[..2]));
        bytes.extend(part(&frames[2..]));
        assert_eq!(blocks(&bytes), frames);
        // The second part alone contains its frames as well.
        assert_eq!(blocks(&part(&frames[2..])), frames[2..]);
    }

    #[test]
    fn what_is_cut_off_takes_nothing_before_it_along() {
        let whole = part(&[frame(10, true, b"one")]);
        let mut bytes = whole.clone();
        bytes.extend_from_slice(&whole[..whole.len() - 1]);
        assert_eq!(blocks(&bytes), [frame(10, true, b"one")]);
        assert_eq!(blocks(b""), []);
        assert_eq!(blocks(&[0; 64]), []);
    }

    #[test]
    fn a_frame_too_far_away_needs_a_cluster_of_its_own() {
        let mut cluster = Cluster::new(1_000);
        assert!(!cluster.add(1, &frame(999, true, b"x")));
        assert!(!cluster.add(1, &frame(1_000 + 32_768, true, b"x")));
        assert!(cluster.add(1, &frame(1_000 + 32_767, true, b"x")));
    }
}
