//! Encoded media in files: VP8 in IVF, Opus in Ogg.

mod ivf;
mod ogg;

pub use ivf::IvfError;
pub use ogg::OggError;

use anyhow::Context;
use bytes::Bytes;
use std::path::Path;
use std::time::Duration;

/// One encoded unit: a picture, or a packet of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// As the codec made it.
    pub data: Bytes,
    /// How long it lasts.
    pub duration: Duration,
}

/// What one participant can publish: pictures, sound, or both, from the same start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaFile {
    /// VP8 frames; empty where there are no pictures.
    pub video: Vec<Frame>,
    /// Opus packets; empty where there is no sound.
    pub audio: Vec<Frame>,
}

impl MediaFile {
    /// Reads an IVF file with VP8, an Ogg file with Opus, or both.
    pub fn read(video: Option<&Path>, audio: Option<&Path>) -> anyhow::Result<Self> {
        let mut file = Self::default();
        if let Some(path) = video {
            file.video = ivf::parse(&load(path)?).with_context(|| format!("reading {}", path.display()))?;
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
