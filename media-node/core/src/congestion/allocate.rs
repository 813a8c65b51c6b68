//! Divides a client's downlink among its video slots: which layer each one plays. Audio is served before any video.

use crate::keys::StreamKey;
use crate::tempo::{THINNED, Tempo};
use std::time::{Duration, Instant};

/// A slot gets more only if the estimate exceeds the need by this much, in percent.
pub const HEADROOM_PERCENT: u64 = 115;
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// `None` pauses the video.
    pub stream: Option<StreamKey>,
    pub tempo: Tempo,
    pub limit: Limit,
    /// What the estimate leaves for this slot, its own need included.
    pub share_bps: u64,
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
    for place in &order {
        slots.get_mut(*place).into_iter().for_each(|slot| slot.raise(&mut budget));
    }
    slots.iter().map(|slot| slot.grant(&budget)).collect()
}

/// What the estimate must grow to before every slot has its largest layer.
pub fn wanted_bps(audio_bps: u64, demands: &[Demand]) -> u64 {
    with_headroom(largest_bps(audio_bps, demands))
}

/// What every slot's largest layer needs.
pub fn largest_bps(audio_bps: u64, demands: &[Demand]) -> u64 {
    let largest = |demand: &Demand| steps(demand).last().map_or(0, |step| step.bitrate_bps);
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
        all += steps.last().map_or(0, |layer| layer.bitrate_bps);
        let next = match place {
            Some(place) => steps.get(place + 1),
            // As `Candidate::begin` asks for.
            None => steps.iter().find(|step| step.tempo == Tempo::Full),
        };
        if let Some(next) = next {
            let more = next.bitrate_bps.saturating_sub(own);
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
        let given_bps = step.map_or(0, |step| step.bitrate_bps);
        Grant {
            stream: step.map(|step| step.stream),
            tempo: step.map_or(Tempo::Full, |step| step.tempo),
            limit,
            share_bps: budget.left_bps().saturating_add(given_bps),
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
mod tests {
    use super::*;

    /// Streams are numbered by slot and layer: the second layer of the first slot is 1, of the second slot 11.
    fn demand(slot: u32, layers: &[(u64, u16)], current: Option<u32>) -> Demand {
        let layer = |(place, (kbps, lines)): (usize, &(u64, u16))| Layer {
            stream: StreamKey::numbered(slot * 10 + place as u32),
            bitrate_bps: kbps * 1_000,
            lines: *lines,
            is_alive: true,
            slower: [None; THINNED],
        };
        Demand {
            layers: layers.iter().enumerate().map(layer).collect(),
            lines_max: None,
            priority: 0,
            current: current.map(|place| (StreamKey::numbered(slot * 10 + place), Tempo::Full)),
            raises: Raises::default(),
        }
    }

    const THREE: [(u64, u16); 3] = [(150, 180), (500, 360), (2_000, 720)];

    /// Which layer each slot gets; `None` is paused. Audio takes 40 kbit/s.
    fn grants(target_kbps: u64, demands: &[Demand]) -> Vec<(Option<u32>, Limit)> {
        let granted = allocate(crate::virtual_time::start(), Estimate::of(target_kbps * 1_000), 40_000, demands);
        granted.iter().map(|grant| (grant.stream.map(|stream| stream.index() % 10), grant.limit)).collect()
    }

    fn check(target_kbps: u64, current: Option<u32>, expected: (Option<u32>, Limit)) {
        let granted = grants(target_kbps, &[demand(0, &THREE, current)]);
        assert_eq!(granted, [expected], "{target_kbps} kbit/s from {current:?}");
    }

    #[test]
    fn a_queue_that_drains_pauses_nobody() {
        let demands = [demand(0, &THREE, Some(2))];
        for (sustained_kbps, expected) in [(300, Some(0)), (100, None)] {
            let estimate = Estimate { target_bps: 50_000, sustained_bps: sustained_kbps * 1_000 };
            let granted = allocate(crate::virtual_time::start(), estimate, 40_000, &demands);
            assert_eq!(granted.first().and_then(|grant| grant.stream).map(|stream| stream.index()), expected);
        }
    }

    #[test]
    fn gives_the_largest_layer_that_fits() {
        check(2_400, Some(2), (Some(2), Limit::None));
        check(2_000, Some(2), (Some(1), Limit::Estimate));
        check(300, Some(2), (Some(0), Limit::Estimate));
        check(100, Some(2), (None, Limit::Estimate));
    }

    #[test]
    fn keeps_what_just_fits_and_raises_only_with_headroom() {
        check(2_040, Some(2), (Some(2), Limit::None));
        check(2_040, Some(1), (Some(1), Limit::Estimate));
        check(2_346, Some(1), (Some(2), Limit::None));
        check(190, Some(0), (Some(0), Limit::Estimate));
        check(190, None, (None, Limit::Estimate));
        check(219, None, (Some(0), Limit::Estimate));
    }

    #[test]
    fn raises_a_slot_once_a_second_and_lowers_it_at_once() {
        let start = crate::virtual_time::start();
        let mut raises = Raises::default();
        raises.raised(start);
        let raised = Demand { raises, ..demand(0, &THREE, Some(1)) };
        let stream = |after_ms, target_kbps: u64| {
            let now = start + Duration::from_millis(after_ms);
            allocate(now, Estimate::of(target_kbps * 1_000), 0, std::slice::from_ref(&raised))[0]
                .stream
                .map(|stream| stream.index())
        };
        assert_eq!((stream(900, 9_000), stream(1_000, 9_000)), (Some(1), Some(2)));
        assert_eq!(stream(0, 200), Some(0));
    }

    #[test]
    fn a_raise_that_fails_is_tried_again_more_and_more_rarely() {
        let at = |seconds| crate::virtual_time::start() + Duration::from_secs(seconds);
        let mut raises = Raises::default();
        // Each time the slot is raised as soon as it may be, and falls a second later.
        let mut raised_at = Vec::new();
        for second in (0..60).step_by(2) {
            if raises.allow(at(second)) {
                raises.raised(at(second));
                raises.fell(at(second + 1));
                raised_at.push(second);
            }
        }
        assert_eq!(raised_at, [0, 4, 20, 44]);
        raises.raised(at(200));
        raises.fell(at(230));
        assert!(raises.allow(at(231)), "that one held");
    }

    #[test]
    fn gives_a_tile_no_more_lines_than_it_shows() {
        let tile = |lines| Demand { lines_max: Some(lines), ..demand(0, &THREE, Some(2)) };
        assert_eq!(grants(9_000, &[tile(90)]), [(Some(0), Limit::Size)]);
        assert_eq!(grants(9_000, &[tile(180)]), [(Some(0), Limit::Size)]);
        assert_eq!(grants(9_000, &[tile(200)]), [(Some(1), Limit::Size)]);
        assert_eq!(grants(9_000, &[tile(720)]), [(Some(2), Limit::None)]);
        assert_eq!(grants(9_000, &[tile(2_000)]), [(Some(2), Limit::None)]);
        assert_eq!(grants(600, &[tile(200)]), [(Some(1), Limit::Size)], "the tile's need is no raise");
    }

    #[test]
    fn everybody_gets_the_smallest_layer_before_the_first_gets_more() {
        let first = demand(0, &THREE, Some(2));
        let second = Demand { priority: 1, ..demand(1, &THREE, Some(2)) };
        let both = |target| grants(target, &[second.clone(), first.clone()]).map_limits();
        assert_eq!(both(4_100), [Some(2), Some(2)]);
        assert_eq!(both(2_600), [Some(1), Some(2)]);
        assert_eq!(both(2_200), [Some(0), Some(2)]);
        assert_eq!(both(700), [Some(0), Some(1)]);
        assert_eq!(both(350), [Some(0), Some(0)]);
        assert_eq!(both(200), [None, Some(0)]);
    }

    #[test]
    fn a_track_of_one_layer_is_paused_and_resumed() {
        let single = |current| grants(500, &[demand(0, &[(450, 720)], current)]);
        assert_eq!(single(Some(0)), [(Some(0), Limit::None)]);
        assert_eq!(single(None), [(None, Limit::Estimate)], "not enough headroom");
        assert_eq!(grants(480, &[demand(0, &[(450, 720)], Some(0))]), [(None, Limit::Estimate)]);
        assert_eq!(grants(570, &[demand(0, &[(450, 720)], None)]), [(Some(0), Limit::None)]);
    }

    #[test]
    fn a_stopped_layer_is_replaced_by_what_is_left() {
        let mut stopped = demand(0, &THREE, Some(2));
        stopped.layers[2].is_alive = false;
        assert_eq!(grants(9_000, &[stopped.clone()]), [(Some(1), Limit::None)]);
        stopped.layers.iter_mut().for_each(|layer| layer.is_alive = false);
        assert_eq!(grants(9_000, &[stopped]), [(None, Limit::NoLayer)]);
    }

    #[test]
    fn says_what_is_left_for_a_slot_and_what_all_could_use() {
        let demands = [demand(0, &[(450, 720)], Some(0)), demand(1, &THREE, Some(0))];
        let shares: Vec<_> = allocate(crate::virtual_time::start(), Estimate::of(400_000), 40_000, &demands)
            .iter()
            .map(|grant| (grant.stream.map(StreamKey::index), grant.share_bps))
            .collect();
        assert_eq!(shares, [(None, 210_000), (Some(10), 360_000)]);
        assert_eq!(wanted_bps(40_000, &demands), 2_490_000 * 120 / 100);
    }

    #[test]
    fn a_paused_slot_waits_for_what_it_begins_with() {
        let mut demand = demand(0, &THREE, None);
        for layer in &mut demand.layers {
            let slower = |percent| Slower { bitrate_bps: layer.bitrate_bps * percent / 100, frames_per_s: 15 };
            layer.slower = [Some(slower(40)), Some(slower(60))];
        }
        let demands = [demand];
        let at = |bps| allocate(crate::virtual_time::start(), Estimate::of(bps), 40_000, &demands);
        let next = next_bps(40_000, &demands, &at(100_000));
        assert_eq!(next, 190_000 * 120 / 100);
        assert!(at(next).iter().all(|grant| grant.stream.is_some()), "what is tried is enough to begin");
    }

    #[test]
    fn a_tempo_that_plays_stays_while_its_frames_are_counted_one_more_or_less() {
        let played = |frames_per_s: u64, tempo| {
            let mut demand = demand(0, &THREE, Some(2));
            demand.current = demand.current.map(|(stream, _)| (stream, tempo));
            let top = demand.layers.last_mut().expect("three layers");
            top.slower = [None, Some(Slower { bitrate_bps: top.bitrate_bps * 60 / 100, frames_per_s })];
            let granted = allocate(crate::virtual_time::start(), Estimate::of(1_300_000), 40_000, &[demand]);
            granted.first().and_then(|grant| Some((grant.stream?.index(), grant.tempo)))
        };
        assert_eq!(played(11, Tempo::Middle), Some((2, Tempo::Middle)));
        assert_eq!(played(9, Tempo::Middle), Some((1, Tempo::Full)));
        assert_eq!(played(11, Tempo::Full), Some((1, Tempo::Full)), "it is not begun for so few");
    }

    /// Three layers in three temporal layers each, at so many frames a second; what a slot that has everything is given.
    fn thinned(target_kbps: u64, frames_per_s: u64) -> Option<(u32, Tempo)> {
        thinned_from(Some(2), target_kbps, frames_per_s)
    }

    fn thinned_from(current: Option<u32>, target_kbps: u64, frames_per_s: u64) -> Option<(u32, Tempo)> {
        let mut demand = demand(0, &THREE, current);
        for layer in &mut demand.layers {
            let slower = |percent, parts| Slower {
                bitrate_bps: layer.bitrate_bps * percent / 100,
                frames_per_s: frames_per_s / parts,
            };
            layer.slower = [Some(slower(40, 4)), Some(slower(60, 2))];
        }
        let granted = allocate(crate::virtual_time::start(), Estimate::of(target_kbps * 1_000), 40_000, &[demand]);
        granted.first().and_then(|grant| Some((grant.stream?.index(), grant.tempo)))
    }

    #[test]
    fn frames_are_left_out_before_the_picture_becomes_smaller_while_enough_are_left() {
        assert_eq!(thinned(2_040, 30), Some((2, Tempo::Full)));
        assert_eq!(thinned(2_000, 30), Some((2, Tempo::Middle)));
        assert_eq!(thinned(1_240, 30), Some((2, Tempo::Middle)));
        assert_eq!(thinned(1_200, 30), Some((1, Tempo::Full)), "7 frames are too few where a smaller picture has 30");
        assert_eq!(thinned(2_000, 20), Some((1, Tempo::Full)), "as are 10");
        assert_eq!(thinned(500, 30), Some((1, Tempo::Middle)));
    }

    #[test]
    fn the_smallest_layer_slows_down_before_it_is_paused() {
        assert_eq!(thinned(190, 20), Some((0, Tempo::Full)));
        assert_eq!(thinned(180, 20), Some((0, Tempo::Middle)));
        assert_eq!(thinned(120, 20), Some((0, Tempo::Base)));
        assert_eq!(thinned(100, 20), Some((0, Tempo::Base)));
        assert_eq!(thinned(99, 20), None);
        assert_eq!(thinned_from(None, 218, 20), None, "what begins is to last");
        assert_eq!(thinned_from(None, 219, 20), Some((0, Tempo::Full)));
    }

    #[test]
    fn a_slow_link_is_tried_with_the_next_layer() {
        let next = |target_kbps: u64, current: Option<u32>| {
            let demands = [demand(0, &THREE, current)];
            let estimate = Estimate::of(target_kbps * 1_000);
            next_bps(40_000, &demands, &allocate(crate::virtual_time::start(), estimate, 40_000, &demands)) / 1_000
        };
        assert_eq!(next(100, None), 190 * 120 / 100, "paused");
        assert_eq!(next(300, Some(0)), 540 * 120 / 100);
        assert_eq!(next(600, Some(1)), 2_040 * 120 / 100);
        assert_eq!(next(5_000, Some(2)), 2_040 * 120 / 100, "no more than all");
    }

    trait MapLimits {
        fn map_limits(self) -> Vec<Option<u32>>;
    }

    impl MapLimits for Vec<(Option<u32>, Limit)> {
        fn map_limits(self) -> Vec<Option<u32>> {
            self.into_iter().map(|(layer, _)| layer).collect()
        }
    }
}
