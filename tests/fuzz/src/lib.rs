//! What every parser promises of whatever bytes it is given: it never panics, its bounds hold, and what it accepts it can
//! say again.
//!
//! Each module has one plain function `check`. The programs in `fuzz_targets` hand it libFuzzer's inputs; the test
//! `replay` hands it the committed corpus and seeded mutations of it, on any compiler.

pub mod client_hello;
pub mod control;
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
    /// Panics where a promise is broken.
    pub check: fn(&[u8]),
}

/// Every parser under test.
pub const TARGETS: &[Target] = &[
    Target { name: "client_hello", check: client_hello::check },
    Target { name: "control", check: control::check },
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
