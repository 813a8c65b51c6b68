//! One media packet between its publisher's stream and the slots it plays in.

use crate::codec::{Picture, vp8};
use crate::rtcp::ntp::NtpTime;
use crate::tempo::Thinned;
use shared::rtp_parameters::CodecName;
use std::time::Instant;

/// Identifies a published track as contributing source (RFC 3550 §5.1) in every slot it plays in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Csrc(pub u32);

/// Bytes of a packet besides RTP: headers of IPv4 and UDP, and SRTP's tag. A link carries them too, so every rate
/// includes them.
pub const TRANSPORT_BYTES: usize = 44;
/// Approximate length of an RTP header with extensions.
pub const RTP_HEADER_BYTES: usize = 20;

/// A packet as sent by its publisher, parsed once for all slots.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub facts: Facts,
    /// Payload without padding.
    pub payload: &'a [u8],
}

/// The properties of a packet besides its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Extended sequence number, from [`crate::ingress::receive::Receiver`].
    pub index: u64,
    pub timestamp: u32,
    pub marker: bool,
    /// The track it belongs to, as subscribers see it.
    pub csrc: Csrc,
    pub codec: CodecName,
    /// Voice activity and level (RFC 6464), if the publisher sent them.
    pub audio_level: Option<u8>,
    /// Rotation of the picture, as last sent by the publisher.
    pub orientation: Option<u8>,
    /// `None` for audio, and without payload.
    pub picture: Option<Picture>,
    pub thinned: Thinned,
}

impl Facts {
    /// For a packet that no publisher sent.
    pub const fn none(codec: CodecName) -> Self {
        Self {
            index: 0,
            timestamp: 0,
            marker: false,
            csrc: Csrc(0),
            codec,
            audio_level: None,
            orientation: None,
            picture: None,
            thinned: Thinned::NONE,
        }
    }

    /// True if a decoder can begin with this packet: always for audio, at a key frame for video.
    pub fn is_entry(&self) -> bool {
        self.picture.is_none_or(|picture| picture.starts_keyframe())
    }

    /// True if it is known to be the first packet of a video frame.
    pub fn begins_frame(&self) -> bool {
        self.vp8().is_some_and(|descriptor| descriptor.starts_frame)
    }

    pub fn picture_id(&self) -> Option<u16> {
        Some(self.vp8()?.picture_id?.value)
    }

    pub fn temporal_layer(&self) -> Option<vp8::TemporalLayer> {
        self.vp8()?.temporal_layer
    }

    fn vp8(&self) -> Option<vp8::Descriptor> {
        match self.picture? {
            Picture::Vp8(descriptor) => Some(descriptor),
            Picture::H264(_) => None,
        }
    }

    /// VP8 picture numbers, zero for other codecs.
    pub fn numbers(&self) -> vp8::Numbers {
        self.picture.map_or(vp8::Numbers::default(), |picture| picture.numbers())
    }
}

/// One time on both clocks; read once for a batch of packets.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: Instant,
    pub ntp: NtpTime,
}
