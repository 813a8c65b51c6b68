//! A part under construction: a WebM cluster, or an MP4 fragment for H.264.

use super::super::assemble::{Assembler, Frame};
use super::super::mp4::{self, Fragment, Track};
use super::super::webm::{Block, Cluster, Media, live_header};

#[derive(Debug)]
pub(super) struct OpenPart {
    body: Body,
    /// Written before the first part.
    header: Option<Vec<u8>>,
    pub(super) opened_us: i64,
    pub(super) starts_ms: u64,
    pub(super) last_ms: u64,
}

#[derive(Debug)]
enum Body {
    Webm(Cluster),
    Mp4(Fragment),
}

/// The format of a track's parts; each begins with its own header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Webm,
    Mp4,
}

impl Format {
    pub(super) const fn of(assembler: &Assembler) -> Self {
        match assembler {
            Assembler::Opus | Assembler::Vp8(_) => Self::Webm,
            Assembler::H264(_) => Self::Mp4,
        }
    }

    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Webm => "webm",
            Self::Mp4 => "mp4",
        }
    }
}

impl OpenPart {
    /// A part that begins with this frame; `None` if it needs a header for which the frame lacks the parameters.
    pub(super) fn begin(at_ms: u64, frame: &Frame, assembler: &Assembler, needs_header: bool) -> Option<Self> {
        let header = if needs_header { Some(header(frame, assembler)?) } else { None };
        let body = match Format::of(assembler) {
            Format::Webm => Body::Webm(Cluster::new(at_ms)),
            Format::Mp4 => Body::Mp4(Fragment::of_pictures()),
        };
        Some(Self { body, header, opened_us: frame.received_us, starts_ms: at_ms, last_ms: at_ms })
    }

    pub(super) fn bytes(&self) -> usize {
        match &self.body {
            Body::Webm(cluster) => cluster.bytes(),
            Body::Mp4(fragment) => fragment.bytes(),
        }
    }

    pub(super) fn add(&mut self, block: &Block) {
        match &mut self.body {
            Body::Webm(cluster) => {
                cluster.add(1, block);
            }
            Body::Mp4(fragment) => fragment.add(0, block),
        }
        self.last_ms = block.at_ms;
    }

    pub(super) const fn format(&self) -> Format {
        match &self.body {
            Body::Webm(_) => Format::Webm,
            Body::Mp4(_) => Format::Mp4,
        }
    }

    /// The part with this number, which lasts until `ends_ms`.
    pub(super) fn write(self, number: u32, ends_ms: u64) -> Vec<u8> {
        let mut bytes = self.header.unwrap_or_default();
        match self.body {
            Body::Webm(cluster) => cluster.write(&mut bytes),
            Body::Mp4(fragment) => fragment.write(&mut bytes, number + 1, Some(ends_ms)),
        }
        bytes
    }
}

/// A stream must begin with a key frame that contains its size, or it cannot be shown.
fn header(frame: &Frame, assembler: &Assembler) -> Option<Vec<u8>> {
    match assembler {
        Assembler::Opus => Some(live_header(Media::Audio)),
        Assembler::Vp8(_) => frame.resolution.map(|(width, height)| live_header(Media::Video { width, height })),
        Assembler::H264(_) => Track::of(&frame.bytes).map(|pictures| mp4::header(&[pictures], 0)),
    }
}
