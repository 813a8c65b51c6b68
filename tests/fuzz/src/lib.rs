//! The guarantees of every parser for arbitrary bytes: it never panics, its limits hold, and every accepted value can
//! be written again.
//!
//! Each module has one plain function `check`. The programs in `fuzz_targets` pass libFuzzer's inputs to it; the test
//! `replay` passes the committed corpus and seeded mutations of it, on any compiler.

pub mod client_hello;
pub mod control;
pub mod framing;
pub mod h264;
pub mod mutate;
pub mod objects;
pub mod offer;
pub mod recording;
pub mod red;
pub mod rtcp;
pub mod rtp;
pub mod signal;
pub mod stun;
pub mod token;
pub mod turn_stream;
pub mod vp8;

#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of its folder in `corpus` and of its libFuzzer program.
    pub name: &'static str,
    /// Panics if a guarantee is broken.
    pub check: fn(&[u8]),
}

pub const TARGETS: &[Target] = &[
    Target { name: "client_hello", check: client_hello::check },
    Target { name: "control", check: control::check },
    Target { name: "framing", check: framing::check },
    Target { name: "h264", check: h264::check },
    Target { name: "objects", check: objects::check },
    Target { name: "offer", check: offer::check },
    Target { name: "recording", check: recording::check },
    Target { name: "red", check: red::check },
    Target { name: "rtcp", check: rtcp::check },
    Target { name: "rtp", check: rtp::check },
    Target { name: "signal", check: signal::check },
    Target { name: "stun", check: stun::check },
    Target { name: "token", check: token::check },
    Target { name: "turn_stream", check: turn_stream::check },
    Target { name: "vp8", check: vp8::check },
];
