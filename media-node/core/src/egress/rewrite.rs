//! Turns packets of changing sources into one continuous stream: sequence numbers, timestamps, VP8 picture numbers.

use crate::codec::vp8::Numbers;
use crate::keys::StreamKey;
use crate::packet::Facts;
use crate::tempo::Tempo;
use std::time::{Duration, Instant};

/// Sources remembered after a switch, so that NACKs for their packets can still be answered.
const SPANS_KEPT: usize = 4;

/// Rewrites the numbers of one outgoing stream (RFC 3550 §5.1: sequence numbers grow by one for each packet sent).
#[derive(Clone, Debug)]
pub struct Rewriter {
    clock_rate: u32,
    /// The wanted tempo, used as soon as a decoder can follow.
    tempo: Tempo,
    /// Spans of the stream, newest first; each has one source.
    spans: [Option<Span>; SPANS_KEPT],
    /// The numbers of the furthest packet so far.
    furthest: Furthest,
}

/// A packet's numbers in the outgoing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// Extended sequence number for SRTP (RFC 3711 §3.3.1).
    pub index: u64,
    pub timestamp: u32,
    /// VP8 picture numbers; meaningless for other codecs.
    pub numbers: Numbers,
}

/// The source packet of a packet in the outgoing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub source: StreamKey,
    /// The source's tempo there, and the packet's number in it.
    pub tempo: Tempo,
    pub number: u64,
    /// The packet's index in the outgoing stream.
    pub index: u64,
}

/// A span of the outgoing stream with one source. All three steps wrap, so they also apply to late packets.
#[derive(Clone, Copy, Debug)]
struct Span {
    source: StreamKey,
    tempo: Tempo,
    /// True if the previous span has the same source, whose late packets still belong there.
    continues: bool,
    /// The source's index of the first packet, and its index in the outgoing stream.
    since: u64,
    first: u64,
    /// From the packet's number in the tempo.
    index_step: u64,
    timestamp_step: u32,
    numbers_step: Numbers,
}

#[derive(Clone, Copy, Debug)]
struct Furthest {
    rewritten: Rewritten,
    /// Time of sending; `None` before the first packet.
    at: Option<Instant>,
}

impl Rewriter {
    /// A stream whose first packet gets index `first_index` and timestamp `first_timestamp`.
    pub fn new(clock_rate: u32, first_index: u64, first_timestamp: u32) -> Self {
        let rewritten = Rewritten {
            index: first_index.wrapping_sub(1),
            timestamp: first_timestamp,
            numbers: Numbers { picture_id: 0x7fff, base_layer_index: 0xff },
        };
        Self { clock_rate, tempo: Tempo::Full, spans: [None; SPANS_KEPT], furthest: Furthest { rewritten, at: None } }
    }

    pub fn next_index(&self) -> u64 {
        self.furthest.rewritten.index.wrapping_add(1)
    }

    /// Continues the stream with `source`: the packet described by `facts` becomes the next one. `offset` converts its
    /// timestamps to those of the previous source at the same capture time, if both are known.
    pub fn switch(&mut self, now: Instant, source: StreamKey, facts: &Facts, offset: Option<u32>) {
        let last = self.furthest.rewritten;
        let first = self.next_index();
        let numbers = last.numbers.advance(Numbers { picture_id: 1, base_layer_index: 1 });
        let timestamp = last.timestamp.wrapping_add(self.ticks_to(now, facts, offset));
        let span = Span::of(source, self.tempo, facts.index, first);
        self.begin(span.leading(facts, Rewritten { index: first, timestamp, numbers }));
    }

    /// Changes the tempo at the next possible frame: a slower one at once, a faster one at a frame that depends on
    /// nothing omitted (RFC 7741 §4.2, Y).
    pub fn set_tempo(&mut self, tempo: Tempo) {
        self.tempo = tempo;
    }

    /// The current tempo of the source.
    fn tempo(&self) -> Tempo {
        self.spans[0].map_or(self.tempo, |span| span.tempo)
    }

    /// The tempo from the next frame on, if it is slower than the current one.
    pub fn coming_tempo(&self) -> Tempo {
        self.tempo().min(self.tempo)
    }

    /// True if a faster tempo is wanted than has been possible so far.
    pub fn waits_for_more(&self) -> bool {
        self.tempo() < self.tempo
    }

    /// True if a packet of `source` is omitted whatever comes before it.
    pub fn leaves_out(&self, source: StreamKey, facts: &Facts) -> bool {
        let is_settled = |span: &Span| span.tempo == self.tempo && facts.thinned.leaves_out(span.tempo);
        self.span_at(source, facts).is_some_and(is_settled)
    }

    /// The numbers of a packet of `source`; `None` if the stream belongs to another source, or the packet is from
    /// before the switch.
    pub fn rewrite(&mut self, now: Instant, source: StreamKey, facts: &Facts) -> Option<Rewritten> {
        self.change_tempo(source, facts);
        let rewritten = self.span_at(source, facts)?.apply(facts)?;
        if rewritten.index > self.furthest.rewritten.index || self.furthest.at.is_none() {
            self.furthest = Furthest { rewritten, at: Some(now) };
        }
        Some(rewritten)
    }

    /// Finds the packet sent with a sequence number at most half the number space ago.
    pub fn origin(&self, sequence: u16) -> Option<Origin> {
        self.furthest.at?;
        let highest = self.furthest.rewritten.index;
        let index = highest.checked_sub((highest as u16).wrapping_sub(sequence).into())?;
        let span = self.span_of(index)?;
        Some(Origin { source: span.source, tempo: span.tempo, number: index.wrapping_sub(span.index_step), index })
    }

    /// The numbers of a padding packet, which belongs to no frame.
    pub fn padding(&self, index: u64) -> Rewritten {
        Rewritten { index, ..self.furthest.rewritten }
    }

    /// The packet sent `age` packets before the furthest one.
    pub fn recent(&self, age: u16) -> Option<Origin> {
        self.origin((self.furthest.rewritten.index as u16).wrapping_sub(age))
    }

    /// The numbers with which the packet at `origin` was, or would have been, sent first.
    pub fn rewrite_again(&self, origin: Origin, facts: &Facts) -> Option<Rewritten> {
        let span = self.span_of(origin.index)?;
        span.apply(facts).filter(|rewritten| span.source == origin.source && rewritten.index == origin.index)
    }

    /// Time since the packet at `origin` could first have been sent, by the stream's timestamps.
    pub fn age(&self, now: Instant, origin: Origin, facts: &Facts) -> Option<Duration> {
        let rewritten = self.rewrite_again(origin, facts)?;
        let ticks = self.furthest.rewritten.timestamp.wrapping_sub(rewritten.timestamp) as i32;
        let behind = Duration::from_secs_f64(f64::from(ticks.max(0)) / f64::from(self.clock_rate.max(1)));
        Some(behind + now.saturating_duration_since(self.furthest.at?))
    }

    /// The difference to add to the timestamps of the current source.
    pub fn timestamp_step(&self, source: StreamKey) -> Option<u32> {
        self.spans[0].filter(|span| span.source == source).map(|span| span.timestamp_step)
    }

    fn change_tempo(&mut self, source: StreamKey, facts: &Facts) {
        let is_other = |span: &&Span| span.source == source && span.tempo != self.tempo;
        let Some(span) = self.spans[0].as_ref().filter(is_other).filter(|_| facts.begins_frame()) else { return };
        let tempo = match facts.temporal_layer() {
            _ if self.tempo < span.tempo || facts.is_entry() => self.tempo,
            Some(layer) if layer.is_sync && layer.index == span.tempo.next().layer() => span.tempo.next(),
            Some(_) | None => return,
        };
        let place = span.place(facts);
        if place.index > self.furthest.rewritten.index && span.since <= facts.index {
            let next = Span { continues: true, ..Span::of(source, tempo, facts.index, place.index) };
            self.begin(next.leading(facts, place));
        }
    }

    fn begin(&mut self, span: Span) {
        self.spans.rotate_right(1);
        self.spans[0] = Some(span);
    }

    /// The span that a packet of the current source belongs to. Packets from before the switch belong to no span: they
    /// would get numbers that the previous source has used.
    fn span_at(&self, source: StreamKey, facts: &Facts) -> Option<&Span> {
        let mut spans = self.spans.iter().flatten();
        let mut span = spans.next().filter(|span| span.source == source)?;
        while facts.index < span.since {
            span = spans.next().filter(|_| span.continues)?;
        }
        Some(span)
    }

    fn span_of(&self, index: u64) -> Option<&Span> {
        self.spans.iter().flatten().find(|span| span.first <= index)
    }

    /// Ticks from the last packet to the first of another source: by capture time if that is plausible, else by the
    /// elapsed time.
    fn ticks_to(&self, now: Instant, facts: &Facts, offset: Option<u32>) -> u32 {
        let elapsed = self.ticks_since_last(now);
        let step = self.spans[0].zip(offset).map(|(span, offset)| span.timestamp_step.wrapping_add(offset));
        let aligned =
            step.map(|step| facts.timestamp.wrapping_add(step).wrapping_sub(self.furthest.rewritten.timestamp));
        let is_plausible = |ticks: &u32| (*ticks as i32).abs_diff(elapsed as i32) < self.clock_rate;
        // The first frame of a layer may have been captured before the last frame of the one it replaces.
        aligned.filter(is_plausible).map_or(elapsed, |ticks| (ticks as i32).max(1) as u32)
    }

    /// Real time since the last packet in ticks, so that a switch keeps the pace (RFC 3550 §5.1); at least one, as
    /// packets of two sources must never look like one frame.
    fn ticks_since_last(&self, now: Instant) -> u32 {
        let Some(at) = self.furthest.at else { return 0 };
        let nanos = now.saturating_duration_since(at).as_nanos();
        let ticks = nanos * u128::from(self.clock_rate) / 1_000_000_000;
        (ticks as u32).max(1)
    }
}

impl Span {
    /// A span whose steps are not yet known.
    const fn of(source: StreamKey, tempo: Tempo, since: u64, first: u64) -> Self {
        let numbers_step = Numbers { picture_id: 0, base_layer_index: 0 };
        Self { source, tempo, continues: false, since, first, index_step: 0, timestamp_step: 0, numbers_step }
    }

    /// The numbers of a packet, unless it is omitted.
    fn apply(&self, facts: &Facts) -> Option<Rewritten> {
        (!facts.thinned.leaves_out(self.tempo)).then(|| self.place(facts))
    }

    /// The numbers that a packet has, or would have.
    fn place(&self, facts: &Facts) -> Rewritten {
        let number = facts.index.wrapping_sub(facts.thinned.packets_before(self.tempo));
        let left_out = Numbers { picture_id: facts.thinned.pictures_before(self.tempo), base_layer_index: 0 };
        Rewritten {
            index: number.wrapping_add(self.index_step),
            timestamp: facts.timestamp.wrapping_add(self.timestamp_step),
            numbers: facts.numbers().step_from(left_out).advance(self.numbers_step),
        }
    }

    /// The same span with steps that lead a packet to this place.
    fn leading(self, facts: &Facts, to: Rewritten) -> Self {
        let from = self.place(facts);
        Self {
            index_step: to.index.wrapping_sub(from.index),
            timestamp_step: to.timestamp.wrapping_sub(from.timestamp),
            numbers_step: to.numbers.step_from(from.numbers),
            ..self
        }
    }
}

#[cfg(test)]
mod temporal;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Picture, vp8};
    use crate::random::Random;
    use shared::rtp_parameters::CodecName;
    use std::collections::BTreeMap;

    const A: StreamKey = StreamKey::numbered(1);
    const B: StreamKey = StreamKey::numbered(2);

    fn facts(index: u64, timestamp: u32) -> Facts {
        Facts { index, timestamp, ..Facts::none(CodecName::Vp8) }
    }

    fn video(index: u64, timestamp: u32, picture_id: u16, base_layer_index: u8) -> Facts {
        let [p0, p1] = (picture_id | 0x8000).to_be_bytes();
        let payload = [0x90, 0xc0, p0, p1, base_layer_index, 1];
        Facts { picture: vp8::Descriptor::parse(&payload).map(Picture::Vp8), ..facts(index, timestamp) }
    }

    #[test]
    fn the_first_packet_gets_the_first_numbers() {
        let now = crate::virtual_time::start();
        let mut rewriter = Rewriter::new(90_000, 500, 7);
        rewriter.switch(now, A, &video(99, 1_000, 30, 3), None);
        let rewritten = rewriter.rewrite(now, A, &video(99, 1_000, 30, 3)).expect("its source");
        assert_eq!(
            rewritten,
            Rewritten { index: 500, timestamp: 7, numbers: Numbers { picture_id: 0, base_layer_index: 0 } }
        );
    }

    #[test]
    fn gaps_and_reordering_of_the_source_stay_as_they_are() {
        let now = crate::virtual_time::start();
        let mut rewriter = Rewriter::new(90_000, 500, 0);
        rewriter.switch(now, A, &facts(100, 0), None);
        let sent: Vec<_> = [100, 103, 101, 104]
            .map(|index| rewriter.rewrite(now, A, &facts(index, 0)).map(|rewritten| rewritten.index))
            .to_vec();
        assert_eq!(sent, [Some(500), Some(503), Some(501), Some(504)]);
    }

    #[test]
    fn packets_from_before_the_switch_are_refused() {
        let now = crate::virtual_time::start();
        let mut rewriter = Rewriter::new(90_000, 500, 0);
        rewriter.switch(now, A, &facts(100, 0), None);
        assert!(rewriter.rewrite(now, A, &facts(100, 0)).is_some());
        rewriter.switch(now, B, &facts(7_000, 0), None);
        assert_eq!(rewriter.rewrite(now, B, &facts(7_000, 0)).map(|r| r.index), Some(501));
        assert_eq!(rewriter.rewrite(now, A, &facts(101, 0)), None, "its span is over");
        assert_eq!(rewriter.rewrite(now, B, &facts(6_999, 0)), None, "its span had not begun");
        assert_eq!(rewriter.rewrite(now, B, &facts(0, 0)), None, "nor long before");
    }

    #[test]
    fn timestamps_advance_by_the_time_that_passed() {
        let start = crate::virtual_time::start();
        let mut rewriter = Rewriter::new(48_000, 0, 1_000);
        rewriter.switch(start, A, &facts(1, 5), None);
        rewriter.rewrite(start, A, &facts(1, 5));
        let later = start + Duration::from_millis(100);
        rewriter.switch(later, B, &facts(1, 0xffff_ff00), None);
        assert_eq!(rewriter.rewrite(later, B, &facts(1, 0xffff_ff00)).map(|r| r.timestamp), Some(5_800));
        rewriter.switch(later, A, &facts(2, 9), None);
        assert_eq!(rewriter.rewrite(later, A, &facts(2, 9)).map(|r| r.timestamp), Some(5_801), "never the same frame");
    }

    #[test]
    fn picture_numbers_run_on() {
        let now = crate::virtual_time::start();
        let mut rewriter = Rewriter::new(90_000, 0, 0);
        rewriter.switch(now, A, &video(1, 0, 0x7ffe, 254), None);
        let numbers = |rewriter: &mut Rewriter, source, facts| rewriter.rewrite(now, source, &facts).map(|r| r.numbers);
        assert_eq!(
            numbers(&mut rewriter, A, video(3, 0, 0x0001, 0)),
            Some(Numbers { picture_id: 3, base_layer_index: 2 })
        );
        assert_eq!(
            numbers(&mut rewriter, A, video(2, 0, 0x7fff, 255)),
            Some(Numbers { picture_id: 1, base_layer_index: 1 })
        );
        rewriter.switch(now, B, &video(1, 0, 77, 7), None);
        assert_eq!(numbers(&mut rewriter, B, video(1, 0, 77, 7)), Some(Numbers { picture_id: 4, base_layer_index: 3 }));
    }

    #[test]
    fn says_what_a_sequence_number_was_made_of_across_switches_and_wraps() {
        let now = crate::virtual_time::start();
        let mut rewriter = Rewriter::new(90_000, 65_534, 0);
        assert_eq!(rewriter.origin(65_534), None, "nothing was sent");
        rewriter.switch(now, A, &facts(100, 0), None);
        for index in 100..104 {
            rewriter.rewrite(now, A, &facts(index, 0));
        }
        rewriter.switch(now, B, &facts(9_000, 0), None);
        rewriter.rewrite(now, B, &facts(9_000, 0));
        let origin = |source, number, index| Some(Origin { source, tempo: Tempo::Full, number, index });
        assert_eq!(rewriter.origin(65_534), origin(A, 100, 65_534));
        assert_eq!(rewriter.origin(1), origin(A, 103, 65_537));
        assert_eq!(rewriter.origin(2), origin(B, 9_000, 65_538));
        assert_eq!(rewriter.origin(3), None, "in the future is long ago");
        assert_eq!(rewriter.origin(65_533), None, "before the first");
    }

    #[test]
    fn a_span_that_is_too_old_is_forgotten() {
        let now = crate::virtual_time::start();
        let mut rewriter = Rewriter::new(90_000, 0, 0);
        for index in 0..=SPANS_KEPT as u64 {
            rewriter.switch(now, A, &facts(1_000 * index, 0), None);
            rewriter.rewrite(now, A, &facts(1_000 * index, 0));
        }
        assert_eq!(rewriter.origin(0), None);
        assert_eq!(rewriter.origin(1).map(|origin| origin.number), Some(1_000));
    }

    /// A source whose packets are lost and reordered on their way to the node.
    struct Lossy {
        key: StreamKey,
        next: u64,
        timestamp: u32,
        picture: u16,
        in_flight: Vec<Facts>,
    }

    impl Lossy {
        fn packet(&mut self, random: &mut Random) -> Option<Facts> {
            self.next += 1;
            if self.next.is_multiple_of(3) {
                self.timestamp = self.timestamp.wrapping_add(3_000);
                self.picture = (self.picture + 1) & 0x7fff;
            }
            if below(random, 10) != 0 {
                self.in_flight.push(video(self.next, self.timestamp, self.picture, self.picture as u8));
            }
            if self.in_flight.len() < 8 {
                return None;
            }
            Some(self.in_flight.swap_remove(below(random, 8) as usize))
        }
    }

    #[test]
    fn holds_under_random_loss_reordering_and_switching() {
        for seed in 0..200 {
            play_randomly(seed);
        }
    }

    fn below(random: &mut Random, bound: u64) -> u64 {
        random.next_u64() % bound
    }

    fn play_randomly(seed: u64) {
        let mut random = Random::seeded(seed);
        let mut sources = [1, 2, 3].map(|number| Lossy {
            key: StreamKey::numbered(number),
            next: 65_500 + below(&mut random, 100_000),
            timestamp: below(&mut random, 1 << 32) as u32,
            picture: below(&mut random, 1 << 15) as u16,
            in_flight: Vec::new(),
        });
        let mut rewriter =
            Rewriter::new(90_000, below(&mut random, 1 << 15) + 65_000, below(&mut random, 1 << 32) as u32);
        let mut now = crate::virtual_time::start();
        let mut sent: BTreeMap<u64, (StreamKey, Facts, Rewritten)> = BTreeMap::new();
        let mut playing = None;
        for _ in 0..2_000 {
            now += Duration::from_millis(below(&mut random, 12));
            let wants_switch = below(&mut random, 150) == 0 || playing.is_none();
            let chosen = below(&mut random, 3) as usize;
            for (place, source) in sources.iter_mut().enumerate() {
                let key = source.key;
                let Some(facts) = source.packet(&mut random) else { continue };
                if wants_switch && place == chosen && playing != Some(key) {
                    rewriter.switch(now, key, &facts, None);
                    playing = Some(key);
                }
                let Some(rewritten) = rewriter.rewrite(now, key, &facts) else { continue };
                assert_eq!(Some(key), playing, "seed {seed}: only the source that plays is sent");
                let twice = sent.insert(rewritten.index, (key, facts, rewritten));
                assert_eq!(twice.map(|sent| sent.0), None, "seed {seed}: index {} sent twice", rewritten.index);
            }
        }
        check_stream(seed, &rewriter, &sent);
    }

    fn check_stream(seed: u64, rewriter: &Rewriter, sent: &BTreeMap<u64, (StreamKey, Facts, Rewritten)>) {
        assert!(sent.len() > 1_000, "seed {seed}: {} sent", sent.len());
        let in_order: Vec<_> = sent.values().collect();
        for pair in in_order.windows(2) {
            let ((source_a, facts_a, a), (source_b, facts_b, b)) = (pair[0], pair[1]);
            let ticks = b.timestamp.wrapping_sub(a.timestamp);
            assert!(ticks < 90_000, "seed {seed}: timestamps go back between {a:?} and {b:?}");
            let same_frame = ticks == 0;
            assert_eq!(same_frame, a.numbers == b.numbers, "seed {seed}: {a:?} {b:?}");
            assert!(same_frame || b.numbers.is_newer(a.numbers), "seed {seed}: {a:?} {b:?}");
            if source_a == source_b {
                assert_eq!(b.index - a.index, facts_b.index - facts_a.index, "seed {seed}: {a:?} {b:?}");
            }
        }
        for (source, facts, rewritten) in in_order.iter().rev().take(100) {
            let Some(origin) = rewriter.origin(rewritten.index as u16) else { continue };
            let expected = Origin { source: *source, tempo: Tempo::Full, number: facts.index, index: rewritten.index };
            assert_eq!(origin, expected, "seed {seed}");
            assert_eq!(rewriter.rewrite_again(origin, facts), Some(*rewritten), "seed {seed}");
        }
    }
}
