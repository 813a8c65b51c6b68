//! A video decoder without pixels: it decodes whatever a real one could, and reports violations.

use super::content::{Stamp, Turn};
use crate::check::SourceName;
use crate::clock::Clock;
use media_core::codec::vp8::{self, Descriptor, Numbers};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A decoder that cannot continue for this long takes its next key frame.
const STUCK_AFTER: Duration = Duration::from_millis(50);
/// It waits about this long for a retransmission before it goes on without frames of the upper temporal layers: libwebrtc
/// decodes a frame of the base layer when it is due. On a long path with losses the client makes it wait longer
/// (docs/decisions/0028), which here follows from packets that came too late.
const OMITS_AFTER: Duration = Duration::from_millis(200);
const OMITS_AFTER_MAX: Duration = Duration::from_millis(600);
const PATIENCE: Duration = Duration::from_millis(100);
/// libwebrtc's wait before it requests a key frame, at the start and after a missing frame. It waits as long before it
/// repeats the request, and stops once nothing has arrived for a while.
const BEGINS_WITHIN: Duration = Duration::from_millis(200);
const GOES_ON_WITHIN: Duration = Duration::from_secs(3);
const INACTIVE_AFTER: Duration = Duration::from_secs(5);
/// Packets waiting for earlier ones.
const WAITING_MAX: usize = 2_048;
/// Frames that another one may depend on.
const DECODED_KEPT: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The next frame of this source, with its number.
    Frame(SourceName, u32),
    /// That frame and the following ones have this many lines.
    Resized(SourceName, u16),
    /// A violation by the sender.
    Wrong(String),
}

/// One packet of a video stream.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    timestamp: u32,
    marker: bool,
    starts_frame: bool,
    starts_keyframe: bool,
    numbers: Numbers,
    /// Set for a key frame.
    lines: Option<u16>,
    stamp: Stamp,
}

impl Part {
    /// Reads a payload; `None` if it is damaged.
    #[must_use]
    pub fn read(timestamp: u32, marker: bool, payload: &[u8]) -> Option<Self> {
        let descriptor = Descriptor::parse(payload)?;
        Some(Self {
            timestamp,
            marker,
            starts_frame: descriptor.starts_frame,
            starts_keyframe: descriptor.starts_keyframe,
            numbers: descriptor.numbers(),
            lines: vp8::resolution(payload).map(|(_, lines)| lines),
            stamp: Stamp::of_picture(payload, usize::from(descriptor.descriptor_bytes))?,
        })
    }

    #[must_use]
    pub fn source(&self) -> SourceName {
        self.stamp.source
    }
}

/// The decoder of one slot.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    waiting: BTreeMap<u64, Part>,
    /// Index of the first packet of the next frame, and the frame before it.
    next: Option<(u64, Last)>,
    /// Decoded frames since the last key frame.
    decoded: BTreeSet<u32>,
    stuck_since: Option<Instant>,
    fed_at: Option<Instant>,
    asked_at: Option<Instant>,
    /// True once frames were omitted: others may depend on them until the next key frame.
    has_omitted: bool,
    /// The packets that it went on without, and the time at which it began to wait for them.
    missed: Option<(Instant, BTreeSet<u64>)>,
    /// The wait that would have been enough for the latest of them.
    patience: Duration,
    /// Key frames that the decoder had to jump to.
    jumps: u64,
}

/// The last decoded frame.
#[derive(Clone, Copy, Debug)]
struct Last {
    part: Part,
    at: Instant,
}

impl Decoder {
    /// Takes a packet and decodes everything that it completes.
    pub fn take(&mut self, clock: &Clock, index: u64, part: Part) -> Vec<Decoded> {
        self.fed_at = Some(clock.now());
        self.note_late(clock, index);
        if self.next.is_none_or(|(next, _)| index >= next) {
            self.waiting.insert(index, part);
        }
        while self.waiting.len() > WAITING_MAX {
            self.waiting.pop_first();
        }
        self.decode(clock)
    }

    fn note_late(&mut self, clock: &Clock, index: u64) {
        let Some((since, missed)) = &mut self.missed else { return };
        if missed.remove(&index) {
            let late = clock.now().duration_since(*since) + PATIENCE;
            self.patience = self.patience.max(late).min(OMITS_AFTER_MAX);
        }
    }

    /// Decodes whatever can be decoded; a stuck decoder jumps to the next key frame, or to a frame that depends only on
    /// decoded ones of the base layer (RFC 7741 §4.2).
    pub fn decode(&mut self, clock: &Clock) -> Vec<Decoded> {
        let mut decoded = Vec::new();
        loop {
            if let Some((first, end)) = self.next_frame() {
                self.take_frame(clock, first, end, &mut decoded);
            } else if let Some(first) = self.jump_target(clock) {
                if let Some((next, since)) = self.next.as_ref().map(|(next, _)| *next).zip(self.stuck_since) {
                    let missed = (next..first).filter(|index| !self.waiting.contains_key(index)).collect();
                    self.missed = Some((since, missed));
                }
                self.waiting.retain(|index, _| *index >= first);
                let part = self.waiting[&first];
                self.has_omitted = !part.starts_keyframe;
                self.jumps += u64::from(self.next.is_some() && part.starts_keyframe);
                // Everything before the key frame is discarded; it need not continue it.
                self.next = None;
                let end = self.frame_end(first).expect("a whole frame was found here");
                self.accept(clock, end, part, &mut decoded);
            } else {
                break;
            }
        }
        let is_stuck = !self.waiting.is_empty();
        self.stuck_since = if is_stuck { self.stuck_since.or(Some(clock.now())) } else { None };
        decoded
    }

    /// The packet range of the frame that continues the stream, if it is complete.
    fn next_frame(&self) -> Option<(u64, u64)> {
        let (next, _) = self.next?;
        self.frame_end(next).map(|end| (next, end))
    }

    /// The index after the frame that starts at `first`, if all its packets have arrived. A frame cut short by another
    /// one ends there.
    fn frame_end(&self, first: u64) -> Option<u64> {
        let begin = self.waiting.get(&first)?;
        let mut index = first;
        loop {
            let part = self.waiting.get(&index)?;
            if index != first && part.starts_frame {
                return Some(index);
            }
            index += 1;
            if part.marker && part.timestamp == begin.timestamp {
                return Some(index);
            }
        }
    }

    fn take_frame(&mut self, clock: &Clock, first: u64, end: u64, decoded: &mut Vec<Decoded>) {
        let parts: Vec<Part> = (first..end).filter_map(|index| self.waiting.get(&index).copied()).collect();
        let (Some(begin), Some(last)) = (parts.first().copied(), parts.last().copied()) else { return };
        if let Some((_, before)) = &self.next {
            let breach = before.breach(clock, &begin);
            let lacking = self.lacking(&begin);
            if lacking.is_some() && self.has_omitted {
                return self.pass_over(end, begin);
            }
            let breach = breach.or(lacking);
            decoded.extend(breach.map(Decoded::Wrong));
        }
        let is_whole = last.marker && parts.len() == usize::from(begin.stamp.parts);
        let is_cut_off = !last.marker && self.waiting.get(&end).is_some_and(|next| next.starts_keyframe);
        if is_whole {
            self.accept(clock, end, begin, decoded);
        } else {
            if !is_cut_off {
                decoded.push(Decoded::Wrong(format!("a frame of {} packets in {}", begin.stamp.parts, parts.len())));
            }
            // Its packets arrived when the decoder began to wait for the rest.
            let at = self.stuck_since.unwrap_or(clock.now());
            self.advance(at, end, begin);
        }
    }

    /// Continues after a frame that cannot be decoded.
    fn pass_over(&mut self, end: u64, begin: Part) {
        self.waiting.retain(|index, _| *index >= end);
        if let Some((next, last)) = &mut self.next {
            (*next, last.part) = (end, begin);
        }
    }

    /// Describes a frame's missing dependency.
    fn lacking(&self, begin: &Part) -> Option<String> {
        let Stamp { frame, turn, .. } = begin.stamp;
        let needed = turn.needs().iter().map(|ago| frame.wrapping_sub(*ago));
        let mut lacking = needed.filter(|needed| !begin.starts_keyframe && !self.decoded.contains(needed));
        lacking.next().map(|needed| format!("frame {frame} needs frame {needed}, and there are {:?}", self.decoded))
    }

    fn advance(&mut self, at: Instant, end: u64, begin: Part) {
        self.waiting.retain(|index, _| *index >= end);
        self.next = Some((end, Last { part: begin, at }));
        if begin.starts_keyframe {
            self.decoded.clear();
            self.has_omitted = false;
        }
        self.decoded.insert(begin.stamp.frame);
        while self.decoded.len() > DECODED_KEPT {
            self.decoded.pop_first();
        }
    }

    fn accept(&mut self, clock: &Clock, end: u64, begin: Part, decoded: &mut Vec<Decoded>) {
        // A retransmission counts from the time of the gap.
        self.advance(self.stuck_since.unwrap_or(clock.now()), end, begin);
        (self.stuck_since, self.asked_at) = (None, None);
        decoded.push(Decoded::Frame(begin.stamp.source, begin.stamp.frame));
        decoded.extend(begin.lines.map(|lines| Decoded::Resized(begin.stamp.source, lines)));
    }

    /// The first complete frame to go on with, if the decoder has nothing to continue or is stuck.
    fn jump_target(&self, clock: &Clock) -> Option<u64> {
        let is_stuck = self.stuck_since.is_some_and(|since| clock.now() >= since + STUCK_AFTER);
        if self.next.is_some() && !is_stuck {
            return None;
        }
        let wait = OMITS_AFTER.max(self.patience);
        let has_waited = self.stuck_since.is_some_and(|since| clock.now() >= since + wait);
        let omits = self.next.is_some() && has_waited;
        let goes_on = |part: &Part| {
            let (layer, is_sync) = part.stamp.turn.layer();
            let has_layers = part.stamp.turn != Turn::NONE;
            let is_of_base = has_layers && part.starts_frame && (layer == 0 || is_sync);
            part.starts_keyframe || omits && is_of_base && self.lacking(part).is_none()
        };
        let mut firsts = self.waiting.iter().filter(|(_, part)| goes_on(part)).map(|(index, _)| *index);
        firsts.find(|first| self.frame_end(*first).is_some())
    }

    /// True if a key frame must be requested now.
    pub fn poll_picture_loss(&mut self, clock: &Clock) -> bool {
        let is_due = self.picture_loss_at().is_some_and(|at| at <= clock.now());
        if is_due {
            self.asked_at = Some(clock.now());
        }
        is_due
    }

    #[must_use]
    pub fn picture_loss_at(&self) -> Option<Instant> {
        let since = self.asked_at.or(self.stuck_since)?;
        let at = since + if self.next.is_none() { BEGINS_WITHIN } else { GOES_ON_WITHIN };
        self.fed_at.filter(|fed| at < *fed + INACTIVE_AFTER).map(|_| at)
    }

    #[must_use]
    pub fn jumps(&self) -> u64 {
        self.jumps
    }
}

impl Last {
    /// Describes a violation by a frame that follows the last one without a gap.
    fn breach(&self, clock: &Clock, begin: &Part) -> Option<String> {
        let before = &self.part;
        let base_layer_index = u8::from(begin.stamp.turn.layer().0 == 0);
        let numbers = before.numbers.advance(Numbers { picture_id: 1, base_layer_index });
        let ticks = begin.timestamp.wrapping_sub(before.timestamp);
        let elapsed_ms = clock.now().duration_since(self.at).as_millis() as u32;
        if !begin.starts_frame {
            Some("a packet that starts no frame follows a frame's last".into())
        } else if begin.numbers != numbers {
            Some(format!("picture numbers jump from {:?} to {:?}", before.numbers, begin.numbers))
        } else if ticks == 0 || ticks > u32::MAX / 2 {
            Some(format!("timestamps go from {} to {}", before.timestamp, begin.timestamp))
        } else if ticks / 90 > elapsed_ms + 2_000 {
            // The opposite is normal: packets lost in a long outage are retransmitted after it.
            Some(format!("timestamps advance {} ms in {elapsed_ms} ms", ticks / 90))
        } else if !begin.stamp.is_with(&before.stamp) && !begin.starts_keyframe {
            Some("the source changes without a key frame".into())
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of a two-packet frame, and its index in the stream.
    fn packet(source: &str, frame: u32, part: u8, is_keyframe: bool) -> (u64, Part) {
        let source = SourceName::of(source, "1");
        let stamp =
            Stamp { source, page: 1, frame, part, parts: 2, is_keyframe, turn: super::super::content::Turn::NONE };
        let payload = stamp.to_picture(frame as u16, frame as u8, 480, 120);
        (u64::from(frame) * 2 + u64::from(part), Part::read(frame * 4_500, part == 1, &payload).expect("well formed"))
    }

    fn play(packets: &[(u64, Part)]) -> Vec<Decoded> {
        let mut clock = Clock::default();
        let mut decoder = Decoder::default();
        let mut decoded = Vec::new();
        for (index, part) in packets {
            decoded.extend(decoder.take(&clock, *index, *part));
            clock.advance_to(clock.now() + Duration::from_millis(25));
        }
        decoded
    }

    fn frames(decoded: &[Decoded]) -> usize {
        decoded.iter().filter(|decoded| matches!(decoded, Decoded::Frame(..))).count()
    }

    #[test]
    fn decodes_in_order_whatever_the_order_of_arrival() {
        let [a, b, c, d] =
            [(1, 0, true), (1, 1, true), (2, 0, false), (2, 1, false)].map(|(f, p, k)| packet("ada", f, p, k));
        assert_eq!(frames(&play(&[a, b, c, d])), 2);
        assert_eq!(frames(&play(&[c, b, d, a])), 2);
        assert_eq!(frames(&play(&[c, d])), 0, "nothing to begin with");
        assert_eq!(frames(&play(&[a, c, d])), 0, "half a key frame");
    }

    #[test]
    fn a_gap_holds_up_until_a_key_frame_is_worth_jumping_to() {
        let mut packets = vec![packet("ada", 1, 0, true), packet("ada", 1, 1, true)];
        packets.extend((3..9).flat_map(|frame| [0, 1].map(|part| packet("ada", frame, part, frame == 5))));
        let decoded = play(&packets);
        assert_eq!(frames(&decoded), 5, "the first, and five to eight");
        assert!(!decoded.iter().any(|decoded| matches!(decoded, Decoded::Wrong(_))), "{decoded:?}");
    }

    #[test]
    fn a_video_that_pauses_is_asked_for_once() {
        let mut clock = Clock::default();
        let mut decoder = Decoder::default();
        let asked = |decoder: &mut Decoder, clock: &mut Clock, seconds: u64| {
            let ends = clock.now() + Duration::from_secs(seconds);
            let mut count = 0;
            while clock.now() < ends {
                clock.advance_to(clock.now() + Duration::from_millis(10));
                decoder.decode(clock);
                count += u32::from(decoder.poll_picture_loss(clock));
            }
            count
        };
        let (index, part) = packet("ada", 1, 0, true);
        decoder.take(&clock, index, part);
        assert_eq!(asked(&mut decoder, &mut clock, 1), 5, "it has not begun");
        for (index, part) in [packet("ada", 1, 1, true), packet("ada", 3, 0, false)] {
            decoder.take(&clock, index, part);
        }
        assert_eq!(asked(&mut decoder, &mut clock, 60), 1);
    }

    #[test]
    fn notices_what_no_decoder_could_make_sense_of() {
        let begin = [packet("ada", 1, 0, true), packet("ada", 1, 1, true)];
        let wrong = |next: (u64, Part), end: (u64, Part)| {
            let decoded = play(&[begin[0], begin[1], (4, next.1), (5, end.1)]);
            decoded.iter().any(|decoded| matches!(decoded, Decoded::Wrong(_)))
        };
        assert!(!wrong(packet("ada", 2, 0, false), packet("ada", 2, 1, false)));
        assert!(wrong(packet("ada", 3, 0, false), packet("ada", 3, 1, false)), "a picture number was left out");
        assert!(wrong(packet("bob", 2, 0, false), packet("bob", 2, 1, false)), "no key frame");
        assert!(wrong(packet("ada", 2, 1, false), packet("ada", 2, 1, false)), "no start");
        assert!(!wrong(packet("bob", 2, 0, true), packet("bob", 2, 1, true)));
    }
}
