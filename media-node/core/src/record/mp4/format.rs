//! Tracks with their units of time, and the framing of boxes.

/// Video times count milliseconds; Opus counts samples (Opus in ISOBMFF §4.4).
pub(super) const PICTURE_TICKS_PER_MS: u64 = 1;
pub(super) const SOUND_TICKS_PER_MS: u64 = 48;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Track {
    /// Opus.
    Sound,
    /// H.264, with the size of its first picture.
    Pictures {
        width: u16,
        height: u16,
        /// NAL units, each with its header.
        sps: Vec<u8>,
        pps: Vec<u8>,
    },
}

impl Track {
    /// The track parameters in a key frame; `None` if parameter sets are missing.
    #[must_use]
    pub fn of(frame: &[u8]) -> Option<Self> {
        let find = |wanted: u8| units(frame).find(|unit| crate::codec::h264::kind_of(unit) == wanted);
        let (sps, pps) = (find(crate::codec::h264::kind::SPS)?, find(crate::codec::h264::kind::PPS)?);
        let (width, height) = crate::codec::h264::sps::size(sps)?;
        // The header has two bytes for each length.
        let fits = sps.len().max(pps.len()) <= usize::from(u16::MAX);
        fits.then(|| Self::Pictures { width, height, sps: sps.to_vec(), pps: pps.to_vec() })
    }

    pub(super) const fn ticks_per_ms(&self) -> u64 {
        match self {
            Self::Sound => SOUND_TICKS_PER_MS,
            Self::Pictures { .. } => PICTURE_TICKS_PER_MS,
        }
    }
}

/// The NAL units of a frame, each with a 4-byte length before it.
pub fn units(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = frame;
    std::iter::from_fn(move || {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let (unit, tail) = tail.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = tail;
        Some(unit)
    })
}

/// A box around the output of `body`.
pub(super) fn boxed(out: &mut Vec<u8>, kind: [u8; 4], body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    body(out);
    let length = (out.len() - at) as u32;
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// A box with a version and flags.
pub(super) fn full(out: &mut Vec<u8>, kind: [u8; 4], version: u8, flags: u32, body: impl FnOnce(&mut Vec<u8>)) {
    boxed(out, kind, |out| {
        out.extend((u32::from(version) << 24 | flags).to_be_bytes());
        body(out);
    });
}
