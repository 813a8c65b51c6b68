//! `cargo xtask cost`: the cost of a participant per minute, by part, from the price table and measured capacities.

mod prices;

use std::fmt::Write as _;

use anyhow::{Result, ensure};

use prices::Prices;

const HOURS_A_MONTH: f64 = 730.0;
const MINUTES_A_MONTH: f64 = HOURS_A_MONTH * 60.0;
/// A camera's packet with its headers, as in docs/benchmarks.md.
const PACKET_BYTES: f64 = 1_100.0;
/// Nanoseconds of a core per forwarded packet (docs/benchmarks.md, `1x50 spaced`, the most expensive case), and per
/// relayed one.
const FORWARD_NS: f64 = 4_121.0;
const RELAY_NS: f64 = 9_858.0;
/// The core usage at which a group adds a host (`busy_permille_target`).
const BUSY: f64 = 0.6;
/// Metrics and alarms of the two host groups of a region (terraform/modules/fleet, alarms).
const METRICS_A_REGION: f64 = 24.0;
const ALARMS_A_REGION: f64 = 22.0;
const DISK_GB: f64 = 32.0;
/// Messages through the room per participant and minute: joining, views, mutes, pings.
const MESSAGES_A_MINUTE: f64 = 30.0;
/// An object is billed while it runs, and not while it could hibernate; a message with its writes takes about this
/// long.
const MESSAGE_S: f64 = 0.01;
const OBJECT_GB: f64 = 0.128;
/// A join is one request to the Worker; docs/operations.md lists its CPU time.
const CALL_MINUTES: f64 = 30.0;
const JOIN_CPU_MS: f64 = 6.0;
/// A part of a recording is stored every 5 s.
const PARTS_A_MINUTE: f64 = 12.0;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Rooms that are in use at the same time, all day
    #[arg(long)]
    rooms: u32,
    /// Participants of each room, all with camera and microphone
    #[arg(long)]
    people: u32,
    /// Cameras that a participant sees at most
    #[arg(long, default_value_t = 8)]
    tiles: u32,
    /// Bits per second of each camera that a participant sees
    #[arg(long, default_value_t = 600_000)]
    video_bps: u32,
    /// Bits per second of each microphone that a participant hears
    #[arg(long, default_value_t = 40_000)]
    audio_bps: u32,
    /// Microphones that a participant hears at the same time
    #[arg(long, default_value_t = 2)]
    speakers: u32,
    /// Percent of the participants that reach media nodes only through TURN
    #[arg(long, default_value_t = 10)]
    relayed_percent: u32,
    /// Percent of the rooms that are recorded
    #[arg(long, default_value_t = 0)]
    recorded_percent: u32,
    /// Bits per second of a recorded camera
    #[arg(long, default_value_t = 1_500_000)]
    recorded_bps: u32,
    /// Days that a recording is kept in all; the first 30 in the hot class
    #[arg(long, default_value_t = 90)]
    kept_days: u32,
    /// Regions, over which rooms are spread equally
    #[arg(long, default_value_t = 1)]
    regions: u32,
    /// Hosts that a group has at least
    #[arg(long, default_value_t = 2)]
    hosts_min: u32,
    /// Instance type of media nodes
    #[arg(long, default_value = "c7gn.xlarge")]
    media_type: String,
    /// Its virtual CPUs
    #[arg(long, default_value_t = 4)]
    media_cores: u32,
    /// Instance type of TURN nodes
    #[arg(long, default_value = "c7gn.medium")]
    turn_type: String,
    /// Its virtual CPUs
    #[arg(long, default_value_t = 1)]
    turn_cores: u32,
}

/// A part of the bill, in dollars per month.
#[derive(Debug, PartialEq)]
struct Part {
    name: &'static str,
    month: f64,
    note: String,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let prices = Prices::read()?;
    print!("{}", render(options, &prices, &parts(options, &prices)?));
    Ok(())
}

fn parts(options: &Options, prices: &Prices) -> Result<Vec<Part>> {
    ensure!(options.rooms > 0 && options.people > 0, "at least one room with one participant");
    ensure!(
        options.regions > 0 && options.media_cores > 0 && options.turn_cores > 0,
        "at least one region and one core"
    );
    let shares = [options.relayed_percent, options.recorded_percent];
    ensure!(shares.iter().all(|percent| *percent <= 100), "at most 100 percent");
    let traffic = Traffic::of(options);
    let relayed = f64::from(options.relayed_percent) / 100.0;
    let media = hosts(options, traffic.out_bps, FORWARD_NS, options.media_cores);
    let turn = hosts(options, traffic.relayed_bps, RELAY_NS, options.turn_cores);
    let host_month = |kind: &str| -> Result<f64> {
        Ok((prices.aws.instance(kind)? + prices.aws.public_ipv4) * HOURS_A_MONTH + DISK_GB * prices.aws.disk_gb_month)
    };
    let sent_gb = gigabytes(traffic.out_bps);
    let mut parts = vec![
        Part {
            name: "media nodes",
            month: media * host_month(&options.media_type)?,
            note: format!("{media} × {}", options.media_type),
        },
        Part {
            name: "TURN nodes",
            month: turn * host_month(&options.turn_type)?,
            note: format!("{turn} × {}", options.turn_type),
        },
        Part {
            name: "egress",
            // All regions' traffic is in the same tiers, because AWS adds up an account's traffic.
            month: prices.egress.month(sent_gb + gigabytes(traffic.in_bps) * relayed),
            note: format!("{sent_gb:.0} GB to participants"),
        },
        Part {
            name: "to and from TURN",
            // Out of one host and into the other, in both directions of a call.
            month: gigabytes(traffic.relayed_bps) * 2.0 * prices.egress.within_region_gb,
            note: format!("{} % of the participants", options.relayed_percent),
        },
        edge(options, prices),
        Part {
            name: "CloudWatch",
            month: f64::from(options.regions)
                * (METRICS_A_REGION * prices.cloudwatch.metric_month + ALARMS_A_REGION * prices.cloudwatch.alarm_month),
            note: format!("{METRICS_A_REGION} metrics and {ALARMS_A_REGION} alarms a region"),
        },
    ];
    if options.recorded_percent > 0 {
        parts.push(recordings(options, prices));
    }
    Ok(parts)
}

/// All rooms together.
struct Traffic {
    /// From media nodes to participants.
    out_bps: f64,
    /// From participants to media nodes.
    in_bps: f64,
    /// In both directions, for participants behind TURN.
    relayed_bps: f64,
}

impl Traffic {
    fn of(options: &Options) -> Self {
        let others = options.people - 1;
        let seen = f64::from(others.min(options.tiles)) * f64::from(options.video_bps);
        let heard = f64::from(others.min(options.speakers)) * f64::from(options.audio_bps);
        // A camera is published in layers: the largest, a quarter of it, and a sixteenth.
        let published = f64::from(options.video_bps) * 1.3125 + f64::from(options.audio_bps);
        let out_bps = participants(options) * (seen + heard);
        let in_bps = participants(options) * published;
        Self { out_bps, in_bps, relayed_bps: (out_bps + in_bps) * f64::from(options.relayed_percent) / 100.0 }
    }
}

/// The number of hosts in all regions for this much traffic.
fn hosts(options: &Options, bps: f64, packet_ns: f64, cores: u32) -> f64 {
    let packets_a_host = f64::from(cores) * BUSY * 1e9 / packet_ns;
    let needed = bps / 8.0 / PACKET_BYTES / f64::from(options.regions) / packets_a_host;
    needed.ceil().max(f64::from(options.hosts_min)) * f64::from(options.regions)
}

fn edge(options: &Options, prices: &Prices) -> Part {
    let prices = &prices.cloudflare;
    let minutes = participants(options) * MINUTES_A_MONTH;
    let (messages, joins) = (minutes * MESSAGES_A_MINUTE, minutes / CALL_MINUTES);
    Part {
        name: "edge",
        month: prices.plan_month
            + joins / 1e6 * (prices.requests_million + JOIN_CPU_MS * prices.cpu_million_ms)
            + messages / prices.messages_per_request / 1e6 * prices.objects_requests_million
            + messages * MESSAGE_S * OBJECT_GB / 1e6 * prices.objects_million_gb_s,
        note: format!("{MESSAGES_A_MINUTE} messages a participant and minute"),
    }
}

fn recordings(options: &Options, prices: &Prices) -> Part {
    const HOT_DAYS: f64 = 30.0;
    const DAYS_A_MONTH: f64 = HOURS_A_MONTH / 24.0;
    let recorded = participants(options) * f64::from(options.recorded_percent) / 100.0;
    let gb_a_day = gigabytes(recorded * f64::from(options.recorded_bps + options.audio_bps)) / DAYS_A_MONTH;
    let kept = f64::from(options.kept_days);
    let puts = recorded * PARTS_A_MINUTE * 2.0 * MINUTES_A_MONTH / 1_000.0;
    let hot_gb = gb_a_day * kept.min(HOT_DAYS);
    let cold_gb = gb_a_day * (kept - HOT_DAYS).max(0.0);
    Part {
        name: "recordings",
        month: hot_gb * prices.storage.hot_gb_month
            + cold_gb * prices.storage.cold_gb_month
            + puts * prices.storage.put_1000,
        note: format!("{:.0} GB kept", hot_gb + cold_gb),
    }
}

fn participants(options: &Options) -> f64 {
    f64::from(options.rooms) * f64::from(options.people)
}

/// GB per month.
fn gigabytes(bps: f64) -> f64 {
    bps / 8.0 * MINUTES_A_MONTH * 60.0 / 1e9
}

fn render(options: &Options, prices: &Prices, parts: &[Part]) -> String {
    let minutes = participants(options) * MINUTES_A_MONTH;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{} rooms of {} participants, all day; prices of {}\n",
        options.rooms, options.people, prices.dated
    );
    let _ = writeln!(text, "{:<18} {:>14} {:>14}", "part", "$ a minute", "$ a month");
    let mut row = |name: &str, month: f64, note: &str| {
        let line = format!("{name:<18} {:>14.7} {month:>14.2}  {note}", month / minutes);
        let _ = writeln!(text, "{}", line.trim_end());
    };
    for part in parts {
        row(part.name, part.month, &part.note);
    }
    row("together", parts.iter().map(|part| part.month).sum(), "for each participant and minute");
    text.push_str("\nList prices, from terraform/prices.toml; check them at their sources first:\n");
    for source in prices.sources() {
        let _ = writeln!(text, "  {source}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(flags: &[&str]) -> Options {
        Line::try_parse_from([&["cost"], flags].concat()).expect("known flags").options
    }

    fn month(flags: &[&str], part: &str) -> f64 {
        let parts = parts(&options(flags), &Prices::read().expect("a table")).expect("good options");
        parts.iter().find(|found| found.name == part).map_or(0.0, |part| part.month)
    }

    #[test]
    fn traffic_is_what_participants_see_and_hear() {
        let traffic = Traffic::of(&options(&["--rooms=1", "--people=3", "--relayed-percent=50"]));
        assert_eq!(traffic.out_bps, 3.0 * (2.0 * 600_000.0 + 2.0 * 40_000.0));
        assert_eq!(traffic.in_bps, 3.0 * (787_500.0 + 40_000.0));
        assert_eq!(traffic.relayed_bps, (traffic.out_bps + traffic.in_bps) / 2.0);
        let large = Traffic::of(&options(&["--rooms=1", "--people=100"]));
        assert_eq!(large.out_bps, 100.0 * (8.0 * 600_000.0 + 2.0 * 40_000.0));
        assert_eq!(Traffic::of(&options(&["--rooms=1", "--people=1"])).out_bps, 0.0);
    }

    #[test]
    fn a_group_has_its_least_hosts_and_as_many_as_its_packets_need() {
        let few = options(&["--rooms=1", "--people=2", "--regions=3"]);
        assert_eq!(hosts(&few, 1_000.0, FORWARD_NS, 4), 6.0);
        // Four cores at 60 % forward 582,383 packets a second, which are 5.1 Gbit/s.
        assert_eq!(hosts(&few, 3.0 * 2.0 * 5.12e9, FORWARD_NS, 4), 6.0);
        assert_eq!(hosts(&few, 3.0 * 2.0 * 5.13e9, FORWARD_NS, 4), 9.0);
    }

    #[test]
    fn gigabytes_of_a_month_at_a_rate() {
        assert_eq!(gigabytes(8_000_000.0).round(), 2_628.0);
    }

    #[test]
    fn parts_follow_what_they_depend_on() {
        let small = &["--rooms=100", "--people=5"];
        assert_eq!(month(&[small, &["--relayed-percent=0"][..]].concat(), "to and from TURN"), 0.0);
        assert!(month(&[small, &["--relayed-percent=20"][..]].concat(), "to and from TURN") > 0.0);
        assert_eq!(month(small, "recordings"), 0.0);
        let recorded = [small, &["--recorded-percent=50"][..]].concat();
        assert!(month(&recorded, "recordings") > month(&[&recorded[..], &["--kept-days=30"]].concat(), "recordings"));
        assert!(month(&["--rooms=200", "--people=5"], "egress") > 1.7 * month(small, "egress"));
        assert!(month(&[small, &["--video-bps=300000"][..]].concat(), "egress") < 0.6 * month(small, "egress"));
        let regions = month(&[small, &["--regions=3"][..]].concat(), "CloudWatch");
        assert!((regions - 3.0 * month(small, "CloudWatch")).abs() < 1e-9);
    }

    #[test]
    fn the_edge_costs_its_plan_its_messages_and_the_time_they_take() {
        // A month has 1,314,000 messages, which are 65,700 requests and 1,682 GB-s, and 1,460 joins.
        let expected = 5.0 + 0.065_7 * 0.15 + 0.001_682 * 12.5 + 0.001_46 * (0.30 + 6.0 * 0.02);
        assert!((month(&["--rooms=1", "--people=1"], "edge") - expected).abs() < 0.000_1);
    }

    #[test]
    fn the_table_adds_up() {
        let (options, prices) = (options(&["--rooms=100", "--people=5"]), Prices::read().expect("a table"));
        let parts = parts(&options, &prices).expect("good options");
        let text = render(&options, &prices, &parts);
        let column = |line: &str| {
            line.split_whitespace().find_map(|word| word.parse::<f64>().ok().filter(|_| word.contains('.')))
        };
        let rows: Vec<f64> = text.lines().filter(|line| line.contains("0.0")).filter_map(column).collect();
        assert_eq!(rows.len(), parts.len() + 1, "{text}");
        let (together, rows) = rows.split_last().expect("rows");
        assert!((together - rows.iter().sum::<f64>()).abs() < 1e-6, "{text}");
        assert!(text.contains(&prices.dated) && text.contains("https://aws.amazon.com/s3/pricing/"));
    }

    /// The figures match the page, and the modules have this many alarms and metrics.
    #[test]
    fn what_was_measured_is_on_the_page() {
        let page = include_str!("../../docs/benchmarks.md");
        assert!(page.contains("| 1x50 spaced | 4,121 |") && page.contains("| up spaced | 9,858 |"));
        let readings = include_str!("../../terraform/modules/fleet/host/readings.json");
        assert_eq!(readings.matches("\"name\"").count() as f64, METRICS_A_REGION);
        let alarms = include_str!("../../terraform/modules/alarms/alarms.json");
        let alarms: serde_json::Value = serde_json::from_str(alarms).expect("JSON");
        let count = |kind: &str| alarms[kind].as_object().expect("a table").len();
        let all = 2 * count("both") + count("media-node") + count("turn-node");
        assert_eq!(all as f64, ALARMS_A_REGION);
    }

    #[test]
    fn impossible_options_are_told() {
        let prices = Prices::read().expect("a table");
        for flags in [["--rooms=0", "--people=2"], ["--rooms=1", "--people=0"]] {
            assert!(parts(&options(&flags), &prices).is_err());
        }
        assert!(parts(&options(&["--rooms=1", "--people=2", "--relayed-percent=101"]), &prices).is_err());
        assert!(parts(&options(&["--rooms=1", "--people=2", "--media-type=x"]), &prices).is_err());
    }
}
