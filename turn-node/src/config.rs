//! The node's settings: flags, then environment, then defaults. Parsed once at start; all mistakes are reported together.

use crate::acme;
use crate::tls::{Files, Source};
use clap::Parser;
use node_shell::settings::{
    EdgeUrl, Logs, Mistakes, Reader, Secret, list, log_filter, log_format, number, parse, secret,
};
use shared::turn_credential::TurnKeys;
use shared::{NodeId, Region, limits};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use turn_core::limits::ADDRESS_SHARE_OF_PORTS;
use turn_core::peer_policy::Network;
use turn_core::pool::Quotas;

/// Prefix of the environment variables; an unknown variable with this prefix is a mistake.
const ENVIRONMENT_PREFIX: &str = "TURN_";

#[derive(Debug, Parser)]
#[command(name = "turn-node", version = shared::VERSION, about = "Relays the media of clients that cannot connect directly (RFC 8656)")]
struct Arguments {
    /// The edge's URL, for instance wss://rotunda.example.org; comma-separated URLs are tried in turn. Without it the
    /// node works, but is not announced to clients.
    #[arg(long, env = "TURN_EDGE", value_name = "URL")]
    edge: Option<String>,
    /// This node's id, the same as in its token.
    #[arg(long, env = "TURN_NODE_ID", value_name = "ID")]
    node_id: Option<String>,
    /// The region, the same as in the node's token.
    #[arg(long, env = "TURN_REGION", value_name = "REGION")]
    region: Option<String>,
    /// The node's token. Set it in the environment: every user of the machine can read flags.
    #[arg(long, env = "TURN_NODE_TOKEN", value_name = "JWT", hide_env_values = true)]
    node_token: Option<String>,
    /// The URIs for clients (RFC 7065); by default the relay addresses with the ports of --listen and --tcp-listen, and
    /// --tls-name.
    #[arg(long, env = "TURN_URLS", value_name = "URI,...")]
    urls: Option<String>,
    /// UDP address for clients; all threads share the port.
    #[arg(long, env = "TURN_LISTEN", value_name = "IP:PORT", default_value = "0.0.0.0:3478")]
    listen: String,
    /// TCP addresses for clients, by default that of --listen; none if empty. Each serves TURN over TCP and, with a
    /// certificate, over TLS. Clients get the URL of the first one.
    #[arg(long, env = "TURN_TCP_LISTEN", value_name = "IP:PORT,...")]
    tcp_listen: Option<String>,
    /// PEM file with the TLS certificate and its intermediates. It is read again when it changes, and on SIGHUP.
    #[arg(long, env = "TURN_TLS_CERTIFICATE", value_name = "FILE")]
    tls_certificate: Option<String>,
    /// PEM file with the certificate's private key.
    #[arg(long, env = "TURN_TLS_KEY", value_name = "FILE")]
    tls_key: Option<String>,
    /// This node's host name in the certificate, for the turns: URI.
    #[arg(long, env = "TURN_TLS_NAME", value_name = "NAME")]
    tls_name: Option<String>,
    #[command(flatten)]
    acme: AcmeArguments,
    /// Public address of allocations: one IPv4, one IPv6, or both separated by a comma.
    #[arg(long, env = "TURN_RELAY", value_name = "IP,...")]
    relay: Option<String>,
    /// Addresses to bind relay sockets to, if they differ from --relay (one-to-one NAT).
    #[arg(long, env = "TURN_RELAY_BIND", value_name = "IP,...")]
    relay_bind: Option<String>,
    /// Ports of allocations.
    #[arg(long, env = "TURN_RELAY_PORTS", value_name = "LOW-HIGH", default_value = "49152-65535")]
    relay_ports: String,
    /// The secrets from which passwords are derived: the same list as the edge's TURN_KEYS. Every one is accepted.
    #[arg(long, env = "TURN_KEYS", value_name = "KID:SECRET,...", hide_env_values = true)]
    keys: Option<String>,
    /// The realm sent to clients.
    #[arg(long, env = "TURN_REALM", value_name = "NAME", default_value = "rotunda")]
    realm: String,
    /// Additional reachable networks, for example private ones.
    #[arg(long, env = "TURN_PEER_ALLOW", value_name = "NETWORK,...", default_value = "")]
    peer_allow: String,
    /// Media nodes in addition to those announced by the edge.
    #[arg(long, env = "TURN_MEDIA_NODES", value_name = "IP:PORT,...", default_value = "")]
    media_nodes: String,
    /// Maximum number of allocations, reserved ports and TCP connections with peers per user. Firefox creates two allocations per network
    /// interface and transport (UDP, TCP, TLS), and twice as many during an ICE restart.
    #[arg(long, env = "TURN_ALLOCATIONS_PER_USER", value_name = "NUMBER", default_value = "72")]
    allocations_per_user: String,
    /// The same maximum per client address (IPv4 address or IPv6 /56), however many users are behind it. By default a
    /// quarter of the relay ports.
    #[arg(long, env = "TURN_ALLOCATIONS_PER_ADDRESS", value_name = "NUMBER")]
    allocations_per_address: Option<String>,
    /// Maximum bytes per second that a user with an sfu credential may relay, all allocations and both directions
    /// together.
    #[arg(long, env = "TURN_SFU_BYTES_PER_SECOND", value_name = "NUMBER", default_value = "6250000")]
    sfu_bytes_per_second: String,
    /// Maximum bytes per second that a user with a p2p credential may relay.
    #[arg(long, env = "TURN_P2P_BYTES_PER_SECOND", value_name = "NUMBER", default_value = "1250000")]
    p2p_bytes_per_second: String,
    /// Relay ChannelData between UDP ends in the kernel: off, native (in the network card's driver), generic (in the
    /// network stack), or auto (native, else generic). Needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN.
    #[arg(long, env = "TURN_XDP", value_name = "MODE", default_value = "off")]
    xdp: String,
    /// The network interface for --xdp, by default the one with the address of --relay-bind.
    #[arg(long, env = "TURN_XDP_INTERFACE", value_name = "NAME")]
    xdp_interface: Option<String>,
    /// Number of threads; one per core by default.
    #[arg(long, env = "TURN_SHARDS", value_name = "NUMBER")]
    shards: Option<String>,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "TURN_HTTP_LISTEN", value_name = "IP:PORT", default_value = "127.0.0.1:7090")]
    http_listen: String,
    /// Time to wait after SIGTERM for the allocations to end.
    #[arg(long, env = "TURN_DRAIN_SECONDS", value_name = "SECONDS", default_value = "120")]
    drain_seconds: String,
    /// Format of the log lines: text or json.
    #[arg(long, env = "TURN_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: String,
    /// Log filter, for instance info or turn_node=debug.
    #[arg(long, env = "TURN_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

#[derive(Debug, clap::Args)]
struct AcmeArguments {
    /// Directory of the ACME authority that issues the certificate, instead of the files.
    #[arg(long, env = "TURN_ACME_DIRECTORY", value_name = "URL", default_value = "")]
    acme_directory: String,
    /// E-mail address for the authority.
    #[arg(long, env = "TURN_ACME_CONTACT", value_name = "ADDRESS", default_value = "")]
    acme_contact: String,
    /// Folder for the account and the certificate.
    #[arg(long, env = "TURN_ACME_STATE", value_name = "FOLDER", default_value = "/var/lib/turn-node/acme")]
    acme_state: String,
    /// PEM file with the roots of a private authority; the public ones if empty.
    #[arg(long, env = "TURN_ACME_ROOTS", value_name = "FILE", default_value = "")]
    acme_roots: String,
    /// Shortest pause after a failed order; each later one is twice as long, up to thirty times as long.
    #[arg(long, env = "TURN_ACME_RETRY_SECONDS", value_name = "SECONDS", default_value = "60")]
    acme_retry_seconds: String,
}

/// The environment variables of [`Arguments`].
const ENVIRONMENT: [&str; 33] = [
    "TURN_EDGE",
    "TURN_NODE_ID",
    "TURN_REGION",
    "TURN_NODE_TOKEN",
    "TURN_URLS",
    "TURN_LISTEN",
    "TURN_TCP_LISTEN",
    "TURN_TLS_CERTIFICATE",
    "TURN_TLS_KEY",
    "TURN_TLS_NAME",
    "TURN_ACME_DIRECTORY",
    "TURN_ACME_CONTACT",
    "TURN_ACME_STATE",
    "TURN_ACME_ROOTS",
    "TURN_ACME_RETRY_SECONDS",
    "TURN_RELAY",
    "TURN_RELAY_BIND",
    "TURN_RELAY_PORTS",
    "TURN_KEYS",
    "TURN_REALM",
    "TURN_PEER_ALLOW",
    "TURN_MEDIA_NODES",
    "TURN_ALLOCATIONS_PER_USER",
    "TURN_ALLOCATIONS_PER_ADDRESS",
    "TURN_SFU_BYTES_PER_SECOND",
    "TURN_P2P_BYTES_PER_SECOND",
    "TURN_XDP",
    "TURN_XDP_INTERFACE",
    "TURN_SHARDS",
    "TURN_HTTP_LISTEN",
    "TURN_DRAIN_SECONDS",
    "TURN_LOG_FORMAT",
    "TURN_LOG",
];

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) edge: Option<Edge>,
    pub(crate) listen: SocketAddr,
    pub(crate) tcp_listen: Vec<SocketAddr>,
    /// `None` without TLS.
    pub(crate) tls: Option<Source>,
    pub(crate) relay: Families,
    /// Local addresses of relay sockets.
    pub(crate) relay_bind: Families,
    pub(crate) relay_ports: RangeInclusive<u16>,
    pub(crate) keys: TurnKeys,
    pub(crate) realm: String,
    pub(crate) peer_allow: Vec<Network>,
    /// Reachable with `sfu` credentials.
    pub(crate) media_nodes: BTreeSet<SocketAddr>,
    pub(crate) quotas: Quotas,
    pub(crate) sfu_bytes_per_s: u64,
    pub(crate) p2p_bytes_per_s: u64,
    pub(crate) xdp: Xdp,
    pub(crate) xdp_interface: Option<String>,
    pub(crate) shards: u16,
    pub(crate) http_listen: SocketAddr,
    /// Time to wait for allocations to end.
    pub(crate) drain: Duration,
    pub(crate) logs: Logs,
}

#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) urls: Vec<EdgeUrl>,
    pub(crate) node: NodeId,
    pub(crate) region: Region,
    pub(crate) token: Secret,
    pub(crate) turn_urls: Vec<String>,
}

/// The part of the kernel that relays ChannelData.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Xdp {
    Off,
    /// Native where the driver has it.
    Auto,
    Native,
    Generic,
}

/// At most one address of each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Families {
    pub(crate) v4: Option<IpAddr>,
    pub(crate) v6: Option<IpAddr>,
}

/// Reads the flags and the environment of this process.
pub(crate) fn read() -> Result<Config, Mistakes> {
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    check(Arguments::parse(), variables)
}

fn check(arguments: Arguments, variables: impl Iterator<Item = String>) -> Result<Config, Mistakes> {
    let mut reader = Reader::new(ENVIRONMENT_PREFIX, &ENVIRONMENT, variables);
    let listen = reader.value("listen", &arguments.listen, parse::<SocketAddr>);
    let relay = match (arguments.relay, listen) {
        (None, Some(listen)) if !listen.ip().is_unspecified() => families(&listen.ip().to_string()).ok(),
        (set, _) => reader.required("relay", set, families),
    };
    let tcp_listen = tcp_listen(&mut reader, arguments.tcp_listen, listen);
    let tls_name = tls_name(&mut reader, arguments.tls_name);
    let tls = source(&mut reader, (arguments.tls_certificate, arguments.tls_key), arguments.acme, tls_name.as_deref());
    let addresses = || {
        let tcp = tcp_listen.as_ref()?.first().copied();
        Some(Addresses { relay: relay?, listen: listen?, tcp, tls_name: tls_name.clone() })
    };
    let set = EdgeArguments {
        edge: arguments.edge,
        node_id: arguments.node_id,
        region: arguments.region,
        node_token: arguments.node_token,
        urls: arguments.urls,
    };
    let edge = edge(&mut reader, set, addresses());
    if tls.is_some() && tls_name.is_none() && edge.as_ref().is_some_and(Edge::says_no_tls) {
        reader.mistake("tls-name", "must be set, or clients get no turns: URL");
    }
    let relay_bind = arguments.relay_bind.map_or(relay, |text| reader.value("relay-bind", &text, families));
    let relay_ports = reader.value("relay-ports", &arguments.relay_ports, ports);
    let keys = reader.required("keys", arguments.keys, |text| TurnKeys::parse(text).map_err(|error| error.to_string()));
    let realm = reader.value("realm", &arguments.realm, realm);
    let peer_allow = reader.value("peer-allow", &arguments.peer_allow, |text| list_or_none(text, parse::<Network>));
    let media_nodes =
        reader.value("media-nodes", &arguments.media_nodes, |text| list_or_none(text, parse::<SocketAddr>));
    let per_user = reader.value("allocations-per-user", &arguments.allocations_per_user, number(1, 1_000));
    let per_address = per_address(&mut reader, arguments.allocations_per_address, relay_ports.as_ref());
    let bytes = || number(1_000, 1 << 40);
    let sfu = reader.value("sfu-bytes-per-second", &arguments.sfu_bytes_per_second, bytes());
    let p2p = reader.value("p2p-bytes-per-second", &arguments.p2p_bytes_per_second, bytes());
    let xdp = reader.value("xdp", &arguments.xdp, xdp);
    let shards = shards(&mut reader, arguments.shards);
    let http_listen = reader.value("http-listen", &arguments.http_listen, parse::<SocketAddr>);
    let drain = reader.value("drain-seconds", &arguments.drain_seconds, number(0, 24 * 3_600));
    let format = reader.value("log-format", &arguments.log_format, log_format);
    let filter = reader.value("log", &arguments.log, log_filter);
    let config = || {
        Some(Config {
            edge,
            listen: listen?,
            tcp_listen: tcp_listen?,
            tls,
            relay: relay?,
            relay_bind: relay_bind?,
            relay_ports: relay_ports?,
            keys: keys?,
            realm: realm?,
            peer_allow: peer_allow?,
            media_nodes: media_nodes?.into_iter().collect(),
            quotas: Quotas { per_user: per_user? as u32, per_address: per_address? as u32 },
            sfu_bytes_per_s: sfu?,
            p2p_bytes_per_s: p2p?,
            xdp: xdp?,
            xdp_interface: arguments.xdp_interface.filter(|name| !name.is_empty()),
            shards: shards?.min(limits::SHARDS_PER_NODE_MAX as u64) as u16,
            http_listen: http_listen?,
            drain: Duration::from_secs(drain?),
            logs: Logs { format: format?, filter: filter? },
        })
    };
    let config = config();
    reader.finish(config)
}

fn per_address(reader: &mut Reader, set: Option<String>, ports: Option<&RangeInclusive<u16>>) -> Option<u64> {
    match set {
        Some(text) => reader.value("allocations-per-address", &text, number(1, 65_536)),
        None => ports.map(|ports| (ports.len() as u64 / ADDRESS_SHARE_OF_PORTS).max(1)),
    }
}

fn list_or_none<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    if text.is_empty() { Ok(Vec::new()) } else { list(text, parse) }
}

fn families(text: &str) -> Result<Families, String> {
    let mut families = Families::default();
    for ip in list(text, parse::<IpAddr>)? {
        let place = if ip.is_ipv4() { &mut families.v4 } else { &mut families.v6 };
        if ip.is_unspecified() || place.replace(ip).is_some() {
            return Err("name at most one address of each family".to_owned());
        }
    }
    Ok(families)
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (low, high) = text.split_once('-').ok_or_else(|| format!("{text:?} is not LOW-HIGH"))?;
    let (low, high): (u16, u16) = (parse(low)?, parse(high)?);
    if low < 1024 || low > high { Err(format!("{text:?} is not a range above port 1023")) } else { Ok(low..=high) }
}

fn tcp_listen(reader: &mut Reader, set: Option<String>, listen: Option<SocketAddr>) -> Option<Vec<SocketAddr>> {
    match set {
        Some(text) => reader.value("tcp-listen", &text, |text| list_or_none(text, parse::<SocketAddr>)),
        None => listen.map(|listen| vec![listen]),
    }
}

fn tls_name(reader: &mut Reader, set: Option<String>) -> Option<String> {
    set.filter(|text| !text.is_empty()).and_then(|text| reader.value("tls-name", &text, host_name))
}

fn shards(reader: &mut Reader, set: Option<String>) -> Option<u64> {
    match set {
        Some(text) => reader.value("shards", &text, number(1, limits::SHARDS_PER_NODE_MAX as u64)),
        None => Some(std::thread::available_parallelism().map_or(1, |cores| cores.get()) as u64),
    }
}

/// The files for TLS, which must be both set or both unset.
fn tls(reader: &mut Reader, certificate: Option<String>, key: Option<String>) -> Option<Files> {
    if [&certificate, &key].into_iter().all(|set| set.as_deref().is_none_or(str::is_empty)) {
        return None;
    }
    let path = |text: &str| Ok(PathBuf::from(text));
    let certificate = reader.required("tls-certificate", certificate, path);
    let key = reader.required("tls-key", key, path);
    Some(Files { certificate: certificate?, key: key? })
}

/// The certificate comes from files or from an authority.
fn source(
    reader: &mut Reader,
    (certificate, key): (Option<String>, Option<String>),
    acme: AcmeArguments,
    tls_name: Option<&str>,
) -> Option<Source> {
    let files = tls(reader, certificate, key);
    if acme.acme_directory.is_empty() {
        return files.map(Source::Files);
    }
    if files.is_some() {
        reader.mistake("acme-directory", "cannot be set together with --tls-certificate");
    }
    if !acme.acme_directory.starts_with("https://") {
        reader.mistake("acme-directory", "must begin with https://");
    }
    if tls_name.is_none() {
        reader.mistake("tls-name", "must be set: it is the name for which --acme-directory issues a certificate");
    }
    let retry = reader.value("acme-retry-seconds", &acme.acme_retry_seconds, number(1, 3_600));
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    Some(Source::Acme(acme::Settings {
        directory: acme.acme_directory,
        name: tls_name?.to_owned(),
        contact: some(acme.acme_contact),
        state: PathBuf::from(acme.acme_state),
        roots: some(acme.acme_roots).map(PathBuf::from),
        retry: Duration::from_secs(retry?),
    }))
}

/// The settings for the edge, which must be all set or all unset.
fn edge(reader: &mut Reader, set: EdgeArguments, addresses: Option<Addresses>) -> Option<Edge> {
    let EdgeArguments { edge, node_id, region, node_token, urls } = set;
    if [&edge, &node_id, &region, &node_token].into_iter().all(|set| set.as_deref().is_none_or(str::is_empty)) {
        return None;
    }
    let edges = reader.required("edge", edge, |text| list(text, EdgeUrl::parse));
    let node = reader.required("node-id", node_id, parse::<NodeId>);
    let region = reader.required("region", region, parse::<Region>);
    let token = reader.required("node-token", node_token, secret);
    let turn_urls = match urls.filter(|text| !text.is_empty()) {
        Some(text) => reader.value("urls", &text, |text| list(text, turn_url)),
        None => Some(addresses?.urls()),
    };
    Some(Edge { urls: edges?, node: node?, region: region?, token: token?, turn_urls: turn_urls? })
}

impl Edge {
    fn says_no_tls(&self) -> bool {
        !self.turn_urls.iter().any(|url| url.starts_with("turns:"))
    }
}

/// The settings for the edge from [`Arguments`].
struct EdgeArguments {
    edge: Option<String>,
    node_id: Option<String>,
    region: Option<String>,
    node_token: Option<String>,
    urls: Option<String>,
}

/// Addresses at which clients reach this node.
struct Addresses {
    relay: Families,
    listen: SocketAddr,
    tcp: Option<SocketAddr>,
    tls_name: Option<String>,
}

impl Addresses {
    /// The URIs for clients, lowest delay first and best firewall traversal last.
    fn urls(&self) -> Vec<String> {
        let tcp = self.tcp.into_iter().flat_map(|tcp| self.relay.urls(tcp, "tcp"));
        let tls =
            self.tcp.and_then(|tcp| Some(format!("turns:{}:{}?transport=tcp", self.tls_name.as_ref()?, tcp.port())));
        self.relay.urls(self.listen, "udp").chain(tcp).chain(tls).collect()
    }
}

impl Families {
    /// The URIs of a node with this listen address.
    fn urls(self, listen: SocketAddr, transport: &str) -> impl Iterator<Item = String> {
        let v6 = self.v6.filter(|_| listen.is_ipv6());
        let reachable = self.v4.into_iter().chain(v6);
        reachable.map(move |ip| format!("turn:{}?transport={transport}", SocketAddr::new(ip, listen.port())))
    }
}

/// A name that fits a URI and a certificate (RFC 1123 §2.1). Firefox ignores `turns:` URIs with an address.
fn host_name(text: &str) -> Result<String, String> {
    let fine = text.len() <= 253
        && text.parse::<IpAddr>().is_err()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    if fine { Ok(text.to_owned()) } else { Err(format!("{text:?} is not a host name")) }
}

fn turn_url(text: &str) -> Result<String, String> {
    if text.starts_with("turn:") || text.starts_with("turns:") {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} does not begin with turn: or turns:"))
    }
}

fn xdp(text: &str) -> Result<Xdp, String> {
    match text {
        "off" => Ok(Xdp::Off),
        "auto" => Ok(Xdp::Auto),
        "native" => Ok(Xdp::Native),
        "generic" => Ok(Xdp::Generic),
        _ => Err(format!("{text:?} is not off, auto, native or generic")),
    }
}

fn realm(text: &str) -> Result<String, String> {
    // RFC 8489 §14.9: fewer than 128 characters; quotes would need escaping in other places.
    let fine = !text.is_empty() && text.len() < 128 && text.chars().all(|c| c.is_ascii_graphic() && c != '"');
    if fine { Ok(text.to_owned()) } else { Err("a realm must have 1 to 127 printable characters".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "--keys=k:a secret of more than thirty-two bytes";

    fn read(flags: &[&str], variables: &[&str]) -> Result<Config, Vec<String>> {
        let arguments = Arguments::try_parse_from([&["turn-node"], flags].concat()).expect("known flags");
        check(arguments, variables.iter().map(|name| (*name).to_owned())).map_err(|mistakes| mistakes.0)
    }

    #[test]
    fn relays_where_it_listens_by_default() {
        let config = read(&["--listen=192.0.2.1:3478", SECRET], &[]).expect("good settings");
        let relay = Families { v4: Some(IpAddr::from([192, 0, 2, 1])), v6: None };
        assert_eq!((config.relay, config.relay_bind, config.relay_ports), (relay, relay, 49_152..=65_535));
        assert!(config.peer_allow.is_empty() && config.media_nodes.is_empty());
    }

    #[test]
    fn one_address_gets_a_quarter_of_the_ports_by_default() {
        let per_address = |more: &[&str]| {
            let settings = [&["--listen=192.0.2.1:3478", SECRET], more].concat();
            read(&settings, &[]).expect("good settings").quotas.per_address
        };
        assert_eq!(per_address(&[]), 4_096);
        assert_eq!(per_address(&["--relay-ports=50000-50001"]), 1);
        assert_eq!(per_address(&["--allocations-per-address=7"]), 7);
    }

    #[test]
    fn tells_every_mistake_at_once() {
        let flags =
            ["--relay-ports=9-1", "--peer-allow=ten", "--keys=k:short", "--realm=", "--relay=192.0.2.1,192.0.2.2"];
        let mistakes = read(&flags, &["TURN_REALMS"]).expect_err("mistakes");
        let about = ["TURN_REALMS", "--relay", "--relay-ports", "--keys", "--realm", "--peer-allow"];
        let named: Vec<&str> = mistakes.iter().filter_map(|mistake| mistake.split(':').next()).collect();
        assert_eq!(named, about);
        assert!(!mistakes.concat().contains("short"), "a secret is never told");
    }

    #[test]
    fn tells_clients_its_relay_addresses_unless_told_otherwise() {
        let edge = ["--edge=ws://127.0.0.1:8787", "--node-id=turn-1", "--region=local", "--node-token=abc", SECRET];
        let urls = |more: &[&str]| {
            let config = read(&[&edge[..], more].concat(), &[]).expect("good settings");
            config.edge.expect("an edge").turn_urls.join(" ")
        };
        assert_eq!(
            urls(&["--listen=192.0.2.1:3478"]),
            "turn:192.0.2.1:3478?transport=udp turn:192.0.2.1:3478?transport=tcp"
        );
        let (both, udp_only) = ("--relay=192.0.2.1,2001:db8::1", "--tcp-listen=");
        assert_eq!(urls(&["--listen=0.0.0.0:3479", both, udp_only]), "turn:192.0.2.1:3479?transport=udp");
        assert_eq!(
            urls(&["--listen=[::]:3478", both, udp_only]),
            "turn:192.0.2.1:3478?transport=udp turn:[2001:db8::1]:3478?transport=udp"
        );
        let tls = ["--tls-certificate=a.pem", "--tls-key=b.pem", "--tls-name=turn.example.org"];
        assert_eq!(
            urls(&[&["--listen=192.0.2.1:3478", "--tcp-listen=0.0.0.0:443,0.0.0.0:3478"], &tls[..]].concat()),
            "turn:192.0.2.1:3478?transport=udp turn:192.0.2.1:443?transport=tcp turns:turn.example.org:443?transport=tcp"
        );
        assert_eq!(urls(&["--listen=192.0.2.1:3478", "--urls=turn:turn.example.org"]), "turn:turn.example.org");
    }

    #[test]
    fn serves_without_an_edge_but_not_with_half_of_one() {
        let alone = read(&["--listen=192.0.2.1:3478", SECRET], &[]).expect("good settings");
        assert!(alone.edge.is_none());
        let mistakes = read(&["--listen=192.0.2.1:3478", SECRET, "--node-id=turn-1"], &[]).expect_err("mistakes");
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
    }

    #[test]
    fn a_certificate_comes_from_files_or_from_an_authority() {
        let read_tls = |more: &[&str]| read(&[&["--listen=192.0.2.1:3478", SECRET], more].concat(), &[]);
        let acme = ["--acme-directory=https://acme.example.org/dir", "--tls-name=turn.example.org"];
        let Ok(Config { tls: Some(Source::Acme(settings)), .. }) = read_tls(&acme) else { panic!("no ACME") };
        assert_eq!((settings.name.as_str(), settings.contact, settings.roots), ("turn.example.org", None, None));
        for (mistakes, more) in [
            (1, &["--acme-directory=https://acme.example.org/dir"][..]),
            (1, &["--acme-directory=http://acme.example.org/dir", "--tls-name=turn.example.org"]),
            (1, &[acme[0], acme[1], "--tls-certificate=a.pem", "--tls-key=b.pem"]),
        ] {
            assert_eq!(read_tls(more).err().map(|found| found.len()), Some(mistakes), "{more:?}");
        }
    }

    #[test]
    fn tls_needs_both_files_and_a_name_for_clients() {
        let read_tls = |more: &[&str]| read(&[&["--listen=192.0.2.1:3478", SECRET], more].concat(), &[]);
        assert_eq!(read_tls(&[]).map(|config| config.tls), Ok(None));
        let both = ["--tls-certificate=a.pem", "--tls-key=b.pem"];
        assert!(read_tls(&both).is_ok_and(|config| config.tls.is_some()));
        assert_eq!(read_tls(&both[..1]).err().map(|mistakes| mistakes.len()), Some(1));
        assert!(read_tls(&["--tls-name=turn.example.org/"]).is_err());
        assert!(read_tls(&["--tls-name=192.0.2.1"]).is_err());
        let edge = ["--edge=ws://127.0.0.1:8787", "--node-id=turn-1", "--region=local", "--node-token=abc"];
        let unnamed = read_tls(&[&edge[..], &both].concat()).expect_err("a mistake");
        assert!(unnamed.len() == 1 && unnamed[0].starts_with("--tls-name"), "{unnamed:?}");
        let named_by_urls = [&edge[..], &both, &["--urls=turns:turn.example.org"]].concat();
        assert!(read_tls(&named_by_urls).is_ok());
    }

    #[test]
    fn an_open_address_must_be_named() {
        assert_eq!(read(&[SECRET], &[]).err(), Some(vec!["--relay or TURN_RELAY must be set".to_owned()]));
        let both = read(&[SECRET, "--relay=192.0.2.1,2001:db8::1"], &[]).expect("good settings").relay;
        assert!(both.v4.is_some() && both.v6.is_some());
    }

    #[test]
    fn every_setting_has_a_variable() {
        use clap::CommandFactory;
        let command = Arguments::command();
        let variables: Vec<_> = command.get_arguments().filter_map(|a| a.get_env()?.to_str()).collect();
        assert_eq!(variables, ENVIRONMENT);
    }
}
