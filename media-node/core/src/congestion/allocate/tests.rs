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
        is_screen: false,
        overdrawn_since: None,
        is_given_up: false,
        uncapped_bps: 0,
    }
}

const THREE: [(u64, u16); 3] = [(150, 180), (500, 360), (2_000, 720)];

/// The layer of each slot; `None` is paused. Audio takes 40 kbit/s.
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
    raises.raised(start, 9_000_000);
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
    // Each time the slot is raised as soon as allowed, and falls a second later.
    let mut raised_at = Vec::new();
    for second in (0..60).step_by(2) {
        if raises.allow(at(second), 400_000) {
            raises.raised(at(second), 400_000);
            raises.fell(at(second + 1), 300_000);
            raised_at.push(second);
        }
    }
    assert_eq!(raised_at, [0, 4, 20, 44]);
    raises.raised(at(200), 400_000);
    raises.fell(at(230), 300_000);
    assert!(raises.allow(at(231), 400_000), "that one held");
}

#[test]
fn raises_that_failed_on_a_narrow_link_do_not_delay_those_on_a_wide_one() {
    let at = |seconds| crate::virtual_time::start() + Duration::from_secs(seconds);
    let mut raises = Raises::default();
    for second in [0, 4, 20] {
        raises.raised(at(second), 400_000);
        raises.fell(at(second + 1), 300_000);
    }
    assert_eq!([600_000, 600_001].map(|bps| raises.allow(at(22), bps)), [false, true]);
    assert!(!raises.allow(at(20), 9_000_000), "a second lies between two of them in any case");
    raises.raised(at(22), 9_000_000);
    assert!(raises.allow(at(23), 9_000_000), "the wide link has not failed yet");
    raises.fell(at(23), 300_000);
    assert!(raises.allow(at(24), 9_000_000), "it became slow by itself");
    raises.raised(at(24), 9_000_000);
    raises.fell(at(25), 6_000_000);
    assert!(!raises.allow(at(26), 9_000_000), "it was not as wide as it looked");
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
fn a_paused_slot_resumes_where_it_can_stay_and_waits_longer_after_a_failure() {
    let at = |seconds| crate::virtual_time::start() + Duration::from_secs(seconds);
    let mut demand = demand(0, &THREE, None);
    let resumes = |demand: &Demand, seconds, kbps: u64| {
        let granted = allocate(at(seconds), Estimate::of(kbps * 1_000), 40_000, std::slice::from_ref(demand));
        granted.iter().all(|grant| grant.stream.is_some())
    };
    assert!(resumes(&demand, 0, 219), "it was not paused yet");
    demand.raises.raised(at(0), 219_000);
    assert!(!resumes(&demand, 20, 265), "the next decrease would pause it again");
    assert!(resumes(&demand, 20, 266));
    demand.raises.raised(at(20), 270_000);
    demand.raises.fell(at(21), 185_000);
    assert!(!resumes(&demand, 22, 270), "it has just failed");
    assert!(resumes(&demand, 24, 270));
    assert!(resumes(&demand, 22, 406), "another link");
    let slower = Slower { bitrate_bps: 60_000, frames_per_s: 5 };
    demand.layers.iter_mut().for_each(|layer| layer.slower = [Some(slower); 2]);
    assert!(resumes(&demand, 24, 219), "it may stay with fewer frames");
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

/// Three layers in three temporal layers each, at this frame rate; returns the choice for a slot that currently has
/// everything.
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

#[test]
fn a_screen_comes_before_the_speaker_and_the_speaker_before_the_rest() {
    let screen = |kbps, current| demand(0, &[(kbps, 1_080)], current);
    let camera = |slot, priority, current| Demand { priority, ..demand(slot, &THREE, current) };
    let all = |target, kbps, now| grants(target, &[camera(2, 25, Some(2)), camera(1, 1, Some(2)), screen(kbps, now)]);
    assert_eq!(all(6_000, 1_500, Some(0)).map_limits(), [Some(2), Some(2), Some(0)]);
    assert_eq!(all(4_000, 1_500, Some(0)).map_limits(), [Some(0), Some(2), Some(0)]);
    assert_eq!(all(2_200, 1_500, Some(0)).map_limits(), [Some(0), Some(1), Some(0)]);
    assert_eq!(all(1_700, 1_500, Some(0)).map_limits(), [None, Some(0), Some(0)]);
    // A layer that is temporarily too large keeps its claim, which determines the publisher's cap.
    let fit = |target_kbps: u64, kbps, current| {
        let demands = [camera(2, 25, Some(2)), camera(1, 1, Some(2)), screen(kbps, current)];
        let granted = allocate(crate::virtual_time::start(), Estimate::of(target_kbps * 1_000), 40_000, &demands);
        (granted[2].stream.is_some(), granted[2].fit_bps / 1_000)
    };
    assert_eq!(fit(1_150, 1_500, None), (false, 1_000 - 40 - 300));
    assert_eq!(fit(1_150, 655, None), (true, 1_000 - 40 - 300), "what fits begins");
    assert_eq!(fit(1_150, 655, Some(0)), (true, 1_000 - 40 - 300));
    assert_eq!(fit(1_150, 900, Some(0)), (true, 1_000 - 40 - 300), "a camera that is paused keeps its place as well");
}

#[test]
fn a_capped_track_is_tried_with_what_it_would_send() {
    let next = |uncapped_bps| {
        let demands = [Demand { uncapped_bps, ..demand(0, &[(300, 1_080)], Some(0)) }];
        let granted = allocate(crate::virtual_time::start(), Estimate::of(400_000), 40_000, &demands);
        (next_bps(40_000, &demands, &granted) / 1_000, largest_bps(40_000, &demands) / 1_000)
    };
    assert_eq!(next(0), (340 * 120 / 100, 340));
    assert_eq!(next(1_500_000), (1_540 * 120 / 100, 1_540));
}

/// A screen in three temporal layers: 200, 400 and 800 kbit/s.
fn screen(current: Option<Tempo>) -> Demand {
    let mut screen = demand(0, &[(800, 1_080)], None);
    let slower = |kbps: u64, frames_per_s| Some(Slower { bitrate_bps: kbps * 1_000, frames_per_s });
    screen.is_screen = true;
    screen.layers[0].slower = [slower(200, 5), slower(400, 10)];
    screen.current = current.map(|tempo| (screen.layers[0].stream, tempo));
    screen
}

#[test]
fn a_single_layer_begins_with_the_frames_that_fit() {
    let begun = |kbps: u64| {
        let grant = allocate(crate::virtual_time::start(), Estimate::of(kbps * 1_000), 50_000, &[screen(None)])[0];
        grant.stream.map(|_| grant.tempo)
    };
    assert_eq!([250, 300, 1_200].map(begun), [None, Some(Tempo::Base), Some(Tempo::Full)]);
}

#[test]
fn a_single_layer_that_does_not_fit_plays_on_for_a_while_unless_the_pacer_gave_it_up() {
    let at = |ms| crate::virtual_time::start() + Duration::from_millis(ms);
    let plays = |ms, kbps: u64, demand: Demand| {
        let grant = allocate(at(ms), Estimate::of(kbps * 1_000), 50_000, &[demand])[0];
        (grant.stream.is_some(), grant.tempo, grant.is_overdrawn)
    };
    let overdrawn = || Demand { overdrawn_since: Some(at(0)), ..screen(Some(Tempo::Base)) };
    assert_eq!(plays(0, 240, screen(Some(Tempo::Full))), (true, Tempo::Base, true), "frames go first");
    assert_eq!(plays(5_900, 240, overdrawn()), (true, Tempo::Base, true));
    assert!(!plays(6_000, 240, overdrawn()).0);
    assert!(!plays(100, 240, Demand { is_given_up: true, ..overdrawn() }).0);
    assert_eq!(plays(6_000, 260, overdrawn()), (true, Tempo::Base, false));
    assert!(!plays(0, 100, demand(0, &THREE, Some(0))).0, "smaller layers have no key frames of that size");
}
