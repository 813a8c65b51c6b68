//! Divides a client's downlink among its video slots: which layer each one plays. Audio is served before any video.

use crate::keys::StreamKey;
use crate::tempo::{THINNED, Tempo};
use std::time::{Duration, Instant};

/// A slot gets more only if the estimate exceeds the need by this much, in percent.
const HEADROOM_PERCENT: u64 = 115;
/// A picture with fewer frames than this is worse than a smaller one with all of them: 15 a second, as a second measures.
const FRAMES_PER_S_MIN: u64 = 13;
/// What plays stays down to this: a camera of 25 frames a second is measured with 11 to 13 without its upper layer.
const FRAMES_PER_S_KEPT: u64 = 10;
/// A tempo that needs more of what the whole layer does, in percent, leaves nothing out.
const LESS_PERCENT: u64 = 95;
/// Between two raises of one slot, unless raises have failed.
const RAISE_INTERVAL: Duration = Duration::from_secs(1);
/// A raise has failed if the slot falls again so soon; each failure makes the interval this many times as long.
const FAILS_WITHIN: Duration = Duration::from_secs(8);
const FAILURE_FACTOR: u32 = 4;
const RAISE_INTERVAL_MAX: Duration = Duration::from_secs(24);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raises {
    at: Option<Instant>,
    has_failed: bool,
    interval: Duration,
}

impl Default for Raises {
    fn default() -> Self {
        Self { at: None, has_failed: false, interval: RAISE_INTERVAL }
    }
}

impl Raises {
    /// The slot is given a larger layer.
    pub fn raised(&mut self, now: Instant) {
        if self.at.is_some_and(|at| now.saturating_duration_since(at) >= FAILS_WITHIN + self.interval) {
            self.interval = RAISE_INTERVAL;
        }
        (self.at, self.has_failed) = (Some(now), false);
    }

    /// The estimate no longer allows for the layer that the slot has.
    pub fn fell(&mut self, now: Instant) {
        if !self.has_failed && self.at.is_some_and(|at| now.saturating_duration_since(at) < FAILS_WITHIN) {
            self.interval = (self.interval * FAILURE_FACTOR).min(RAISE_INTERVAL_MAX);
            self.has_failed = true;
        }
    }

    fn allow(&self, now: Instant) -> bool {
        self.at.is_none_or(|at| now.saturating_duration_since(at) >= self.interval)
    }
}

/// One layer of the track in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    pub stream: StreamKey,
    pub bitrate_bps: u64,
    /// Lines of its picture; 0 until they are known.
    pub lines: u16,
    pub is_alive: bool,
    /// Its slower tempos that there are, by [`Tempo::place`].
    pub slower: [Option<Slower>; THINNED],
}

/// A layer without the frames of its higher temporal layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slower {
    pub bitrate_bps: u64,
    pub frames_per_s: u64,
}

/// What one video slot needs, and what it has.
#[derive(Clone, Debug)]
pub struct Demand {
    pub layers: Vec<Layer>,
    /// Most lines that the viewer's tile can show.
    pub lines_max: Option<u16>,
    /// Lower numbers are served first.
    pub priority: u8,
    /// The stream it was given before, and how much of it.
    pub current: Option<(StreamKey, Tempo)>,
    pub raises: Raises,
    /// What a track of one layer would take if its publisher were not asked to send less; 0 where it is not.
    pub uncapped_bps: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// `None` pauses the video.
    pub stream: Option<StreamKey>,
    pub tempo: Tempo,
    pub limit: Limit,
    /// What the estimate leaves for this slot, its own need included.
    pub share_bps: u64,
    /// What one layer alone may need to be given, now or once it is that small: what those that are served before it have
    /// comes first, and of the others the smallest layers.
    pub fit_bps: u64,
    /// Lines of the given layer; 0 where they are not known.
    pub lines: u16,
    pub given_bps: u64,
    /// What the largest layer that the tile could show needs.
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

/// What a client's path takes, audio included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// At this moment: a queue may have to drain.
    pub target_bps: u64,
    /// In the long run.
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
    let mut slots: Vec<_> = demands.iter().map(|demand| Candidate::of(now, demand)).collect();
    let mut order: Vec<usize> = (0..slots.len()).collect();
    order.sort_by_key(|place| demands.get(*place).map(|demand| demand.priority));
    let mut budget = Budget { target_bps: estimate.sustained_bps, used_bps: audio_bps };
    // Everybody gets the smallest layer before anybody gets a larger one.
    for place in &order {
        slots.get_mut(*place).into_iter().for_each(|slot| slot.begin(&mut budget));
    }
    budget.target_bps = estimate.target_bps;
    // What is paused is to come back beside what is larger.
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

/// What the estimate must grow to before every slot has its largest layer.
pub fn wanted_bps(audio_bps: u64, demands: &[Demand]) -> u64 {
    with_headroom(largest_bps(audio_bps, demands))
}

/// What every slot's largest layer needs.
pub fn largest_bps(audio_bps: u64, demands: &[Demand]) -> u64 {
    let largest = |demand: &Demand| steps(demand).last().map_or(0, |step| step.bitrate_bps).max(demand.uncapped_bps);
    audio_bps + demands.iter().map(largest).sum::<u64>()
}

/// What the estimate must grow to before it is worth another allocation: the next layer of the slot that needs the least
/// for it, or twice what is used. A slow link is not tried with more than that.
pub fn next_bps(audio_bps: u64, demands: &[Demand], grants: &[Grant]) -> u64 {
    let (mut used, mut all) = (audio_bps, audio_bps);
    let mut step = None;
    for (demand, grant) in demands.iter().zip(grants) {
        let steps = steps(demand);
        let place = steps.iter().position(|layer| (Some(layer.stream), layer.tempo) == (grant.stream, grant.tempo));
        let own = place.and_then(|place| steps.get(place)).map_or(0, |layer| layer.bitrate_bps);
        used += own;
        all += steps.last().map_or(0, |layer| layer.bitrate_bps).max(demand.uncapped_bps);
        let next = match place {
            Some(place) => steps.get(place + 1),
            // As `Candidate::begin` asks for.
            None => steps.iter().find(|step| step.tempo == Tempo::Full),
        };
        let uncapped_bps = Some(demand.uncapped_bps).filter(|bps| *bps > own);
        if let Some(next_bps) = next.map(|step| step.bitrate_bps).or(uncapped_bps) {
            let more = next_bps.saturating_sub(own);
            step = Some(step.map_or(more, |step: u64| step.min(more)));
        }
    }
    let needed = step.map_or(used, |step| used.saturating_add(step).max(used.saturating_mul(2)));
    with_headroom(needed.min(all))
}

/// A little above what [`Budget::take`] asks for, or the estimate could stop just below it.
fn with_headroom(bps: u64) -> u64 {
    bps.saturating_mul(HEADROOM_PERCENT + 5) / 100
}

/// What may be used of so much where headroom is asked for.
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

    /// Takes `bps` beside what is used, if it fits; with `headroom`, only if the estimate is well above the sum.
    fn take(&mut self, bps: u64, headroom: bool) -> bool {
        let fits = self.fits(bps, headroom);
        if fits {
            self.used_bps = self.used_bps.saturating_add(bps);
        }
        fits
    }

    fn fits(&self, bps: u64, headroom: bool) -> bool {
        let used = self.used_bps.saturating_add(bps);
        let needed = if headroom { used.saturating_mul(HEADROOM_PERCENT) / 100 } else { used };
        needed <= self.target_bps
    }
}

/// One of the things that a slot can be given: a layer in a tempo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    stream: StreamKey,
    tempo: Tempo,
    bitrate_bps: u64,
    lines: u16,
}

struct Candidate {
    /// In ascending order, none larger than the tile needs.
    steps: Vec<Step>,
    /// Place of what it has in `steps`; `None` where that is nothing, or gone.
    current: Option<usize>,
    may_raise: bool,
    is_size_limited: bool,
    given: Option<usize>,
    fit_bps: u64,
}

impl Candidate {
    fn of(now: Instant, demand: &Demand) -> Self {
        let steps = steps(demand);
        // A tempo that is no tempo of its own at the moment is as good as the next one.
        let current = demand
            .current
            .and_then(|(stream, tempo)| steps.iter().position(|step| step.stream == stream && step.tempo >= tempo));
        let alive = demand.layers.iter().filter(|layer| layer.is_alive).count();
        Self {
            is_size_limited: suitable(demand).len() < alive,
            // What it has may be larger than its tile needs: that is no reason to fall below the tile's need.
            current: current.or(steps.len().checked_sub(1).filter(|_| demand.current.is_some())),
            may_raise: demand.raises.allow(now),
            steps,
            given: None,
            fit_bps: 0,
        }
    }

    fn begin(&mut self, budget: &mut Budget) {
        let Some(smallest) = self.steps.first() else { return };
        // Beginning costs a key frame: not for less than all frames of the layer, which may be gone again soon.
        let whole = self.steps.iter().find(|step| step.tempo == Tempo::Full);
        if self.current.is_none() && !whole.is_some_and(|whole| budget.fits(whole.bitrate_bps, true)) {
            return;
        }
        if budget.take(smallest.bitrate_bps, self.current.is_none()) {
            self.given = Some(0);
        }
    }

    fn raise(&mut self, budget: &mut Budget) {
        let Some(mut place) = self.given else { return };
        while let (Some(layer), Some(next)) = (self.steps.get(place), self.steps.get(place + 1)) {
            let is_raise = self.current.is_none_or(|current| current < place + 1);
            let more = next.bitrate_bps.saturating_sub(layer.bitrate_bps);
            let may_raise = self.may_raise || self.plays(next.stream);
            if is_raise && !may_raise || !budget.take(more, is_raise) {
                break;
            }
            place += 1;
        }
        self.given = Some(place);
    }

    fn given_bps(&self) -> u64 {
        self.given.and_then(|place| self.steps.get(place)).map_or(0, |step| step.bitrate_bps)
    }

    /// What the smallest of several layers needs while nothing is given.
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
            wanted_bps: self.steps.last().map_or(0, |step| step.bitrate_bps),
        }
    }
}

/// The suitable layers in their tempos, in ascending order. Only the smallest layer is worth having at any tempo.
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

/// The layers that are sent and not larger than the tile needs, in ascending order.
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
