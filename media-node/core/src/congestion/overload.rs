//! Detects that a publisher's link has suddenly become too narrow for its stream. Its losses are not worth requesting:
//! repairs would take the little that the link still carries, for pictures that have to restart anyway.

use super::acknowledged::{Acknowledged, STEADY, nanos};
use super::base::Base;
use crate::packet::TRANSPORT_BYTES;
use shared::rtp_parameters::MediaKind;
use std::time::{Duration, Instant};

/// Losses among the last 64 packets, in this many gaps, that indicate an overload: a few gaps are outages.
const LOST_MIN: u32 = 32;
const GAPS_MIN: u32 = 6;
/// If packets also wait this long, this many losses indicate it.
const QUEUE: Duration = Duration::from_millis(100);
const LOST_IN_QUEUE_MIN: u32 = 6;
/// A queue that grew this long within this time, while less than this share of the earlier rate arrives, in percent,
/// indicates it before anything is lost.
const SUDDEN: Duration = Duration::from_secs(1);
const SUDDEN_PERCENT: f64 = 60.0;
/// A link that carries less is busy all the time; an outage, or a path that becomes longer, begins with silence.
const SILENCE: Duration = Duration::from_millis(90);
/// Interval of measuring the rate of a calm link.
const CALM_EVERY: Duration = Duration::from_millis(100);
/// A longer queue is noticeable.
const NOTICEABLE: Duration = Duration::from_millis(20);
/// If packets wait, the first loss may indicate one; this is the time to find out.
const SUSPICION_MAX: Duration = Duration::from_millis(200);
/// With no more losses among the last 64 packets the link is calm: only then can an overload be sudden.
const CALM_LOST_MAX: u32 = 3;
/// The arrival rate is reported again at this interval while this many of the last 24 packets are lost: at first it may
/// still reflect the time before.
const TOLD_EVERY: Duration = Duration::from_millis(200);
const STILL_LOST_MIN: u32 = 6;
/// Losses of an overload are hidden from its sender for this long after its end.
const HIDDEN: Duration = Duration::from_secs(1);
/// It is over when audio shows that the queue is this short and none of the last packets is lost; without audio, when at
/// most this many of the last 24 are; or after this time: a longer one is a lossy link, on which repairs help.
const DRAINED: Duration = Duration::from_millis(40);
const LAST: u64 = (1 << 8) - 1;
const LATELY: u64 = (1 << 24) - 1;
const OVER_LOST_MAX: u32 = 1;
const DURATION_MAX: Duration = Duration::from_millis(1_500);
/// A larger jump of a timestamp means another origin.
const LEAP: Duration = Duration::from_secs(5);
/// No queue is longer: the timestamps have another origin.
const QUEUE_MAX: Duration = Duration::from_secs(2);
/// Audio's information about the queue is valid for this long.
const QUEUE_HOLDS: Duration = Duration::from_millis(300);

/// The share of the link's remaining capacity that a publisher is asked to send: while packets wait, once they no
/// longer do, and its growth per second until there is no limit. Browsers find out only in several steps by how much
/// they send too much, and from a limit that is simply lifted they jump back.
const DRAIN_PERCENT: u64 = 70;
const HOLD_PERCENT: u64 = 90;
const GROWTH_PERCENT: u64 = 110;
const LIFT_PERCENT: u64 = 150;
const RELIEF_BPS_MIN: u64 = 100_000;

/// A limit on a publisher's rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relief {
    link_bps: u64,
    bps: u64,
}

impl Relief {
    /// For a link of this capacity that is overloaded.
    pub fn begin(link_bps: u64) -> Self {
        Self { link_bps, bps: link_bps * DRAIN_PERCENT / 100 }
    }

    /// The link carries no more than this after all.
    pub fn narrow(self, link_bps: u64) -> Self {
        if self.link_bps < link_bps { self } else { Self::begin(link_bps) }
    }

    /// The queue is empty.
    pub fn drained(self) -> Self {
        Self { bps: self.link_bps * HOLD_PERCENT / 100, ..self }
    }

    /// The limit a second later.
    pub fn grow(self) -> Option<Self> {
        let bps = self.bps * GROWTH_PERCENT / 100;
        (bps <= self.link_bps * LIFT_PERCENT / 100).then_some(Self { bps, ..self })
    }

    pub fn bps(self) -> u64 {
        self.bps.max(RELIEF_BPS_MIN)
    }
}

/// The state of one publisher's link, derived from its transport-wide sequence numbers.
#[derive(Debug)]
pub struct Overload {
    highest: Option<u16>,
    /// One bit per packet, set if it arrived; the newest is the lowest.
    recent: u64,
    queue: Queue,
    queued: Option<Queued>,
    /// The arrival rate while packets last did not wait noticeably.
    calm_bps: f64,
    /// The time at which that rate is measured again.
    calm_at: Option<Instant>,
    /// The last silence ended then.
    silent_until: Instant,
    arrived_at: Instant,
    origin: Instant,
    arrived: Acknowledged,
    state: State,
    ended_at: Option<Instant>,
}

/// Measures how long a publisher's audio waits in transit: browsers send it without any delay of their own.
#[derive(Debug, Default)]
struct Queue {
    base: Base,
    last: Option<Sample>,
    wait: Duration,
}

/// A packet's timestamp.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    pub kind: MediaKind,
    pub ssrc: u32,
    pub timestamp: u32,
    pub clock_rate: u32,
}

/// Packets have waited noticeably since then.
#[derive(Clone, Copy, Debug)]
struct Queued {
    since: Instant,
    /// The link has been busy since then: its first noticed packet had already waited.
    busy_since: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    time: Time,
    /// Since the first packet, by its timestamp and by our clock.
    sent: Duration,
    arrived: Duration,
    at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Calm,
    Suspected {
        since: Instant,
    },
    Overloaded {
        since: Instant,
        told_at: Instant,
    },
    /// It lost too much for too long to be calm again.
    Lossy,
}

/// The change caused by a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The link is overloaded; this many bits per second still arrive.
    Overloaded {
        arrives_bps: u64,
    },
    /// The overload continues with a lower arrival rate.
    Narrower {
        arrives_bps: u64,
    },
    Ended,
}

impl Overload {
    pub fn new(now: Instant) -> Self {
        Self {
            highest: None,
            recent: u64::MAX,
            queue: Queue::default(),
            queued: None,
            calm_bps: 0.0,
            calm_at: None,
            silent_until: now,
            arrived_at: now,
            origin: now,
            arrived: Acknowledged::default(),
            state: State::Calm,
            ended_at: None,
        }
    }

    /// True if the link has no capacity for requested packets.
    pub fn is_busy(&self, now: Instant) -> bool {
        match self.state {
            State::Overloaded { since, .. } => now.saturating_duration_since(since) < DURATION_MAX,
            State::Suspected { since } => now.saturating_duration_since(since) < SUSPICION_MAX,
            State::Calm | State::Lossy => false,
        }
    }

    pub fn is_overloaded(&self) -> bool {
        matches!(self.state, State::Overloaded { .. })
    }

    /// True if losses must not be reported.
    pub fn hides_losses(&self, now: Instant) -> bool {
        let has_just_ended = self.ended_at.is_some_and(|at| now.saturating_duration_since(at) < HIDDEN);
        has_just_ended || self.is_busy(now)
    }

    /// Measures the queue by a packet of audio, or by the first packet of a frame of video where no audio is sent.
    pub fn record_time(&mut self, now: Instant, time: Time) {
        if !self.queue.record(now, time) {
            return;
        }
        let wait = self.queue.wait(now);
        if wait <= NOTICEABLE {
            self.queued = None;
            // At first, bursts look like a high rate.
            if self.calm_at.is_some_and(|at| now >= at) {
                self.calm_bps = self.arrived.steady_bps().unwrap_or(0.0);
                self.calm_at = Some(now + CALM_EVERY);
            }
        } else if self.queued.is_none() {
            self.queued = Some(Queued { since: now, busy_since: now.checked_sub(wait).unwrap_or(now) });
        }
    }

    /// The time that packets wait, if it is known.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        self.queue.known_wait(now)
    }

    /// The rate that arrived in this time.
    pub fn arrived_bps(&self, lately: Duration) -> Option<f64> {
        self.arrived.bps(lately)
    }

    /// Records an arrived packet by its transport-wide sequence number.
    pub fn record(&mut self, now: Instant, sequence: u16, bytes: usize) -> Option<Change> {
        let distance = sequence.wrapping_sub(self.highest.unwrap_or(sequence.wrapping_sub(1))) as i16;
        if distance > 0 {
            self.highest = Some(sequence);
            self.advance(distance.unsigned_abs());
        } else {
            self.recent |= 1_u64.checked_shl(distance.unsigned_abs().into()).unwrap_or(0);
        }
        self.note(now, bytes)
    }

    /// Records an arrived packet without such a number, by its distance from the highest number of its stream; 0 for a
    /// retransmission.
    pub fn record_unnumbered(&mut self, now: Instant, distance: i16, bytes: usize) -> Option<Change> {
        match distance {
            1.. => self.advance(distance.unsigned_abs()),
            0 => {}
            // Most likely the newest loss was none.
            ..0 => self.recent |= self.recent.wrapping_add(1),
        }
        self.note(now, bytes)
    }

    fn advance(&mut self, distance: u16) {
        self.recent = self.recent.checked_shl(distance.into()).unwrap_or(0) | 1;
    }

    fn note(&mut self, now: Instant, bytes: usize) -> Option<Change> {
        let bytes = (bytes + TRANSPORT_BYTES).min(usize::from(u16::MAX));
        self.arrived.add(nanos(now.saturating_duration_since(self.origin)), bytes as u16);
        self.calm_at.get_or_insert(now + STEADY);
        if now.saturating_duration_since(std::mem::replace(&mut self.arrived_at, now)) >= SILENCE {
            self.silent_until = now;
        }
        let (lost, gaps) = (self.recent.count_zeros(), self.gaps());
        let waits = self.queue.wait(now) > QUEUE;
        let is_overload = lost >= LOST_MIN && gaps >= GAPS_MIN
            || waits && (lost >= LOST_IN_QUEUE_MIN || self.is_suddenly_narrow(now));
        let before = self.state;
        self.state = match before {
            State::Calm | State::Suspected { .. } if is_overload => State::Overloaded { since: now, told_at: now },
            State::Calm if lost > 0 && waits => State::Suspected { since: now },
            State::Suspected { since } if now.saturating_duration_since(since) >= SUSPICION_MAX => State::Lossy,
            State::Overloaded { since, .. } if self.is_over(now, since) => State::Lossy,
            // With a queue the link's rate was known from the beginning, and now less may be sent than that.
            State::Overloaded { since, told_at }
                if !waits
                    && self.lost_lately() >= STILL_LOST_MIN
                    && now.saturating_duration_since(told_at) >= TOLD_EVERY =>
            {
                State::Overloaded { since, told_at: now }
            }
            State::Suspected { .. } | State::Lossy if lost <= CALM_LOST_MAX && !waits => State::Calm,
            State::Calm | State::Suspected { .. } | State::Overloaded { .. } | State::Lossy => before,
        };
        let arrives_bps = || self.link_bps(now).or(self.arrived.recent_bps()).map_or(0, |bps| bps as u64);
        match (before, self.state) {
            (State::Overloaded { .. }, State::Overloaded { .. }) => {
                (before != self.state).then(|| Change::Narrower { arrives_bps: arrives_bps() })
            }
            (_, State::Overloaded { .. }) => Some(Change::Overloaded { arrives_bps: arrives_bps() }),
            (State::Overloaded { .. }, State::Lossy) => {
                self.ended_at = Some(now);
                Some(Change::Ended)
            }
            (_, _) => None,
        }
    }

    fn is_over(&self, now: Instant, since: Instant) -> bool {
        let is_drained = match self.queue.known_wait(now) {
            Some(wait) => wait < DRAINED && !self.recent & LAST == 0,
            None => self.lost_lately() <= OVER_LOST_MAX,
        };
        is_drained || now.saturating_duration_since(since) >= DURATION_MAX
    }

    fn is_suddenly_narrow(&self, now: Instant) -> bool {
        let narrower = |queued: &Queued| {
            let is_sudden = now.saturating_duration_since(queued.since) < SUDDEN;
            let is_busy = self.silent_until <= queued.busy_since;
            let is_slower = |bps: f64| bps * 100.0 < self.calm_bps * SUDDEN_PERCENT;
            is_sudden && is_busy && self.link_bps(now).is_some_and(is_slower)
        };
        self.queued.as_ref().is_some_and(narrower)
    }

    /// The link's rate: a link with a queue sends all the time.
    fn link_bps(&self, now: Instant) -> Option<f64> {
        let queued = self.queued.as_ref()?;
        self.arrived.bps(now.saturating_duration_since(queued.busy_since))
    }

    fn lost_lately(&self) -> u32 {
        (!self.recent & LATELY).count_ones()
    }

    /// Consecutive losses are one gap.
    fn gaps(&self) -> u32 {
        let lost = !self.recent;
        (lost & !(lost << 1)).count_ones()
    }
}

impl Queue {
    /// Returns false if the packet tells nothing.
    fn record(&mut self, now: Instant, time: Time) -> bool {
        let Some(last) = self.last.filter(|last| last.time.ssrc == time.ssrc) else { return self.begin(now, time) };
        let ticks = time.timestamp.wrapping_sub(last.time.timestamp);
        if ticks == 0 || ticks > u32::MAX / 2 {
            return false; // Another packet of a frame; overtaken, or repeated.
        }
        let step = Duration::from_secs_f64(f64::from(ticks) / f64::from(time.clock_rate.max(1)));
        let arrived = last.arrived + now.saturating_duration_since(last.at);
        let sent = last.sent + step;
        self.wait = Duration::from_micros(self.base.add(nanos(sent), nanos(arrived)).queue_us);
        if step > LEAP || self.wait > QUEUE_MAX {
            return self.restart(now, time);
        }
        self.last = Some(Sample { time, sent, arrived, at: now });
        true
    }

    /// Follows one stream as long as it is sent; audio takes the place of video.
    fn begin(&mut self, now: Instant, time: Time) -> bool {
        let is_replaced = |last: &Sample| {
            let is_better = last.time.kind == MediaKind::Video && time.kind == MediaKind::Audio;
            is_better || now.saturating_duration_since(last.at) >= QUEUE_HOLDS
        };
        self.last.as_ref().is_none_or(is_replaced) && self.restart(now, time)
    }

    fn restart(&mut self, now: Instant, time: Time) -> bool {
        let last = Sample { time, sent: Duration::ZERO, arrived: Duration::ZERO, at: now };
        *self = Self { base: Base::default(), last: Some(last), wait: Duration::ZERO };
        self.base.add(0, 0);
        true
    }

    fn wait(&self, now: Instant) -> Duration {
        self.known_wait(now).unwrap_or(Duration::ZERO)
    }

    /// `None` without recent audio.
    fn known_wait(&self, now: Instant) -> Option<Duration> {
        let holds = |last: &Sample| now.saturating_duration_since(last.at) < QUEUE_HOLDS;
        self.last.as_ref().is_some_and(holds).then_some(self.wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::virtual_time::start;

    fn audio(ssrc: u32, timestamp: u32) -> Time {
        Time { kind: MediaKind::Audio, ssrc, timestamp, clock_rate: 48_000 }
    }

    /// Sends packets 4 ms apart, of which those arrive that `arrives` lets through; returns the changes with their
    /// times.
    fn play(count: u64, mut arrives: impl FnMut(u64) -> bool) -> Vec<(u64, Change)> {
        let mut overload = Overload::new(start());
        let mut changes = Vec::new();
        for number in 0..count {
            if arrives(number) {
                let change = overload.record(
                    start() + Duration::from_millis(number * 4),
                    65_000_u16.wrapping_add(number as u16),
                    1_000,
                );
                changes.extend(change.map(|change| (number, change)));
            }
        }
        changes
    }

    /// Like `play`, with this percentage of random losses from the thousandth packet on.
    fn lossy(count: u64, percent: u64) -> Vec<(u64, Change)> {
        let mut random = Random::seeded(7);
        play(count, |number| number < 1_000 || random.next_u64() % 100 >= percent)
    }

    #[test]
    fn a_link_that_suddenly_drops_most_is_overloaded_until_it_drops_nothing() {
        let mut random = Random::seeded(7);
        let changes = play(2_000, |number| !(1_000..1_200).contains(&number) || random.next_u64() % 100 >= 70);
        let [(began, Change::Overloaded { .. }), .., (ended, Change::Ended)] = changes[..] else {
            panic!("{changes:?}")
        };
        assert!((1_015..1_050).contains(&began) && (1_200..1_240).contains(&ended), "{changes:?}");
    }

    #[test]
    fn a_link_that_goes_on_losing_is_overloaded_for_a_while_once() {
        let changes = lossy(20_000, 60);
        let [(began, Change::Overloaded { .. }), .., (ended, Change::Ended)] = changes[..] else {
            panic!("{changes:?}")
        };
        assert!((370..=400).contains(&(ended - began)), "{changes:?}");
        let arrives: Vec<_> = changes
            .iter()
            .filter_map(|(_, change)| match change {
                Change::Overloaded { arrives_bps } | Change::Narrower { arrives_bps } => Some(arrives_bps / 100_000),
                Change::Ended => None,
            })
            .collect();
        assert!(arrives.len() == 8 && arrives[1..].iter().all(|kbps| (4..13).contains(kbps)), "{arrives:?}");
    }

    /// Sends packets of three streams in turn without common numbers, of which those arrive that `arrives` lets through;
    /// true if that is an overload.
    fn overloads_unnumbered(mut arrives: impl FnMut(u64) -> bool) -> bool {
        let mut overload = Overload::new(start());
        let mut highest = [0; 3];
        let mut changes = (0..3_000_u64).filter(|number| arrives(*number)).filter_map(|number| {
            let (stream, index) = ((number % 3) as usize, (number / 3) as i16);
            let distance = index - std::mem::replace(&mut highest[stream], index);
            overload.record_unnumbered(start() + Duration::from_millis(number * 4), distance, 1_000)
        });
        changes.next().is_some()
    }

    #[test]
    fn streams_numbered_on_their_own_show_an_overload_too() {
        let mut random = Random::seeded(7);
        assert!(overloads_unnumbered(|number| number < 1_000 || random.next_u64() % 100 >= 70));
        assert!(!overloads_unnumbered(|number| number < 1_000 || random.next_u64() % 100 >= 10));
        assert!(!overloads_unnumbered(|number| !(1_000..1_400).contains(&number)), "an outage");
        let mut overload = Overload::new(start());
        let distances = [3, -1, -1, 2, 0].repeat(1_000);
        let changes = distances.into_iter().filter_map(|distance| overload.record_unnumbered(start(), distance, 100));
        assert_eq!(changes.count(), 0, "overtaken packets and retransmissions");
    }

    #[test]
    fn common_loss_is_no_overload() {
        assert_eq!(lossy(20_000, 10), []);
    }

    #[test]
    fn an_outage_is_no_overload_and_neither_is_reordering() {
        assert_eq!(play(3_000, |number| !(1_000..1_040).contains(&number)), []);
        assert_eq!(play(3_000, |number| !(1_000..2_500).contains(&number)), []);
        let mut overload = Overload::new(start());
        for number in (0..4_000_u16).map(|number| number ^ 7) {
            assert_eq!(overload.record(start(), number, 100), None);
        }
    }

    /// Audio every 20 ms, whose packets wait this long from the hundredth to the 140th; of the next ones eight are
    /// lost.
    fn waiting(wait_ms: u64) -> Vec<Change> {
        let mut overload = Overload::new(start());
        let mut changes = Vec::new();
        for number in 0..400_u64 {
            let timestamp = u32::MAX - 9_000;
            let at = start()
                + Duration::from_millis(number * 20 + if (100..140).contains(&number) { wait_ms } else { number % 7 });
            if (100..116).contains(&number) && number % 2 == 0 {
                continue;
            }
            overload.record_time(at, audio(7, timestamp.wrapping_add(number as u32 * 960)));
            changes.extend(overload.record(at, number as u16, 100));
        }
        changes
    }

    #[test]
    fn a_full_queue_makes_few_losses_tell() {
        assert_eq!(waiting(30), []);
        assert!(matches!(waiting(180)[..], [Change::Overloaded { arrives_bps: 10_000..=50_000 }, .., Change::Ended]));
    }

    /// Sends 2.1 Mbit/s over a link that loses nothing. From the third second on it carries `bps` and is `longer_ms`
    /// longer, and for `outage_ms` it carries nothing. Returns the changes with their times since then.
    fn narrowing(bps: u64, longer_ms: u64, outage_ms: u64) -> Vec<(u64, Change)> {
        const STEP_MS: u64 = 2_000;
        let mut overload = Overload::new(start());
        let (mut changes, mut free_us, mut number) = (Vec::new(), 0, 0);
        for sent_ms in (0..2_300).step_by(20) {
            let is_before = sent_ms < STEP_MS;
            let (bps, longer_ms) = if is_before { (10_000_000, 0) } else { (bps, longer_ms) };
            for bytes in [200, 1_000, 1_000, 1_000, 1_000, 1_000] {
                let ready_us = if is_before { 0 } else { 1_000 * (STEP_MS + outage_ms) };
                free_us = free_us.max(1_000 * sent_ms).max(ready_us) + 8_000_000 * bytes / bps;
                let at = start() + Duration::from_micros(free_us + 1_000 * longer_ms);
                let change = overload.record(at, number, bytes as usize);
                if bytes == 200 {
                    overload.record_time(at, audio(7, sent_ms as u32 * 48));
                }
                number += 1;
                changes.extend(change.map(|change| (free_us / 1_000 - STEP_MS, change)));
            }
        }
        changes
    }

    #[test]
    fn a_suddenly_narrow_link_is_noticed_before_it_loses_anything_and_its_rate_is_known() {
        for bps in [300_000, 600_000, 1_000_000] {
            let changes = narrowing(bps, 0, 0);
            let Some((ms, Change::Overloaded { arrives_bps })) = changes.first() else { panic!("{bps}: {changes:?}") };
            assert!((100..=250).contains(ms), "{bps}: after {ms} ms");
            assert!(arrives_bps.abs_diff(bps) < bps / 10, "{bps}: {arrives_bps}");
        }
        assert_eq!(narrowing(1_600_000, 0, 0), [], "browsers see that in time");
        assert_eq!(narrowing(10_000_000, 150, 0), [], "a longer path");
        assert_eq!(narrowing(10_000_000, 0, 200), [], "an outage");
    }

    #[test]
    fn one_stream_is_measured_at_a_time_audio_if_there_is_any() {
        let mut queue = Queue::default();
        let at = |ms| start() + Duration::from_millis(ms);
        let video = |ssrc, ms: u32| Time { kind: MediaKind::Video, ssrc, timestamp: ms * 90, clock_rate: 90_000 };
        let mut measures = |ms: u32, time| queue.record(at(ms.into()), time);
        assert!(measures(0, video(1, 0)));
        assert!(!measures(1, video(1, 0)) && !measures(2, video(2, 0)), "a frame's next packet, another layer");
        assert!(measures(50, video(1, 50)));
        assert!(measures(60, audio(3, 0)));
        assert!(!measures(100, video(1, 100)) && !measures(101, audio(4, 0)));
        assert!(measures(600, video(1, 600)), "the audio has ended");
    }

    #[test]
    fn timestamps_that_count_from_elsewhere_are_no_queue() {
        let mut queue = Queue::default();
        let at = |ms| start() + Duration::from_millis(ms);
        for (ms, ssrc, timestamp, wait_ms) in [
            (0, 1, 0, 0),
            (20, 1, 960, 0),
            (80, 1, 1_920, 40),
            (60, 1, 960, 40),
            (3_000, 1, 2_880, 0),
            (3_020, 1, 3_840, 0),
            (3_040, 2, 77, 0),
        ] {
            queue.record(at(ms), audio(ssrc, timestamp));
            assert_eq!(queue.wait(at(ms)), Duration::from_millis(wait_ms), "{ms}");
        }
        assert_eq!(queue.wait(at(9_000)), Duration::ZERO);
    }

    #[test]
    fn a_relief_grows_once_the_queue_is_empty_and_ends() {
        let relief = Relief::begin(600_000);
        assert_eq!(relief.bps(), 420_000);
        let mut kbps = Vec::new();
        let mut next = Some(relief.drained());
        while let Some(relief) = next {
            kbps.push(relief.bps() / 1_000);
            next = relief.grow();
        }
        assert_eq!(kbps, [540, 594, 653, 718, 790, 869]);
        assert_eq!(Relief::begin(50_000).bps(), RELIEF_BPS_MIN);
    }
}
