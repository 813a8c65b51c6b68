//! Builds one playable file from many parts: a participant's audio and video together, with duration and entry points.
//!
//! The file is written in one pass with two parts in memory. Facts known only at its end (duration, size, position of
//! the cues) go into a header with a fixed length, which is overwritten.

mod black;
mod black_h264;
mod finished;
mod lane;
mod mp4_file;
mod webm_file;

pub use finished::Finished;

use super::webm::{Block, Media};
use lane::{Lane, Shape};
use mp4_file::Mp4File;
use shared::rtp_parameters::MediaKind;
use webm_file::WebmFile;

#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Pass the next part of this kind to [`Remux::feed`], or call [`Remux::end`] if there is none.
    Need(MediaKind),
    Append(Vec<u8>),
    /// The file is complete once this has overwritten its beginning.
    Done(Finished),
}

/// The video codec determines the container; audio alone becomes WebM.
#[derive(Debug)]
enum File {
    Webm(WebmFile),
    Mp4(Mp4File),
}

#[derive(Debug)]
pub struct Remux {
    audio: Lane,
    video: Lane,
    file: Option<File>,
    is_done: bool,
}

impl Remux {
    /// A camera's file: the picture is black while the camera is off.
    #[must_use]
    pub fn camera() -> Self {
        Self::with(Lane::camera())
    }

    /// A screen's file, whose picture may stay unchanged for any time.
    #[must_use]
    pub fn screen() -> Self {
        Self::with(Lane::screen())
    }

    fn with(video: Lane) -> Self {
        Self { audio: Lane::sound(), video, file: None, is_done: false }
    }

    /// The next part of a kind, in order of time.
    pub fn feed(&mut self, kind: MediaKind, part: &[u8]) {
        self.lane(kind).feed(part);
    }

    /// There are no more parts of this kind.
    pub fn end(&mut self, kind: MediaKind) {
        self.lane(kind).end();
    }

    pub fn step(&mut self) -> Step {
        loop {
            if let Some(kind) = [&self.audio, &self.video].into_iter().find_map(Lane::needs) {
                return Step::Need(kind);
            }
            let mut out = Vec::new();
            if self.file.is_none() {
                self.open(&mut out);
            }
            let Some(file) = &mut self.file else {
                self.is_done = true;
                return Step::Done(Finished { header: None, starts_ms: 0, duration_ms: 0 });
            };
            if self.is_done {
                return Step::Done(file.finished());
            }
            match next(&mut self.audio, &mut self.video) {
                Some((kind, block)) => file.add(kind, &block, &mut out),
                None => {
                    file.close(&mut out);
                    self.is_done = true;
                }
            }
            if !out.is_empty() {
                return Step::Append(out);
            }
        }
    }

    /// The first frames determine the tracks of the file.
    fn open(&mut self, out: &mut Vec<u8>) {
        let starts = [self.audio.first(), self.video.first()].into_iter().flatten().map(|block| block.at_ms).min();
        let Some(starts_ms) = starts else { return };
        let sound = self.audio.first().map(|_| Media::Audio);
        let webm = |pictures: Option<Media>| sound.into_iter().chain(pictures).collect();
        self.file = Some(match self.video.first_shape() {
            Some(shape @ Shape::H264(pictures)) => {
                let mut file = Mp4File::begin(pictures.clone(), sound.is_some(), starts_ms, out);
                if self.video.first().is_some_and(|first| first.at_ms > starts_ms) {
                    // Some players count a track's duration from its first picture, so there is one from the start.
                    let black = Block { at_ms: starts_ms, is_key: true, bytes: shape.black() };
                    file.add(MediaKind::Video, &black, out);
                }
                File::Mp4(file)
            }
            Some(Shape::Vp8 { width, height }) => {
                let pictures = Media::Video { width: *width, height: *height };
                File::Webm(WebmFile::begin(webm(Some(pictures)), starts_ms, out))
            }
            None => File::Webm(WebmFile::begin(webm(None), starts_ms, out)),
        });
    }

    fn lane(&mut self, kind: MediaKind) -> &mut Lane {
        match kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video => &mut self.video,
        }
    }
}

impl File {
    fn add(&mut self, kind: MediaKind, block: &Block, out: &mut Vec<u8>) {
        match self {
            Self::Webm(file) => file.add(kind, block, out),
            Self::Mp4(file) => file.add(kind, block, out),
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Webm(file) => file.close(out),
            Self::Mp4(file) => file.close(out),
        }
    }

    fn finished(&self) -> Finished {
        match self {
            Self::Webm(file) => file.finished(),
            Self::Mp4(file) => file.finished(),
        }
    }
}

/// The earlier of the two.
fn next(audio: &mut Lane, video: &mut Lane) -> Option<(MediaKind, Block)> {
    if let Some(black) = audio.next_ms().and_then(|sound_ms| video.black_until(sound_ms)) {
        return Some((MediaKind::Video, black));
    }
    let is_audio = match (audio.next_ms(), video.next_ms()) {
        (Some(sound_ms), Some(picture_ms)) => sound_ms <= picture_ms,
        (sound_ms, _) => sound_ms.is_some(),
    };
    if is_audio {
        audio.take().map(|block| (MediaKind::Audio, block))
    } else {
        video.take().map(|block| (MediaKind::Video, block))
    }
}

#[cfg(test)]
mod tests;
