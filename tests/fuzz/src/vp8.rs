//! VP8 payload descriptor: rewriting the picture numbers changes nothing else.

use media_core::codec::vp8::{self, Descriptor, Numbers};

/// Reads `payload` and overwrites its picture numbers, and then restores them.
pub fn check(payload: &[u8]) {
    if let Some((width, height)) = vp8::resolution(payload) {
        assert!(width < 1 << 14 && height < 1 << 14);
    }
    let Some(descriptor) = Descriptor::parse(payload) else { return };
    assert!((1..=6).contains(&descriptor.descriptor_bytes));
    assert!(usize::from(descriptor.descriptor_bytes) <= payload.len());
    assert!(descriptor.starts_frame || !descriptor.starts_keyframe);
    let numbers = descriptor.numbers();
    let others = numbers.advance(Numbers { picture_id: 0x1234, base_layer_index: 0x56 });
    assert_eq!(numbers.advance(others.step_from(numbers)), others);

    let mut rewritten = payload.to_vec();
    descriptor.rewrite(&mut rewritten, others);
    let again = Descriptor::parse(&rewritten).expect("still a descriptor");
    assert_eq!(again.descriptor_bytes, descriptor.descriptor_bytes);
    let (expected, mask) = match descriptor.picture_id {
        Some(id) if id.is_long => (others.picture_id, 0x7fff),
        Some(_) => (others.picture_id & 0x7f, 0x7f),
        None => (0, 0x7fff),
    };
    assert_eq!(again.numbers().picture_id & mask, expected);
    let expected_index = descriptor.base_layer_index.map_or(0, |_| others.base_layer_index);
    assert_eq!(again.numbers().base_layer_index, expected_index);

    again.rewrite(&mut rewritten, numbers);
    assert_eq!(rewritten, payload);
}
