//! TLS: five hundred clients at once, and a certificate that is replaced.

use crate::trusting::trusting;
use crate::{PATIENCE, PROGRAM, Pair, SETTINGS, counter, tcp, until};
use anyhow::{Context, Result};
use load::process;
use load::relay::{Relay, free_udp};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConnection, StreamOwned};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

const NAME: &str = "turn.example.org";

pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// A program with a fresh certificate.
pub(crate) fn relay(more: &[(&str, &str)]) -> Result<(Relay, CertificateDer<'static>)> {
    let (folder, certificate) = (folder()?, certificate()?);
    write(&folder, &certificate)?;
    Ok((start(&folder, more)?, certificate.cert.der().clone()))
}

pub(crate) fn connect(server: SocketAddr, trusted: &CertificateDer<'static>) -> Result<TlsStream> {
    Ok(StreamOwned::new(trusting(trusted, NAME)?, tcp(server)?))
}

fn start(folder: &Path, more: &[(&str, &str)]) -> Result<Relay> {
    let path = |name| folder.join(name).display().to_string();
    let (chain, key) = (path("chain.pem"), path("key.pem"));
    let files = [("TURN_TLS_CERTIFICATE", chain.as_str()), ("TURN_TLS_KEY", key.as_str())];
    Relay::ours_at(Path::new(PROGRAM), free_udp()?, &[SETTINGS, &files, more].concat())
}

fn certificate() -> Result<CertifiedKey<KeyPair>> {
    Ok(generate_simple_self_signed([NAME.to_owned()])?)
}

fn write(folder: &Path, certificate: &CertifiedKey<KeyPair>) -> Result<()> {
    std::fs::write(folder.join("chain.pem"), certificate.cert.pem())?;
    std::fs::write(folder.join("key.pem"), certificate.signing_key.serialize_pem())?;
    Ok(())
}

fn folder() -> Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}

#[test]
fn data_goes_both_ways_over_tls_and_tcp_on_one_port() -> Result<()> {
    let (relay, certificate) = relay(&[])?;
    let (mut tls, mut plain) = (Pair::new(connect(relay.address, &certificate)?)?, Pair::new(tcp(relay.address)?)?);
    for length in [1, 0, 1_200, 40_000, 65_503] {
        tls.talks(&vec![1; length])?;
        plain.talks(&vec![2; length])?;
    }
    assert_eq!(counter(&relay, "turn_connections_closed_total", "handshake")?, 0);
    Ok(())
}

#[test]
fn five_hundred_clients_at_once_are_all_served() -> Result<()> {
    const CLIENTS: usize = 500;
    let (relay, certificate) = relay(&[])?;
    let started = Instant::now();
    let served: Vec<Result<Pair<TlsStream>>> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (server, certificate) = (relay.address, &certificate);
                scope.spawn(move || {
                    let mut pair = Pair::new(connect(server, certificate)?)?;
                    pair.talks(&number.to_be_bytes())?;
                    Ok(pair)
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client's thread")).collect()
    });
    let mut pairs = served.into_iter().collect::<Result<Vec<_>>>()?;
    println!("{CLIENTS} clients are served after {:?}", started.elapsed());
    until("all allocations are counted", || Ok(counter(&relay, "turn_allocations", "")? == CLIENTS as u64))?;
    println!("{} KB of memory", process::memory_kb(relay.pid())?);
    // All send at once, and none is starved.
    for pair in &mut pairs {
        pair.talks(&[7; 1_200])?;
    }
    Ok(())
}

#[test]
fn a_new_certificate_is_used_after_sighup_and_a_broken_one_is_not() -> Result<()> {
    let (folder, first, second) = (folder()?, certificate()?, certificate()?);
    write(&folder, &first)?;
    let relay = start(&folder, &[])?;
    let mut old = Pair::new(connect(relay.address, first.cert.der())?)?;
    let works =
        |certificate: &CertifiedKey<KeyPair>| Ok(Pair::new(connect(relay.address, certificate.cert.der())?).is_ok());

    std::fs::write(folder.join("chain.pem"), second.cert.pem())?;
    process::hang_up(relay.pid());
    std::thread::sleep(PATIENCE / 20);
    assert!(works(&first)?, "the new certificate does not fit the key");

    std::fs::write(folder.join("key.pem"), second.signing_key.serialize_pem())?;
    process::hang_up(relay.pid());
    until("the new certificate is used", || works(&second))?;
    assert!(!works(&first)?);
    old.talks(b"what is open stays")
}

#[test]
fn a_program_with_a_broken_certificate_does_not_start() -> Result<()> {
    let (folder, first, second) = (folder()?, certificate()?, certificate()?);
    write(&folder, &first)?;
    std::fs::write(folder.join("key.pem"), second.signing_key.serialize_pem())?;
    assert!(start(&folder, &[]).is_err());
    Ok(())
}
