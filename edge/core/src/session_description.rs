//! Reads clients' offers and writes their answers (RFC 8829, RFC 8866): the only place where SDP exists.
//!
//! The edge is an ICE-lite, DTLS-passive, BUNDLE-everything answerer, so only what such an answer needs is read. Candidates in an offer are
//! left alone: an ICE-lite node learns addresses from checks (RFC 8445 §2.5). Simulcast (RFC 8853) is left out of an answer, which makes a
//! browser send the first of its streams alone.

mod answer;
mod candidate;
mod offer;
mod section;

pub use answer::{Answer, Transport};
pub use offer::{Offer, OfferError};
pub use section::{AnsweredSection, Direction, Feedback, OfferedSection};

/// Header extensions that Rotunda understands.
const EXTENSIONS: [&str; 7] = [
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "urn:3gpp:video-orientation",
];

#[cfg(test)]
pub(crate) mod tests;
