//! Picks ports, and names the process that holds one.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use anyhow::{Context, Result, bail};

use crate::process;

/// Number of ports tried after the usual one.
const SEARCHED: u16 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// HTTP and WebSockets.
    Tcp,
    /// Media.
    Udp,
}

/// Fails if the requested port is taken.
pub(crate) fn exactly(port: u16, transport: Transport) -> Result<u16> {
    if is_free(port, transport) {
        return Ok(port);
    }
    bail!("port {port} is in use{}: choose another with --port", holder(port, transport))
}

/// The usual port or, with a printed note, the next free one.
pub(crate) fn usual(port: u16, transport: Transport) -> Result<u16> {
    let free = neighbours(port, 1, transport)?;
    if free != port {
        println!("  · port {port} is in use{}: using {free}", holder(port, transport));
    }
    Ok(free)
}

/// The first of `count` consecutive free ports, from `usual` on.
pub(crate) fn neighbours(usual: u16, count: u16, transport: Transport) -> Result<u16> {
    let all_free = |first: &u16| (0..count).all(|next| is_free(first.saturating_add(next), transport));
    let found = (usual..usual.saturating_add(SEARCHED)).find(all_free);
    found.with_context(|| format!("no {count} free ports between {usual} and {}", usual.saturating_add(SEARCHED)))
}

fn is_free(port: u16, transport: Transport) -> bool {
    match transport {
        Transport::Tcp => TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok(),
        Transport::Udp => UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok(),
    }
}

/// ` by NAME (pid N)`; empty if `/proc` does not tell.
fn holder(port: u16, transport: Transport) -> String {
    find_holder(port, transport).map(|(pid, name)| format!(" by {name} (pid {pid})")).unwrap_or_default()
}

fn find_holder(port: u16, transport: Transport) -> Option<(u32, String)> {
    let tables = match transport {
        Transport::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
        Transport::Udp => ["/proc/net/udp", "/proc/net/udp6"],
    };
    let table = |file| fs::read_to_string(file).unwrap_or_default();
    let inode = tables.into_iter().find_map(|file| socket_inode(&table(file), port, transport))?;
    let link = format!("socket:[{inode}]");
    let holds = |pid: &u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.filter_map(|file| fs::read_link(file.path()).ok()).any(|target| target.as_os_str() == link.as_str())
    };
    let pid = process::all_pids().into_iter().find(holds)?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some((pid, name.trim().to_owned()))
}

/// proc_net(5): `sl local_address rem_address st … inode`, addresses as hexadecimal `ip:port`.
fn socket_inode(table: &str, port: u16, transport: Transport) -> Option<u64> {
    let listening = match transport {
        Transport::Tcp => "0A",
        Transport::Udp => "07",
    };
    let ending = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut matching = rows.filter(|row| {
        row.get(1).is_some_and(|local| local.ends_with(&ending)) && row.get(3).is_some_and(|state| *state == listening)
    });
    matching.find_map(|row| row.get(9)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        \x20  0: 0100007F:2253 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100\n\
        \x20  1: 0100007F:2254 0100007F:2253 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100\n";

    #[test]
    fn finds_the_listener_and_not_those_connected() {
        assert_eq!(socket_inode(TABLE, 8787, Transport::Tcp), Some(4242));
        assert_eq!(socket_inode(TABLE, 8788, Transport::Tcp), None);
        assert_eq!(socket_inode(TABLE, 9000, Transport::Tcp), None);
    }

    #[test]
    fn a_taken_port_is_refused_with_its_holder_and_the_next_is_found() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = taken.local_addr().expect("its number").port();
        let error = exactly(port, Transport::Tcp).expect_err("it is taken").to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        assert!(neighbours(port, 1, Transport::Tcp).expect("a free one nearby") > port);
    }
}
