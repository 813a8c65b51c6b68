//! The reasons why a client gets less video than its tile could show.

use crate::ids::Mid;
use serde::{Deserialize, Serialize};

/// One receive slot for whose video the client's downlink is too slow. The figures were measured when the message was
/// sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct VideoLimit {
    pub mid: Mid,
    /// Bits per second of the largest layer that the tile could show.
    pub wanted_bps: u32,
    /// Bits per second of the layer that plays; null while the video is paused.
    pub given_bps: Option<u32>,
}

/// The reason why the estimated rate of a client's downlink is not higher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EstimateReason {
    /// Nothing is known yet.
    #[default]
    Start,
    /// The link's queue grew.
    Delay,
    /// The link loses packets above the target.
    Loss,
    /// A probe arrived at this rate.
    Probe,
    /// Nothing speaks against more.
    Growth,
    /// The client's REMB.
    Remb,
    /// The client reports nothing.
    Starved,
    /// The operator's limit for a client or the node.
    Operator,
}

impl EstimateReason {
    /// Reasons measured by the node; the operator's limit is none of them.
    pub const MEASURED: [Self; 7] =
        [Self::Start, Self::Delay, Self::Loss, Self::Probe, Self::Growth, Self::Remb, Self::Starved];

    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Delay => "delay",
            Self::Loss => "loss",
            Self::Probe => "probe",
            Self::Growth => "growth",
            Self::Remb => "remb",
            Self::Starved => "starved",
            Self::Operator => "operator",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_the_names_on_the_wire() {
        for reason in EstimateReason::MEASURED.into_iter().chain([EstimateReason::Operator]) {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.label());
        }
    }
}
