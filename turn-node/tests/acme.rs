//! Certificates by ACME, from Pebble, the test authority of Let's Encrypt. `cargo xtask test --only turn` installs it.

#[path = "streams/trusting.rs"]
mod trusting;

use anyhow::{Context, Result, bail};
use load::local_edge::{Caller, LocalEdge};
use load::node::page;
use load::relay::{Relay, credential, free_udp};
use load::stream::{StreamClient, UDP_PEERS};
use rcgen::generate_simple_self_signed;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConnection, StreamOwned};
use shared::control::NodeToFleet;
use shared::turn_credential::TurnPolicy;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use trusting::trusting;

const PROGRAM: &str = env!("CARGO_BIN_EXE_turn-node");
const NAME: &str = "turn.example.org";
/// An order has some ten round trips, and Pebble asks to be polled every second.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that ends with this value.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Ok(Self(child.with_context(|| format!("starting {}", command.get_program().display()))?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Pebble, and a DNS server in which every name is this machine.
struct Authority {
    folder: PathBuf,
    directory: u16,
    management: u16,
    /// Port of the DNS server's own API.
    names: u16,
    api: CertificateDer<'static>,
    programs: Vec<Running>,
}

impl Authority {
    /// It checks names by connections to `relay`, which has the default address of all names.
    fn start(relay: SocketAddr, address: &str) -> Result<Self> {
        let folder = format!("acme-{}-{}", std::process::id(), relay.port());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
        std::fs::create_dir_all(&folder).context("a folder")?;
        let api = generate_simple_self_signed(["localhost".to_owned()])?;
        std::fs::write(folder.join("api.pem"), api.cert.pem())?;
        std::fs::write(folder.join("api-key.pem"), api.signing_key.serialize_pem())?;
        let [directory, management, dns, control] = free_ports()?;
        let config = format!(
            r#"{{ "pebble": {{ "listenAddress": "127.0.0.1:{directory}", "managementListenAddress": "127.0.0.1:{management}",
                "certificate": "{0}/api.pem", "privateKey": "{0}/api-key.pem", "httpPort": 1, "tlsPort": {1},
                "ocspResponderURL": "", "externalAccountBindingRequired": false,
                "profiles": {{ "default": {{ "description": "for tests", "validityPeriod": 7776000 }} }} }} }}"#,
            folder.display(),
            relay.port(),
        );
        std::fs::write(folder.join("pebble.json"), config)?;
        let names = Running::start(Command::new(tool("pebble-challtestsrv")?).args([
            "-dnsserver",
            &format!("127.0.0.1:{dns}"),
            "-management",
            &format!("127.0.0.1:{control}"),
            "-defaultIPv4",
            address,
            "-defaultIPv6",
            "",
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
            "-doh",
            "",
        ]))?;
        let pebble = Running::start(
            Command::new(tool("pebble")?)
                .arg("-config")
                .arg(folder.join("pebble.json"))
                .args(["-dnsserver", &format!("127.0.0.1:{dns}")])
                .env("PEBBLE_VA_NOSLEEP", "1")
                .env("PEBBLE_WFE_NONCEREJECT", "0"),
        )?;
        let (api, programs) = (api.cert.der().clone(), vec![names, pebble]);
        let authority = Self { folder, directory, management, names: control, api, programs };
        authority.root()?;
        Ok(authority)
    }

    /// The root of everything that it issues; waits until it answers.
    fn root(&self) -> Result<CertificateDer<'static>> {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, self.management));
        let answer = retried("Pebble answers", || {
            let mut stream = connect(server, "localhost", &self.api)?;
            write!(stream, "GET /roots/0 HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
            let mut answer = Vec::new();
            // Go ends without a goodbye.
            let _ = stream.read_to_end(&mut answer);
            Ok(answer)
        })?;
        CertificateDer::from_pem_slice(&answer).context("a root")
    }

    /// Adds the relay's name to the DNS server.
    fn add_name(&self) -> Result<()> {
        let body = format!(r#"{{"host":"{NAME}","addresses":["127.0.0.1"]}}"#);
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.names))?;
        let length = body.len();
        write!(stream, "POST /add-a HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.contains(" 200 ") { Ok(()) } else { bail!("the DNS server says {answer}") }
    }

    fn relay(&self, address: SocketAddr, more: &[(&str, &str)]) -> Result<Relay> {
        let directory = format!("https://localhost:{}/dir", self.directory);
        let [roots, state] = ["api.pem", "state"].map(|name| self.folder.join(name).display().to_string());
        let settings = [
            ("TURN_TLS_NAME", NAME),
            ("TURN_ACME_DIRECTORY", &directory),
            ("TURN_ACME_CONTACT", "operator@example.org"),
            ("TURN_ACME_STATE", &state),
            ("TURN_ACME_ROOTS", &roots),
            ("TURN_ACME_RETRY_SECONDS", "1"),
        ];
        Relay::ours_at(Path::new(PROGRAM), address, &[&settings, more].concat())
    }
}

/// A program that Go has built for `cargo xtask test`, or that is on the PATH.
fn tool(name: &str) -> Result<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.rotunda/tools");
    let folders = std::fs::read_dir(tools).into_iter().flatten().flatten().map(|entry| entry.path());
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let programs = folders.chain(std::env::split_paths(&on_path)).map(|folder| folder.join(name));
    programs.into_iter().find(|program| program.is_file()).with_context(|| format!("{name} is not installed"))
}

fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let listeners: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<std::io::Result<_>>()?;
    let ports: Vec<u16> = listeners.iter().map(|one| Ok(one.local_addr()?.port())).collect::<std::io::Result<_>>()?;
    ports.try_into().ok().context("some ports")
}

fn connect(
    server: SocketAddr,
    name: &'static str,
    trusted: &CertificateDer<'static>,
) -> Result<StreamOwned<ClientConnection, TcpStream>> {
    let connection = trusting(trusted, name)?;
    let stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(StreamOwned::new(connection, stream))
}

fn retried<T>(what: &str, attempt: impl Fn() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(error) if Instant::now() > deadline => return Err(error.context(format!("not in time: {what}"))),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// An allocation over TLS, with a certificate of this authority; returns the certificate.
fn allocate(relay: &Relay, root: &CertificateDer<'static>) -> Result<Vec<u8>> {
    let stream = connect(relay.address, NAME, root)?;
    let mut client = StreamClient::new(stream, credential(TurnPolicy::P2p, "ada", 600)?);
    client.allocated(UDP_PEERS)?;
    let chain = client.stream.conn.peer_certificates().context("no certificate")?;
    Ok(chain.first().context("an empty chain")?.to_vec())
}

fn metric(relay: &Relay, name: &str) -> Result<u64> {
    let (_, page) = page(relay.http, "/metrics")?;
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.with_context(|| format!("{name} is not in {page}"))?.parse().context("a number")
}

/// The addresses of the node's next registration.
async fn registered(caller: &mut Caller) -> Result<Vec<String>> {
    caller
        .wait_for(|message| match message {
            NodeToFleet::RegisterTurn(registration) => Some(registration.urls),
            _ => None,
        })
        .await
}

#[test]
fn a_name_that_resolves_later_gets_its_certificate_then() -> Result<()> {
    let address = free_udp()?;
    let authority = Authority::start(address, "")?;
    let root = authority.root()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let edge = runtime.block_on(LocalEdge::open())?;
    let (url, tls) = (edge.url(), "turns:turn.example.org:443?transport=tcp");
    let relay = authority.relay(
        address,
        &[
            ("TURN_EDGE", &url),
            ("TURN_NODE_ID", "turn-1"),
            ("TURN_REGION", "local"),
            ("TURN_NODE_TOKEN", "abc"),
            ("TURN_URLS", &format!("turn:turn.example.org:443?transport=tcp,{tls}")),
        ],
    )?;
    let mut caller = runtime.block_on(edge.accept())?;
    assert_eq!(runtime.block_on(registered(&mut caller))?, ["turn:turn.example.org:443?transport=tcp"]);
    retried("orders fail", || {
        let failed = metric(&relay, "turn_certificate_failures_total")?;
        if failed >= 2 { Ok(()) } else { bail!("{failed} have failed") }
    })?;
    assert_eq!(metric(&relay, "turn_certificate_expiration_timestamp_seconds")?, 0);
    authority.add_name()?;
    retried("a certificate is issued", || allocate(&relay, &root))?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let left_s = metric(&relay, "turn_certificate_expiration_timestamp_seconds")?.saturating_sub(now_s);
    assert_eq!(left_s.div_ceil(24 * 3_600), 90, "{left_s} s");
    assert_eq!(runtime.block_on(registered(&mut caller))?, ["turn:turn.example.org:443?transport=tcp", tls]);
    std::fs::remove_dir_all(&authority.folder).context("removing the folder")
}

#[test]
fn a_certificate_is_ordered_used_and_found_again_after_a_restart() -> Result<()> {
    let address = free_udp()?;
    let mut authority = Authority::start(address, "127.0.0.1")?;
    let root = authority.root()?;
    let relay = authority.relay(address, &[])?;
    let ordered = retried("a certificate is issued", || allocate(&relay, &root))?;
    let (_, metrics) = page(relay.http, "/metrics")?;
    assert!(metrics.contains("turn_allocations"), "{metrics}");
    drop(relay);

    let state = authority.folder.join("state");
    assert_eq!(std::fs::metadata(&state)?.permissions().mode() & 0o777, 0o700, "it contains keys");
    let files = std::fs::read_dir(&state)?.count();
    assert!(files >= 2, "an account and a certificate, but {files} files");

    // Without the authority's programs.
    authority.programs.clear();
    let relay = authority.relay(address, &[])?;
    let stored = retried("the stored certificate is used", || allocate(&relay, &root))?;
    if stored != ordered {
        bail!("the certificate is another one after the restart");
    }
    std::fs::remove_dir_all(&authority.folder).context("removing the folder")
}
