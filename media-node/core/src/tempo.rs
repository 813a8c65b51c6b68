//! The part of a stream with temporal layers (RFC 7741 §4.2) that a subscriber takes, and the resulting packet numbers.

/// Number of tempos that omit something.
pub const THINNED: usize = 2;

/// The highest temporal layer taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tempo {
    /// Only the base layer: TID 0.
    Base,
    /// TID 0 and 1.
    Middle,
    #[default]
    Full,
}

impl Tempo {
    pub const ALL: [Self; 1 + THINNED] = [Self::Base, Self::Middle, Self::Full];

    /// The tempo with one more layer.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Base => Self::Middle,
            Self::Middle | Self::Full => Self::Full,
        }
    }

    /// True if it includes a temporal layer.
    #[must_use]
    pub const fn takes(self, layer: u8) -> bool {
        match self {
            Self::Base => layer == 0,
            Self::Middle => layer <= 1,
            Self::Full => true,
        }
    }

    /// The highest layer of the tempo.
    #[must_use]
    pub const fn layer(self) -> u8 {
        self as u8
    }

    /// Its index among those that omit something.
    #[must_use]
    pub fn place(self) -> Option<usize> {
        (self != Self::Full).then_some(self as usize)
    }
}

/// The omissions of the slower tempos before a packet, and the tempos that omit the packet itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thinned {
    pub packets: [u32; THINNED],
    pub pictures: [u16; THINNED],
    /// One bit per [`Tempo::place`].
    pub left_out: u8,
}

impl Thinned {
    pub const NONE: Self = Self { packets: [0; THINNED], pictures: [0; THINNED], left_out: 0 };

    #[must_use]
    pub fn leaves_out(&self, tempo: Tempo) -> bool {
        tempo.place().is_some_and(|place| self.left_out & (1 << place) != 0)
    }

    /// Packets that the tempo has omitted before this one.
    #[must_use]
    pub fn packets_before(&self, tempo: Tempo) -> u64 {
        tempo.place().and_then(|place| self.packets.get(place)).map_or(0, |packets| u64::from(*packets))
    }

    /// Pictures that the tempo has omitted before this one.
    #[must_use]
    pub fn pictures_before(&self, tempo: Tempo) -> u16 {
        tempo.place().and_then(|place| self.pictures.get(place)).copied().unwrap_or(0)
    }
}
