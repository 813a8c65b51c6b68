//! Probes another node's addresses: Binding requests as a client's checks would arrive, with a credential that only
//! that node accepts, so that nothing else can answer in its place.

use crate::stun::{self, BindingSuccess, Request, Role, TransactionId, TransactionIds};
use aws_lc_rs::hmac;
use shared::control::ProbeCredential;
use shared::limits;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// RFC 8489 §6.2.1: the first retransmission follows after this time, and each pause is twice as long as the last.
const RETRANSMISSION_TIMEOUT: Duration = Duration::from_millis(500);
/// Requests for each address; a lossy path may swallow three of them.
const REQUESTS_MAX: u32 = 4;
const ADDRESSES_MAX: usize = limits::SHARDS_PER_NODE_MAX * limits::CANDIDATES_PER_SHARD_MAX;

/// One probe of all addresses at once; over when [`Probe::poll_timeout`] returns `None`.
#[derive(Debug)]
pub struct Probe {
    key: hmac::Key,
    receiver_ufrag: String,
    targets: Vec<Target>,
    requests: u32,
    due_at: Instant,
}

#[derive(Debug)]
struct Target {
    address: SocketAddr,
    transaction: TransactionId,
    has_answered: bool,
}

impl Probe {
    /// The seed must stay secret while the probe lasts.
    #[must_use]
    pub fn new(now: Instant, addresses: Vec<SocketAddr>, credential: &ProbeCredential, seed: u64) -> Self {
        let mut transactions = TransactionIds::seeded(seed);
        let mut target =
            |(address, number)| Target { address, transaction: transactions.next(number), has_answered: false };
        Self {
            key: stun::key(&credential.pwd),
            receiver_ufrag: credential.ufrag.clone(),
            targets: addresses.into_iter().take(ADDRESSES_MAX).zip(0..).map(&mut target).collect(),
            requests: 0,
            due_at: now,
        }
    }

    /// The latest time for [`Self::handle_timeout`]; `None` if nothing more is sent or awaited.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let is_over = self.requests > REQUESTS_MAX || self.targets.iter().all(|target| target.has_answered);
        (!is_over).then_some(self.due_at)
    }

    /// The requests that are due.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
        if self.poll_timeout().is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.due_at = now + RETRANSMISSION_TIMEOUT * 2_u32.pow(self.requests.min(REQUESTS_MAX));
        self.requests += 1;
        if self.requests > REQUESTS_MAX {
            return Vec::new();
        }
        let request = |target: &Target| Request {
            transaction: target.transaction,
            receiver_ufrag: &self.receiver_ufrag,
            sender_ufrag: "probe",
            use_candidate: false,
            role: Role::Controlling,
        };
        let silent = self.targets.iter().filter(|target| !target.has_answered);
        silent.map(|target| (target.address, request(target).to_vec(&self.key))).collect()
    }

    pub fn handle_datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        let Some(answer) = BindingSuccess::parse(bytes) else { return };
        let is_of = |target: &&mut Target| target.address == from && target.transaction == answer.transaction;
        if let Some(target) = self.targets.iter_mut().find(is_of)
            && answer.is_authentic(&self.key)
        {
            target.has_answered = true;
        }
    }

    pub fn answered(&self) -> Vec<SocketAddr> {
        self.targets.iter().filter(|target| target.has_answered).map(|target| target.address).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::{BindingRequest, Response};

    fn credential(pwd: &str) -> ProbeCredential {
        ProbeCredential { ufrag: "node".into(), pwd: pwd.into(), over_tcp: true }
    }

    fn addresses() -> Vec<SocketAddr> {
        [7000, 7001].map(|port| ([192, 0, 2, 1], port).into()).into()
    }

    #[expect(clippy::disallowed_methods, reason = "the only source of an `Instant`")]
    fn probe() -> (Probe, Instant) {
        let now = Instant::now();
        (Probe::new(now, addresses(), &credential("secret"), 1), now)
    }

    fn answer(request: &[u8], pwd: &str) -> Vec<u8> {
        let request = BindingRequest::parse(request).expect("a request");
        assert_eq!(request.receiver_ufrag, "node");
        assert!(request.is_authentic(&stun::key("secret")));
        Response::Success { mapped: ([192, 0, 2, 9], 1).into() }.to_vec(&request, &stun::key(pwd))
    }

    #[test]
    fn an_address_has_answered_once_a_response_shows_the_credential() {
        let (mut probe, now) = probe();
        let sent = probe.handle_timeout(now);
        assert_eq!(sent.iter().map(|(to, _)| *to).collect::<Vec<_>>(), addresses());
        let [(first, request), (second, other)] = &sent[..] else { panic!("two addresses") };
        probe.handle_datagram(*first, &answer(request, "guessed"));
        probe.handle_datagram(*second, &answer(request, "secret"));
        probe.handle_datagram(*first, &answer(other, "secret"));
        probe.handle_datagram(*first, b"noise");
        probe.handle_datagram(*first, request);
        assert_eq!(probe.answered(), []);
        probe.handle_datagram(*first, &answer(request, "secret"));
        assert_eq!(probe.answered(), [*first]);
        assert!(probe.poll_timeout().is_some(), "the other one is awaited");
        probe.handle_datagram(*second, &answer(other, "secret"));
        assert_eq!((probe.answered(), probe.poll_timeout()), (addresses(), None));
    }

    #[test]
    fn only_those_that_are_silent_are_asked_again_and_only_a_few_times() {
        let (mut probe, now) = probe();
        let sent = probe.handle_timeout(now);
        probe.handle_datagram(sent[1].0, &answer(&sent[1].1, "secret"));
        let mut times = Vec::new();
        while let Some(at) = probe.poll_timeout() {
            assert_eq!(probe.handle_timeout(at - Duration::from_millis(1)), []);
            let sent = probe.handle_timeout(at);
            assert!(sent.iter().all(|(to, _)| *to == addresses()[0]));
            times.push(((at - now).as_millis(), sent.len()));
        }
        assert_eq!(times, [(500, 1), (1_500, 1), (3_500, 1), (7_500, 0)]);
        assert_eq!(probe.answered(), addresses()[1..]);
    }
}
