//! The frames of one kind from consecutive parts; silence fills missing audio, and black a camera's missing video.

use super::super::mp4::{self, Track};
use super::super::webm::{Block, read};
use super::{black, black_h264};
use shared::rtp_parameters::MediaKind;
use std::collections::VecDeque;

/// Duration of libwebrtc's Opus packets.
const SOUND_MS: u64 = 20;
/// A longer pause of audio is filled with silence, so that players keep their clock.
const PAUSE_MS_MAX: u64 = 100;
/// 20 ms of silence: a TOC byte for one CELT frame of full bandwidth (RFC 6716 §3.1), and the shortest such frame.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// A camera that sends nothing for longer is off; an active one sends at least one picture per second.
const PICTURE_MS_MAX: u64 = 3_000;
/// The last picture before a pause stays for this long.
const LAST_PICTURE_MS: u64 = 1_000;
/// A returning camera sends a key frame within this time, since the recorder requests one. Pictures before it are
/// dropped, because the black picture is no reference for them.
const KEYFRAME_WAIT_MS: u64 = 2_000;

/// Properties of video from a key frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Vp8 { width: u16, height: u16 },
    H264(Track),
}

impl Shape {
    fn of(block: &Block, is_h264: bool) -> Option<Self> {
        if is_h264 {
            return Some(Self::H264(Track::of(&block.bytes).filter(|_| block.is_key)?));
        }
        resolution(block).map(|(width, height)| Self::Vp8 { width, height })
    }

    pub(super) fn black(&self) -> Vec<u8> {
        match self {
            Self::Vp8 { width, height } => black::black(*width, *height),
            Self::H264(Track::Pictures { width, height, .. }) => black_h264::black(*width, *height),
            Self::H264(Track::Sound) => Vec::new(),
        }
    }
}

/// Frames of one kind that wait to be written.
#[derive(Debug)]
pub(super) struct Lane {
    kind: MediaKind,
    /// If true, missing video becomes black.
    is_camera: bool,
    /// Pictures after a pause, until it is known whether a key frame follows.
    held: Vec<Block>,
    /// From the last key frame.
    shape: Option<Shape>,
    is_black: bool,
    waiting: VecDeque<Block>,
    is_over: bool,
    /// Time of the last added frame.
    last_ms: Option<u64>,
    /// Time of the last taken frame.
    taken_ms: Option<u64>,
    first_shape: Option<Shape>,
}

impl Lane {
    pub(super) const fn sound() -> Self {
        Self::new(MediaKind::Audio, false)
    }

    pub(super) const fn camera() -> Self {
        Self::new(MediaKind::Video, true)
    }

    pub(super) const fn screen() -> Self {
        Self::new(MediaKind::Video, false)
    }

    const fn new(kind: MediaKind, is_camera: bool) -> Self {
        Self {
            kind,
            is_camera,
            held: Vec::new(),
            shape: None,
            is_black: false,
            waiting: VecDeque::new(),
            is_over: false,
            last_ms: None,
            taken_ms: None,
            first_shape: None,
        }
    }

    pub(super) fn feed(&mut self, part: &[u8]) {
        let mut is_continued = false;
        let is_h264 = mp4::read::is_part(part);
        let blocks = if is_h264 { mp4::read::blocks(part) } else { read::blocks(part) };
        for mut block in blocks {
            // While a participant moves between nodes, both nodes' clocks may contain the same time. Pictures depend on
            // earlier ones, so a stream that begins with a key frame is kept whole.
            if let Some(last) = self.last_ms.filter(|last| block.at_ms <= *last) {
                is_continued |= self.kind == MediaKind::Video && block.is_key;
                if !is_continued {
                    continue;
                }
                block.at_ms = last + 1;
            }
            let shape = Shape::of(&block, is_h264).filter(|_| self.kind == MediaKind::Video);
            if self.kind == MediaKind::Video && self.first_shape.is_none() {
                self.first_shape.clone_from(&shape);
                if self.first_shape.is_none() {
                    continue;
                }
            }
            self.push(block, shape);
        }
    }

    fn push(&mut self, block: Block, shape: Option<Shape>) {
        let before = self.last_ms.replace(block.at_ms);
        let was_off = self.is_camera && before.is_some_and(|last| block.at_ms - last > PICTURE_MS_MAX);
        match self.held.first().map(|first| first.at_ms) {
            None if !was_off => self.admit(block, shape),
            None if block.is_key => {
                self.blacken(before.unwrap_or(0) + LAST_PICTURE_MS);
                self.admit(block, shape);
            }
            None => {
                self.blacken(before.unwrap_or(0) + LAST_PICTURE_MS);
                self.held.push(block);
            }
            Some(_) if block.is_key => {
                self.held.clear();
                self.admit(block, shape);
            }
            Some(first_ms) if block.at_ms - first_ms <= KEYFRAME_WAIT_MS => self.held.push(block),
            Some(_) => {
                self.release_held();
                self.admit(block, shape);
            }
        }
    }

    fn admit(&mut self, block: Block, shape: Option<Shape>) {
        self.shape = shape.or_else(|| self.shape.take());
        self.waiting.push_back(block);
    }

    fn blacken(&mut self, at_ms: u64) {
        if let Some(shape) = &self.shape {
            self.waiting.push_back(Block { at_ms, is_key: true, bytes: shape.black() });
        }
    }

    /// Releases the pictures after a pause without a key frame: they depend on those before, so no black is inserted.
    fn release_held(&mut self) {
        if !self.held.is_empty() {
            self.waiting.pop_back();
            self.waiting.extend(self.held.drain(..));
        }
    }

    pub(super) fn end(&mut self) {
        self.release_held();
        self.is_over = true;
    }

    /// A black picture, if the camera went off for good long before this time.
    pub(super) fn black_until(&mut self, now_ms: u64) -> Option<Block> {
        let at_ms = self.taken_ms? + PICTURE_MS_MAX;
        let is_off = self.is_camera && self.is_over && self.waiting.is_empty() && at_ms <= now_ms;
        let bytes = self.shape.as_ref().filter(|_| is_off && !self.is_black)?.black();
        self.is_black = true;
        self.taken_ms = Some(at_ms);
        Some(Block { at_ms, is_key: true, bytes })
    }

    /// The kind of the needed part, if any.
    pub(super) fn needs(&self) -> Option<MediaKind> {
        // Held pictures determine the fate of the last waiting one.
        let is_enough = if self.held.is_empty() { !self.waiting.is_empty() } else { self.waiting.len() > 1 };
        (!is_enough && !self.is_over).then_some(self.kind)
    }

    pub(super) fn first(&self) -> Option<&Block> {
        self.waiting.front()
    }

    pub(super) fn first_shape(&self) -> Option<&Shape> {
        self.first_shape.as_ref().filter(|_| !self.waiting.is_empty())
    }

    /// Time of the frame that is taken next.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.silent_ms().or(self.first().map(|block| block.at_ms))
    }

    pub(super) fn take(&mut self) -> Option<Block> {
        let silence = self.silent_ms().map(|at_ms| Block { at_ms, is_key: true, bytes: SILENCE.to_vec() });
        let block = silence.or_else(|| self.waiting.pop_front())?;
        self.taken_ms = Some(block.at_ms);
        if self.waiting.front().is_some_and(|next| next.at_ms <= block.at_ms) {
            self.waiting.pop_front();
        }
        Some(block)
    }

    /// Time of a frame of silence, if the next audio is far away.
    fn silent_ms(&self) -> Option<u64> {
        let (next, taken) = (self.waiting.front()?.at_ms, self.taken_ms?);
        (self.kind == MediaKind::Audio && next - taken > PAUSE_MS_MAX).then_some(taken + SOUND_MS)
    }
}

/// RFC 6386 §9.1: a key frame begins with a 3-byte tag, a start code, and its size.
fn resolution(block: &Block) -> Option<(u16, u16)> {
    let [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = *block.bytes.first_chunk::<10>()? else { return None };
    // The two top bits of each are the scaling that a player may apply.
    (tag & 1 == 0).then_some((u16::from_le_bytes([w0, w1]) & 0x3fff, u16::from_le_bytes([h0, h1]) & 0x3fff))
}
