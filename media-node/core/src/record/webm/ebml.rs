//! EBML (RFC 8794): elements with an id and a size, written and read.

/// Ids of the elements that are used here (RFC 8794 §11, RFC 9559 §5).
pub mod id {
    pub const EBML: u32 = 0x1a45_dfa3;
    pub const EBML_VERSION: u32 = 0x4286;
    pub const EBML_READ_VERSION: u32 = 0x42f7;
    pub const EBML_MAX_ID_LENGTH: u32 = 0x42f2;
    pub const EBML_MAX_SIZE_LENGTH: u32 = 0x42f3;
    pub const DOC_TYPE: u32 = 0x4282;
    pub const DOC_TYPE_VERSION: u32 = 0x4287;
    pub const DOC_TYPE_READ_VERSION: u32 = 0x4285;
    pub const VOID: u32 = 0xec;
    pub const SEGMENT: u32 = 0x1853_8067;
    pub const SEEK_HEAD: u32 = 0x114d_9b74;
    pub const SEEK: u32 = 0x4dbb;
    pub const SEEK_ID: u32 = 0x53ab;
    pub const SEEK_POSITION: u32 = 0x53ac;
    pub const INFO: u32 = 0x1549_a966;
    pub const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
    pub const MUXING_APP: u32 = 0x4d80;
    pub const WRITING_APP: u32 = 0x5741;
    pub const DURATION: u32 = 0x4489;
    pub const TRACKS: u32 = 0x1654_ae6b;
    pub const TRACK_ENTRY: u32 = 0xae;
    pub const TRACK_NUMBER: u32 = 0xd7;
    pub const TRACK_UID: u32 = 0x73c5;
    pub const TRACK_TYPE: u32 = 0x83;
    pub const FLAG_LACING: u32 = 0x9c;
    pub const CODEC_ID: u32 = 0x86;
    pub const CODEC_PRIVATE: u32 = 0x63a2;
    pub const SEEK_PRE_ROLL: u32 = 0x56bb;
    pub const AUDIO: u32 = 0xe1;
    pub const SAMPLING_FREQUENCY: u32 = 0xb5;
    pub const CHANNELS: u32 = 0x9f;
    pub const VIDEO: u32 = 0xe0;
    pub const PIXEL_WIDTH: u32 = 0xb0;
    pub const PIXEL_HEIGHT: u32 = 0xba;
    pub const CLUSTER: u32 = 0x1f43_b675;
    pub const TIMESTAMP: u32 = 0xe7;
    pub const SIMPLE_BLOCK: u32 = 0xa3;
    pub const CUES: u32 = 0x1c53_bb6b;
    pub const CUE_POINT: u32 = 0xbb;
    pub const CUE_TIME: u32 = 0xb3;
    pub const CUE_TRACK_POSITIONS: u32 = 0xb7;
    pub const CUE_TRACK: u32 = 0xf7;
    pub const CUE_CLUSTER_POSITION: u32 = 0xf1;
}

/// Writes an id and a size, always in 8 bytes, so that headers can be overwritten in place.
pub fn begin(out: &mut Vec<u8>, id: u32, bytes: u64) {
    write_id(out, id);
    out.extend_from_slice(&((1 << 56) | (bytes & ((1 << 56) - 1))).to_be_bytes());
}

/// Writes an id with an unknown size (RFC 8794 §6.2).
pub fn unknown_size(out: &mut Vec<u8>, id: u32) {
    write_id(out, id);
    out.extend_from_slice(&[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
}

pub fn element(out: &mut Vec<u8>, id: u32, body: &[u8]) {
    begin(out, id, body.len() as u64);
    out.extend_from_slice(body);
}

/// Writes a number, always in 8 bytes.
pub fn element_uint(out: &mut Vec<u8>, id: u32, value: u64) {
    element(out, id, &value.to_be_bytes());
}

pub fn element_float(out: &mut Vec<u8>, id: u32, value: f64) {
    element(out, id, &value.to_be_bytes());
}

pub fn element_text(out: &mut Vec<u8>, id: u32, text: &str) {
    element(out, id, text.as_bytes());
}

/// Big-endian, without leading zeros.
pub(crate) fn id_bytes(id: u32) -> Vec<u8> {
    id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
}

fn write_id(out: &mut Vec<u8>, id: u32) {
    out.extend_from_slice(&id_bytes(id));
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    pub id: u32,
    /// Up to the end of the input if the size is unknown.
    pub body: &'a [u8],
}

/// Reads consecutive elements; ends at the first malformed one.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a>(pub &'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let (id, rest) = read_id(self.0)?;
        let (size, rest) = read_size(rest)?;
        let bytes = match size {
            Some(size) => usize::try_from(size).ok()?,
            None => rest.len(),
        };
        let (body, after) = rest.split_at_checked(bytes)?;
        self.0 = after;
        Some(Element { id, body })
    }
}

/// RFC 8794 §5: the leading zeros of the first byte are the number of further bytes; the marker belongs to the id.
fn read_id(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let (id, rest) = bytes.split_at_checked(length).filter(|_| length <= 4)?;
    Some((id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte)), rest))
}

/// RFC 8794 §6: like an id, without the marker; all ones mean an unknown size.
fn read_size(bytes: &[u8]) -> Option<(Option<u64>, &[u8])> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let (size, rest) = bytes.split_at_checked(length).filter(|_| length <= 8)?;
    let value = size.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)) & ((1 << (7 * length)) - 1);
    Some(((value != (1 << (7 * length)) - 1).then_some(value), rest))
}

/// A number (RFC 8794 §7.2) of at most 8 bytes.
#[must_use]
pub fn uint(body: &[u8]) -> Option<u64> {
    (body.len() <= 8).then(|| body.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &[(u32, &[u8])]) {
        let read: Vec<_> = Elements(bytes).map(|element| (element.id, element.body)).collect();
        assert_eq!(read, expected, "{bytes:02x?}");
    }

    #[test]
    fn reads_what_it_writes() {
        let mut bytes = Vec::new();
        element_uint(&mut bytes, id::TIMESTAMP, 7);
        element_text(&mut bytes, id::CODEC_ID, "V_VP8");
        check(&bytes, &[(id::TIMESTAMP, &[0, 0, 0, 0, 0, 0, 0, 7]), (id::CODEC_ID, b"V_VP8")]);
        assert_eq!(uint(&[1, 0]), Some(256));
        assert_eq!(uint(&[0; 9]), None);
    }

    #[test]
    fn reads_short_and_unknown_sizes() {
        check(&[0xe7, 0x81, 5], &[(id::TIMESTAMP, &[5])]);
        check(&[0x18, 0x53, 0x80, 0x67, 0xff, 1, 2, 3], &[(id::SEGMENT, &[1, 2, 3])]);
    }

    #[test]
    fn ends_where_it_cannot_go_on() {
        check(&[0xe7, 0x85, 1], &[]);
        check(&[0x00, 0x80], &[]);
        check(&[0xe7], &[]);
        check(&[0xe7, 0x00, 1], &[]);
        check(&[0x08, 0x00, 0x00, 0x00, 0x00, 0x80], &[]);
    }
}
