//! Divides a client's downlink among its video slots by choosing their layers. Audio is served before any video.

use crate::keys::StreamKey;
use crate::tempo::{THINNED, Tempo};
use std::time::{Duration, Instant};

/// A slot gets more only if the estimate exceeds the need by this much, in percent.
const HEADROOM_PERCENT: u64 = 115;
/// A paused slot resumes only if the estimate is this many percent of what its smallest step needs. An estimate exceeds
/// the link by up to 8 % and then falls to 85 % of what arrives; if that were too little, the slot would be paused again,
/// at the cost of a key frame each time.
const RESUME_PERCENT: u64 = 140;
/// Fewer frames than this are worse than a smaller picture with all of them: 15 per second, allowing for the error of a
/// one-second measurement.
const FRAMES_PER_S_MIN: u64 = 13;
/// A playing tempo is kept down to this: a camera of 25 frames per second is measured with 11 to 13 without its upper
/// layer.
const FRAMES_PER_S_KEPT: u64 = 10;
/// A tempo that needs more than this share of the whole layer, in percent, omits nothing.
const LESS_PERCENT: u64 = 95;
/// Interval between two raises of one slot, unless raises have failed.
const RAISE_INTERVAL: Duration = Duration::from_secs(1);
/// A screen (a single layer in temporal layers) that does not fit even with the fewest frames plays on while the pacer can
/// hold it back, at most this long: a page that is turned or scrolled is soon still again, and a pause costs a key frame.
const OVERDRAWN_MAX: Duration = Duration::from_secs(6);
/// A raise has failed if the slot falls again within this time; each failure multiplies the interval.
const FAILS_WITHIN: Duration = Duration::from_secs(8);
const FAILURE_FACTOR: u32 = 4;
const RAISE_INTERVAL_MAX: Duration = Duration::from_secs(24);
/// An estimate this much above that of a failed raise, in percent, belongs to another link.
const OTHER_LINK_PERCENT: u64 = 150;
/// If a raise is followed by an estimate below this share of its own, in percent, the raise did not fail: the link
/// became slow.
const COLLAPSED_PERCENT: u64 = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raises {
    at: Option<Instant>,
    /// The estimate at that time.
    estimate_bps: u64,
    has_failed: bool,
    interval: Duration,
}

impl Default for Raises {
    fn default() -> Self {
        Self { at: None, estimate_bps: 0, has_failed: false, interval: RAISE_INTERVAL }
    }
}

impl Raises {
    /// Notes that the slot got a larger layer.
    pub fn raised(&mut self, now: Instant, estimate_bps: u64) {
        let is_long_ago = self.at.is_some_and(|at| now.saturating_duration_since(at) >= FAILS_WITHIN + self.interval);
        if is_long_ago || self.is_other_link(estimate_bps) {
            self.interval = RAISE_INTERVAL;
        }
        (self.at, self.estimate_bps, self.has_failed) = (Some(now), estimate_bps, false);
    }

    /// Notes that the estimate no longer suffices for the slot's layer.
    pub fn fell(&mut self, now: Instant, estimate_bps: u64) {
        let is_soon = self.at.is_some_and(|at| now.saturating_duration_since(at) < FAILS_WITHIN);
        let was_other_link = estimate_bps < self.estimate_bps.saturating_mul(COLLAPSED_PERCENT) / 100;
        if is_soon && !self.has_failed && !was_other_link {
            self.interval = (self.interval * FAILURE_FACTOR).min(RAISE_INTERVAL_MAX);
            self.has_failed = true;
        }
    }

    /// True before the first layer.
    fn is_new(&self) -> bool {
        self.at.is_none()
    }

    /// True if a paused slot may have its smallest layer again: after a failure it waits like a raise.
    fn allow_resumption(&self, now: Instant, estimate_bps: u64) -> bool {
        self.interval == RAISE_INTERVAL || self.allow(now, estimate_bps)
    }

    fn allow(&self, now: Instant, estimate_bps: u64) -> bool {
        let interval = if self.is_other_link(estimate_bps) { RAISE_INTERVAL } else { self.interval };
        self.at.is_none_or(|at| now.saturating_duration_since(at) >= interval)
    }

    fn is_other_link(&self, estimate_bps: u64) -> bool {
        estimate_bps > self.estimate_bps.saturating_mul(OTHER_LINK_PERCENT) / 100
    }
}

/// One layer of the track in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    pub stream: StreamKey,
    pub bitrate_bps: u64,
    /// Lines of its picture; 0 until known.
    pub lines: u16,
    pub is_alive: bool,
    /// Its available slower tempos, by [`Tempo::place`].
    pub slower: [Option<Slower>; THINNED],
}

/// A layer without the frames of its higher temporal layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slower {
    pub bitrate_bps: u64,
    pub frames_per_s: u64,
}

/// The need of one video slot, and its current stream.
#[derive(Clone, Debug)]
pub struct Demand {
    pub layers: Vec<Layer>,
    /// The height of the viewer's tile in lines.
    pub lines_max: Option<u16>,
    /// Lower numbers are served first.
    pub priority: u8,
    pub current: Option<(StreamKey, Tempo)>,
    pub raises: Raises,
    /// See [`crate::ingress::stream::Stream::is_screen`].
    pub is_screen: bool,
    /// The time since which a screen has not fitted.
    pub overdrawn_since: Option<Instant>,
    /// True if the pacer could hold it back no longer.
    pub is_given_up: bool,
    /// The rate of a single-layer track without its publisher's cap; 0 without a cap.
    pub uncapped_bps: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// `None` pauses the video.
    pub stream: Option<StreamKey>,
    pub tempo: Tempo,
    pub limit: Limit,
    /// The part of the estimate left for this slot, including its own need.
    pub share_bps: u64,
    /// The rate at which a single layer fits, now or after a reduction: slots with a higher priority keep their current
    /// layers, and the others their smallest ones.
    pub fit_bps: u64,
    /// Lines of the given layer; 0 if unknown.
    pub lines: u16,
    pub given_bps: u64,
    /// See [`Demand::is_screen`].
    pub is_screen: bool,
    /// True for a screen that plays on though it does not fit.
    pub is_overdrawn: bool,
    /// The rate of the largest layer that the tile could show.
    pub wanted_bps: u64,
}

/// The reason a slot does not get more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// It has the largest layer.
    None,
    /// A larger layer would show nothing more in its tile.
    Size,
    /// The estimate does not allow for more.
    Estimate,
    /// Its publisher sends nothing.
    NoLayer,
}

/// The capacity of a client's path, including audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The current capacity: a queue may have to drain.
    pub target_bps: u64,
    /// The long-term capacity.
    pub sustained_bps: u64,
}

impl Estimate {
    /// Nothing limits the path.
    pub const UNLIMITED: Self = Self::of(u64::MAX);

    pub const fn of(bps: u64) -> Self {
        Self { target_bps: bps, sustained_bps: bps }
    }
}

/// Gives each demand its stream. Nobody is paused only because a queue drains.
pub fn allocate(now: Instant, estimate: Estimate, audio_bps: u64, demands: &[Demand]) -> Vec<Grant> {
    let candidate = |demand| Candidate::of(now, estimate.sustained_bps, demand);
    let mut slots: Vec<_> = demands.iter().map(candidate).collect();
    let mut order: Vec<usize> = (0..slots.len()).collect();
    order.sort_by_key(|place| demands.get(*place).map(|demand| demand.priority));
    let mut budget = Budget { target_bps: estimate.sustained_bps, used_bps: audio_bps };
    // Everybody gets the smallest layer before anybody gets a larger one.
    for place in &order {
        slots.get_mut(*place).into_iter().for_each(|slot| slot.begin(&mut budget));
    }
    budget.target_bps = estimate.target_bps;
    // A paused slot must be able to resume beside larger ones.
    let reserved_bps: u64 = slots.iter().map(Candidate::reserved_bps).sum();
    for place in &order {
        let Some(slot) = slots.get_mut(*place) else { continue };
        let others_bps = reserved_bps.saturating_sub(slot.reserved_bps());
        let used_bps = (budget.used_bps + others_bps).saturating_sub(slot.given_bps());
        slot.fit_bps = without_headroom(estimate.sustained_bps).saturating_sub(used_bps);
        slot.raise(&mut budget);
    }
    slots.iter().map(|slot| slot.grant(&budget)).collect()
}

/// The estimate at which every slot has its largest layer.
pub fn wanted_bps(audio_bps: u64, demands: &[Demand]) -> u64 {
    with_headroom(largest_bps(audio_bps, demands))
}

/// The highest rate to probe if `wanted_bps` are wanted: the layers of a new camera grow to several times their first
/// rates within seconds.
pub const fn tried_bps(wanted_bps: u64) -> u64 {
    wanted_bps.saturating_mul(2)
}

/// The sum of all slots' largest layers.
pub fn largest_bps(audio_bps: u64, demands: &[Demand]) -> u64 {
    let largest = |demand: &Demand| steps(demand).last().map_or(0, |step| step.bitrate_bps).max(demand.uncapped_bps);
    audio_bps + demands.iter().map(largest).sum::<u64>()
}

/// The estimate at which another allocation is useful: with the cheapest next layer of any slot, or twice the current
/// usage. A slow link is not probed with more than that.
pub fn next_bps(audio_bps: u64, demands: &[Demand], grants: &[Grant]) -> u64 {
    let used_bps = audio_bps + grants.iter().map(|grant| grant.given_bps).sum::<u64>();
    let all_bps = largest_bps(audio_bps, demands);
    let needed = |(demand, grant): (&Demand, &Grant)| {
        let steps = steps(demand);
        let place = steps.iter().position(|step| (Some(step.stream), step.tempo) == (grant.stream, grant.tempo));
        if let (None, Some(start)) = (place, Start::of(&steps, &demand.raises)) {
            return Some(start.needed_bps(used_bps));
        }
        let next_bps = place.and_then(|place| steps.get(place + 1)).map(|step| step.bitrate_bps);
        let uncapped_bps = Some(demand.uncapped_bps).filter(|bps| *bps > grant.given_bps);
        let more_bps = next_bps.or(uncapped_bps)?.saturating_sub(grant.given_bps);
        Some(with_headroom(used_bps.saturating_add(more_bps).min(all_bps)))
    };
    let next_bps = demands.iter().zip(grants).filter_map(needed).min();
    let twice_bps = with_headroom(used_bps.saturating_mul(2).min(all_bps));
    next_bps.map_or(with_headroom(used_bps), |next_bps| next_bps.max(twice_bps))
}

/// Slightly above the condition of [`Budget::take`], or the estimate could stop just below it.
fn with_headroom(bps: u64) -> u64 {
    bps.saturating_mul(HEADROOM_PERCENT + 5) / 100
}

/// The usable part of `bps` if headroom is required.
fn without_headroom(bps: u64) -> u64 {
    bps.saturating_mul(100) / HEADROOM_PERCENT
}

struct Budget {
    target_bps: u64,
    used_bps: u64,
}

impl Budget {
    fn left_bps(&self) -> u64 {
        self.target_bps.saturating_sub(self.used_bps)
    }

    /// Takes `bps` in addition to the used ones, if the estimate is at least this many percent of the sum.
    fn take(&mut self, bps: u64, percent: u64) -> bool {
        let fits = self.fits(bps, percent);
        if fits {
            self.used_bps = self.used_bps.saturating_add(bps);
        }
        fits
    }

    fn fits(&self, bps: u64, percent: u64) -> bool {
        self.used_bps.saturating_add(bps).saturating_mul(percent) / 100 <= self.target_bps
    }
}

/// One possible choice for a slot: a layer in a tempo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    stream: StreamKey,
    tempo: Tempo,
    bitrate_bps: u64,
    lines: u16,
}

/// The need of a slot that shows nothing. Starting costs a key frame, so it needs all frames of the smallest of several
/// layers, of which some may soon be left out again, and after a pause a reserve. A single layer, such as a screen, may
/// never fit whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Start {
    whole_bps: u64,
    smallest_bps: u64,
    smallest_percent: u64,
}

impl Start {
    fn of(steps: &[Step], raises: &Raises) -> Option<Self> {
        let (whole, smallest) = (steps.iter().find(|step| step.tempo == Tempo::Full)?, steps.first()?);
        let is_layered = steps.last().is_some_and(|largest| largest.stream != whole.stream);
        let whole_bps = if is_layered { whole } else { smallest }.bitrate_bps;
        let smallest_percent = if raises.is_new() { HEADROOM_PERCENT } else { RESUME_PERCENT };
        Some(Self { whole_bps, smallest_bps: smallest.bitrate_bps, smallest_percent })
    }

    fn fits(self, budget: &Budget) -> bool {
        budget.fits(self.whole_bps, HEADROOM_PERCENT) && budget.fits(self.smallest_bps, self.smallest_percent)
    }

    fn needed_bps(self, used_bps: u64) -> u64 {
        let smallest_bps = used_bps.saturating_add(self.smallest_bps).saturating_mul(self.smallest_percent + 5) / 100;
        with_headroom(used_bps.saturating_add(self.whole_bps)).max(smallest_bps)
    }
}

struct Candidate {
    /// In ascending order, none larger than the tile needs.
    steps: Vec<Step>,
    /// Index of the current choice in `steps`; `None` if there is none, or it is gone.
    current: Option<usize>,
    may_raise: bool,
    /// `None` if it may not begin yet.
    start: Option<Start>,
    is_size_limited: bool,
    is_screen: bool,
    may_overdraw: bool,
    is_overdrawn: bool,
    given: Option<usize>,
    fit_bps: u64,
}

impl Candidate {
    fn of(now: Instant, estimate_bps: u64, demand: &Demand) -> Self {
        let steps = steps(demand);
        // A tempo that currently omits nothing is as good as the next one.
        let current = demand
            .current
            .and_then(|(stream, tempo)| steps.iter().position(|step| step.stream == stream && step.tempo >= tempo));
        let alive = demand.layers.iter().filter(|layer| layer.is_alive).count();
        Self {
            is_size_limited: suitable(demand).len() < alive,
            // The current layer may be larger than its tile needs, which is no reason to fall below the tile's need.
            current: current.or(steps.len().checked_sub(1).filter(|_| demand.current.is_some())),
            may_raise: demand.raises.allow(now, estimate_bps),
            start: Start::of(&steps, &demand.raises).filter(|_| demand.raises.allow_resumption(now, estimate_bps)),
            is_screen: demand.is_screen,
            may_overdraw: demand.is_screen
                && !demand.is_given_up
                && demand.overdrawn_since.is_none_or(|since| now.saturating_duration_since(since) < OVERDRAWN_MAX),
            is_overdrawn: false,
            steps,
            given: None,
            fit_bps: 0,
        }
    }

    fn begin(&mut self, budget: &mut Budget) {
        let Some(smallest) = self.steps.first() else { return };
        let plays_or_begins = self.current.is_some() || self.start.is_some_and(|start| start.fits(budget));
        if plays_or_begins && budget.take(smallest.bitrate_bps, 100) {
            self.given = Some(0);
        } else if self.current.is_some() && self.may_overdraw {
            budget.used_bps = budget.used_bps.saturating_add(smallest.bitrate_bps);
            (self.given, self.is_overdrawn) = (Some(0), true);
        }
    }

    fn raise(&mut self, budget: &mut Budget) {
        let Some(mut place) = self.given else { return };
        while let (Some(layer), Some(next)) = (self.steps.get(place), self.steps.get(place + 1)) {
            let is_raise = self.current.is_none_or(|current| current < place + 1);
            let more = next.bitrate_bps.saturating_sub(layer.bitrate_bps);
            let may_raise = self.may_raise || self.plays(next.stream);
            if is_raise && !may_raise || !budget.take(more, if is_raise { HEADROOM_PERCENT } else { 100 }) {
                break;
            }
            place += 1;
        }
        self.given = Some(place);
    }

    fn given_bps(&self) -> u64 {
        self.given.and_then(|place| self.steps.get(place)).map_or(0, |step| step.bitrate_bps)
    }

    /// The rate of the smallest of several layers while nothing is given.
    fn reserved_bps(&self) -> u64 {
        let smallest = self.steps.iter().find(|step| step.tempo == Tempo::Full);
        let is_layered = smallest.map(|step| step.stream) != self.steps.last().map(|step| step.stream);
        smallest.filter(|_| is_layered && self.given.is_none()).map_or(0, |step| step.bitrate_bps)
    }

    fn plays(&self, stream: StreamKey) -> bool {
        self.current.and_then(|current| self.steps.get(current)).is_some_and(|step| step.stream == stream)
    }

    fn grant(&self, budget: &Budget) -> Grant {
        let step = self.given.and_then(|place| self.steps.get(place));
        let is_largest = self.given.is_some_and(|place| place + 1 == self.steps.len());
        let limit = match () {
            () if self.steps.is_empty() => Limit::NoLayer,
            () if !is_largest => Limit::Estimate,
            () if self.is_size_limited => Limit::Size,
            () => Limit::None,
        };
        let given_bps = self.given_bps();
        Grant {
            stream: step.map(|step| step.stream),
            tempo: step.map_or(Tempo::Full, |step| step.tempo),
            limit,
            share_bps: budget.left_bps().saturating_add(given_bps),
            fit_bps: self.fit_bps,
            lines: step.map_or(0, |step| step.lines),
            given_bps,
            is_screen: self.is_screen,
            is_overdrawn: self.is_overdrawn,
            wanted_bps: self.steps.last().map_or(0, |step| step.bitrate_bps),
        }
    }
}

/// The suitable layers in their tempos, in ascending order. Only the smallest layer is useful at any tempo.
fn steps(demand: &Demand) -> Vec<Step> {
    let mut steps = Vec::new();
    for (place, layer) in suitable(demand).iter().enumerate() {
        let step = |tempo, bitrate_bps| Step { stream: layer.stream, tempo, bitrate_bps, lines: layer.lines };
        for (tempo, slower) in Tempo::ALL.iter().zip(layer.slower) {
            let is_played = demand.current == Some((layer.stream, *tempo));
            let enough = if is_played { FRAMES_PER_S_KEPT } else { FRAMES_PER_S_MIN };
            let is_smooth = |slower: &Slower| place == 0 || slower.frames_per_s >= enough;
            let is_less = |slower: &Slower| slower.bitrate_bps.saturating_mul(100) < layer.bitrate_bps * LESS_PERCENT;
            let slower = slower.filter(is_smooth).filter(is_less);
            steps.extend(slower.map(|slower| step(*tempo, slower.bitrate_bps)));
        }
        steps.push(step(Tempo::Full, layer.bitrate_bps));
    }
    steps
}

/// The active layers that are not larger than the tile needs, in ascending order.
fn suitable(demand: &Demand) -> Vec<Layer> {
    let mut layers: Vec<_> = demand.layers.iter().filter(|layer| layer.is_alive).copied().collect();
    layers.sort_by_key(|layer| (layer.lines, layer.bitrate_bps));
    if let Some(lines_max) = demand.lines_max
        && let Some(enough) = layers.iter().position(|layer| layer.lines >= lines_max)
    {
        layers.truncate(enough + 1);
    }
    layers
}

#[cfg(test)]
mod tests;
