//! The frames of one kind, out of part after part; silence fills what is missing of the sound.

use super::super::webm::{Block, read};
use shared::rtp_parameters::MediaKind;
use std::collections::VecDeque;

/// Opus packets of libwebrtc last so long.
const SOUND_MS: u64 = 20;
/// Sound that pauses for longer is filled with silence, so that players keep their clock.
const PAUSE_MS_MAX: u64 = 100;
/// 20 ms of silence: a TOC byte for one CELT frame of full bandwidth (RFC 6716 §3.1), and the shortest such frame.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// Frames of one kind that wait to be written.
#[derive(Debug)]
pub(super) struct Lane {
    kind: MediaKind,
    waiting: VecDeque<Block>,
    is_over: bool,
    /// When the last frame was that came in.
    last_ms: Option<u64>,
    /// When the last frame was that was taken.
    taken_ms: Option<u64>,
    resolution: Option<(u16, u16)>,
}

impl Lane {
    pub(super) const fn new(kind: MediaKind) -> Self {
        Self { kind, waiting: VecDeque::new(), is_over: false, last_ms: None, taken_ms: None, resolution: None }
    }

    pub(super) fn feed(&mut self, part: &[u8]) {
        let mut is_continued = false;
        for mut block in read::blocks(part) {
            // While a participant moves from one node to the other, the clocks of both may have the same moment. Pictures refer to
            // those before them, so all of a stream that begins with a key frame are kept.
            if let Some(last) = self.last_ms.filter(|last| block.at_ms <= *last) {
                is_continued |= self.kind == MediaKind::Video && block.is_key;
                if !is_continued {
                    continue;
                }
                block.at_ms = last + 1;
            }
            if self.kind == MediaKind::Video && self.resolution.is_none() {
                self.resolution = resolution(&block);
                if self.resolution.is_none() {
                    continue;
                }
            }
            self.last_ms = Some(block.at_ms);
            self.waiting.push_back(block);
        }
    }

    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// Which kind of part is needed, if one is.
    pub(super) fn needs(&self) -> Option<MediaKind> {
        (self.waiting.is_empty() && !self.is_over).then_some(self.kind)
    }

    pub(super) fn first(&self) -> Option<&Block> {
        self.waiting.front()
    }

    /// The size of the first picture.
    pub(super) fn resolution(&self) -> Option<(u16, u16)> {
        self.resolution.filter(|_| !self.waiting.is_empty())
    }

    pub(super) fn take(&mut self) -> Option<Block> {
        let block = self.fill().or_else(|| self.waiting.pop_front())?;
        self.taken_ms = Some(block.at_ms);
        if self.waiting.front().is_some_and(|next| next.at_ms <= block.at_ms) {
            self.waiting.pop_front();
        }
        Some(block)
    }

    /// A frame of silence, if the next sound is far away.
    fn fill(&self) -> Option<Block> {
        let (next, taken) = (self.waiting.front()?.at_ms, self.taken_ms?);
        let is_pause = self.kind == MediaKind::Audio && next - taken > PAUSE_MS_MAX;
        is_pause.then(|| Block { at_ms: taken + SOUND_MS, is_key: true, bytes: SILENCE.to_vec() })
    }
}

/// RFC 6386 §9.1: a key frame begins with a tag of 3 bytes, a start code, and its size.
fn resolution(block: &Block) -> Option<(u16, u16)> {
    let [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = *block.bytes.first_chunk::<10>()? else { return None };
    // The two top bits of each are the scaling that a player may apply.
    (tag & 1 == 0).then_some((u16::from_le_bytes([w0, w1]) & 0x3fff, u16::from_le_bytes([h0, h1]) & 0x3fff))
}
