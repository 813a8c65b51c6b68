//! How much of a stream with temporal layers (RFC 7741 §4.2) a subscriber takes, and the numbers that its packets then have.

/// Tempos that are less than everything.
pub const THINNED: usize = 2;

/// The highest temporal layer that is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tempo {
    /// The base layer alone: TID 0.
    Base,
    /// TID 0 and 1.
    Middle,
    /// Everything.
    #[default]
    Full,
}

impl Tempo {
    pub const ALL: [Self; 1 + THINNED] = [Self::Base, Self::Middle, Self::Full];

    /// The tempo that takes one layer more.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Base => Self::Middle,
            Self::Middle | Self::Full => Self::Full,
        }
    }

    /// Whether it takes a temporal layer.
    #[must_use]
    pub const fn takes(self, layer: u8) -> bool {
        match self {
            Self::Base => layer == 0,
            Self::Middle => layer <= 1,
            Self::Full => true,
        }
    }

    /// The layer with which it takes more than the tempo before it.
    #[must_use]
    pub const fn layer(self) -> u8 {
        self as u8
    }

    /// Its place among those that leave something out.
    #[must_use]
    pub fn place(self) -> Option<usize> {
        (self != Self::Full).then_some(self as usize)
    }
}

/// What the slower tempos have left out of a stream before a packet, and which of them leave out the packet itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thinned {
    pub packets: [u32; THINNED],
    pub pictures: [u16; THINNED],
    /// A bit for each place of [`Tempo::place`].
    pub left_out: u8,
}

impl Thinned {
    pub const NONE: Self = Self { packets: [0; THINNED], pictures: [0; THINNED], left_out: 0 };

    #[must_use]
    pub fn leaves_out(&self, tempo: Tempo) -> bool {
        tempo.place().is_some_and(|place| self.left_out & (1 << place) != 0)
    }

    /// Packets that the tempo has left out before this one.
    #[must_use]
    pub fn packets_before(&self, tempo: Tempo) -> u64 {
        tempo.place().and_then(|place| self.packets.get(place)).map_or(0, |packets| u64::from(*packets))
    }

    /// Pictures that the tempo has left out before this one.
    #[must_use]
    pub fn pictures_before(&self, tempo: Tempo) -> u16 {
        tempo.place().and_then(|place| self.pictures.get(place)).copied().unwrap_or(0)
    }
}
