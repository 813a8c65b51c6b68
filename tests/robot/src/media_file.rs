//! Encoded media in files: VP8 in IVF, H.264 as a byte stream, Opus in Ogg.

mod h264;
mod ivf;
mod ogg;

pub use h264::H264Error;
pub use ivf::IvfError;
pub use ogg::OggError;

use anyhow::Context;
use bytes::Bytes;
use std::path::Path;
use std::time::Duration;

/// One encoded unit: a picture, or an audio packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub data: Bytes,
    pub duration: Duration,
}

/// A byte stream contains no timestamps.
const H264_FRAMES_PER_SECOND: u32 = 15;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VideoCodec {
    #[default]
    Vp8,
    /// Constrained baseline.
    H264,
}

/// The media of one participant: video, audio, or both, from the same start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaFile {
    /// Empty without video.
    pub video: Vec<Frame>,
    pub codec: VideoCodec,
    /// Opus packets; empty without audio.
    pub audio: Vec<Frame>,
}

impl MediaFile {
    /// Reads an IVF file with VP8 or a byte stream of H.264, an Ogg file with Opus, or both.
    pub fn read(video: Option<&Path>, audio: Option<&Path>) -> anyhow::Result<Self> {
        let mut file = Self::default();
        if let Some(path) = video {
            let context = || format!("reading {}", path.display());
            if path.extension().is_some_and(|extension| extension == "h264") {
                file.codec = VideoCodec::H264;
                file.video = h264::parse(&load(path)?, H264_FRAMES_PER_SECOND).with_context(context)?;
            } else {
                file.video = ivf::parse(&load(path)?).with_context(context)?;
            }
        }
        if let Some(path) = audio {
            file.audio = ogg::parse(&load(path)?).with_context(|| format!("reading {}", path.display()))?;
        }
        Ok(file)
    }
}

fn load(path: &Path) -> anyhow::Result<Bytes> {
    Ok(std::fs::read(path).with_context(|| format!("opening {}", path.display()))?.into())
}
