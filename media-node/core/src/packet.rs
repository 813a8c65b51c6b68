//! One media packet between its publisher's stream and the slots it plays in.

use crate::codec::vp8;
use crate::rtcp::ntp::NtpTime;
use std::time::Instant;

/// Names a published track as contributing source (RFC 3550 §5.1) in every slot it plays in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Csrc(pub u32);

/// A packet as its publisher sent it, parsed once for all slots.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub facts: Facts,
    /// Payload without padding.
    pub payload: &'a [u8],
}

/// What is known of a packet besides its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Sequence number with its wraps counted, from [`crate::ingress::receive::Receiver`].
    pub index: u64,
    pub timestamp: u32,
    pub marker: bool,
    /// The track it belongs to, as subscribers see it.
    pub csrc: Csrc,
    /// Voice activity and level (RFC 6464), where the publisher sent it.
    pub audio_level: Option<u8>,
    /// Rotation of the picture, as last sent by the publisher.
    pub orientation: Option<u8>,
    /// The payload descriptor, where the payload is VP8.
    pub vp8: Option<vp8::Descriptor>,
}

impl Facts {
    /// Of a packet that no publisher sent.
    pub const NONE: Self =
        Self { index: 0, timestamp: 0, marker: false, csrc: Csrc(0), audio_level: None, orientation: None, vp8: None };

    /// Whether a decoder can begin with this packet: always for audio, at a key frame for video.
    pub fn is_entry(&self) -> bool {
        self.vp8.is_none_or(|descriptor| descriptor.starts_keyframe)
    }

    /// VP8 picture numbers, zero for other codecs.
    pub fn numbers(&self) -> vp8::Numbers {
        self.vp8.map_or(vp8::Numbers::default(), |descriptor| descriptor.numbers())
    }
}

/// A moment on both clocks; made once for a batch of packets.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: Instant,
    pub ntp: NtpTime,
}
