//! Redundant audio (RFC 2198): a packet repeats the packets before it, so that losing one costs nothing.

/// Most earlier packets in one packet, sent or read.
pub const EARLIER_MAX: usize = 2;
/// Most blocks examined in a received packet.
const BLOCKS_MAX: usize = 8;
/// A block header's flag: another one follows.
const FOLLOWED: u8 = 0x80;
/// Header of an earlier packet: flag and payload type, 14 bits of timestamp offset, 10 bits of length.
const EARLIER_HEADER_BYTES: usize = 4;
const OFFSET_MAX: u32 = (1 << 14) - 1;
const LENGTH_MAX: usize = (1 << 10) - 1;

/// A repeated packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Earlier<'a> {
    /// Distance of its RTP timestamp from that of the packet that repeats it.
    pub timestamp_offset: u32,
    /// Never empty.
    pub payload: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks<'a> {
    /// The payload without redundancy.
    pub primary: &'a [u8],
    /// The packets before, the last one first.
    earlier: [Option<Earlier<'a>>; EARLIER_MAX],
}

impl<'a> Blocks<'a> {
    /// Every block must have this payload type.
    pub fn parse(payload: &'a [u8], payload_type: u8) -> Option<Self> {
        let mut headers = payload;
        let mut lengths = [(0, 0); BLOCKS_MAX];
        let mut blocks = 0;
        loop {
            let (&first, rest) = headers.split_first()?;
            if first & !FOLLOWED != payload_type {
                return None;
            }
            if first & FOLLOWED == 0 {
                headers = rest;
                break;
            }
            let ([_, a, b, c], rest) = headers.split_first_chunk::<EARLIER_HEADER_BYTES>()?;
            let word = u32::from_be_bytes([0, *a, *b, *c]);
            *lengths.get_mut(blocks)? = (word >> 10, (word & LENGTH_MAX as u32) as usize);
            blocks += 1;
            headers = rest;
        }
        let mut data = headers;
        let mut earlier = [None; EARLIER_MAX];
        for (timestamp_offset, length) in lengths.into_iter().take(blocks) {
            let (payload, rest) = data.split_at_checked(length)?;
            data = rest;
            if !payload.is_empty() {
                earlier.rotate_right(1);
                earlier[0] = Some(Earlier { timestamp_offset, payload });
            }
        }
        Some(Self { primary: data, earlier })
    }

    /// The packets before, the last one first.
    pub fn earlier(&self) -> impl Iterator<Item = Earlier<'a>> {
        self.earlier.into_iter().flatten()
    }
}

/// Writes `primary` and the packets before it, the last one first, into `out`; returns the length.
///
/// An earlier packet that does not fit the header's fields is omitted, and with it all those before.
pub fn write<'a>(
    out: &mut [u8],
    payload_type: u8,
    primary: &[u8],
    earlier: impl Iterator<Item = Earlier<'a>>,
) -> Option<usize> {
    let mut kept = [Earlier::default(); EARLIER_MAX];
    let mut count = 0;
    for (slot, earlier) in kept.iter_mut().zip(earlier) {
        if earlier.timestamp_offset > OFFSET_MAX || earlier.payload.is_empty() || earlier.payload.len() > LENGTH_MAX {
            break;
        }
        *slot = earlier;
        count += 1;
    }
    let kept = kept.get(..count)?;
    let mut rest = &mut *out;
    // RFC 2198 §3: the oldest comes first.
    for earlier in kept.iter().rev() {
        let word = (earlier.timestamp_offset << 10) | earlier.payload.len() as u32;
        let [_, a, b, c] = word.to_be_bytes();
        put(&mut rest, &[FOLLOWED | payload_type, a, b, c])?;
    }
    put(&mut rest, &[payload_type])?;
    for earlier in kept.iter().rev() {
        put(&mut rest, earlier.payload)?;
    }
    put(&mut rest, primary)?;
    let left = rest.len();
    Some(out.len() - left)
}

fn put(rest: &mut &mut [u8], bytes: &[u8]) -> Option<()> {
    let (here, after) = std::mem::take(rest).split_at_mut_checked(bytes.len())?;
    here.copy_from_slice(bytes);
    *rest = after;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const OPUS: u8 = 111;

    fn written(primary: &[u8], earlier: &[Earlier<'_>]) -> Vec<u8> {
        let mut out = [0; 4_096];
        let length = write(&mut out, OPUS, primary, earlier.iter().copied()).expect("fits");
        out[..length].to_vec()
    }

    #[test]
    fn what_libwebrtc_sends_is_read() {
        // Chromium 156: payload type 111, one block of 3 bytes from 960 ticks before.
        let packet = [0xef, 0x0f, 0x00, 0x03, 0x6f, 1, 2, 3, 4, 5];
        let blocks = Blocks::parse(&packet, OPUS).expect("well formed");
        assert_eq!(blocks.primary, [4, 5]);
        let earlier: Vec<_> = blocks.earlier().collect();
        assert_eq!(earlier, [Earlier { timestamp_offset: 960, payload: &[1, 2, 3] }]);
        assert_eq!(written(&[4, 5], &earlier), packet);
    }

    #[test]
    fn the_oldest_is_written_first_and_read_last() {
        let one = Earlier { timestamp_offset: 960, payload: b"one" };
        let two = Earlier { timestamp_offset: 1_920, payload: b"two" };
        let packet = written(b"now", &[one, two]);
        assert!(packet.ends_with(b"twoonenow"), "{packet:?}");
        let blocks = Blocks::parse(&packet, OPUS).expect("well formed");
        assert_eq!((blocks.primary, blocks.earlier().collect::<Vec<_>>()), (&b"now"[..], vec![one, two]));
    }

    #[test]
    fn a_packet_without_redundancy_has_one_byte_more() {
        assert_eq!(written(b"now", &[]), [&[OPUS][..], b"now"].concat());
        let blocks = Blocks::parse(b"\x6fnow", OPUS).expect("well formed");
        assert_eq!((blocks.primary, blocks.earlier().count()), (&b"now"[..], 0));
    }

    #[test]
    fn what_fits_no_header_is_left_out_with_what_is_before_it() {
        let late = Earlier { timestamp_offset: OFFSET_MAX + 1, payload: b"x" };
        let long = Earlier { timestamp_offset: 960, payload: &[0; LENGTH_MAX + 1] };
        let good = Earlier { timestamp_offset: 960, payload: b"good" };
        for (earlier, expected) in [([late, good], 0), ([long, good], 0), ([good, late], 1)] {
            let packet = written(b"now", &earlier);
            assert_eq!(Blocks::parse(&packet, OPUS).expect("well formed").earlier().count(), expected);
        }
    }

    #[test]
    fn of_many_blocks_the_last_count_and_of_too_many_none() {
        let blocks = |count: u8| {
            let mut packet: Vec<u8> = (0..count).flat_map(|_| [0xef, 0x0f, 0x00, 0x01]).collect();
            packet.push(OPUS);
            packet.extend(0..count);
            packet.extend(b"now");
            packet
        };
        let packet = blocks(8);
        let read = Blocks::parse(&packet, OPUS).expect("well formed");
        let payloads: Vec<_> = read.earlier().map(|earlier| earlier.payload[0]).collect();
        assert_eq!((read.primary, payloads), (&b"now"[..], vec![7, 6]));
        assert_eq!(Blocks::parse(&blocks(9), OPUS), None);
    }

    #[test]
    fn cut_or_foreign_packets_are_refused() {
        let packet = written(b"now", &[Earlier { timestamp_offset: 960, payload: b"one" }]);
        for length in 0..EARLIER_HEADER_BYTES + 1 + 3 {
            assert_eq!(Blocks::parse(&packet[..length], OPUS), None, "{length} bytes");
        }
        assert_eq!(Blocks::parse(&packet, 96), None);
        assert_eq!(Blocks::parse(&[0xef, 0x0f, 0x00, 0x00, 96, 1], OPUS), None, "a primary of another codec");
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_what_is_read_lies_inside() {
        let mut random = Random::seeded(7);
        for _ in 0..20_000 {
            let length = random.next_u64() as usize % 40;
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    if random.next_u64().is_multiple_of(2) {
                        0x6f | (random.next_u64() as u8 & 0x80)
                    } else {
                        random.next_u64() as u8
                    }
                })
                .collect();
            let Some(blocks) = Blocks::parse(&bytes, OPUS) else { continue };
            let total: usize = blocks.earlier().map(|earlier| earlier.payload.len()).sum();
            assert!(total + blocks.primary.len() < bytes.len());
        }
    }
}
