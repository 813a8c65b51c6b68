//! H.264 in RTP (RFC 6184), packetization mode 1: the NAL units of a packet, and the beginnings of key frames.

pub mod sps;

/// NAL unit types (ITU-T H.264 table 7-1, RFC 6184 table 1).
pub mod kind {
    /// A slice of a picture that refers to others.
    pub const SLICE: u8 = 1;
    /// The last kind of partition of such a slice.
    pub const PARTITION_C: u8 = 4;
    /// A slice of a picture that a decoder can begin with.
    pub const IDR: u8 = 5;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// The last type that is a single NAL unit.
    pub const SINGLE_LAST: u8 = 23;
    /// Several units in one packet.
    pub const STAP_A: u8 = 24;
    /// A fragment of one unit.
    pub const FU_A: u8 = 28;
}

/// A packet's information about its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// True with a sequence parameter set. Encoders for WebRTC send one before each IDR picture, and a decoder that
    /// starts anew needs it.
    pub starts_keyframe: bool,
}

/// A NAL unit in a packet, or a fragment of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit<'a> {
    /// With its header.
    Whole(&'a [u8]),
    /// A fragment, in order of the sequence numbers (RFC 6184 §5.8).
    Fragment {
        /// The header of the fragmented unit.
        header: u8,
        is_first: bool,
        is_last: bool,
        bytes: &'a [u8],
    },
}

impl Unit<'_> {
    pub fn kind(&self) -> u8 {
        match self {
            Self::Whole(bytes) => kind_of(bytes),
            Self::Fragment { header, .. } => header & 0x1f,
        }
    }

    fn begins(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Fragment { is_first, .. } => *is_first,
        }
    }
}

/// The type of a unit that begins with its header; 0 if it is empty.
pub fn kind_of(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |header| header & 0x1f)
}

#[derive(Clone, Debug)]
pub enum Units<'a> {
    One(Option<Unit<'a>>),
    /// The rest of an aggregate, whose lengths all fit.
    Several(&'a [u8]),
}

impl<'a> Units<'a> {
    /// `None` if the payload is not in packetization mode 1.
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        let (header, rest) = payload.split_first()?;
        match header & 0x1f {
            kind::STAP_A => are_whole(rest).then_some(Self::Several(rest)),
            kind::FU_A => {
                let (fu, bytes) = rest.split_first()?;
                let (is_first, is_last) = (fu & 0x80 != 0, fu & 0x40 != 0);
                // RFC 6184 §5.8: a unit that fits into one packet is not fragmented.
                let header = header & 0xe0 | fu & 0x1f;
                let is_cut = !is_first || !is_last;
                (is_cut && !bytes.is_empty()).then_some(Self::One(Some(Unit::Fragment {
                    header,
                    is_first,
                    is_last,
                    bytes,
                })))
            }
            0..=kind::SINGLE_LAST => Some(Self::One(Some(Unit::Whole(payload)))),
            // Those of packetization mode 2, and reserved ones.
            _ => None,
        }
    }
}

impl<'a> Iterator for Units<'a> {
    type Item = Unit<'a>;

    fn next(&mut self) -> Option<Unit<'a>> {
        match self {
            Self::One(unit) => unit.take(),
            Self::Several(rest) => {
                let (unit, left) = split(rest)?;
                *rest = left;
                Some(Unit::Whole(unit))
            }
        }
    }
}

impl Summary {
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (mut has_parameters, mut refers) = (false, false);
        for unit in Units::parse(payload)? {
            has_parameters |= unit.kind() == kind::SPS && unit.begins();
            refers |= (kind::SLICE..=kind::PARTITION_C).contains(&unit.kind());
        }
        Some(Self { starts_keyframe: has_parameters && !refers })
    }
}

/// Width and height from the first packet of a key frame.
pub fn resolution(payload: &[u8]) -> Option<(u16, u16)> {
    Units::parse(payload)?.find_map(|unit| match unit {
        Unit::Whole(bytes) if kind_of(bytes) == kind::SPS => sps::size(bytes),
        Unit::Whole(_) | Unit::Fragment { .. } => None,
    })
}

/// The first unit of an aggregate (RFC 6184 §5.7.1), each with two bytes of length before it.
fn split(aggregate: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = aggregate.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    rest.split_at_checked(length).filter(|(unit, _)| !unit.is_empty())
}

fn are_whole(mut aggregate: &[u8]) -> bool {
    let has_any = !aggregate.is_empty();
    while let Some((_, rest)) = split(aggregate) {
        aggregate = rest;
    }
    has_any && aggregate.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The start of a sequence parameter set, of a picture parameter set, and slices.
    const SPS: &[u8] = &[0x67, 0x42, 0xe0, 0x1f];
    const PPS: &[u8] = &[0x68, 0xce];
    const IDR: &[u8] = &[0x65, 0x88, 0x84];
    const DELTA: &[u8] = &[0x41, 0x9a];

    fn stap(units: &[&[u8]]) -> Vec<u8> {
        let mut payload = vec![0x78];
        for unit in units {
            payload.extend((unit.len() as u16).to_be_bytes());
            payload.extend_from_slice(unit);
        }
        payload
    }

    /// Checks the types of the units, with `[` and `]` at the beginning and end of a fragmented one, and `K` first if a
    /// key frame begins.
    fn check(payload: &[u8], expected: &str) {
        let word = |unit: Unit<'_>| match unit {
            Unit::Whole(_) => unit.kind().to_string(),
            Unit::Fragment { is_first, is_last, .. } => {
                format!("{}{}{}", if is_first { "[" } else { "" }, unit.kind(), if is_last { "]" } else { "" })
            }
        };
        let text = Units::parse(payload).map(|units| {
            let key = Summary::parse(payload).expect("as well formed").starts_keyframe;
            let words = key.then(|| "K".to_owned()).into_iter().chain(units.map(word));
            words.collect::<Vec<_>>().join(" ")
        });
        assert_eq!(text.as_deref().unwrap_or("malformed"), expected, "{payload:02x?}");
        assert_eq!(Summary::parse(payload).is_some(), text.is_some());
    }

    #[test]
    fn reads_single_units() {
        check(SPS, "K 7");
        check(PPS, "8");
        check(IDR, "5");
        check(DELTA, "1");
        // The first and the last type of a single unit, and all bits of a header.
        check(&[0x60, 1], "0");
        check(&[0x77, 1], "23");
        check(&[0xf7, 1], "23");
    }

    #[test]
    fn reads_aggregates() {
        check(&stap(&[SPS, PPS]), "K 7 8");
        check(&stap(&[&[0x09, 0x10], SPS, PPS, IDR]), "K 9 7 8 5");
        check(&stap(&[PPS, IDR]), "8 5");
    }

    #[test]
    fn an_idr_picture_without_its_parameters_is_no_place_to_begin() {
        check(IDR, "5");
        check(&[0x7c, 0x85, 1, 2], "[5");
    }

    #[test]
    fn parameters_before_a_picture_that_refers_to_others_are_no_key_frame() {
        check(&stap(&[SPS, PPS, DELTA]), "7 8 1");
    }

    #[test]
    fn the_first_piece_of_the_parameters_alone_begins_a_key_frame() {
        check(&[0x7c, 0x07, 1, 2], "7");
        check(&[0x7c, 0x47, 1, 2], "7]");
    }

    #[test]
    fn a_picture_that_refers_to_others_may_be_a_partition() {
        for (kind, is_key) in [(1, false), (2, false), (3, false), (4, false), (5, true), (6, true)] {
            let summary = Summary::parse(&stap(&[SPS, &[0x60 | kind, 1]]));
            assert_eq!(summary, Some(Summary { starts_keyframe: is_key }), "{kind}");
        }
    }

    #[test]
    fn the_size_is_in_the_parameters_wherever_they_stand() {
        const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x16, 0xd9, 0, 0xa0, 0x2f, 0xf9, 0x70, 0x11];
        assert_eq!(resolution(SPS), Some((640, 360)));
        assert_eq!(resolution(&stap(&[&[0x09, 0x10], SPS, PPS])), Some((640, 360)));
        // The same bytes as another unit, and as a fragment.
        assert_eq!(resolution(&[&[0x68], &SPS[1..]].concat()), None);
        assert_eq!(resolution(&[&[0x7c, 0x87], &SPS[1..]].concat()), None);
    }

    #[test]
    fn reads_pieces_with_the_header_of_their_unit() {
        check(&[0x7c, 0x85, 1, 2], "[5");
        check(&[0x7c, 0x05, 1, 2], "5");
        check(&[0x5c, 0x41, 1, 2], "1]");
        check(&[0x7c, 0x87, 1, 2], "K [7");
        check(&[0x7c, 0x94, 1, 2], "[20");
        let Some(Unit::Fragment { header, bytes, .. }) =
            Units::parse(&[0x5c, 0x41, 7]).and_then(|mut units| units.next())
        else {
            panic!("a piece");
        };
        assert_eq!((header, bytes), (0x41, &[7][..]));
        // RFC 6184 §5.8: the first three bits are the indicator's, an error flag among them.
        let damaged = Units::parse(&[0xfc, 0x85, 7]).and_then(|mut units| units.next());
        assert!(matches!(damaged, Some(Unit::Fragment { header: 0xe5, .. })), "{damaged:?}");
    }

    #[test]
    fn what_is_cut_short_or_of_another_mode_is_malformed() {
        let whole = stap(&[SPS, PPS]);
        for length in 0..whole.len() {
            // One unit fewer is an aggregate too.
            if length != 1 + 2 + SPS.len() {
                check(&whole[..length], "malformed");
            }
        }
        for payload in
            [&[0x78, 0, 0][..], &[0x7c], &[0x7c, 0x85], &[0x7c, 0xc5, 1], &[0x79, 0, 1, 5], &[0x7d, 0x85, 1], &[31]]
        {
            check(payload, "malformed");
        }
    }
}
