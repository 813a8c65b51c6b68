//! Two network namespaces with a virtual cable between them, for a server and for its clients and peers.

use anyhow::{Context, Result, bail};
use aya::programs::{Xdp, XdpMode};
use aya::{Ebpf, include_bytes_aligned};
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// The program of the TURN node. Without settings it passes everything on, which is all that the clients' end needs.
static PROGRAM: &[u8] = include_bytes_aligned!("../../../turn-node/src/kernel/relay.o");

/// The server's addresses.
pub const SERVER: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1)), IpAddr::V6(Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 1))];
/// The networks of both ends.
pub const NETWORKS: &str = "10.9.0.0/24,fd09::/64";

/// The namespaces are deleted when this is dropped.
#[derive(Debug)]
pub struct Veth {
    pub server: String,
    pub clients: String,
    /// On a virtual cable, the driver delivers what a program at one end sends if there is one at the other end too.
    _program: Ebpf,
}

impl Veth {
    /// Makes the namespaces, and moves this thread to the clients' end.
    pub fn enter() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (server, clients) = (format!("rotunda-s-{number}"), format!("rotunda-c-{number}"));
        let mut veth = Self { server, clients, _program: Ebpf::load(PROGRAM).context("loading the program")? };
        let (server, clients) = (&veth.server, &veth.clients);
        run(&["ip", "netns", "add", server])?;
        run(&["ip", "netns", "add", clients])?;
        run(&[
            "ip", "link", "add", "veth0", "netns", server, "type", "veth", "peer", "name", "veth0", "netns", clients,
        ])?;
        for (namespace, hosts) in [(server, 1..=1), (clients, 2..=4)] {
            let within = |command: &[&str]| run(&[&["ip", "netns", "exec", namespace], command].concat());
            for host in hosts {
                within(&["ip", "address", "add", &format!("10.9.0.{host}/24"), "dev", "veth0"])?;
                within(&["ip", "address", "add", &format!("fd09::{host}/64"), "dev", "veth0", "nodad"])?;
            }
            within(&["ip", "link", "set", "lo", "up"])?;
            within(&["ip", "link", "set", "veth0", "up"])?;
            // On a wire, every checksum is the sender's.
            within(&["ethtool", "-K", "veth0", "tx", "off"])?;
        }
        enter(&veth.clients)?;
        let relay: &mut Xdp = veth._program.program_mut("relay").context("no program")?.try_into()?;
        relay.load()?;
        relay.attach("veth0", XdpMode::Driver)?;
        Ok(veth)
    }

    /// Runs this on a thread at the server's end.
    pub fn at_server<T: Send>(&self, task: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(&self.server)?;
                task()
            });
            thread.join().unwrap_or_else(|_| bail!("a thread at the server's end panicked"))
        })
    }
}

impl Drop for Veth {
    fn drop(&mut self) {
        for namespace in [&self.server, &self.clients] {
            // Nothing can be done about one that stays.
            let _ = run(&["ip", "netns", "delete", namespace]);
        }
    }
}

fn run(command: &[&str]) -> Result<()> {
    let (program, arguments) = command.split_first().context("no command")?;
    let output = Command::new(program).args(arguments).output().with_context(|| format!("starting {program}"))?;
    if !output.status.success() {
        bail!("{}: {}", command.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Moves this thread to a namespace; its sockets stay there.
fn enter(namespace: &str) -> Result<()> {
    let file = File::open(format!("/var/run/netns/{namespace}")).context("opening a network namespace")?;
    // SAFETY: the call takes a descriptor, and touches no memory.
    if unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
        return Err(std::io::Error::last_os_error()).context("entering a network namespace");
    }
    Ok(())
}
