//! The floor of a TURN server: the same sockets and system calls, and nothing that TURN asks for.

use crate::process;
use anyhow::{Context, Result};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use udp::{Counters, PARTS, ReceiveBatch, SendBatch, Socket};

/// The clients' socket in the set of sockets; a relayed address has its client's number.
const CLIENTS: usize = usize::MAX >> 1;
/// A ChannelData header (RFC 8656 §12.4), which nobody reads.
const HEADER: &[u8] = &[0x40, 0x01, 0, 0];
/// Packets gather for this long, as in the TURN node.
const GATHER: Duration = Duration::from_micros(200);
/// Messages read from one relayed address at a time.
const RELAY_MESSAGES: usize = 8;

/// The floor as a process of its own, which ends when this value is dropped.
#[derive(Debug)]
pub struct PlainRelay {
    child: Child,
    pub address: SocketAddr,
    /// One for each client.
    pub relayed: Vec<SocketAddr>,
}

impl PlainRelay {
    /// Starts this very program with `--floor`, which must call [`run`]; `ends` are the clients with their peers.
    pub fn start(ends: &[(SocketAddr, SocketAddr)]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("this program")?);
        let mut child = command.arg("--floor").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().context("no input")?;
        for (client, peer) in ends {
            write!(input, "{client} {peer} ")?;
        }
        writeln!(input)?;
        child.stdin = Some(input);
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let mut addresses = addresses(&line)?.into_iter();
        let address = addresses.next().context("no address")?;
        Ok(Self { child, address, relayed: addresses.collect() })
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for PlainRelay {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn addresses(line: &str) -> Result<Vec<SocketAddr>> {
    line.split_whitespace().map(|text| text.parse().with_context(|| format!("{text:?} is no address"))).collect()
}

/// Relays between the clients and peers named on standard input, until that ends.
pub fn run() -> Result<()> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let ends = addresses(&line)?;
    let ends: Vec<(SocketAddr, SocketAddr)> =
        ends.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect();
    let bind = || Socket::bind((Ipv4Addr::LOCALHOST, 0).into(), false);
    let clients = bind()?;
    let relays: Vec<Socket> = ends.iter().map(|_| bind()).collect::<std::io::Result<_>>()?;
    let all = std::iter::once(&clients).chain(&relays);
    let told: Vec<String> = all.map(|socket| Ok(socket.local_address()?.to_string())).collect::<Result<_>>()?;
    println!("{}", told.join(" "));
    std::thread::spawn(|| {
        // The parent's end closes the pipe, however it ends.
        let _ = std::io::stdin().read(&mut [0]);
        process::terminate(std::process::id());
    });
    relay(&clients, &relays, &ends)
}

fn relay(clients: &Socket, relays: &[Socket], ends: &[(SocketAddr, SocketAddr)]) -> Result<()> {
    let mut poll = Poll::new()?;
    let register = |socket: &Socket, number| {
        poll.registry().register(&mut SourceFd(&socket.descriptor()), Token(number), Interest::READABLE)
    };
    register(clients, CLIENTS)?;
    relays.iter().enumerate().try_for_each(|(number, socket)| register(socket, number))?;
    let numbers: HashMap<SocketAddr, usize> =
        ends.iter().enumerate().map(|(number, (client, _))| (*client, number)).collect();
    let (mut events, mut batch, mut send) = (Events::with_capacity(64), ReceiveBatch::default(), SendBatch::default());
    let mut counters = Counters::default();
    loop {
        poll.poll(&mut events, None)?;
        // mio reports a socket again only when another packet arrives, so nothing may be left unread.
        let mut is_left = true;
        while is_left {
            is_left = false;
            for Token(number) in events.iter().map(mio::event::Event::token) {
                batch.clear();
                let messages_max = if number == CLIENTS { usize::MAX } else { RELAY_MESSAGES };
                let socket = if number == CLIENTS { Some(clients) } else { relays.get(number) };
                batch.fill(socket.context("no such socket")?, 0, messages_max, &mut counters)?;
                is_left |= batch.is_full() || batch.messages().count() == messages_max;
                if number == CLIENTS {
                    up(&batch, &numbers, |number, datagrams| {
                        if let (Some(socket), Some((_, peer))) = (relays.get(number), ends.get(number)) {
                            send.sending(socket, &mut counters).run_of_parts(*peer, datagrams);
                        }
                    });
                } else if let Some((client, _)) = ends.get(number) {
                    let datagrams = batch.messages().flat_map(|message| message.each());
                    let datagrams: Vec<_> = datagrams.map(|data| [HEADER, data, &[]]).collect();
                    send.sending(clients, &mut counters).run_of_parts(*client, &datagrams);
                }
            }
        }
        std::thread::sleep(GATHER);
    }
}

/// Hands the data of each client's datagrams to `send`, neighbours together.
fn up(batch: &ReceiveBatch, numbers: &HashMap<SocketAddr, usize>, mut send: impl FnMut(usize, &[[&[u8]; PARTS]])) {
    let mut run = Vec::new();
    let mut from = None;
    for message in batch.messages() {
        let number = numbers.get(&message.from).copied();
        if number != from {
            from.into_iter().for_each(|from| send(from, &run));
            run.clear();
            from = number;
        }
        run.extend(message.each().map(|datagram| [datagram.get(HEADER.len()..).unwrap_or_default(), &[], &[]]));
    }
    from.into_iter().for_each(|from| send(from, &run));
}
