//! Parses clients' offers and writes the answers (RFC 8829, RFC 8866). SDP is used nowhere else.
//!
//! The edge is an ICE-lite, DTLS-passive answerer that bundles everything, so it reads only the lines that such an
//! answer needs. Candidates in an offer are ignored: an ICE-lite node learns addresses from checks (RFC 8445 §2.5).

mod answer;
mod candidate;
mod extensions;
mod h264;
mod lines;
mod media;
mod offer;
pub(crate) mod packed;
mod section;
mod sending;
mod simulcast;

pub use answer::{Answer, Transport};
pub use extensions::OfferedExtensions;
pub use offer::{Offer, OfferError, Problem};
pub use section::{
    AcceptedSection, AnsweredSection, Direction, Feedback, OfferedSection, RejectedSection, UsableSection,
};

pub(crate) use sending::sends_media;

#[cfg(test)]
pub(crate) mod tests;
