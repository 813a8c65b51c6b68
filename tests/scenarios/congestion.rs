//! Congestion control of the node's traffic: the cases of RFC 8867, and further needs of a call through a node.
//!
//! The figures are in `congestion.results.txt`.

use media_core::congestion::bandwidth::START_BPS;
use std::fmt::Write as _;
use std::time::Duration;
use world::flow::{Bottleneck, Media, Tcp};
use world::net::Loss;

const RESULTS: &str = include_str!("congestion.results.txt");
const SEED: u64 = 8_867;
const SEEDS: u64 = 5;

/// The bottleneck of RFC 8867 §4 with these rates in kbit/s, each from a second on.
fn bottleneck(seed: u64, kbps: &[(u64, u64)], queue_ms: u64) -> Bottleneck {
    let mut bottleneck = Bottleneck::seeded(seed).capacity(kbps);
    bottleneck.forward().queue = Duration::from_millis(queue_ms);
    bottleneck.forward().jitter = Duration::from_millis(10);
    bottleneck.backward().queue = Duration::from_millis(queue_ms);
    bottleneck
}

/// The figures of a case over all its flows.
#[derive(Debug)]
struct Figures {
    /// Share of the link's capacity, or of the flows' demand if that is less.
    utilisation: f64,
    queued_ms_p50: u32,
    queued_ms_p95: u32,
    lost: f64,
    padding: f64,
    /// Jain's index of the rates of several flows in the last third.
    fairness: Option<f64>,
    /// The sum of all gaps in the video of the flows.
    frozen: Duration,
    /// The share of the link's capacity that TCP got beside the flows.
    tcp: Option<f64>,
}

fn figures(bottleneck: &Bottleneck, flows: usize, seconds: u64, wanted_bits: impl Fn(u64) -> f64) -> Figures {
    let outcomes: Vec<_> = (0..flows).map(|flow| bottleneck.outcome(flow)).collect();
    let received: u64 = outcomes.iter().flat_map(|outcome| &outcome.media_bits).sum();
    let possible: f64 =
        (0..seconds).map(|second| bottleneck.capacity_bits(second, second + 1).min(wanted_bits(second))).sum();
    let mut queued: Vec<_> = outcomes.iter().flat_map(|outcome| outcome.queued.iter().map(|(_, ms)| *ms)).collect();
    queued.sort_unstable();
    let sent: u64 = outcomes.iter().map(|outcome| outcome.packets_sent).sum();
    let arrived: u64 = outcomes.iter().map(|outcome| outcome.packets_received).sum();
    let padding: u64 = outcomes.iter().map(|outcome| outcome.padding_bits).sum();
    let third = (seconds / 3) as usize;
    let late: Vec<f64> =
        outcomes.iter().map(|outcome| outcome.media_bits.iter().rev().take(third).sum::<u64>() as f64).collect();
    let squares: f64 = late.iter().map(|bits| bits * bits).sum();
    Figures {
        utilisation: received as f64 / possible,
        queued_ms_p50: queued[queued.len() / 2],
        queued_ms_p95: queued[queued.len() * 95 / 100],
        lost: 1.0 - arrived as f64 / sent as f64,
        padding: padding as f64 / (received + padding) as f64,
        fairness: (flows > 1).then(|| late.iter().sum::<f64>().powi(2) / (late.len() as f64 * squares)),
        frozen: outcomes.iter().map(|outcome| outcome.frozen).sum(),
        tcp: bottleneck.tcp_bits().map(|bits| bits as f64 / bottleneck.capacity_bits(0, seconds)),
    }
}

/// A line of the results.
fn line(name: &str, figures: &Figures) -> String {
    let Figures { utilisation, queued_ms_p50, queued_ms_p95, lost, padding, fairness, frozen, tcp } = figures;
    let (fairness, tcp) = (fairness.map(|index| format!("fairness {index:.2}")), tcp.map(|share| 100.0 * share));
    let others = [fairness, tcp.map(|percent| format!("TCP {percent:.0} %"))].into_iter().flatten().collect::<Vec<_>>();
    let line = format!(
        "{name:<34} used {:>3.0} %  queue {queued_ms_p50:>3} / {queued_ms_p95:>3} ms  lost {:>4.1} %  padding {:>4.1} %  frozen {:>4.1} s  {}",
        100.0 * utilisation,
        100.0 * lost,
        100.0 * padding,
        frozen.as_secs_f64(),
        others.join("  "),
    );
    line.trim_end().to_owned()
}

/// The demand of 1.5 Mbit/s flows, each from a second on.
fn wanted(starts: &[u64]) -> impl Fn(u64) -> f64 + '_ {
    |second| starts.iter().filter(|start| **start <= second).count() as f64 * 1_520_000.0
}

fn run(mut bottleneck: Bottleneck, starts: &[u64], seconds: u64) -> Figures {
    bottleneck.run_until(seconds);
    figures(&bottleneck, starts.len(), seconds, wanted(starts))
}

fn cases() -> Vec<(String, Figures)> {
    let mut cases = Vec::new();
    let mut add = |name: &str, figures| cases.push((name.to_owned(), figures));
    for delay in [50, 100] {
        let one = bottleneck(SEED, &[(0, 1_000), (40, 2_500), (60, 600), (80, 1_000)], 300)
            .media(Media::starting_at(0, delay));
        add(&format!("5.1 variable capacity, {delay} ms"), run(one, &[0], 100));
        let capacity = [(0, 4_000), (25, 2_000), (50, 3_500), (75, 1_000), (100, 2_000)];
        let two =
            bottleneck(SEED, &capacity, 300).media(Media::starting_at(0, delay)).media(Media::starting_at(0, delay));
        add(&format!("5.2 two flows, {delay} ms"), run(two, &[0, 0], 125));
    }
    let feedback = bottleneck(SEED, &[(0, 2_000), (20, 1_000), (40, 500), (60, 2_000)], 300);
    let feedback = feedback
        .backward_capacity(&[(0, 2_000), (35, 800), (70, 2_000)])
        .media(Media::starting_at(0, 50))
        .media(Media { is_backward: true, ..Media::starting_at(0, 50) });
    add("5.3 congested feedback", run(feedback, &[0], 100));
    let competing = [0, 20, 40]
        .into_iter()
        .fold(bottleneck(SEED, &[(0, 3_500)], 300), |all, start| all.media(Media::starting_at(start, 50)));
    add("5.4 three flows", run(competing, &[0, 20, 40], 120));
    let delays = [(0, 10), (10, 25), (20, 50), (30, 100), (40, 150)];
    let unequal = delays
        .into_iter()
        .fold(bottleneck(SEED, &[(0, 4_000)], 300), |all, (start, delay)| all.media(Media::starting_at(start, delay)));
    add("5.5 round trips of 20 to 300 ms", run(unequal, &[0, 10, 20, 30, 40], 300));
    for queue in [300, 1_000] {
        let tcp = bottleneck(SEED, &[(0, 2_000)], queue).tcp(Tcp {
            from: Duration::ZERO,
            delay: Duration::from_millis(50),
            files: None,
        });
        add(&format!("5.6 beside TCP, queue of {queue} ms"), run(tcp.media(Media::starting_at(5, 50)), &[5], 120));
    }
    add("5.7 beside short TCP transfers", run(short_transfers(), &[5, 5], 300));
    let pausing = Media { pause: Duration::from_secs(40)..Duration::from_secs(60), ..Media::starting_at(0, 50) };
    let pausing = bottleneck(SEED, &[(0, 3_500)], 300)
        .media(pausing)
        .media(Media::starting_at(0, 50))
        .media(Media::starting_at(0, 50));
    add("5.8 one of three pauses", run(pausing, &[0, 0, 0], 120));
    cases
}

fn short_transfers() -> Bottleneck {
    let media = bottleneck(SEED, &[(0, 2_000)], 300).media(Media::starting_at(5, 50)).media(Media::starting_at(5, 50));
    (0..10).fold(media, |all, number| {
        let from = Duration::from_secs(if number < 2 { 0 } else { 2 * number });
        let files = Some((100_000..1_000_000, Duration::from_secs(10)));
        all.tcp(Tcp { from, delay: Duration::from_millis(50), files })
    })
}

#[test]
fn figures_are_those_that_are_kept() {
    let mut fresh = String::new();
    let cases = cases();
    for (name, figures) in &cases {
        writeln!(fresh, "{}", line(name, figures)).expect("a string takes everything");
    }
    print!("{fresh}");
    cases.iter().for_each(|(name, figures)| check_bounds(name, figures));
    if std::env::var_os("RENEW_RESULTS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/congestion.results.txt");
        std::fs::write(path, &fresh).expect("the results are written");
        return;
    }
    assert_eq!(
        fresh, RESULTS,
        "if the change is wanted, renew the file: RENEW_RESULTS=1 cargo test -p world figures_are"
    );
}

/// Bounds that hold however the file is regenerated.
fn check_bounds(name: &str, figures: &Figures) {
    // TCP fills every queue. A flow that avoids queues keeps a part beside one transfer. Ten transfers offer twice what
    // the link carries: only the encoders' minimum keeps the flows alive, and their losses are TCP's doing.
    let (utilisation, queued_ms_p95, lost, fairness) = match &name[..3] {
        "5.6" => (0.2, 1_000, 0.02, 1.0),
        "5.7" => (0.2, 320, 0.16, 0.6),
        _ => (0.8, 120, 0.01, 0.9),
    };
    assert!(
        figures.utilisation > utilisation && figures.fairness.is_none_or(|index| index > fairness),
        "{name}: {figures:?}"
    );
    assert!(figures.queued_ms_p95 < queued_ms_p95 && figures.lost < lost, "{name}: {figures:?}");
    assert!(figures.frozen.is_zero(), "{name}: {figures:?}");
    assert!(figures.padding < 0.12, "{name}: {figures:?}");
}

/// A flow with the rates of a call through a node.
fn call_from_0(delay_ms: u64) -> Media {
    Media { start_bps: START_BPS, video_bps_min: 30_000, ..Media::starting_at(0, delay_ms) }
}

/// A flow of up to 5 Mbit/s whose link drops to a rate for 15 s.
fn drop_to(kbps: u64, seed: u64) -> Bottleneck {
    let media = Media { video_bps_max: 5_000_000, wanted_bps: 5_000_000, ..call_from_0(25) };
    let mut bottleneck = bottleneck(seed, &[(0, 6_000), (10, kbps), (25, 6_000)], 300).media(media);
    bottleneck.run_until(40);
    bottleneck
}

#[test]
fn finds_the_rate_within_a_second() {
    for (kbps, seed) in
        [3_000, 4_000, 6_000, 20_000].into_iter().flat_map(|kbps| (0..SEEDS).map(move |seed| (kbps, seed)))
    {
        let media = Media { video_bps_max: 5_000_000, wanted_bps: 5_000_000, ..call_from_0(50) };
        let mut bottleneck = bottleneck(seed, &[(0, kbps)], 300).media(media);
        bottleneck.run_until(3);
        let target = bottleneck.outcome(0).targets[10].0;
        assert!(target >= (750 * kbps).min(2_500_000), "{kbps} {seed}: {:?}", &bottleneck.outcome(0).targets[..20]);
    }
}

#[test]
fn follows_a_drop_and_returns() {
    for (kbps, seed) in [300, 450, 600].into_iter().flat_map(|kbps| (0..SEEDS).map(move |seed| (kbps, seed))) {
        let bottleneck = drop_to(kbps, seed);
        let outcome = bottleneck.outcome(0);
        let targets = &outcome.targets;
        assert!(targets[99].0 > 4_000_000, "{kbps} {seed}: {:?}", &targets[90..100]);
        assert!(
            targets[111..250].iter().all(|(bps, _)| *bps <= 1_100 * kbps),
            "{kbps} {seed}: {:?}",
            &targets[98..250]
        );
        let queue_ms_max = |from: u64, until: u64| {
            let within = |at: &Duration| (from..until).contains(&(at.as_millis() as u64));
            outcome.queued.iter().filter(|(at, _)| within(at)).map(|(_, ms)| *ms).max().unwrap_or(0)
        };
        assert!(queue_ms_max(11_500, 12_000) < 120, "{kbps} {seed}: {}", queue_ms_max(11_500, 12_000));
        assert!(targets[290].0 > 3_500_000, "{kbps} {seed}: {:?}", &targets[250..300]);
    }
}

/// The next layer does not fit, so the link is probed repeatedly; no probe may cost current media.
#[test]
fn probes_of_a_narrow_link_leave_what_fits_it() {
    for (jitter_ms, seed) in [0, 1, 10].into_iter().flat_map(|jitter| (0..SEEDS).map(move |seed| (jitter, seed))) {
        let media = Media { video_bps_max: 150_000, wanted_bps: 400_000, ..call_from_0(5) };
        let mut bottleneck = bottleneck(seed, &[(0, 3_000), (5, 300)], 200).media(media);
        bottleneck.forward().jitter = Duration::from_millis(jitter_ms);
        bottleneck.run_until(90);
        let targets = &bottleneck.outcome(0).targets;
        let least = targets[100..].iter().map(|(bps, _)| *bps).min();
        assert!(least >= Some(185_000), "{jitter_ms} {seed}: {least:?}");
    }
}

#[test]
fn loss_that_no_rate_cures_costs_little() {
    for (loss, share) in [(0.02, 0.8), (0.05, 0.75), (0.1, 0.6)] {
        let mut bottleneck = bottleneck(SEED, &[(0, 10_000)], 300).media(call_from_0(50));
        bottleneck.forward().loss = Loss::Random(loss);
        let figures = run(bottleneck, &[0], 60);
        assert!(figures.utilisation > share, "{loss}: {figures:?}");
    }
}
