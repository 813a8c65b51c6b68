//! Numbers a stream's packets for viewers of its lower temporal layers: once for all of them, on arrival.
//!
//! Omitted packets leave no gap in the numbers. A packet that has not arrived may belong to any layer, so it keeps its
//! number for everybody, unless it can only belong to an omitted frame.

use super::cache::VIDEO_PACKETS_KEPT;
use super::rate::{Rate, VideoRate};
use crate::packet::Facts;
use crate::tempo::{THINNED, Tempo, Thinned};
use std::time::Instant;

/// Frames whose late packets are still recognised.
const FRAMES_KEPT: usize = 32;

#[derive(Debug)]
pub struct Thinning {
    /// Results for the packets before `next`, by index modulo the length.
    packets: Box<[Thinned]>,
    /// The index after the furthest packet.
    next: u64,
    /// The result for the packet at `next`, if it is kept.
    counted: Thinned,
    last: Frame,
    frames: [Frame; FRAMES_KEPT],
    frames_seen: usize,
    paces: [Pace; THINNED],
    /// True once a frame above the base layer has arrived.
    has_upper_layers: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    timestamp: u32,
    picture_id: Option<u16>,
    left_out: u8,
    has_ended: bool,
}

/// The rates of a slower tempo.
#[derive(Debug)]
struct Pace {
    bytes: VideoRate,
    frames: Rate,
}

impl Thinning {
    /// `first` is the stream's first packet above the base layer.
    pub fn new(now: Instant, first: &Facts) -> Self {
        let pace = || Pace { bytes: VideoRate::new(now), frames: Rate::new(now) };
        // Earlier packets belong to the base layer, or to everybody.
        let last = Frame { timestamp: first.timestamp.wrapping_sub(1), ..Frame::default() };
        Self {
            packets: vec![Thinned::default(); VIDEO_PACKETS_KEPT].into_boxed_slice(),
            next: first.index,
            counted: Thinned::default(),
            last,
            frames: [Frame::default(); FRAMES_KEPT],
            frames_seen: 0,
            paces: [pace(), pace()],
            has_upper_layers: false,
        }
    }

    pub fn has_upper_layers(&self) -> bool {
        self.has_upper_layers
    }

    /// Numbers an arrived packet, in any order.
    pub fn number(&mut self, now: Instant, facts: &Facts, bytes: usize, is_keyframe: bool) -> Thinned {
        let thinned = if facts.index < self.next { self.late(facts) } else { self.ahead(now, facts) };
        for (place, pace) in self.paces.iter_mut().enumerate() {
            if thinned.left_out & (1 << place) == 0 {
                pace.bytes.add(now, bytes, is_keyframe);
            }
        }
        thinned
    }

    /// Bits and frames per second of a tempo.
    pub fn pace(&mut self, now: Instant, tempo: Tempo) -> Option<(u64, u64)> {
        let pace = self.paces.get_mut(tempo.place()?)?;
        Some((pace.bytes.bps(now), pace.frames.bps(now) / 8))
    }

    /// The index of the packet with this number in a tempo.
    pub fn index_of(&self, tempo: Tempo, number: u64) -> Option<u64> {
        let (mut from, mut to) = (self.next.saturating_sub(self.packets.len() as u64), self.next);
        let number_of = |index: u64| Some(index.wrapping_sub(self.find(index)?.packets_before(tempo)));
        // An omitted packet has the number of the next kept one: the last with this number is the one.
        while from + 1 < to {
            let middle = from + (to - from) / 2;
            if number_of(middle)? <= number { from = middle } else { to = middle }
        }
        let is_it = number_of(from)? == number && !self.find(from)?.leaves_out(tempo);
        is_it.then_some(from)
    }

    fn find(&self, index: u64) -> Option<&Thinned> {
        self.packets.get((index % self.packets.len() as u64) as usize)
    }

    fn late(&mut self, facts: &Facts) -> Thinned {
        let is_known = self.next - facts.index <= self.packets.len() as u64;
        let Some(thinned) = self.find(facts.index).filter(|_| is_known).copied() else {
            return Thinned { left_out: u8::MAX, ..self.counted };
        };
        // Its number was kept while its layer was unknown.
        let frame = self.frames.iter().find(|frame| frame.left_out != 0 && frame.timestamp == facts.timestamp);
        Thinned { left_out: thinned.left_out | frame.map_or(0, |frame| frame.left_out), ..thinned }
    }

    fn ahead(&mut self, now: Instant, facts: &Facts) -> Thinned {
        let is_new = facts.timestamp != self.last.timestamp;
        let follows = is_new && self.follows(facts);
        let gap_left_out = match () {
            () if !is_new => self.last.left_out,
            // The end of the last frame, whose marker is lost as well; nothing else lies between.
            () if facts.begins_frame() && follows && !self.last.has_ended => self.last.left_out,
            () => 0,
        };
        if !is_new || gap_left_out != 0 {
            self.pass_over(facts.index, gap_left_out);
        }
        if is_new {
            let is_whole = facts.begins_frame() || follows && self.last.has_ended;
            self.begin_frame(now, facts, is_whole);
        }
        // Part of the frame that begins here, if its beginning is lost and nothing else is possible; or of anything.
        let head_left_out = if is_new && !facts.begins_frame() { self.last.left_out } else { 0 };
        self.pass_over(facts.index, head_left_out);
        self.last.has_ended = facts.marker;
        let thinned = Thinned { left_out: self.last.left_out, ..self.counted };
        self.take(thinned.left_out);
        thinned
    }

    /// True if a packet's frame directly follows the last one.
    fn follows(&self, facts: &Facts) -> bool {
        let next = |last: u16| last.wrapping_add(1) & 0x7fff;
        self.last.picture_id.zip(facts.picture_id()).is_some_and(|(last, this)| next(last) == this)
    }

    fn begin_frame(&mut self, now: Instant, facts: &Facts, is_whole: bool) {
        for (place, pictures) in self.counted.pictures.iter_mut().enumerate() {
            *pictures = pictures.wrapping_add(u16::from(self.last.left_out >> place & 1));
        }
        // A frame whose beginning may still arrive belongs to everybody: its extent is unknown.
        let layer = facts.temporal_layer().filter(|_| is_whole).map_or(0, |layer| layer.index);
        let mut left_out = 0;
        for tempo in Tempo::ALL {
            match tempo.place() {
                Some(place) if !tempo.takes(layer) => left_out |= 1 << place,
                Some(place) => self.paces.get_mut(place).into_iter().for_each(|pace| pace.frames.add(now, 1)),
                None => {}
            }
        }
        self.has_upper_layers |= left_out != 0;
        self.last = Frame { timestamp: facts.timestamp, picture_id: facts.picture_id(), left_out, has_ended: false };
        if let Some(frame) = self.frames.get_mut(self.frames_seen % FRAMES_KEPT) {
            *frame = self.last;
        }
        self.frames_seen = self.frames_seen.wrapping_add(1);
    }

    /// Numbers the missing packets up to this index.
    fn pass_over(&mut self, index: u64, left_out: u8) {
        let kept = self.packets.len() as u64;
        if index.saturating_sub(self.next) > kept {
            self.next = index - kept;
        }
        while self.next < index {
            self.take(left_out);
        }
    }

    fn take(&mut self, left_out: u8) {
        let place = (self.next % self.packets.len() as u64) as usize;
        if let Some(entry) = self.packets.get_mut(place) {
            *entry = Thinned { left_out, ..self.counted };
        }
        for (place, packets) in self.counted.packets.iter_mut().enumerate() {
            *packets = packets.wrapping_add(u32::from(left_out >> place & 1));
        }
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Picture;
    use shared::rtp_parameters::CodecName;
    use std::time::Duration;

    fn facts(index: u64, frame: u16, layer: u8, begins: bool, marker: bool) -> Facts {
        let [p0, p1] = (frame | 0x8000).to_be_bytes();
        let payload = [if begins { 0x90 } else { 0x80 }, 0xe0, p0, p1, 0, layer << 6, 1];
        let picture = Picture::read(CodecName::Vp8, &payload).expect("a VP8 descriptor");
        Facts { index, timestamp: u32::from(frame) * 3_000, marker, picture, ..Facts::none(CodecName::Vp8) }
    }

    /// Packets as `index:frame.layer` in order of arrival, with square brackets at the beginning and end of frames.
    /// Expects the base layer's numbers and pictures: `number:picture`, `-` for an omitted one.
    fn check(packets: &str, expected: &str) {
        let now = crate::virtual_time::start();
        let mut thinning = None;
        let mut numbers = Vec::new();
        for word in packets.split_whitespace() {
            let (begins, marker) = (word.starts_with('['), word.ends_with(']'));
            let mut parts =
                word.trim_matches(['[', ']']).split([':', '.']).map(|part| part.parse::<u16>().expect("a number"));
            let mut part = || parts.next().expect("three numbers");
            let facts = facts(part().into(), part(), part() as u8, begins, marker);
            let thinning = thinning.get_or_insert_with(|| Thinning::new(now, &facts));
            let thinned = thinning.number(now, &facts, 1, false);
            let number = facts.index.wrapping_sub(thinned.packets_before(Tempo::Base));
            let picture = facts.picture_id().expect("one").wrapping_sub(thinned.pictures_before(Tempo::Base));
            let is_left_out = thinned.leaves_out(Tempo::Base);
            numbers.push(if is_left_out { "-".to_owned() } else { format!("{number}:{picture}") });
            assert!(is_left_out || thinning.index_of(Tempo::Base, number) == Some(facts.index));
        }
        assert_eq!(numbers.join(" "), expected, "{packets}");
    }

    #[test]
    fn what_is_left_out_leaves_no_hole() {
        check("[5:1.0] [6:2.2 7:2.2] [8:3.1] [9:4.2] [10:5.0 11:5.0]", "5:1 - - - - 6:2 7:2");
    }

    #[test]
    fn a_lost_packet_of_a_frame_that_is_left_out_leaves_no_hole_either() {
        check("[5:1.0] [6:2.2 8:2.2] [9:3.0]", "5:1 - - 6:2");
        check("[5:1.0] [6:2.2 8:2.2] [9:3.0] 7:2.2", "5:1 - - 6:2 -");
        check("[5:1.0] 7:2.2] [8:3.0] [6:2.2", "5:1 - 6:2 -");
        check("[5:1.0] [6:2.2 [8:3.0] 7:2.2]", "5:1 - 6:2 -");
    }

    #[test]
    fn a_packet_that_may_be_anything_keeps_its_number() {
        check("[5:1.0] [7:3.0] [6:2.2]", "5:1 7:3 6:2");
        check("[5:1.0] [7:3.1] [8:4.0] [6:2.0]", "5:1 - 7:3 6:2");
        // The end of one frame and the beginning of another.
        check("[5:1.0] [6:2.2 9:3.0] 7:2.2] [8:3.0", "5:1 - 8:2 - 7:2");
        // The beginning of a frame, or a whole one before it.
        check("[5:1.0] 8:3.2] [9:4.0] [6:2.0] [7:3.2", "5:1 8:3 9:4 6:2 7:3");
    }

    #[test]
    fn where_a_frame_has_ended_a_lost_packet_is_no_end_of_it() {
        check("[5:1.0] [6:2.2] [8:3.2] [9:4.0]", "5:1 - - 7:2");
        // The beginning of the frame that follows.
        check("[5:1.0] [6:2.2] 8:3.2] [9:4.0]", "5:1 - - 6:2");
        check("[5:1.0] [6:2.2 8:3.2] [9:4.0]", "5:1 - 7:2 8:3");
    }

    #[test]
    fn what_comes_too_late_for_the_memory_is_left_out() {
        let mut packets = "[5:1.0] ".to_owned();
        (7..600).for_each(|index| packets += &format!("[{index}:{index}.{}] ", index % 2));
        check(&(packets + "[6:6.0]"), &(numbers_of(7..600) + " -"));
    }

    fn numbers_of(indices: std::ops::Range<u16>) -> String {
        let mut words = vec!["5:1".to_owned()];
        let mut left_out = 0;
        for index in indices {
            if index % 2 == 1 {
                words.push("-".to_owned());
                left_out += 1;
            } else {
                words.push(format!("{}:{}", index - left_out, index - left_out));
            }
        }
        words.join(" ")
    }

    #[test]
    fn a_tempo_has_the_pace_of_what_it_takes() {
        let start = crate::virtual_time::start();
        let mut thinning = Thinning::new(start, &facts(0, 0, 0, true, true));
        for frame in 0..90_u16 {
            let now = start + Duration::from_millis(u64::from(frame) * 1_000 / 30);
            let layer = [0, 2, 1, 2][usize::from(frame % 4)];
            thinning.number(now, &facts(frame.into(), frame, layer, true, true), 1_000, false);
        }
        let now = start + Duration::from_secs(3);
        let mut pace = |tempo| thinning.pace(now, tempo);
        let near = |pace: Option<(u64, u64)>, frames: u64| {
            let (bps, frames_per_s) = pace.expect("one");
            assert!(frames_per_s.abs_diff(frames) <= 1 && bps.abs_diff(frames * 8_000) < 10_000, "{pace:?}");
        };
        near(pace(Tempo::Base), 7);
        near(pace(Tempo::Middle), 15);
        assert_eq!(pace(Tempo::Full), None);
    }
}
