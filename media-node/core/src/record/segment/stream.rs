//! One recorded track: packets to frames, frames to parts.

use super::super::assemble::{Assembler, Frame};
use super::super::clock::StreamClock;
use super::super::limits::{GAP_MERGE_MS, KEYFRAME_INTERVAL_MS, PART_BYTES_MAX, PART_MS_MAX};
use super::super::reorder::{Ordered, Packet, Reorder};
use super::super::webm::Block;
use super::output::{Base, Output, millis};
use super::part::{Format, OpenPart};
use shared::TrackId;
use shared::control::TrackRef;
use shared::manifest::{Event, Row};
use shared::rtp_parameters::MediaKind;

/// After a change of codec, packets in another codec are omitted for this long.
const CODEC_KEPT_US: i64 = 1_000_000;
/// Assumed duration of a part's last frame.
const LAST_FRAME_MS: u64 = 20;

#[derive(Debug)]
pub(super) struct Stream {
    id: TrackId,
    /// The node's name for it, which changes with the publisher's session.
    pub(super) reference: TrackRef,
    pub(super) is_muted: bool,
    /// True once it is no longer recorded.
    pub(super) is_over: bool,
    reorder: Reorder,
    /// Output of the reordering, kept for its memory.
    ordered: Vec<Ordered>,
    assembler: Assembler,
    /// Time of the last change of codec.
    codec_since_us: Option<i64>,
    clock: StreamClock,
    part: Option<OpenPart>,
    parts: u32,
    /// Formats that already had a part.
    begun: Vec<Format>,
    last_ms: Option<u64>,
    last_key_ms: Option<u64>,
    gap: Option<Gap>,
}

#[derive(Clone, Copy, Debug)]
struct Gap {
    from_ms: u64,
    /// Time of the first frame after it, once there is one.
    to_ms: Option<u64>,
    packets: u64,
}

impl Stream {
    pub(super) fn new(id: &TrackId, reference: TrackRef, kind: MediaKind, is_muted: bool) -> Self {
        let (assembler, clock_rate) = match kind {
            MediaKind::Audio => (Assembler::opus(), 48_000),
            MediaKind::Video => (Assembler::vp8(), 90_000),
        };
        Self {
            id: id.clone(),
            reference,
            is_muted,
            is_over: false,
            reorder: Reorder::default(),
            ordered: Vec::new(),
            assembler,
            codec_since_us: None,
            clock: StreamClock::new(clock_rate),
            part: None,
            parts: 0,
            begun: Vec::new(),
            last_ms: None,
            last_key_ms: None,
            gap: None,
        }
    }

    pub(super) fn packet(&mut self, base: Base<'_>, packet: Packet, out: &mut Vec<Output>) {
        let mut ordered = std::mem::take(&mut self.ordered);
        self.reorder.push(packet, &mut ordered);
        self.take(base, ordered.drain(..), out);
        self.ordered = ordered;
    }

    pub(super) fn tick(&mut self, base: Base<'_>, now_us: i64, out: &mut Vec<Output>) {
        let mut ordered = Vec::new();
        self.reorder.release(now_us, &mut ordered);
        self.take(base, ordered, out);
        let is_old = |part: &OpenPart| millis(now_us.saturating_sub(part.opened_us)) >= PART_MS_MAX;
        if self.part.as_ref().is_some_and(is_old) {
            self.seal(base, None, out);
        }
        let now_ms = millis(now_us.saturating_sub(base.started_us));
        if self.gap.and_then(|gap| gap.to_ms).is_some_and(|to_ms| to_ms + GAP_MERGE_MS <= now_ms) {
            self.write_gap(out);
        }
    }

    pub(super) fn end(&mut self, base: Base<'_>, now_us: i64, out: &mut Vec<Output>) {
        let mut ordered = Vec::new();
        self.reorder.flush(&mut ordered);
        self.take(base, ordered, out);
        self.tick(base, now_us, out);
        self.seal(base, None, out);
        self.write_gap(out);
        self.is_over = true;
    }

    fn take(&mut self, base: Base<'_>, ordered: impl IntoIterator<Item = Ordered>, out: &mut Vec<Output>) {
        for ordered in ordered {
            match ordered {
                Ordered::Packet(packet) => {
                    if !self.assembler.takes(packet.codec) {
                        // A part for each packet would be too many files.
                        let is_early = |at_us: i64| packet.received_us.saturating_sub(at_us) < CODEC_KEPT_US;
                        if self.codec_since_us.is_some_and(is_early) {
                            continue;
                        }
                        self.codec_since_us = Some(packet.received_us);
                        self.seal(base, None, out);
                        self.assembler = Assembler::of(packet.codec);
                        out.push(Output::WantKeyframe(self.reference.clone()));
                    }
                    if let Some(frame) = self.assembler.push(packet) {
                        self.frame(base, frame, out);
                    }
                }
                Ordered::Lost(packets) => {
                    self.note_gap(packets, out);
                    self.assembler.lost();
                    if self.assembler.needs_key() {
                        out.push(Output::WantKeyframe(self.reference.clone()));
                    }
                }
                Ordered::Restart => {
                    self.assembler.lost();
                    self.clock.restart();
                }
            }
        }
    }

    fn frame(&mut self, base: Base<'_>, frame: Frame, out: &mut Vec<Output>) {
        let at_us = self.clock.at(frame.timestamp, frame.received_us, frame.captured_us);
        // No two frames at one time: players sort by it.
        let at_ms = millis(at_us.saturating_sub(base.started_us)).max(self.last_ms.map_or(0, |last| last + 1));
        // After a pause the file is black until the next key frame.
        let is_back = self.last_ms.is_some_and(|last| at_ms - last > GAP_MERGE_MS);
        self.last_ms = Some(at_ms);
        self.note_key(at_ms, frame.is_key, is_back, out);
        let is_full = |part: &OpenPart| {
            at_ms - part.starts_ms >= PART_MS_MAX || part.bytes() + frame.bytes.len() > PART_BYTES_MAX
        };
        if self.part.as_ref().is_some_and(is_full) {
            self.seal(base, Some(at_ms), out);
        }
        if self.part.is_none() && !self.open_part(at_ms, &frame) {
            return;
        }
        let Some(part) = &mut self.part else { return };
        part.add(&Block { at_ms, is_key: frame.is_key, bytes: frame.bytes });
        if let Some(gap) = &mut self.gap {
            gap.to_ms = gap.to_ms.or(Some(at_ms));
        }
    }

    /// Players seek to key frames, so they must be frequent.
    fn note_key(&mut self, at_ms: u64, is_key: bool, is_back: bool, out: &mut Vec<Output>) {
        let is_due = |last: u64| at_ms.saturating_sub(last) >= KEYFRAME_INTERVAL_MS;
        if is_key {
            self.last_key_ms = Some(at_ms);
        } else if is_back || self.last_key_ms.is_none_or(is_due) {
            self.last_key_ms = Some(at_ms);
            out.push(Output::WantKeyframe(self.reference.clone()));
        }
    }

    fn open_part(&mut self, at_ms: u64, frame: &Frame) -> bool {
        let format = Format::of(&self.assembler);
        let needs_header = !self.begun.contains(&format);
        self.part = OpenPart::begin(at_ms, frame, &self.assembler, needs_header);
        if self.part.is_some() && needs_header {
            self.begun.push(format);
        }
        self.part.is_some()
    }

    /// Completes the part; it lasts until the next frame, if that is known and no pause lies between.
    fn seal(&mut self, base: Base<'_>, next_ms: Option<u64>, out: &mut Vec<Output>) {
        let Some(part) = self.part.take() else { return };
        let at_ms = part.starts_ms;
        let next_ms = next_ms.filter(|next| next - part.last_ms <= GAP_MERGE_MS);
        let ends_ms = next_ms.unwrap_or(part.last_ms + LAST_FRAME_MS);
        let extension = part.format().extension();
        let bytes = part.write(self.parts, ends_ms);
        let key = format!("{}{}/{:06}-{at_ms}.{extension}", base.parts_prefix, self.id, self.parts);
        self.parts += 1;
        let event = Event::Part {
            track: self.id.clone(),
            key: key.clone(),
            duration_ms: ends_ms - at_ms,
            bytes: bytes.len() as u64,
            crc32: crc32fast::hash(&bytes),
        };
        out.push(Output::Part { key, bytes });
        out.push(Output::Row(Row { at_ms, event }));
    }

    fn note_gap(&mut self, packets: u64, out: &mut Vec<Output>) {
        let at_ms = self.last_ms.unwrap_or(0);
        let ended_ms = self.gap.and_then(|gap| gap.to_ms);
        if ended_ms.is_some_and(|to_ms| at_ms.saturating_sub(to_ms) > GAP_MERGE_MS) {
            self.write_gap(out);
        }
        let gap = self.gap.get_or_insert(Gap { from_ms: at_ms, to_ms: None, packets: 0 });
        gap.to_ms = None;
        gap.packets += packets;
    }

    fn write_gap(&mut self, out: &mut Vec<Output>) {
        let Some(Gap { from_ms, to_ms, packets }) = self.gap.take() else { return };
        let lasted_ms = to_ms.map_or(0, |to_ms| to_ms - from_ms);
        let event = Event::Gap { track: self.id.clone(), packets: Some(packets), lasted_ms };
        out.push(Output::Row(Row { at_ms: from_ms, event }));
    }
}
