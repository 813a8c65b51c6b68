//! Continents, by which a client finds the regions near it.

/// A continent in the codes of `request.cf.continent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Continent {
    /// `AF`
    Africa,
    /// `AS`
    Asia,
    /// `EU`
    Europe,
    /// `NA`
    NorthAmerica,
    /// `OC`
    Oceania,
    /// `SA`
    SouthAmerica,
}

impl Continent {
    /// Parses `request.cf.continent`; there are no regions in Antarctica (`AN`).
    pub(crate) fn parse(code: &str) -> Option<Self> {
        match code {
            "AF" => Some(Self::Africa),
            "AS" => Some(Self::Asia),
            "EU" => Some(Self::Europe),
            "NA" => Some(Self::NorthAmerica),
            "OC" => Some(Self::Oceania),
            "SA" => Some(Self::SouthAmerica),
            _ => None,
        }
    }

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Africa => "AF",
            Self::Asia => "AS",
            Self::Europe => "EU",
            Self::NorthAmerica => "NA",
            Self::Oceania => "OC",
            Self::SouthAmerica => "SA",
        }
    }

    /// Cloudflare's location hint for this client; only the first `get` of an object honours it.
    pub(crate) const fn location_hint(self) -> &'static str {
        match self {
            Self::Africa => "afr",
            Self::Asia => "apac",
            Self::Europe => "weur",
            Self::NorthAmerica => "enam",
            Self::Oceania => "oc",
            Self::SouthAmerica => "sam",
        }
    }

    /// The number of continents nearer than `to`, by the length of the cables between them.
    pub(super) fn distance(self, to: Self) -> usize {
        use Continent::{Africa, Asia, Europe, NorthAmerica, Oceania, SouthAmerica};
        let by_distance = match self {
            Africa => [Africa, Europe, Asia, NorthAmerica, SouthAmerica, Oceania],
            Asia => [Asia, Oceania, Europe, NorthAmerica, Africa, SouthAmerica],
            Europe => [Europe, NorthAmerica, Africa, Asia, SouthAmerica, Oceania],
            NorthAmerica => [NorthAmerica, Europe, SouthAmerica, Asia, Oceania, Africa],
            Oceania => [Oceania, Asia, NorthAmerica, Europe, SouthAmerica, Africa],
            SouthAmerica => [SouthAmerica, NorthAmerica, Europe, Africa, Asia, Oceania],
        };
        by_distance.iter().position(|continent| *continent == to).unwrap_or(by_distance.len())
    }
}
