//! The minimum cost of forwarding: seals packets with AES-128-GCM and sends them; reads and authenticates the reports of
//! their receivers; and does nothing else.

use anyhow::{Context, Result, bail};
use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use clap::Parser;
use load::clock::Pacer;
use load::process;
use load::publisher::LAYERS;
use load::reports;
use load::shape::{PAYLOAD_BYTES_MAX, Shape};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use udp::{Counters, ReceiveBatch, SendBatch, Socket};

const HEADER_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// Longest packet, including the padding byte that equalises a frame's packets.
const PACKET_BYTES_MAX: usize = HEADER_BYTES + PAYLOAD_BYTES_MAX + TAG_BYTES;

#[derive(Parser)]
struct Arguments {
    /// Ports on the loopback interface, separated by commas; each gets every packet.
    #[arg(long)]
    ports: String,
    /// `spaced` or `frames`.
    #[arg(long)]
    shape: String,
    /// Packets per second to each receiver.
    #[arg(long)]
    packets_per_s: u32,
    /// Leave the receivers' reports unread.
    #[arg(long)]
    deaf: bool,
    /// Send a third of the receivers the first packet of each frame, and a third the first three.
    #[arg(long)]
    layers: bool,
    /// Pass a frame's packets as one buffer that the kernel splits (UDP_SEGMENT).
    #[arg(long)]
    offload: bool,
    /// The core to run on.
    #[arg(long)]
    core: usize,
    /// Warm-up time before the measurement.
    #[arg(long)]
    warm_ms: u64,
    /// Duration of the measurement.
    #[arg(long)]
    measure_ms: u64,
}

/// A receiver with its own keys.
struct Destination {
    to: SocketAddr,
    key: LessSafeKey,
    ssrc: u32,
    index: u64,
    /// Most packets of a frame.
    packets_max: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let shape = Shape::named(&arguments.shape).context("no such shape")?;
    process::pin_to_core(arguments.core)?;
    process::sleep_precisely();
    let mut floor = Floor::new(&arguments.ports, arguments.layers)?;
    let warm = Duration::from_millis(arguments.warm_ms);
    floor.send_for(warm, shape, &arguments)?;
    let (pid, before) = (std::process::id(), floor.packets);
    let cpu_before = process::cpu_ns(pid)?;
    floor.send_for(Duration::from_millis(arguments.measure_ms), shape, &arguments)?;
    let cpu_ns = process::cpu_ns(pid)? - cpu_before;
    if floor.counters.send_failures + floor.counters.send_overflows > 0 {
        bail!("not everything could be sent: {:?}", floor.counters);
    }
    println!("{cpu_ns} {} {}", floor.packets - before, floor.reports);
    Ok(())
}

struct Floor {
    socket: Socket,
    destinations: Vec<Destination>,
    source: Vec<u8>,
    arena: Vec<u8>,
    incoming: ReceiveBatch,
    outgoing: SendBatch,
    places: HashMap<SocketAddr, usize>,
    counters: Counters,
    frames: u64,
    packets: u64,
    reports: u64,
}

impl Floor {
    fn new(ports: &str, has_layers: bool) -> Result<Self> {
        let packets_max = |place: usize| if has_layers { LAYERS[place % LAYERS.len()].0 } else { usize::MAX };
        let destinations = ports
            .split(',')
            .enumerate()
            .map(|(place, port)| Destination::new(place, port.parse()?, packets_max(place)));
        let destinations = destinations.collect::<Result<Vec<_>>>()?;
        let mut source = vec![0x5a; HEADER_BYTES + PAYLOAD_BYTES_MAX];
        source[..2].copy_from_slice(&[0x80, 96]);
        Ok(Self {
            socket: Socket::bind((Ipv4Addr::LOCALHOST, 0).into(), false)?,
            arena: vec![0; destinations.len() * 16 * PACKET_BYTES_MAX],
            places: destinations.iter().enumerate().map(|(place, destination)| (destination.to, place)).collect(),
            destinations,
            source,
            incoming: ReceiveBatch::default(),
            outgoing: SendBatch::default(),
            counters: Counters::default(),
            frames: 0,
            packets: 0,
            reports: 0,
        })
    }

    fn send_for(&mut self, time: Duration, shape: Shape, arguments: &Arguments) -> Result<()> {
        let (end, mut pacer) = (Instant::now() + time, Pacer::new(shape.interval(arguments.packets_per_s)));
        while Instant::now() < end {
            self.frame(shape, arguments.offload)?;
            if !arguments.deaf {
                self.read()?;
            }
            pacer.wait();
        }
        Ok(())
    }

    /// Reads and authenticates all waiting reports. It is awake already: none costs a wake-up.
    fn read(&mut self) -> Result<()> {
        let Self { socket, destinations, places, incoming, counters, reports: count, .. } = self;
        let mut forged = 0;
        loop {
            incoming.clear();
            if !incoming.fill(socket, 0, usize::MAX, counters)? {
                break;
            }
            incoming.for_each(|from, report| {
                let destination = places.get(&from).and_then(|place| destinations.get(*place));
                let is_authentic = destination.is_some_and(|destination| reports::open(&destination.key, report));
                *count += u64::from(is_authentic);
                forged += u64::from(!is_authentic);
            });
            if !incoming.is_full() {
                break;
            }
        }
        if forged > 0 { bail!("{forged} reports are forged") } else { Ok(()) }
    }

    fn frame(&mut self, shape: Shape, offload: bool) -> Result<()> {
        let lengths = shape.frame(self.frames);
        // Equal lengths, as the kernel requires: the longest of the frame.
        let longest = HEADER_BYTES + lengths.iter().max().context("an empty frame")?;
        let run_bytes = lengths.len() * (longest + TAG_BYTES);
        let Self { socket, destinations, source, arena, outgoing, counters, .. } = self;
        let its_bytes = |destination: &Destination| destination.packets_max.min(lengths.len()) * (longest + TAG_BYTES);
        for (run, destination) in arena.chunks_mut(run_bytes).zip(&mut *destinations) {
            let run = run.get_mut(..its_bytes(destination)).context("no room")?;
            for packet in run.chunks_mut(longest + TAG_BYTES) {
                destination.seal(source.get(..longest).context("a long payload")?, packet)?;
            }
        }
        let mut sending = outgoing.sending(socket, counters);
        for (run, destination) in arena.chunks(run_bytes).zip(&*destinations) {
            let run = run.get(..its_bytes(destination)).context("no room")?;
            self.packets += run.len().div_ceil(longest + TAG_BYTES) as u64;
            if offload {
                sending.run(destination.to, run, longest + TAG_BYTES);
            } else {
                run.chunks(longest + TAG_BYTES).for_each(|one| sending.run(destination.to, one, one.len()));
            }
        }
        drop(sending);
        self.frames += 1;
        Ok(())
    }
}

impl Destination {
    fn new(place: usize, port: u16, packets_max: usize) -> Result<Self> {
        let (to, key) = ((Ipv4Addr::LOCALHOST, port).into(), reports::key(place)?);
        Ok(Self { to, key, ssrc: 1_000 + place as u32, index: 0, packets_max })
    }

    fn seal(&mut self, source: &[u8], packet: &mut [u8]) -> Result<()> {
        let (plain, tag_place) = packet.split_at_mut(source.len());
        plain.copy_from_slice(source);
        plain[2..4].copy_from_slice(&(self.index as u16).to_be_bytes());
        plain[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        let mut nonce = [0; NONCE_LEN];
        nonce[4..].copy_from_slice(&self.index.to_be_bytes());
        let (header, payload) = plain.split_at_mut(HEADER_BYTES);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload).ok().context("sealing")?;
        tag_place.copy_from_slice(tag.as_ref());
        self.index += 1;
        Ok(())
    }
}
