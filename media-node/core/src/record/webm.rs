//! WebM (Matroska, RFC 9559), written as concatenable parts and read back as frames.
//!
//! A part is one cluster. The first part of a track carries the header before it, with a segment of unknown size (RFC
//! 8794 §6.2), so that consecutive parts are one playable file.

pub mod ebml;
pub mod read;

use ebml::{element, element_float, element_text, element_uint, id};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    Audio,
    /// VP8, with the size of its first frame.
    Video {
        width: u16,
        height: u16,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Milliseconds on the clock of the file.
    pub at_ms: u64,
    /// True if a decoder can begin here.
    pub is_key: bool,
    pub bytes: Vec<u8>,
}

/// Times count milliseconds.
const TIMESTAMP_SCALE_NS: u64 = 1_000_000;
const APPLICATION: &str = "rotunda";
/// RFC 7845 §5.1: version 1, two channels (a decoder duplicates a single one), no pre-skip because the recording starts
/// in mid-stream, 48 kHz.
const OPUS_HEAD: [u8; 19] = [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', 1, 2, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0];
/// RFC 7845 §4.2: after seeking, 80 ms of pre-roll must be decoded first.
const OPUS_PRE_ROLL_NS: u64 = 80_000_000;

/// The beginning of every file, up to its segment.
pub(super) fn document(out: &mut Vec<u8>) {
    let mut body = Vec::new();
    element_uint(&mut body, id::EBML_VERSION, 1);
    element_uint(&mut body, id::EBML_READ_VERSION, 1);
    element_uint(&mut body, id::EBML_MAX_ID_LENGTH, 4);
    element_uint(&mut body, id::EBML_MAX_SIZE_LENGTH, 8);
    element_text(&mut body, id::DOC_TYPE, "webm");
    element_uint(&mut body, id::DOC_TYPE_VERSION, 4);
    element_uint(&mut body, id::DOC_TYPE_READ_VERSION, 2);
    element(out, id::EBML, &body);
}

/// The time scale of a file, and its duration if known.
pub(super) fn info(out: &mut Vec<u8>, duration_ms: Option<u64>) {
    let mut body = Vec::new();
    element_uint(&mut body, id::TIMESTAMP_SCALE, TIMESTAMP_SCALE_NS);
    element_text(&mut body, id::MUXING_APP, APPLICATION);
    element_text(&mut body, id::WRITING_APP, APPLICATION);
    if let Some(duration_ms) = duration_ms {
        element_float(&mut body, id::DURATION, duration_ms as f64);
    }
    element(out, id::INFO, &body);
}

/// The tracks of a file; the first has number 1.
pub(super) fn tracks(out: &mut Vec<u8>, tracks: &[Media]) {
    let mut body = Vec::new();
    for (index, media) in tracks.iter().enumerate() {
        let number = index as u64 + 1;
        let mut entry = Vec::new();
        element_uint(&mut entry, id::TRACK_NUMBER, number);
        element_uint(&mut entry, id::TRACK_UID, number);
        element_uint(&mut entry, id::FLAG_LACING, 0);
        match media {
            Media::Audio => audio(&mut entry),
            Media::Video { width, height } => video(&mut entry, *width, *height),
        }
        element(&mut body, id::TRACK_ENTRY, &entry);
    }
    element(out, id::TRACKS, &body);
}

fn audio(entry: &mut Vec<u8>) {
    element_uint(entry, id::TRACK_TYPE, 2);
    element_text(entry, id::CODEC_ID, "A_OPUS");
    element(entry, id::CODEC_PRIVATE, &OPUS_HEAD);
    element_uint(entry, id::SEEK_PRE_ROLL, OPUS_PRE_ROLL_NS);
    let mut settings = Vec::new();
    element_float(&mut settings, id::SAMPLING_FREQUENCY, 48_000.0);
    element_uint(&mut settings, id::CHANNELS, 2);
    element(entry, id::AUDIO, &settings);
}

fn video(entry: &mut Vec<u8>, width: u16, height: u16) {
    element_uint(entry, id::TRACK_TYPE, 1);
    element_text(entry, id::CODEC_ID, "V_VP8");
    let mut settings = Vec::new();
    element_uint(&mut settings, id::PIXEL_WIDTH, width.into());
    element_uint(&mut settings, id::PIXEL_HEIGHT, height.into());
    element(entry, id::VIDEO, &settings);
}

#[must_use]
pub fn live_header(media: Media) -> Vec<u8> {
    let mut out = Vec::new();
    document(&mut out);
    ebml::unknown_size(&mut out, id::SEGMENT);
    info(&mut out, None);
    tracks(&mut out, &[media]);
    out
}

/// A cluster under construction.
#[derive(Clone, Debug)]
pub struct Cluster {
    starts_ms: u64,
    body: Vec<u8>,
}

impl Cluster {
    /// A cluster whose first frame is at `starts_ms`.
    #[must_use]
    pub fn new(starts_ms: u64) -> Self {
        let mut body = Vec::new();
        element_uint(&mut body, id::TIMESTAMP, starts_ms);
        Self { starts_ms, body }
    }

    #[must_use]
    pub const fn starts_ms(&self) -> u64 {
        self.starts_ms
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Adds a frame; false if it is too far away for this cluster (its time is a signed number of 16 bits, RFC 9559
    /// §10.2).
    pub fn add(&mut self, track: u8, block: &Block) -> bool {
        let Some(Ok(relative)) = block.at_ms.checked_sub(self.starts_ms).map(i16::try_from) else { return false };
        let [high, low] = relative.to_be_bytes();
        let flags = if block.is_key { 0x80 } else { 0 };
        ebml::begin(&mut self.body, id::SIMPLE_BLOCK, block.bytes.len() as u64 + 4);
        self.body.extend([0x80 | track, high, low, flags]);
        self.body.extend_from_slice(&block.bytes);
        true
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        element(out, id::CLUSTER, &self.body);
    }
}
