//! Bandwidth settings for clients and the node.

use media_core::congestion::bandwidth::{Bandwidth, MIN_BPS, START_BPS};
use node_shell::settings::{Reader, number};

#[derive(Debug, clap::Args)]
#[group(id = "bandwidth")]
pub(super) struct Arguments {
    /// Maximum bits per second sent to a client; 0 means no limit.
    #[arg(long, env = "MEDIA_CLIENT_OUT_BPS_MAX", value_name = "BPS", default_value = "0")]
    client_out_bps_max: String,
    /// Maximum bits per second of video that a client may publish; 0 means no limit.
    #[arg(long, env = "MEDIA_CLIENT_IN_BPS_MAX", value_name = "BPS", default_value = "0")]
    client_in_bps_max: String,
    /// Maximum bits per second sent to all clients together; 0 means no limit.
    #[arg(long, env = "MEDIA_NODE_OUT_BPS_MAX", value_name = "BPS", default_value = "0")]
    node_out_bps_max: String,
    /// The initial estimate of a client's downlink in bits per second.
    #[arg(long, env = "MEDIA_CLIENT_OUT_BPS_START", value_name = "BPS", default_value = "300000")]
    client_out_bps_start: String,
    /// The lower bound of that estimate.
    #[arg(long, env = "MEDIA_CLIENT_OUT_BPS_MIN", value_name = "BPS", default_value = "50000")]
    client_out_bps_min: String,
}

/// The environment variables of [`Arguments`].
pub(super) const ENVIRONMENT: [&str; 5] = [
    "MEDIA_CLIENT_OUT_BPS_MAX",
    "MEDIA_CLIENT_IN_BPS_MAX",
    "MEDIA_NODE_OUT_BPS_MAX",
    "MEDIA_CLIENT_OUT_BPS_START",
    "MEDIA_CLIENT_OUT_BPS_MIN",
];

/// More than any link carries.
const BPS_MAX: u64 = 1_000_000_000_000;
/// An upper bound of any client's estimate.
const CLIENT_BPS_MAX: u64 = 20_000_000;
const _: () = assert!(START_BPS == 300_000 && MIN_BPS == 50_000, "as the defaults above say");

/// The limits of the whole node; `None` means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) client_out_bps_max: Option<u64>,
    pub(crate) client_in_bps_max: Option<u64>,
    pub(crate) node_out_bps_max: Option<u64>,
    pub(crate) start_bps: u64,
    pub(crate) min_bps: u64,
}

impl Limits {
    /// The limits of one of `shards` shards: rooms are spread over them, so each gets an equal part of the node's
    /// limit.
    pub(crate) fn of_shard(self, shards: u16) -> Bandwidth {
        Bandwidth {
            client_out_bps_max: self.client_out_bps_max,
            client_in_bps_max: self.client_in_bps_max,
            shard_out_bps_max: self.node_out_bps_max.map(|bps| bps / u64::from(shards.max(1))),
            start_bps: self.start_bps,
            min_bps: self.min_bps,
        }
    }
}

pub(super) fn check(reader: &mut Reader, arguments: &Arguments) -> Option<Limits> {
    let mut limit = |name: &'static str, text: &str| {
        let bps = reader.value(name, text, number(0, BPS_MAX))?;
        // Less than this carries no audio.
        if bps > 0 && bps < MIN_BPS {
            reader.mistake(name, &format!("{bps} must be 0, or {MIN_BPS} or more"));
        }
        Some((bps > 0).then_some(bps))
    };
    let client_out_bps_max = limit("client-out-bps-max", &arguments.client_out_bps_max);
    let client_in_bps_max = limit("client-in-bps-max", &arguments.client_in_bps_max);
    let node_out_bps_max = limit("node-out-bps-max", &arguments.node_out_bps_max);
    let client = || number(MIN_BPS, CLIENT_BPS_MAX);
    let start_bps = reader.value("client-out-bps-start", &arguments.client_out_bps_start, client());
    let min_bps = reader.value("client-out-bps-min", &arguments.client_out_bps_min, client());
    if start_bps < min_bps {
        reader.mistake("client-out-bps-start", "is less than --client-out-bps-min");
    }
    Some(Limits {
        client_out_bps_max: client_out_bps_max?,
        client_in_bps_max: client_in_bps_max?,
        node_out_bps_max: node_out_bps_max?,
        start_bps: start_bps?,
        min_bps: min_bps?,
    })
}
