//! coturn's own client against the built program: every mode over UDP, TCP and TLS, and refusals.
//!
//! Needs Debian's `coturn`; `cargo xtask test --only turn` installs it.

use anyhow::{Context, Result, bail};
use load::node::page;
use load::process;
use load::relay::{Relay, credential};
use shared::turn_credential::{Credential, TurnPolicy};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_turn-node");
/// A refused client retries until it is killed.
const REFUSED_WITHIN: Duration = Duration::from_secs(30);
/// More than any test here needs.
const GENEROUS: &[(&str, &str)] = &[("TURN_ALLOCATIONS_PER_USER", "100")];

// Holds S3-MED-05.
#[test]
fn relays_in_every_mode_that_the_client_has_over_udp() -> Result<()> {
    let fixture = Fixture::start(GENEROUS)?;
    // The client mostly sleeps, so all modes run at once.
    let modes = [
        // Channels, with a second port for the control protocol (EVEN-PORT, RESERVATION-TOKEN).
        &[][..],
        &["-c"],
        &["-m", "4"],
        &["-X"],
        // Channels with padded data.
        &["-c", "-D"],
        // Send and Data indications.
        &["-s"],
        &["-s", "-c", "-m", "4"],
        // DONT-FRAGMENT.
        &["-s", "-c", "-g"],
        // From one client's allocation to another's.
        &["-c", "-G"],
        // From one client's allocation to another's.
        &["-y", "-c"],
        &["-y", "-s", "-c"],
        &["-y", "-c", "-m", "4"],
    ];
    std::thread::scope(|scope| {
        let clients: Vec<_> = modes.iter().map(|flags| scope.spawn(|| fixture.relays(flags))).collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client's thread"))
    })?;
    assert!(fixture.peer.heard() > 0, "data went through the peer");
    Ok(())
}

/// Flags of the client for TLS to a program with this certificate file.
fn tls_flags(certificate: &str) -> [&str; 4] {
    ["-t", "-S", "-E", certificate]
}

#[test]
fn relays_over_tcp_and_tls() -> Result<()> {
    let (folder, settings) = certificate()?;
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let fixture = Fixture::start(&[GENEROUS, &settings].concat())?;
    let chain = folder.join("chain.pem").display().to_string();
    let transports = [&["-t"][..], &tls_flags(&chain)];
    let modes =
        [&[][..], &["-c"], &["-c", "-m", "4"], &["-s", "-c"], &["-c", "-G"], &["-y", "-c"], &["-y", "-s", "-c"]];
    std::thread::scope(|scope| {
        let fixture = &fixture;
        let clients: Vec<_> = transports
            .iter()
            .flat_map(|transport| modes.iter().map(move |mode| [*transport, *mode].concat()))
            .map(|flags| scope.spawn(move || fixture.relays(&flags)))
            .collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client's thread"))
    })?;
    assert!(fixture.peer.heard() > 0, "data went through the peer");
    Ok(())
}

#[test]
fn relays_tcp_connections_between_clients() -> Result<()> {
    // RFC 6062: one client's allocation connects to another's.
    let fixture = Fixture::start(GENEROUS)?;
    fixture.relays(&["-T", "-y", "-c"])?;
    fixture.relays(&["-T", "-y", "-c", "-m", "4"])
}

#[test]
fn refuses_a_wrong_password_over_tcp() -> Result<()> {
    let fixture = Fixture::start(GENEROUS)?;
    let user = credential(TurnPolicy::P2p, "ada", 600)?;
    fixture.refuses(&Credential { password: "a guess".to_owned(), ..user }, &["-t", "-c"], 401)
}

/// A folder with a certificate, and the settings that name it.
fn certificate() -> Result<(PathBuf, [(&'static str, String); 2])> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("coturn-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    std::fs::write(&chain, certificate.cert.pem())?;
    std::fs::write(&key, certificate.signing_key.serialize_pem())?;
    let settings = [("TURN_TLS_CERTIFICATE", chain.display().to_string()), ("TURN_TLS_KEY", key.display().to_string())];
    Ok((folder, settings))
}

#[test]
fn relays_ipv6() -> Result<()> {
    if UdpSocket::bind(("::1", 0)).is_err() {
        eprintln!("this machine has no IPv6");
        return Ok(());
    }
    let relay = Relay::ours(Path::new(PROGRAM), &[("TURN_RELAY", "127.0.0.1,::1")])?;
    let fixture = Fixture { relay, peer: Peer::start("::1")? };
    fixture.relays(&["-x", "-c"])?;
    fixture.relays(&["-x", "-s", "-c"])
}

#[test]
fn refuses_a_wrong_password() -> Result<()> {
    let fixture = Fixture::start(GENEROUS)?;
    let user = credential(TurnPolicy::P2p, "ada", 600)?;
    fixture.refuses(&Credential { password: "a guess".to_owned(), ..user }, &["-c"], 401)
}

#[test]
fn refuses_an_expired_credential() -> Result<()> {
    Fixture::start(GENEROUS)?.refuses(&credential(TurnPolicy::P2p, "ada", -1)?, &["-c"], 401)
}

#[test]
fn refuses_a_peer_that_is_no_media_node_and_one_that_is_not_global() -> Result<()> {
    let fixture = Fixture::start(GENEROUS)?;
    fixture.refuses(&credential(TurnPolicy::Sfu, "ada", 600)?, &["-c"], 403)?;
    fixture.refuses(&credential(TurnPolicy::Sfu, "ada", 600)?, &["-s", "-c"], 403)?;
    let closed = Fixture::start(&[("TURN_PEER_ALLOW", "")])?;
    closed.refuses(&credential(TurnPolicy::P2p, "ada", 600)?, &["-c"], 403)
}

#[test]
fn an_sfu_credential_reaches_a_media_node() -> Result<()> {
    let peer = Peer::start("127.0.0.1")?;
    let nodes = format!("127.0.0.1:{},127.0.0.1:{}", peer.port, peer.port + 1);
    let fixture = Fixture { relay: Relay::ours(Path::new(PROGRAM), &[("TURN_MEDIA_NODES", &nodes)])?, peer };
    let output = fixture.client(&credential(TurnPolicy::Sfu, "ada", 600)?, &["-c"]).output()?;
    assert!(output.status.success() && fixture.peer.heard() >= 20, "{output:?}");
    Ok(())
}

#[test]
fn refuses_what_is_over_the_quota_of_allocations() -> Result<()> {
    let fixture = Fixture::start(&[("TURN_ALLOCATIONS_PER_USER", "2")])?;
    fixture.refuses(&credential(TurnPolicy::P2p, "ada", 600)?, &["-c", "-m", "4"], 486)
}

#[test]
fn drops_what_is_over_the_quota_of_bandwidth() -> Result<()> {
    let fixture = Fixture::start(&[("TURN_P2P_BYTES_PER_SECOND", "2000")])?;
    let started = Instant::now();
    let client = Ended(fixture.client(&credential(TurnPolicy::P2p, "ada", 600)?, &["-c", "-n", "100"]).spawn()?);
    while fixture.counter("turn_drops_total", "reason=\"over_quota\"")? == 0 {
        assert!(started.elapsed() < REFUSED_WITHIN, "nothing is dropped");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(client);
    // 500 bytes at a time, each counted on the way to the peer and on the way back; one second's worth is available at
    // first.
    let most = 2_000 / 500 * (started.elapsed().as_secs() + 2);
    assert!(fixture.peer.heard() <= most, "{} of {most}", fixture.peer.heard());
    Ok(())
}

#[test]
fn what_was_killed_serves_again_at_once_and_ends_well_when_asked() -> Result<()> {
    let fixture = Fixture::start(GENEROUS)?;
    fixture.relays(&["-c"])?;
    let Fixture { relay, peer } = fixture;
    let address = relay.address;
    relay.kill()?;
    let again = Fixture { relay: Relay::ours_at(Path::new(PROGRAM), address, GENEROUS)?, peer };
    again.relays(&["-c"])?;
    process::terminate(again.relay.pid());
    assert!(again.relay.ended(process::END_TIMEOUT)?);
    Ok(())
}

/// The server, and an echoing peer.
struct Fixture {
    relay: Relay,
    peer: Peer,
}

impl Fixture {
    fn start(settings: &[(&str, &str)]) -> Result<Self> {
        Ok(Self { relay: Relay::ours(Path::new(PROGRAM), settings)?, peer: Peer::start("127.0.0.1")? })
    }

    fn client(&self, user: &Credential, flags: &[&str]) -> Command {
        let mut command = Command::new("turnutils_uclient");
        command.args(["-u", &user.username, "-w", &user.password, "-p", &self.relay.address.port().to_string()]);
        command.args(["-e", self.peer.address, "-r", &self.peer.port.to_string(), "-n", "20", "-l", "500", "-z", "5"]);
        command.args(flags).arg("127.0.0.1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Checks that all of the client's data comes back.
    fn relays(&self, flags: &[&str]) -> Result<()> {
        let mut client = self.client(&credential(TurnPolicy::P2p, "ada", 600)?, flags);
        client.stdout(Stdio::piped()).stderr(Stdio::piped());
        let Output { status, stdout, stderr } = client.output().context("starting turnutils_uclient")?;
        let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        let lost = said.lines().find_map(|line| line.split("Total lost packets ").nth(1));
        if !status.success() || !lost.is_some_and(|lost| lost.starts_with("0 ")) {
            bail!("{flags:?} ({status}):\n{said}");
        }
        Ok(())
    }

    /// Checks that the node counts a refusal with this code, and none of the client's data reaches the peer.
    fn refuses(&self, user: &Credential, flags: &[&str], code: u16) -> Result<()> {
        let label = format!("code=\"{code}\"");
        let count = || self.counter("turn_refused_total", &label);
        // Every client gets 401 once and learns realm and nonce.
        let expected = count()? + if code == 401 { 2 } else { 1 };
        let client = Ended(self.client(user, flags).spawn().context("starting turnutils_uclient")?);
        let deadline = Instant::now() + REFUSED_WITHIN;
        while count()? < expected {
            if Instant::now() > deadline {
                bail!(
                    "{flags:?} is not refused with {code}; the relay counts {}",
                    page(self.relay.http, "/metrics")?.1
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(client);
        if code != 486 && self.peer.heard() > 0 {
            bail!("{flags:?}: the peer heard something");
        }
        Ok(())
    }

    fn counter(&self, name: &str, label: &str) -> Result<u64> {
        let (_, text) = page(self.relay.http, "/metrics")?;
        let series = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} "));
        let values = series.filter(|(labels, _)| labels.ends_with(label)).map(|(_, value)| value.parse::<u64>());
        Ok(values.sum::<Result<_, _>>()?)
    }
}

/// A process that is killed when dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Echoes and counts datagrams at two adjacent ports, for media and its control protocol.
struct Peer {
    address: &'static str,
    port: u16,
    heard: Arc<AtomicU64>,
}

impl Peer {
    fn start(address: &'static str) -> Result<Self> {
        let (first, second) = neighbours(address)?;
        let (port, heard) = (first.local_addr()?.port(), Arc::<AtomicU64>::default());
        for socket in [first, second] {
            let heard = Arc::clone(&heard);
            std::thread::spawn(move || {
                let mut buffer = [0; 2_048];
                while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    heard.fetch_add(1, Ordering::Relaxed);
                    // The sender may have left.
                    let _ = socket.send_to(buffer.get(..length).unwrap_or_default(), from);
                }
            });
        }
        Ok(Self { address, port, heard })
    }

    fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }
}

fn neighbours(address: &str) -> Result<(UdpSocket, UdpSocket)> {
    for _ in 0..100 {
        let first = UdpSocket::bind((address, 0))?;
        let next = first.local_addr()?.port().saturating_add(1);
        if let Ok(second) = UdpSocket::bind((address, next)) {
            return Ok((first, second));
        }
    }
    bail!("no two neighbouring ports are free")
}
