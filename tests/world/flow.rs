//! Media flows and TCP over one bottleneck; the media core's congestion control steers each media flow.
//!
//! The topology of RFC 8867 §4: each flow has its own delay, and all share the bottleneck and the return path.

mod media;
mod tcp;

pub use media::{Media, Outcome};
pub use tcp::Tcp;

use crate::clock::Clock;
use crate::net::{HEADER_BYTES, Link, Passed, Way};
use media::{Flow, Report};
use media_core::congestion::controller::Kind;
use media_core::random::Random;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tcp::Connection;

#[derive(Debug)]
enum Event {
    /// The forward or the backward link changes its rate.
    Forward(u64),
    Backward(u64),
    Tick(usize),
    Packet {
        flow: usize,
        sequence: u16,
        bytes: usize,
        sent: Instant,
        kind: Kind,
    },
    ReportDue(usize),
    Report {
        flow: usize,
        report: Report,
    },
    TcpTick(usize),
    Segment {
        connection: usize,
        number: u64,
    },
    Acknowledgement {
        connection: usize,
        number: u64,
    },
}

/// The bottleneck and all its flows.
pub struct Bottleneck {
    clock: Clock,
    random: Random,
    forward: (Link, Way),
    backward: (Link, Way),
    flows: Vec<Flow>,
    connections: Vec<Connection>,
    /// Bits that arrived over all TCP connections.
    tcp_bits: u64,
    events: BTreeMap<(Instant, u64), Event>,
    number: u64,
    /// Rates of the forward link, each with its start.
    capacities: Vec<(Duration, u64)>,
}

impl Bottleneck {
    /// Links without a limit in either direction.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            clock: Clock::default(),
            random: Random::seeded(seed),
            forward: Default::default(),
            backward: Default::default(),
            flows: Vec::new(),
            connections: Vec::new(),
            tcp_bits: 0,
            events: BTreeMap::new(),
            number: 0,
            capacities: Vec::new(),
        }
    }

    /// The forward link; delays belong to the flows.
    pub fn forward(&mut self) -> &mut Link {
        &mut self.forward.0
    }

    pub fn backward(&mut self) -> &mut Link {
        &mut self.backward.0
    }

    /// Gives the forward link these rates, each from a second on.
    #[must_use]
    pub fn capacity(mut self, kbps: &[(u64, u64)]) -> Self {
        for (from, kbps) in kbps {
            self.schedule_at(Duration::from_secs(*from), Event::Forward(1_000 * kbps));
            self.capacities.push((Duration::from_secs(*from), 1_000 * kbps));
        }
        self
    }

    /// Like [`Self::capacity`], for the backward link.
    #[must_use]
    pub fn backward_capacity(mut self, kbps: &[(u64, u64)]) -> Self {
        for (from, kbps) in kbps {
            self.schedule_at(Duration::from_secs(*from), Event::Backward(1_000 * kbps));
        }
        self
    }

    #[must_use]
    pub fn media(mut self, media: Media) -> Self {
        let from = media.from;
        self.schedule_at(from, Event::Tick(self.flows.len()));
        self.flows.push(Flow::new(self.clock.now(), media));
        self
    }

    #[must_use]
    pub fn tcp(mut self, tcp: Tcp) -> Self {
        self.schedule_at(tcp.from, Event::TcpTick(self.connections.len()));
        self.connections.push(Connection::new(tcp));
        self
    }

    pub fn run_until(&mut self, seconds: u64) {
        let end = Clock::default().now() + Duration::from_secs(seconds);
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), event) = entry.remove_entry();
            self.clock.advance_to(at);
            self.handle(event);
        }
        self.clock.advance_to(end);
    }

    #[must_use]
    pub fn outcome(&self, flow: usize) -> &Outcome {
        self.flows[flow].outcome()
    }

    /// Bits that arrived over all TCP connections; `None` without any.
    #[must_use]
    pub fn tcp_bits(&self) -> Option<u64> {
        (!self.connections.is_empty()).then_some(self.tcp_bits)
    }

    /// Bits that the forward link could carry between two seconds.
    #[must_use]
    pub fn capacity_bits(&self, from: u64, until: u64) -> f64 {
        let at = |second| self.capacities.iter().rfind(|(from, _)| from.as_secs() <= second).map_or(0, |(_, bps)| *bps);
        (from..until).map(|second| at(second) as f64).sum()
    }

    fn schedule_at(&mut self, after: Duration, event: Event) {
        self.schedule(Clock::default().now() + after, event);
    }

    fn schedule(&mut self, at: Instant, event: Event) {
        self.number += 1;
        self.events.insert((at, self.number), event);
    }

    fn handle(&mut self, event: Event) {
        let now = self.clock.now();
        match event {
            Event::Forward(bps) => self.forward.0.rate_bps = bps,
            Event::Backward(bps) => self.backward.0.rate_bps = bps,
            Event::Tick(flow) => self.tick(flow),
            Event::Packet { flow, sequence, bytes, sent, kind } => {
                if let Some(due) = self.flows[flow].receive(now, (sequence, kind), bytes, sent) {
                    self.schedule(due, Event::ReportDue(flow));
                }
            }
            Event::ReportDue(flow) => {
                for report in self.flows[flow].reports(now) {
                    let (delay, is_backward) = (self.flows[flow].delay(), self.flows[flow].is_backward());
                    if let Some(at) = self.pass(report.len(), !is_backward, delay) {
                        self.schedule(at, Event::Report { flow, report });
                    }
                }
            }
            Event::Report { flow, report } => self.flows[flow].hear(now, &report),
            Event::TcpTick(connection) => self.tcp_tick(connection),
            Event::Segment { connection, number } => {
                let delay = self.connections[connection].delay();
                self.tcp_bits += 8 * tcp::SEGMENT_BYTES as u64;
                if let Some(at) = self.pass(tcp::ACKNOWLEDGEMENT_BYTES, true, delay) {
                    self.schedule(at, Event::Acknowledgement { connection, number });
                }
            }
            Event::Acknowledgement { connection, number } => {
                self.connections[connection].acknowledged(now, number);
                self.send_segments(connection);
            }
        }
    }

    fn tick(&mut self, flow: usize) {
        let now = self.clock.now();
        let packets = self.flows[flow].tick(now, &mut self.random);
        let (delay, is_backward) = (self.flows[flow].delay(), self.flows[flow].is_backward());
        for media::Packet { sequence, bytes, kind } in packets {
            if let Some(at) = self.pass(bytes - HEADER_BYTES, is_backward, delay) {
                self.schedule(at, Event::Packet { flow, sequence, bytes, sent: now, kind });
            }
        }
        self.schedule(now + media::TICK, Event::Tick(flow));
    }

    fn tcp_tick(&mut self, connection: usize) {
        let now = self.clock.now();
        self.connections[connection].tick(now, &mut self.random);
        self.send_segments(connection);
        self.schedule(now + tcp::TICK, Event::TcpTick(connection));
    }

    fn send_segments(&mut self, connection: usize) {
        while let Some(number) = self.connections[connection].next_segment() {
            let delay = self.connections[connection].delay();
            if let Some(at) = self.pass(tcp::SEGMENT_BYTES, false, delay) {
                self.schedule(at, Event::Segment { connection, number });
            }
        }
    }

    /// The arrival time of something sent over one of the links.
    fn pass(&mut self, bytes: usize, is_backward: bool, delay: Duration) -> Option<Instant> {
        let (link, way) = if is_backward { &mut self.backward } else { &mut self.forward };
        match way.pass(self.clock.now(), link, bytes, &mut self.random) {
            Passed::Arrives(at, _) => Some(at + delay),
            Passed::Lost | Passed::Overflowed | Passed::Cut => None,
        }
    }
}
