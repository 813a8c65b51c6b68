//! The file as WebM: clusters, cues for seeking, and a header completed at the end.

use super::super::webm::ebml::{self, element, element_uint, id};
use super::super::webm::{Block, Cluster, Media, document, info, tracks};
use super::finished::{Finished, LAST_FRAME_MS};
use shared::rtp_parameters::MediaKind;

/// Longest cluster: a player must read it to start anywhere inside.
const CLUSTER_MS_MAX: u64 = 5_000;
/// Largest cluster.
const CLUSTER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Key frames closer to each other than this need no separate cues.
const CUE_INTERVAL_MS: u64 = 1_000;

#[derive(Debug)]
pub(super) struct WebmFile {
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

/// A header, and the length of its part inside the segment.
struct Header {
    bytes: Vec<u8>,
    segment_bytes: u64,
}

impl WebmFile {
    /// A file whose first frame is at `starts_ms`; writes its header.
    pub(super) fn begin(tracks: Vec<Media>, starts_ms: u64, out: &mut Vec<u8>) -> Self {
        let file = Self { tracks, starts_ms, ends_ms: starts_ms, cluster: None, cues: Vec::new(), position: 0 };
        let header = file.header(0, 0, 0);
        out.extend_from_slice(&header.bytes);
        Self { position: header.segment_bytes, ..file }
    }

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

    pub(super) fn add(&mut self, kind: MediaKind, block: &Block, out: &mut Vec<u8>) {
        let block = Block { at_ms: block.at_ms.saturating_sub(self.starts_ms), ..block.clone() };
        self.ends_ms = self.ends_ms.max(block.at_ms + LAST_FRAME_MS + self.starts_ms);
        // With video, only its key frames are entry points.
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

    /// Writes the last cluster, and the cues (RFC 9559 §5.1.5) after the end of the clusters.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
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

    pub(super) fn finished(&self) -> Finished {
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
