//! The node's settings: flags, then environment, then defaults, parsed once at startup; all mistakes are reported
//! together.

mod bandwidth;
mod recording;

pub(crate) use bandwidth::Limits;

use crate::record;
use clap::Parser;
use node_shell::settings::{
    EdgeUrl, Logs, Mistakes, Reader, Secret, header, list, log_filter, log_format, number, parse, secret,
};
use shared::limits;
use shared::{NodeId, Region};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Prefix of the environment variables; an unknown variable with this prefix is a mistake.
const ENVIRONMENT_PREFIX: &str = "MEDIA_";

#[derive(Debug, Parser)]
#[command(name = "media-node", version = shared::VERSION, about = "Forwards the media of Rotunda's rooms")]
struct Arguments {
    /// The edge's URL, for instance wss://rotunda.example.org; comma-separated URLs are tried in turn.
    #[arg(long, env = "MEDIA_EDGE", value_name = "URL")]
    edge: Option<String>,
    /// This node's id, the same as in its token.
    #[arg(long, env = "MEDIA_NODE_ID", value_name = "ID")]
    node_id: Option<String>,
    /// The region, the same as in the node's token.
    #[arg(long, env = "MEDIA_REGION", value_name = "REGION")]
    region: Option<String>,
    /// The node's token. Set it in the environment: every user of the machine can read flags.
    #[arg(long, env = "MEDIA_NODE_TOKEN", value_name = "JWT", hide_env_values = true)]
    node_token: Option<String>,
    /// Address of the first shard's UDP socket; the next shards take the next ports. Port 0 takes any.
    #[arg(long, env = "MEDIA_LISTEN", value_name = "IP:PORT", default_value = "0.0.0.0:7000")]
    listen: String,
    /// TCP address for clients behind firewalls that block UDP; empty for none.
    #[arg(long, env = "MEDIA_TCP_LISTEN", value_name = "IP:PORT", default_value = "")]
    tcp_listen: String,
    /// Public addresses sent to clients, separated by commas; by default the listen address, if it is specific, or else
    /// the address that the edge sees, once another node has reached it.
    #[arg(long, env = "MEDIA_ADVERTISE", value_name = "IP,...")]
    advertise: Option<String>,
    /// Number of threads that forward media; one per core by default.
    #[arg(long, env = "MEDIA_SHARDS", value_name = "NUMBER")]
    shards: Option<String>,
    /// Maximum number of sessions on this node.
    #[arg(long, env = "MEDIA_SESSIONS_MAX", value_name = "NUMBER", default_value = "2000")]
    sessions_max: String,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "MEDIA_HTTP_LISTEN", value_name = "IP:PORT", default_value = "127.0.0.1:7080")]
    http_listen: String,
    /// Time to wait after SIGTERM for the rooms to move.
    #[arg(long, env = "MEDIA_DRAIN_SECONDS", value_name = "SECONDS", default_value = "120")]
    drain_seconds: String,
    #[command(flatten)]
    bandwidth: bandwidth::Arguments,
    #[command(flatten)]
    recording: recording::Arguments,
    /// OpenTelemetry collector that gets traces over HTTP, for instance http://10.0.0.5:4318; empty for none.
    #[arg(long, env = "MEDIA_OTLP", value_name = "URL", default_value = "")]
    otlp: String,
    /// Value of the header Authorization for the collector, for instance "Bearer …". Set it in the environment.
    #[arg(long, env = "MEDIA_OTLP_AUTHORIZATION", value_name = "TEXT", hide_env_values = true)]
    otlp_authorization: Option<String>,
    /// Format of the log lines: text or json.
    #[arg(long, env = "MEDIA_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: String,
    /// Log filter, for instance info or media_node=debug.
    #[arg(long, env = "MEDIA_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

/// The environment variables of [`Arguments`].
const ENVIRONMENT: [&str; 29] = [
    "MEDIA_EDGE",
    "MEDIA_NODE_ID",
    "MEDIA_REGION",
    "MEDIA_NODE_TOKEN",
    "MEDIA_LISTEN",
    "MEDIA_TCP_LISTEN",
    "MEDIA_ADVERTISE",
    "MEDIA_SHARDS",
    "MEDIA_SESSIONS_MAX",
    "MEDIA_HTTP_LISTEN",
    "MEDIA_DRAIN_SECONDS",
    bandwidth::ENVIRONMENT[0],
    bandwidth::ENVIRONMENT[1],
    bandwidth::ENVIRONMENT[2],
    bandwidth::ENVIRONMENT[3],
    bandwidth::ENVIRONMENT[4],
    recording::ENVIRONMENT[0],
    recording::ENVIRONMENT[1],
    recording::ENVIRONMENT[2],
    recording::ENVIRONMENT[3],
    recording::ENVIRONMENT[4],
    recording::ENVIRONMENT[5],
    recording::ENVIRONMENT[6],
    recording::ENVIRONMENT[7],
    recording::ENVIRONMENT[8],
    "MEDIA_OTLP",
    "MEDIA_OTLP_AUTHORIZATION",
    "MEDIA_LOG_FORMAT",
    "MEDIA_LOG",
];

#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Addresses of the edge, tried in turn; scheme and authority only.
    pub(crate) edges: Arc<[EdgeUrl]>,
    pub(crate) node: NodeId,
    pub(crate) region: Region,
    pub(crate) token: Secret,
    pub(crate) listen: SocketAddr,
    /// `None` if clients cannot use TCP.
    pub(crate) tcp_listen: Option<SocketAddr>,
    /// Empty if the edge tells the node its address.
    pub(crate) advertise: Vec<IpAddr>,
    pub(crate) shards: u16,
    pub(crate) sessions_max: u32,
    pub(crate) http_listen: SocketAddr,
    /// Time to wait for rooms to move.
    pub(crate) drain: Duration,
    pub(crate) bandwidth: Limits,
    /// `None` if recording is off.
    pub(crate) recording: Option<record::Config>,
    /// `None` if traces are not exported.
    pub(crate) collector: Option<EdgeUrl>,
    pub(crate) collector_authorization: Option<Secret>,
    pub(crate) logs: Logs,
}

/// Reads the flags and the environment of this process.
pub(crate) fn read() -> Result<Config, Mistakes> {
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    check(Arguments::parse(), variables)
}

fn check(arguments: Arguments, variables: impl Iterator<Item = String>) -> Result<Config, Mistakes> {
    let mut reader = Reader::new(ENVIRONMENT_PREFIX, &ENVIRONMENT, variables);
    let edges = reader.required("edge", arguments.edge, |text| list(text, EdgeUrl::parse));
    let node = reader.required("node-id", arguments.node_id, parse::<NodeId>);
    let region = reader.required("region", arguments.region, parse::<Region>);
    let token = reader.required("node-token", arguments.node_token, secret);
    let listen = reader.value("listen", &arguments.listen, parse::<SocketAddr>);
    let tcp_listen = match arguments.tcp_listen.as_str() {
        "" => Some(None),
        text => reader.value("tcp-listen", text, parse::<SocketAddr>).map(Some),
    };
    let advertise = match (arguments.advertise, listen) {
        (None, Some(listen)) if !listen.ip().is_unspecified() => Some(vec![listen.ip()]),
        (None, _) => Some(Vec::new()),
        (Some(set), _) => reader.value("advertise", &set, |text| list(text, parse::<IpAddr>)),
    };
    let shards = match arguments.shards {
        Some(text) => reader.value("shards", &text, number(1, limits::SHARDS_PER_NODE_MAX as u64)),
        None => Some(std::thread::available_parallelism().map_or(1, |cores| cores.get()) as u64),
    };
    let sessions_max = reader.value("sessions-max", &arguments.sessions_max, number(1, u32::MAX.into()));
    let http_listen = reader.value("http-listen", &arguments.http_listen, parse::<SocketAddr>);
    let drain = reader.value("drain-seconds", &arguments.drain_seconds, number(0, 24 * 3_600));
    let bandwidth = bandwidth::check(&mut reader, &arguments.bandwidth);
    let recording = recording::check(&mut reader, arguments.recording);
    let collector = match arguments.otlp.as_str() {
        "" => Some(None),
        text => reader.value("otlp", text, EdgeUrl::parse).map(Some),
    };
    let collector_authorization = match arguments.otlp_authorization.as_deref() {
        None | Some("") => Some(None),
        Some(text) => reader.value("otlp-authorization", text, header).map(Some),
    };
    let format = reader.value("log-format", &arguments.log_format, log_format);
    let filter = reader.value("log", &arguments.log, log_filter);
    check_ports(&mut reader, listen, shards);
    check_families(&mut reader, "listen", listen, advertise.as_deref());
    check_families(&mut reader, "tcp-listen", tcp_listen.flatten(), advertise.as_deref());
    check_tcp_port(&mut reader, tcp_listen.flatten());
    let config = || {
        Some(Config {
            edges: edges?.into(),
            node: node?,
            region: region?,
            token: token?,
            listen: listen?,
            tcp_listen: tcp_listen?,
            advertise: advertise?,
            shards: shards?.min(limits::SHARDS_PER_NODE_MAX as u64) as u16,
            sessions_max: sessions_max? as u32,
            http_listen: http_listen?,
            drain: Duration::from_secs(drain?),
            bandwidth: bandwidth?,
            recording: recording?,
            collector: collector?,
            collector_authorization: collector_authorization?,
            logs: Logs { format: format?, filter: filter? },
        })
    };
    reader.finish(config())
}

/// Every shard needs its own port.
fn check_ports(reader: &mut Reader, listen: Option<SocketAddr>, shards: Option<u64>) {
    let (Some(listen), Some(shards)) = (listen, shards) else { return };
    if listen.port() != 0 && u64::from(listen.port()) + shards - 1 > u64::from(u16::MAX) {
        reader.mistake(
            "listen",
            &format!("{shards} shards need consecutive ports, and port {} is too high", listen.port()),
        );
    }
}

/// A socket for IPv4 receives nothing over IPv6; one for IPv6 receives both.
fn check_families(reader: &mut Reader, flag: &str, listen: Option<SocketAddr>, advertise: Option<&[IpAddr]>) {
    let (Some(SocketAddr::V4(listen)), Some(advertise)) = (listen, advertise) else { return };
    for ip in advertise.iter().filter(|ip| ip.is_ipv6()) {
        reader.mistake("advertise", &format!("{ip} is not reachable with --{flag} {listen}: listen on [::]"));
    }
}

/// Chromium ignores candidates with other ports below 1024.
fn check_tcp_port(reader: &mut Reader, listen: Option<SocketAddr>) {
    if let Some(listen) =
        listen.filter(|listen| (1..1024).contains(&listen.port()) && ![80, 443].contains(&listen.port()))
    {
        let port = listen.port();
        reader.mistake(
            "tcp-listen",
            &format!("browsers connect to no port below 1024 but 80 and 443, and not to {port}"),
        );
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use media_core::congestion::bandwidth::Bandwidth;
    use node_shell::settings::LogFormat;

    pub(crate) fn good(flags: &[&str]) -> Config {
        read(&[GOOD, flags].concat(), &[]).expect("good settings")
    }

    const GOOD: &[&str] = &[
        "--edge=wss://edge.example.org",
        "--node-id=media-1",
        "--region=eu-central",
        "--node-token=hunter2",
        "--advertise=203.0.113.7",
    ];

    fn edge(text: &str) -> EdgeUrl {
        EdgeUrl::parse(text).expect("an edge")
    }

    fn read(flags: &[&str], variables: &[&str]) -> Result<Config, Mistakes> {
        let arguments = Arguments::try_parse_from([&["media-node"], flags].concat()).expect("known flags");
        check(arguments, variables.iter().map(|name| (*name).to_owned()))
    }

    /// Checks the mistakes reported for `flags` in addition to valid ones.
    fn check_mistakes(flags: &[&str], variables: &[&str], expected: &[&str]) {
        let names: Vec<&str> = flags.iter().filter_map(|flag| flag.split('=').next()).collect();
        let good = GOOD.iter().filter(|flag| !names.iter().any(|name| flag.split('=').next() == Some(name)));
        let all: Vec<&str> = good.chain(flags).copied().collect();
        let mistakes = read(&all, variables).err().map_or(Vec::new(), |mistakes| mistakes.0);
        assert_eq!(mistakes, expected);
    }

    #[test]
    fn defaults_are_enough_for_the_rest() {
        let config = read(GOOD, &[]).expect("good settings");
        assert_eq!(*config.edges, [edge("wss://edge.example.org")]);
        assert_eq!(config.edges[0].join("/v1/nodes/socket"), "wss://edge.example.org/v1/nodes/socket");
        assert_eq!((config.listen.port(), config.sessions_max), (7_000, 2_000));
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        assert_eq!(usize::from(config.shards), cores.min(limits::SHARDS_PER_NODE_MAX));
        assert!(config.http_listen.ip().is_loopback());
        assert_eq!(config.logs, Logs { format: LogFormat::Text, filter: "info".to_owned() });
    }

    // Holds S2-DEP-01.
    #[test]
    fn a_single_listen_address_is_advertised_by_itself() {
        let flags = [&GOOD[..4], &["--listen=192.0.2.1:0"]].concat();
        assert_eq!(read(&flags, &[]).map(|config| config.advertise), Ok(vec![IpAddr::from([192, 0, 2, 1])]));
    }

    #[test]
    fn without_an_address_the_edge_tells_it() {
        assert_eq!(read(&GOOD[..4], &[]).map(|config| config.advertise), Ok(Vec::new()));
    }

    #[test]
    fn tells_every_mistake_at_once() {
        let mistakes = read(&["--listen=nowhere", "--shards=0", "--log-format=xml"], &["MEDIA_LISTN", "PATH"]);
        let text = mistakes.err().map(|mistakes| mistakes.to_string()).unwrap_or_default();
        let expected = [
            "MEDIA_LISTN: unknown setting",
            "--edge or MEDIA_EDGE must be set",
            "--node-id or MEDIA_NODE_ID must be set",
            "--region or MEDIA_REGION must be set",
            "--node-token or MEDIA_NODE_TOKEN must be set",
            "--listen: \"nowhere\": invalid socket address syntax",
            "--shards: 0 is not from 1 to 96",
            "--log-format: \"xml\" is neither text nor json",
        ];
        assert_eq!(text.lines().skip(1).map(str::trim).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_edge_is_a_host_without_a_path() {
        check_mistakes(&["--edge=http://127.0.0.1:8787/"], &[], &[]);
        check_mistakes(&["--edge=ftp://x"], &[], &["--edge: \"ftp://x\" does not begin with ws:// or wss://"]);
        check_mistakes(&["--edge=ws://x/y"], &[], &["--edge: \"ws://x/y\" must have a host and no path"]);
        let two = read(&[GOOD, &["--edge=ws://a, ws://b:1"]].concat()[1..], &[]).map(|config| config.edges);
        assert_eq!(two.as_deref(), Ok(&[edge("ws://a"), edge("ws://b:1")][..]));
    }

    #[test]
    fn ports_of_all_shards_must_exist() {
        let flags = ["--listen=0.0.0.0:65535", "--shards=2"];
        check_mistakes(&flags, &[], &["--listen: 2 shards need consecutive ports, and port 65535 is too high"]);
        check_mistakes(&["--listen=0.0.0.0:65535", "--shards=1"], &[], &[]);
    }

    #[test]
    fn what_is_advertised_must_be_listened_on() {
        let v6 = "--advertise=203.0.113.7,2001:db8::7";
        let expected = "--advertise: 2001:db8::7 is not reachable with --listen 0.0.0.0:7000: listen on [::]";
        check_mistakes(&[v6], &[], &[expected]);
        check_mistakes(&[v6, "--listen=[::]:7000"], &[], &[]);
    }

    #[test]
    fn tcp_has_an_address_of_its_own_or_none() {
        let tcp = |flags: &[&str]| {
            let config = read(&[GOOD, flags].concat(), &[]).expect("good settings");
            config.tcp_listen.map(|address| address.to_string())
        };
        assert_eq!(tcp(&["--tcp-listen=0.0.0.0:443"]).as_deref(), Some("0.0.0.0:443"));
        assert_eq!(tcp(&["--tcp-listen="]), None);
        assert_eq!(tcp(&[]), None);
        let port = "--tcp-listen: browsers connect to no port below 1024 but 80 and 443, and not to 25";
        check_mistakes(&["--tcp-listen=0.0.0.0:25"], &[], &[port]);
        let family = "--advertise: 2001:db8::7 is not reachable with --tcp-listen 0.0.0.0:443: listen on [::]";
        let flags = ["--listen=[::]:7000", "--tcp-listen=0.0.0.0:443", "--advertise=203.0.113.7,2001:db8::7"];
        check_mistakes(&flags, &[], &[family]);
    }

    // Holds S3-DEP-07.
    #[test]
    fn bandwidth_is_limited_by_client_and_by_node() {
        let none = read(GOOD, &[]).expect("good settings").bandwidth.of_shard(4);
        assert_eq!(none, Bandwidth::default());
        let flags = ["--client-in-bps-max=1500000", "--client-out-bps-start=1000000", "--client-out-bps-min=600000"];
        let more = ["--client-out-bps-max=2500000", "--node-out-bps-max=800000000"];
        let limits = read(&[GOOD, &flags, &more].concat(), &[]).expect("good settings").bandwidth;
        let expected = Bandwidth {
            client_out_bps_max: Some(2_500_000),
            client_in_bps_max: Some(1_500_000),
            shard_out_bps_max: Some(200_000_000),
            start_bps: 1_000_000,
            min_bps: 600_000,
        };
        assert_eq!(limits.of_shard(4), expected);
        check_mistakes(
            &["--client-out-bps-max=9000", "--client-out-bps-start=60000", "--client-out-bps-min=70000"],
            &[],
            &[
                "--client-out-bps-max: 9000 must be 0, or 50000 or more",
                "--client-out-bps-start: is less than --client-out-bps-min",
            ],
        );
    }

    #[test]
    fn recordings_need_a_bucket_and_its_credentials() {
        assert!(read(GOOD, &[]).is_ok_and(|config| config.recording.is_none()));
        let expected = [
            "--record-endpoint: \"s3\" does not begin with http:// or https://",
            "--record-access-key-id or MEDIA_RECORD_ACCESS_KEY_ID must be set",
            "--record-secret-access-key or MEDIA_RECORD_SECRET_ACCESS_KEY must be set",
        ];
        check_mistakes(&["--record-bucket=b", "--record-endpoint=s3"], &[], &expected);
        let flags = ["--record-bucket=b", "--record-access-key-id=i", "--record-secret-access-key=hunter2"];
        let config = read(&[GOOD, &flags].concat(), &[]).expect("good settings");
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(config.recording.is_some_and(|recording| recording.storage.bucket == "b"));
    }

    #[test]
    fn a_secret_is_never_printed() {
        let config = read(GOOD, &[]).expect("good settings");
        assert_eq!(config.token.expose(), "hunter2");
        assert!(!format!("{config:?}").contains("hunter2"));
        check_mistakes(&["--node-token=hunter2 hunter3"], &[], &["--node-token: not a token"]);
    }

    #[test]
    fn every_setting_has_a_variable() {
        use clap::CommandFactory;
        let command = Arguments::command();
        let variables: Vec<_> = command.get_arguments().filter_map(|a| a.get_env()?.to_str()).collect();
        assert_eq!(variables, ENVIRONMENT);
    }
}
