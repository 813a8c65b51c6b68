//! VP8 in RTP (RFC 7741): the payload descriptor, key frames, and rewriting picture numbers in place.

/// The payload descriptor of one packet (RFC 7741 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Bit S with partition index 0: the packet begins a frame.
    pub starts_frame: bool,
    /// The frame that begins here needs no other; known only in the first packet of a frame.
    pub starts_keyframe: bool,
    /// Bit N: no frame refers to this one, so it can be dropped.
    pub is_discardable: bool,
    /// Number of the picture, 7 or 15 bits.
    pub picture_id: Option<PictureId>,
    /// TL0PICIDX: the number of the temporal base layer frame.
    pub base_layer_index: Option<Located<u8>>,
    /// TID and Y.
    pub temporal_layer: Option<TemporalLayer>,
    /// KEYIDX: identifies frames with common key frame dependencies, 5 bits.
    pub key_index: Option<u8>,
    /// Length of the descriptor: the VP8 bitstream follows.
    pub descriptor_bytes: u8,
}

/// A value and its position in the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    /// Offset of its first byte in the payload.
    offset: u8,
}

/// A picture number and its encoded length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    pub value: u16,
    /// True for 15 bits instead of 7 (bit M).
    pub is_long: bool,
    offset: u8,
}

/// Temporal scalability (RFC 7741 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemporalLayer {
    /// TID, 0 is the base layer.
    pub index: u8,
    /// Y: the frame depends on the base layer only, so a receiver may start with this layer here.
    pub is_sync: bool,
}

impl Descriptor {
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader { payload, offset: 0 };
        let first = reader.byte()?;
        let extended = if first & 0x80 != 0 { reader.byte()? } else { 0 };
        let picture_id = if extended & 0x80 != 0 { Some(reader.picture_id()?) } else { None };
        let base_layer_index =
            if extended & 0x40 != 0 { Some(Located { offset: reader.offset, value: reader.byte()? }) } else { None };
        // The octet with TID, Y and KEYIDX is there if either of T and K is set.
        let layer_octet = if extended & 0x30 != 0 { Some(reader.byte()?) } else { None };
        let temporal_layer = layer_octet
            .filter(|_| extended & 0x20 != 0)
            .map(|octet| TemporalLayer { index: octet >> 6, is_sync: octet & 0x20 != 0 });
        let key_index = layer_octet.filter(|_| extended & 0x10 != 0).map(|octet| octet & 0x1f);
        let frame = payload.get(usize::from(reader.offset)..)?;
        // RFC 7741 §4.2: S with PID 0 is the start of the frame's first partition.
        let starts_frame = first & 0x10 != 0 && first & 0x07 == 0;
        Some(Self {
            starts_frame,
            // RFC 6386 §9.1: the lowest bit of the frame tag is clear for a key frame.
            starts_keyframe: starts_frame && frame.first().is_some_and(|tag| tag & 1 == 0),
            is_discardable: first & 0x20 != 0,
            picture_id,
            base_layer_index,
            temporal_layer,
            key_index,
            descriptor_bytes: reader.offset,
        })
    }

    /// Overwrites the picture numbers in the payload this descriptor was read from (or a copy of it).
    pub fn rewrite(&self, payload: &mut [u8], numbers: Numbers) {
        if let Some(id) = self.picture_id {
            let offset = usize::from(id.offset);
            if id.is_long {
                if let Some(bytes) = payload.get_mut(offset..offset + 2) {
                    bytes.copy_from_slice(&(numbers.picture_id | 0x8000).to_be_bytes());
                }
            } else if let Some(byte) = payload.get_mut(offset) {
                *byte = (numbers.picture_id & 0x7f) as u8;
            }
        }
        if let Some(index) = self.base_layer_index
            && let Some(byte) = payload.get_mut(usize::from(index.offset))
        {
            *byte = numbers.base_layer_index;
        }
    }

    /// The packet's picture numbers, 0 if absent.
    pub fn numbers(&self) -> Numbers {
        Numbers {
            picture_id: self.picture_id.map_or(0, |id| id.value),
            base_layer_index: self.base_layer_index.map_or(0, |index| index.value),
        }
    }
}

/// The two numbers of a VP8 stream that continue from frame to frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Picture id, 15 bits.
    pub picture_id: u16,
    /// TL0PICIDX.
    pub base_layer_index: u8,
}

impl Numbers {
    /// These numbers advanced by `step`, each wrapping within its field.
    pub fn advance(self, step: Self) -> Self {
        Self {
            picture_id: self.picture_id.wrapping_add(step.picture_id) & 0x7fff,
            base_layer_index: self.base_layer_index.wrapping_add(step.base_layer_index),
        }
    }

    /// The step from `origin` to these numbers.
    pub fn step_from(self, origin: Self) -> Self {
        Self {
            picture_id: self.picture_id.wrapping_sub(origin.picture_id) & 0x7fff,
            base_layer_index: self.base_layer_index.wrapping_sub(origin.base_layer_index),
        }
    }

    /// True if these numbers come after `other`, which may be at most half the number space away.
    pub fn is_newer(self, other: Self) -> bool {
        let distance = self.step_from(other).picture_id;
        distance != 0 && distance < 0x4000
    }
}

/// Width and height of a key frame, from its first packet (RFC 6386 §9.1).
pub fn resolution(payload: &[u8]) -> Option<(u16, u16)> {
    let descriptor = Descriptor::parse(payload).filter(|descriptor| descriptor.starts_keyframe)?;
    let frame = payload.get(usize::from(descriptor.descriptor_bytes)..)?;
    let [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = *frame.first_chunk::<10>()? else { return None };
    // The two top bits of each are the scaling that a player may apply.
    Some((u16::from_le_bytes([w0, w1]) & 0x3fff, u16::from_le_bytes([h0, h1]) & 0x3fff))
}

struct Reader<'a> {
    payload: &'a [u8],
    offset: u8,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.payload.get(usize::from(self.offset))?;
        self.offset += 1;
        Some(byte)
    }

    fn picture_id(&mut self) -> Option<PictureId> {
        let offset = self.offset;
        let first = self.byte()?;
        if first & 0x80 == 0 {
            return Some(PictureId { value: u16::from(first), is_long: false, offset });
        }
        let value = u16::from_be_bytes([first & 0x7f, self.byte()?]);
        Some(PictureId { value, is_long: true, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start of a 640 × 360 key frame.
    const KEY: [u8; 10] = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];

    fn payload(descriptor: &[u8], frame: &[u8]) -> Vec<u8> {
        [descriptor, frame].concat()
    }

    fn check(descriptor: &[u8], frame: &[u8], expected: &str) {
        let payload = payload(descriptor, frame);
        let described = Descriptor::parse(&payload).map(|d| {
            assert_eq!(usize::from(d.descriptor_bytes), descriptor.len());
            let number = |value: Option<u16>| value.map_or("-".to_owned(), |value| value.to_string());
            format!(
                "{}{}{} id {} tl0 {} tid {} key {}",
                if d.starts_frame { "S" } else { "-" },
                if d.starts_keyframe { "K" } else { "-" },
                if d.is_discardable { "N" } else { "-" },
                number(d.picture_id.map(|id| id.value)),
                number(d.base_layer_index.map(|index| index.value.into())),
                d.temporal_layer.map_or("-".to_owned(), |t| format!("{}{}", t.index, if t.is_sync { "Y" } else { "" })),
                number(d.key_index.map(u16::from)),
            )
        });
        assert_eq!(described.as_deref().unwrap_or("malformed"), expected);
    }

    #[test]
    fn reads_the_short_descriptor() {
        check(&[0x10], &KEY, "SK- id - tl0 - tid - key -");
        check(&[0x00], &KEY, "--- id - tl0 - tid - key -");
        check(&[0x30], &[1], "S-N id - tl0 - tid - key -");
    }

    #[test]
    fn a_later_partition_starts_no_frame() {
        check(&[0x11], &KEY, "--- id - tl0 - tid - key -");
    }

    #[test]
    fn reads_picture_ids_of_both_lengths() {
        check(&[0x90, 0x80, 0x7f], &KEY, "SK- id 127 tl0 - tid - key -");
        check(&[0x90, 0x80, 0xff, 0xff], &KEY, "SK- id 32767 tl0 - tid - key -");
        check(&[0x90, 0x80, 0x80, 0x05], &KEY, "SK- id 5 tl0 - tid - key -");
    }

    #[test]
    fn reads_layers() {
        check(&[0x90, 0xe0, 0x81, 0x00, 0x09, 0x60], &[1], "S-- id 256 tl0 9 tid 1Y key -");
        check(&[0x80, 0x30, 0x83], &[1], "--- id - tl0 - tid 2 key 3");
        check(&[0x80, 0x10, 0xe3], &[1], "--- id - tl0 - tid - key 3");
        check(&[0x80, 0x40, 200], &[1], "--- id - tl0 200 tid - key -");
    }

    #[test]
    fn what_is_cut_short_is_malformed() {
        let whole = [0x90, 0xf0, 0x81, 0x00, 0x09, 0x60];
        for length in 0..whole.len() {
            check(&whole[..length], &[], "malformed");
        }
        check(&whole, &[], "S-- id 256 tl0 9 tid 1Y key 0");
    }

    #[test]
    fn rewrites_numbers_and_nothing_else() {
        let mut long = payload(&[0x90, 0xe0, 0x81, 0x00, 0x09, 0x60], &KEY);
        let before = long.clone();
        let descriptor = Descriptor::parse(&long).expect("well formed");
        descriptor.rewrite(&mut long, Numbers { picture_id: 0x7abc, base_layer_index: 77 });
        assert_eq!(long[2..5], [0xfa, 0xbc, 77]);
        descriptor.rewrite(&mut long, descriptor.numbers());
        assert_eq!(long, before);

        let mut short = payload(&[0x90, 0x80, 0x01], &KEY);
        let descriptor = Descriptor::parse(&short).expect("well formed");
        descriptor.rewrite(&mut short, Numbers { picture_id: 0x7abc, base_layer_index: 77 });
        assert_eq!(short[..4], [0x90, 0x80, 0x3c, 0x10]);
        descriptor.rewrite(&mut [], descriptor.numbers());
    }

    #[test]
    fn numbers_wrap_where_their_fields_do() {
        let last = Numbers { picture_id: 0x7fff, base_layer_index: 255 };
        let one = Numbers { picture_id: 1, base_layer_index: 1 };
        assert_eq!(last.advance(one), Numbers::default());
        assert_eq!(Numbers::default().step_from(last), one);
        assert!(Numbers::default().is_newer(last) && !last.is_newer(Numbers::default()) && !last.is_newer(last));
    }

    #[test]
    fn reads_the_resolution_of_a_key_frame() {
        assert_eq!(resolution(&payload(&[0x90, 0x80, 0x05], &KEY)), Some((640, 360)));
        assert_eq!(resolution(&payload(&[0x10], &KEY[..9])), None);
        assert_eq!(resolution(&payload(&[0x00], &KEY)), None);
        assert_eq!(resolution(&payload(&[0x10], &[1, 2, 0, 0x9d, 0x01, 0x2a, 0, 0, 0, 0])), None);
    }
}
