//! RTP packets (RFC 3550 §5.1) and their header extensions (RFC 8285), read in place and written into a buffer.

pub const FIXED_HEADER_BYTES: usize = 12;
/// Profile of one-byte header extensions (RFC 8285 §4.2).
const ONE_BYTE_PROFILE: u16 = 0xBEDE;
/// Profile of two-byte header extensions, without its four application bits (RFC 8285 §4.3).
const TWO_BYTE_PROFILE: u16 = 0x1000;

/// The header of a packet, whose payload may still be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader<'a> {
    /// Its meaning depends on the codec; for video it ends a frame.
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    pub sequence: u16,
    /// In ticks of the codec's clock.
    pub timestamp: u32,
    pub ssrc: u32,
    /// Contributing sources, four bytes each.
    csrcs: &'a [u8],
    extensions: Extensions<'a>,
    /// Length of everything before the payload.
    header_bytes: usize,
    /// True if padding ends the packet.
    padded: bool,
}

impl<'a> RtpHeader<'a> {
    /// Reads the header of `packet`, or `None`. Works before decryption: padding is not examined.
    pub fn parse(packet: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = packet.split_first_chunk::<FIXED_HEADER_BYTES>()?;
        let [flags, marker_and_type, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *fixed;
        if flags >> 6 != 2 {
            return None;
        }
        let (csrcs, rest) = rest.split_at_checked(4 * usize::from(flags & 0x0f))?;
        let (extensions, rest) = if flags & 0x10 == 0 { (Extensions::NONE, rest) } else { Extensions::parse(rest)? };
        Some(Self {
            marker: marker_and_type & 0x80 != 0,
            payload_type: marker_and_type & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
            csrcs,
            extensions,
            header_bytes: packet.len() - rest.len(),
            padded: flags & 0x20 != 0,
        })
    }

    /// The header of another packet in the stream.
    #[must_use]
    pub fn of(self, sequence: u16, timestamp: u32) -> Self {
        Self { sequence, timestamp, marker: false, ..self }
    }

    /// Length of everything before the payload, which SRTP leaves unencrypted.
    pub fn header_bytes(&self) -> usize {
        self.header_bytes
    }

    /// The contributing sources, at most 15.
    pub fn csrcs(&self) -> impl Iterator<Item = u32> + 'a {
        self.csrcs.as_chunks::<4>().0.iter().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// Value of the header extension negotiated as `id`.
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        let mut extensions = self.extensions;
        extensions.find(|element| element.0 == id).map(|element| element.1)
    }

    /// The payload of the decrypted `packet` this header was read from, without padding.
    pub fn payload(&self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let body = packet.get(self.header_bytes..)?;
        if !self.padded {
            return Some(body);
        }
        // RFC 3550 §5.1: the last octet counts the padding, itself included.
        let padding = usize::from(*body.last()?);
        if padding == 0 {
            return None;
        }
        body.get(..body.len().checked_sub(padding)?)
    }
}

/// The elements of a header extension block, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extensions<'a> {
    form: Form,
    elements: &'a [u8],
}

/// The layout of elements in a header extension block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    OneByte,
    TwoByte,
    /// RFC 3550 §5.3.1: an unknown profile is skipped.
    Other,
}

impl<'a> Extensions<'a> {
    const NONE: Extensions<'static> = Extensions { form: Form::Other, elements: &[] };

    /// Reads the block at the start of `bytes`; also returns the rest.
    fn parse(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let ([p0, p1, l0, l1], rest) = bytes.split_first_chunk::<4>()?;
        let (elements, rest) = rest.split_at_checked(4 * usize::from(u16::from_be_bytes([*l0, *l1])))?;
        let profile = u16::from_be_bytes([*p0, *p1]);
        let form = if profile == ONE_BYTE_PROFILE {
            Form::OneByte
        } else if profile & 0xfff0 == TWO_BYTE_PROFILE {
            Form::TwoByte
        } else {
            Form::Other
        };
        Some((Self { form, elements }, rest))
    }

    /// Reads one element; padding between elements is an element with id 0.
    fn element(&mut self) -> Option<(u8, &'a [u8])> {
        let (&first, rest) = self.elements.split_first()?;
        let (id, length, rest) = match self.form {
            // RFC 8285 §4.2: a zero byte is padding, whatever its length bits say.
            Form::OneByte | Form::TwoByte if first == 0 => (0, 0, rest),
            Form::OneByte => (first >> 4, usize::from(first & 0x0f) + 1, rest),
            Form::TwoByte => {
                let (&length, rest) = rest.split_first()?;
                (first, usize::from(length), rest)
            }
            Form::Other => return None,
        };
        // RFC 8285 §4.2: id 15 ends the block in the one-byte form.
        if self.form == Form::OneByte && id == 15 {
            return None;
        }
        let (value, rest) = rest.split_at_checked(length)?;
        self.elements = rest;
        Some((id, value))
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.element() {
                Some((0, _)) => {}
                Some(element) => return Some(element),
                None => {
                    // Reading must not continue after a malformed element.
                    self.elements = &[];
                    return None;
                }
            }
        }
    }
}

/// A packet's header under construction at the start of a buffer.
pub struct HeaderWriter<'b> {
    buffer: &'b mut [u8],
    length: usize,
    /// The start of the extension block, if there is one.
    block: Option<usize>,
}

impl<'b> HeaderWriter<'b> {
    /// Writes the fixed header with at most one contributing source.
    pub fn new(buffer: &'b mut [u8], ssrc: u32, csrc: Option<u32>) -> Option<Self> {
        let length = FIXED_HEADER_BYTES + if csrc.is_some() { 4 } else { 0 };
        let header = buffer.get_mut(..length)?;
        header.fill(0);
        let (fixed, sources) = header.split_first_chunk_mut::<FIXED_HEADER_BYTES>()?;
        fixed[0] = 0x80 | u8::from(csrc.is_some());
        fixed[8..].copy_from_slice(&ssrc.to_be_bytes());
        if let Some(csrc) = csrc {
            sources.copy_from_slice(&csrc.to_be_bytes());
        }
        Some(Self { buffer, length, block: None })
    }

    /// Adds a header extension in the one-byte form and returns the position of its value, which can be patched later.
    /// Ids above 14, and values that are empty or longer than 16 bytes, do not fit that form and are refused.
    pub fn extension(&mut self, id: u8, value: &[u8]) -> Option<usize> {
        if !(1..=14).contains(&id) || !(1..=16).contains(&value.len()) {
            return None;
        }
        let start = if self.block.is_some() { self.length } else { self.length + 4 };
        let element = self.buffer.get_mut(start..start + 1 + value.len())?;
        let (tag, body) = element.split_first_mut()?;
        *tag = id << 4 | (value.len() - 1) as u8;
        body.copy_from_slice(value);
        self.block.get_or_insert(self.length);
        self.length = start + 1 + value.len();
        Some(start + 1)
    }

    /// Pads and closes the extension block; returns the length of the header.
    pub fn finish(self) -> Option<usize> {
        let Some(block) = self.block else { return Some(self.length) };
        // RFC 8285 §4.2: the block is padded with zeros to whole words. Its start is already aligned to words.
        let end = self.length.next_multiple_of(4);
        self.buffer.get_mut(self.length..end)?.fill(0);
        let words = ((end - block) / 4 - 1) as u16;
        let head = self.buffer.get_mut(block..block + 4)?;
        head[..2].copy_from_slice(&ONE_BYTE_PROFILE.to_be_bytes());
        head[2..].copy_from_slice(&words.to_be_bytes());
        *self.buffer.first_mut()? |= 0x10;
        Some(end)
    }
}

/// Distinguishes RTCP from RTP (RFC 5761 §4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(flags: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![flags, 0xe0, 0x12, 0x34, 0, 0, 0x10, 0, 0xde, 0xad, 0xbe, 0xef];
        packet.extend_from_slice(rest);
        packet
    }

    #[test]
    fn reads_the_fixed_header() {
        let packet = packet(0x80, b"payload");
        let header = RtpHeader::parse(&packet).expect("well formed");
        assert_eq!((header.marker, header.payload_type, header.sequence), (true, 96, 0x1234));
        assert_eq!((header.timestamp, header.ssrc, header.header_bytes()), (4096, 0xdead_beef, 12));
        assert_eq!(header.payload(&packet), Some(&b"payload"[..]));
    }

    #[test]
    fn reads_contributing_sources() {
        let packet = packet(0x82, &[0, 0, 0, 7, 0, 0, 1, 0, b'x']);
        let header = RtpHeader::parse(&packet).expect("well formed");
        assert_eq!(header.csrcs().collect::<Vec<_>>(), [7, 256]);
        assert_eq!(header.payload(&packet), Some(&b"x"[..]));
    }

    /// Checks the extensions found in a block with this profile and these elements.
    fn check_extensions(profile: u16, elements: &[u8], expected: &[(u8, &[u8])]) {
        let mut rest = profile.to_be_bytes().to_vec();
        rest.extend_from_slice(&((elements.len() / 4) as u16).to_be_bytes());
        rest.extend_from_slice(elements);
        let packet = packet(0x90, &rest);
        let header = RtpHeader::parse(&packet).expect("well formed");
        assert_eq!(header.extensions.collect::<Vec<_>>(), expected);
        for (id, value) in expected {
            assert_eq!(header.extension(*id), Some(*value));
        }
        assert_eq!(header.extension(14), None);
        assert_eq!(header.header_bytes(), packet.len());
    }

    #[test]
    fn reads_one_byte_extensions() {
        check_extensions(0xbede, &[0x10, 0xaa, 0x31, 1, 2, 0, 0, 0], &[(1, &[0xaa]), (3, &[1, 2])]);
    }

    #[test]
    fn padding_between_extensions_is_skipped() {
        check_extensions(0xbede, &[0, 0, 0, 0x50, 9, 0, 0, 0], &[(5, &[9])]);
    }

    #[test]
    fn id_fifteen_ends_the_one_byte_form() {
        check_extensions(0xbede, &[0x10, 1, 0xf0, 0x20], &[(1, &[1])]);
    }

    #[test]
    fn an_element_longer_than_its_block_is_dropped() {
        check_extensions(0xbede, &[0x10, 1, 0x2f, 0], &[(1, &[1])]);
    }

    #[test]
    fn reads_two_byte_extensions() {
        check_extensions(0x1000, &[20, 2, 1, 2, 0, 4, 0, 0], &[(20, &[1, 2]), (4, &[])]);
        check_extensions(0x100f, &[4, 1, 7, 0], &[(4, &[7])]);
    }

    #[test]
    fn an_unknown_profile_is_skipped() {
        check_extensions(0x1234, &[0x10, 1, 0, 0], &[]);
    }

    #[test]
    fn strips_padding() {
        let bytes = packet(0xa0, &[1, 2, 0, 0, 3]);
        let header = RtpHeader::parse(&bytes).expect("well formed");
        assert_eq!(header.payload(&bytes), Some(&[1u8, 2][..]));
        for bad in [&[][..], &[0], &[1, 4]] {
            let bytes = packet(0xa0, bad);
            assert_eq!(RtpHeader::parse(&bytes).and_then(|header| header.payload(&bytes)), None, "{bad:?}");
        }
    }

    #[test]
    fn refuses_what_is_cut_short() {
        let whole = packet(0x92, &[0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0, 1, 0x10, 1, 0, 0]);
        assert!(RtpHeader::parse(&whole).is_some());
        for length in 0..whole.len() {
            assert_eq!(RtpHeader::parse(&whole[..length]), None, "{length}");
        }
        assert_eq!(RtpHeader::parse(&packet(0x40, &[])), None, "version 1");
    }

    #[test]
    fn reads_what_it_writes() {
        let mut buffer = [0xff; 64];
        let mut writer = HeaderWriter::new(&mut buffer, 0xdead_beef, Some(9)).expect("room");
        assert_eq!(writer.extension(4, b"0"), Some(21));
        assert_eq!(writer.extension(2, &[1, 2, 3]), Some(23));
        for (id, value) in [(0, &b"x"[..]), (15, b"x"), (3, b""), (3, &[0; 17])] {
            assert_eq!(writer.extension(id, value), None);
        }
        let length = writer.finish().expect("room");
        let header = RtpHeader::parse(&buffer[..length]).expect("well formed");
        assert_eq!((header.ssrc, header.header_bytes()), (0xdead_beef, 28));
        assert_eq!(header.csrcs().collect::<Vec<_>>(), [9]);
        assert_eq!(header.extensions.collect::<Vec<_>>(), [(4, &b"0"[..]), (2, &[1, 2, 3][..])]);
    }

    #[test]
    fn a_header_without_extensions_has_no_block() {
        let mut buffer = [0xff; 12];
        assert_eq!(HeaderWriter::new(&mut buffer, 1, None).and_then(HeaderWriter::finish), Some(12));
        assert_eq!(buffer, [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert!(HeaderWriter::new(&mut buffer, 1, Some(2)).is_none());
    }

    #[test]
    fn tells_rtcp_from_rtp() {
        assert!(is_rtcp(&[0x80, 200]) && is_rtcp(&[0x81, 206]));
        assert!(!is_rtcp(&[0x80, 0x80 | 96]) && !is_rtcp(&[0x80, 96]) && !is_rtcp(&[22, 200]) && !is_rtcp(&[0x80]));
    }
}
