//! One playable file out of many parts: sound and pictures of one participant side by side, with a duration and cues to jump to.
//!
//! The file is made in one pass with two parts in memory. What is known only at its end (duration, size, where the cues are) goes into a
//! header that has the same length at the beginning and at the end, and is written over.

mod black;
mod lane;

use super::webm::ebml::{self, element, element_uint, id};
use super::webm::{Block, Cluster, Media, document, info, tracks};
use lane::Lane;
use shared::rtp_parameters::MediaKind;

/// A cluster ends after so long: what a player has to read to begin somewhere.
const CLUSTER_MS_MAX: u64 = 5_000;
/// Or when it is this large.
const CLUSTER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Key frames nearer to each other than this need no cue each.
const CUE_INTERVAL_MS: u64 = 1_000;
/// How long the last frame lasts.
const LAST_FRAME_MS: u64 = 20;

#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Give the next part of this kind to [`Remux::feed`], or say with [`Remux::end`] that there is none.
    Need(MediaKind),
    /// Append this to the file.
    Append(Vec<u8>),
    /// The file is whole once its beginning is written over with this.
    Done(Finished),
}

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Replaces the first bytes of the file; nothing where there was not a single frame, and so no file.
    pub header: Option<Vec<u8>>,
    /// When its first frame was, on the clock of the parts.
    pub starts_ms: u64,
    pub duration_ms: u64,
}

#[derive(Debug)]
pub struct Remux {
    audio: Lane,
    video: Lane,
    file: Option<File>,
    is_done: bool,
}

/// The file, once its first frame is known.
#[derive(Debug)]
struct File {
    tracks: Vec<Media>,
    starts_ms: u64,
    ends_ms: u64,
    cluster: Option<Cluster>,
    cues: Vec<Cue>,
    /// Bytes of the segment so far.
    position: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cue {
    at_ms: u64,
    position: u64,
}

impl Remux {
    /// A file of a camera: while that is off, the picture is black.
    #[must_use]
    pub fn camera() -> Self {
        Self::with(Lane::camera())
    }

    /// A file of a screen, whose picture may stay as it is for as long as it likes.
    #[must_use]
    pub fn screen() -> Self {
        Self::with(Lane::screen())
    }

    fn with(video: Lane) -> Self {
        Self { audio: Lane::sound(), video, file: None, is_done: false }
    }

    /// The next part of a kind, in the order of their times.
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

    /// What the first frames are decides what is in the file.
    fn open(&mut self, out: &mut Vec<u8>) {
        let mut tracks = Vec::new();
        tracks.extend(self.audio.first().map(|_| Media::Audio));
        tracks.extend(self.video.resolution().map(|(width, height)| Media::Video { width, height }));
        let starts = [self.audio.first(), self.video.first()].into_iter().flatten().map(|block| block.at_ms).min();
        let Some(starts_ms) = starts else { return };
        let file = File { tracks, starts_ms, ends_ms: starts_ms, cluster: None, cues: Vec::new(), position: 0 };
        let header = file.header(0, 0, 0);
        out.extend_from_slice(&header.bytes);
        self.file = Some(File { position: header.segment_bytes, ..file });
    }

    fn lane(&mut self, kind: MediaKind) -> &mut Lane {
        match kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video => &mut self.video,
        }
    }
}

/// The earlier of the two.
fn next(audio: &mut Lane, video: &mut Lane) -> Option<(MediaKind, Block)> {
    if let Some(black) = audio.first().and_then(|sound| video.black_until(sound.at_ms)) {
        return Some((MediaKind::Video, black));
    }
    let is_audio = match (audio.first(), video.first()) {
        (Some(sound), Some(picture)) => sound.at_ms <= picture.at_ms,
        (sound, _) => sound.is_some(),
    };
    if is_audio {
        audio.take().map(|block| (MediaKind::Audio, block))
    } else {
        video.take().map(|block| (MediaKind::Video, block))
    }
}

/// A header, and how much of it belongs to the segment.
struct Header {
    bytes: Vec<u8>,
    segment_bytes: u64,
}

impl File {
    fn number_of(&self, kind: MediaKind) -> u8 {
        let is_it = |media: &Media| match media {
            Media::Audio => kind == MediaKind::Audio,
            Media::Video { .. } => kind == MediaKind::Video,
        };
        self.tracks.iter().position(is_it).map_or(1, |index| index as u8 + 1)
    }

    fn has_video(&self) -> bool {
        self.tracks.iter().any(|media| matches!(media, Media::Video { .. }))
    }

    fn add(&mut self, kind: MediaKind, block: &Block, out: &mut Vec<u8>) {
        let block = Block { at_ms: block.at_ms.saturating_sub(self.starts_ms), ..block.clone() };
        self.ends_ms = self.ends_ms.max(block.at_ms + LAST_FRAME_MS + self.starts_ms);
        // Where there are pictures, only a key frame of theirs is a place to jump to.
        let is_entry = if self.has_video() { kind == MediaKind::Video && block.is_key } else { true };
        let cue_is_due = self.cues.last().is_none_or(|cue| cue.at_ms + CUE_INTERVAL_MS <= block.at_ms);
        let ends = |cluster: &Cluster| {
            let lasts_ms = block.at_ms.saturating_sub(cluster.starts_ms());
            let is_jump = is_entry && cue_is_due && self.has_video();
            is_jump || lasts_ms >= CLUSTER_MS_MAX || cluster.bytes() >= CLUSTER_BYTES_MAX
        };
        if self.cluster.as_ref().is_some_and(ends) {
            self.flush(out);
        }
        if self.cluster.is_none() {
            if is_entry {
                self.cues.push(Cue { at_ms: block.at_ms, position: self.position });
            }
            self.cluster = Some(Cluster::new(block.at_ms));
        }
        let number = self.number_of(kind);
        if let Some(cluster) = &mut self.cluster {
            cluster.add(number, &block);
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        let Some(cluster) = self.cluster.take() else { return };
        let before = out.len();
        cluster.write(out);
        self.position += (out.len() - before) as u64;
    }

    /// The last cluster, and the cues (RFC 9559 §5.1.5), whose position is that of the end of the clusters.
    fn close(&mut self, out: &mut Vec<u8>) {
        self.flush(out);
        out.extend(self.cues_element());
    }

    fn cues_element(&self) -> Vec<u8> {
        let cue_track = if self.has_video() { self.number_of(MediaKind::Video) } else { 1 };
        let mut body = Vec::new();
        for cue in &self.cues {
            let mut positions = Vec::new();
            element_uint(&mut positions, id::CUE_TRACK, cue_track.into());
            element_uint(&mut positions, id::CUE_CLUSTER_POSITION, cue.position);
            let mut point = Vec::new();
            element_uint(&mut point, id::CUE_TIME, cue.at_ms);
            element(&mut point, id::CUE_TRACK_POSITIONS, &positions);
            element(&mut body, id::CUE_POINT, &point);
        }
        let mut out = Vec::new();
        element(&mut out, id::CUES, &body);
        out
    }

    fn finished(&self) -> Finished {
        let duration_ms = self.ends_ms - self.starts_ms;
        let cues_bytes = self.cues_element().len() as u64;
        let header = self.header(duration_ms, self.position, self.position + cues_bytes);
        Finished { header: Some(header.bytes), starts_ms: self.starts_ms, duration_ms }
    }

    /// Everything before the first cluster; always of the same length, as every number in it has 8 bytes.
    fn header(&self, duration_ms: u64, cues_position: u64, segment_bytes: u64) -> Header {
        let (mut about, mut what) = (Vec::new(), Vec::new());
        info(&mut about, Some(duration_ms));
        tracks(&mut what, &self.tracks);
        let seek = |positions: [u64; 3]| {
            let mut body = Vec::new();
            for (wanted, position) in [id::INFO, id::TRACKS, id::CUES].into_iter().zip(positions) {
                let mut entry = Vec::new();
                element(&mut entry, id::SEEK_ID, &ebml::id_bytes(wanted));
                element_uint(&mut entry, id::SEEK_POSITION, position);
                element(&mut body, id::SEEK, &entry);
            }
            let mut out = Vec::new();
            element(&mut out, id::SEEK_HEAD, &body);
            out
        };
        let seek_bytes = seek([0; 3]).len() as u64;
        let mut inner = seek([seek_bytes, seek_bytes + about.len() as u64, cues_position]);
        inner.extend(about);
        inner.extend(what);
        let mut bytes = Vec::new();
        document(&mut bytes);
        ebml::begin(&mut bytes, id::SEGMENT, segment_bytes);
        bytes.extend_from_slice(&inner);
        Header { bytes, segment_bytes: inner.len() as u64 }
    }
}

#[cfg(test)]
mod tests;
