//! The codec knowledge that forwarding needs of RTP payload formats.

pub mod h264;
pub mod opus;
pub mod red;
pub mod vp8;

use shared::rtp_parameters::CodecName;

/// A video packet's information about its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    Vp8(vp8::Descriptor),
    H264(h264::Summary),
}

/// The payload violates its codec's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Picture {
    /// `None` for audio, and for a packet without payload, which only probes for bandwidth.
    pub fn read(codec: CodecName, payload: &[u8]) -> Result<Option<Self>, Malformed> {
        match codec {
            CodecName::Vp8 if !payload.is_empty() => {
                vp8::Descriptor::parse(payload).map(|descriptor| Some(Self::Vp8(descriptor))).ok_or(Malformed)
            }
            CodecName::H264ConstrainedBaseline | CodecName::H264Main if !payload.is_empty() => {
                h264::Summary::parse(payload).map(|summary| Some(Self::H264(summary))).ok_or(Malformed)
            }
            CodecName::Vp8
            | CodecName::H264ConstrainedBaseline
            | CodecName::H264Main
            | CodecName::Opus
            | CodecName::Red => Ok(None),
        }
    }

    /// True if a decoder can begin with this packet.
    pub fn starts_keyframe(&self) -> bool {
        match self {
            Self::Vp8(descriptor) => descriptor.starts_keyframe,
            Self::H264(summary) => summary.starts_keyframe,
        }
    }

    /// Width and height from the first packet of a key frame.
    pub fn size(&self, payload: &[u8]) -> Option<(u16, u16)> {
        match self {
            Self::Vp8(_) => vp8::resolution(payload),
            Self::H264(_) => h264::resolution(payload),
        }
    }

    /// VP8 picture numbers, zero for other codecs.
    pub fn numbers(&self) -> vp8::Numbers {
        match self {
            Self::Vp8(descriptor) => descriptor.numbers(),
            Self::H264(_) => vp8::Numbers::default(),
        }
    }

    /// Overwrites the picture numbers in the payload this was read from (or a copy of it), if its codec has any.
    pub fn rewrite(&self, payload: &mut [u8], numbers: vp8::Numbers) {
        match self {
            Self::Vp8(descriptor) => descriptor.rewrite(payload, numbers),
            Self::H264(_) => {}
        }
    }
}
