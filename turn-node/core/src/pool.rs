//! State shared by a node's threads: relay ports, reservations, and the quotas of users and client addresses. Only
//! requests and new TCP connections use it, never relayed data.
//!
//! Resources are returned on drop: dropping a [`RelayPort`] frees the port, dropping a [`Share`] frees the
//! quotas.

use crate::budget::{Budget, SharedBudget, SharedBudgets};
use crate::limits;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Claims the upper port of a pair (RFC 8656 §18.10).
pub type ReservationToken = [u8; 8];

/// Shared by all threads of a node.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Mutex<State>>);

/// A port of the relay's range. It is free again when this value is dropped, so drop it after the socket.
pub struct RelayPort {
    number: u16,
    /// `None` once the pool itself keeps the port for a reservation.
    pool: Option<Pool>,
}

/// Maximum numbers of allocations, reserved ports and TCP connections with peers at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Quotas {
    pub per_user: u32,
    /// For each IPv4 address or IPv6 /56 of clients, however many users are behind it.
    pub per_address: u32,
}

/// One of a user's allocations, reservations or TCP connections with peers, with the bandwidth budget shared by all of
/// them.
#[derive(Debug)]
pub(crate) struct Share {
    owner: Box<str>,
    /// The [`customer`] that it counts for.
    customer: IpAddr,
    /// `None` once the pool itself keeps the share for a reservation.
    pool: Option<Pool>,
    budget: Arc<Budget>,
}

/// The upper half of a pair: its port, and the share of the user's quota that it takes.
#[derive(Debug)]
pub(crate) struct Reserved {
    pub(crate) ip: IpAddr,
    pub(crate) port: RelayPort,
    pub(crate) share: Share,
}

#[derive(Debug)]
struct State {
    ports: RangeInclusive<u16>,
    taken: BTreeSet<u16>,
    /// Bounded by the ports, and for each user by the quota.
    reservations: BTreeMap<ReservationToken, Reservation>,
    /// Reservations all live equally long, so the oldest expires first.
    expiring: VecDeque<(Instant, ReservationToken)>,
    users: BTreeMap<Box<str>, User>,
    /// Users without shares, oldest first. A user is removed once their budget is full again.
    leaving: VecDeque<Box<str>>,
    /// Shares by [`customer`], without those that have none.
    customers: BTreeMap<IpAddr, u32>,
    quotas: Quotas,
    /// `None` if the kernel relays nothing.
    shared: Option<SharedBudgets>,
    random: Random,
}

#[derive(Debug)]
struct Reservation {
    owner: Box<str>,
    customer: IpAddr,
    ip: IpAddr,
    port: u16,
}

#[derive(Debug)]
struct User {
    shares: u32,
    budget: Arc<Budget>,
}

impl Pool {
    /// `seed` must be secret: ports (RFC 8656 §7.2, RFC 6056) and reservation tokens are as unpredictable as it is.
    #[must_use]
    pub fn new(ports: RangeInclusive<u16>, quotas: Quotas, seed: [u8; 32]) -> Self {
        Self(Arc::new(Mutex::new(State {
            ports,
            taken: BTreeSet::new(),
            reservations: BTreeMap::new(),
            expiring: VecDeque::new(),
            users: BTreeMap::new(),
            leaving: VecDeque::new(),
            customers: BTreeMap::new(),
            quotas,
            shared: None,
            random: Random::new(&seed),
        })))
    }

    /// New users spend from budgets that the kernel can use too.
    pub fn share_budgets(&self, budgets: SharedBudgets) {
        self.state().shared = Some(budgets);
    }

    #[must_use]
    pub fn ports_taken(&self, now: Instant) -> usize {
        let mut state = self.state();
        state.expire_reservations(now);
        state.taken.len()
    }

    /// Another share of the quotas of a user and of a client's address, or `None` if one of them is used up.
    pub(crate) fn admit(&self, owner: &str, client: IpAddr, bytes_per_s: u64, now: Instant) -> Option<Share> {
        let mut state = self.state();
        state.expire_reservations(now);
        state.forget_left(now);
        let customer = customer(client);
        let shared = state.shared.clone();
        let budget = || shared.and_then(|shared| shared.budget(bytes_per_s));
        let budget = || Arc::new(budget().unwrap_or_else(|| Budget::new(bytes_per_s, now)));
        let budget = state.admit(owner, customer, budget)?;
        Some(Share { owner: owner.into(), customer, pool: Some(self.clone()), budget })
    }

    pub(crate) fn take(&self, even: bool, now: Instant) -> Option<RelayPort> {
        let mut state = self.state();
        state.expire_reservations(now);
        let number = state.find(|state, port| (!even || port % 2 == 0) && state.is_free(port))?;
        state.taken.insert(number);
        Some(self.port(number))
    }

    /// A free even port and the free port above it (RFC 8656 §7.2, EVEN-PORT with the R bit).
    pub(crate) fn take_pair(&self, now: Instant) -> Option<(RelayPort, RelayPort)> {
        let mut state = self.state();
        state.expire_reservations(now);
        let number = state.find(|state, port| port % 2 == 0 && state.is_free(port) && state.is_free(port + 1))?;
        state.taken.extend([number, number + 1]);
        Some((self.port(number), self.port(number + 1)))
    }

    /// Keeps the upper half of a pair for the same user (RFC 8656 §7.2).
    pub(crate) fn reserve(&self, upper: Reserved, now: Instant) -> ReservationToken {
        let Reserved { ip, port, share } = upper;
        let mut state = self.state();
        let token = state.random.token();
        let (owner, customer) = share.into_parts();
        let reservation = Reservation { owner, customer, ip, port: port.into_number() };
        state.reservations.insert(token, reservation);
        state.expiring.push_back((now + limits::RESERVATION_LIFETIME, token));
        token
    }

    pub(crate) fn claim(&self, token: ReservationToken, owner: &str, now: Instant) -> Option<Reserved> {
        let mut state = self.state();
        state.expire_reservations(now);
        if &*state.reservations.get(&token)?.owner != owner {
            return None;
        }
        let budget = Arc::clone(&state.users.get(owner)?.budget);
        let Reservation { owner, customer, ip, port } = state.reservations.remove(&token)?;
        let share = Share { owner, customer, pool: Some(self.clone()), budget };
        Some(Reserved { ip, port: self.port(port), share })
    }

    fn port(&self, number: u16) -> RelayPort {
        RelayPort { number, pool: Some(self.clone()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panicked thread leaves sets and counters that are each consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RelayPort {
    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// Takes the port number; the caller frees the port.
    fn into_number(mut self) -> u16 {
        self.pool = None;
        self.number
    }
}

impl Drop for RelayPort {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.state().taken.remove(&self.number);
        }
    }
}

impl PartialEq for RelayPort {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for RelayPort {}

impl std::fmt::Debug for RelayPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RelayPort").field(&self.number).finish()
    }
}

impl Share {
    /// Another share of the same quotas, or `None` if one of them is used up.
    pub(crate) fn another(&self, now: Instant) -> Option<Self> {
        let pool = self.pool.as_ref()?;
        let mut state = pool.state();
        state.expire_reservations(now);
        let budget = state.admit(&self.owner, self.customer, || Arc::clone(&self.budget))?;
        Some(Self { owner: self.owner.clone(), customer: self.customer, pool: Some(pool.clone()), budget })
    }

    pub(crate) fn is_of_same_customer(&self, other: &Self) -> bool {
        self.customer == other.customer
    }

    pub(crate) fn spend(&self, bytes: usize, now: Instant) -> bool {
        self.budget.spend(bytes, now)
    }

    pub(crate) fn shared_budget(&self) -> Option<SharedBudget> {
        self.budget.shared()
    }

    /// Takes the user name; the caller frees the share.
    fn into_parts(mut self) -> (Box<str>, IpAddr) {
        self.pool = None;
        (std::mem::take(&mut self.owner), self.customer)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.state().dismiss(&self.owner, self.customer);
        }
    }
}

impl State {
    fn is_free(&self, port: u16) -> bool {
        self.ports.contains(&port) && !self.taken.contains(&port)
    }

    /// The first suitable port after a random one.
    fn find(&mut self, suits: impl Fn(&Self, u16) -> bool) -> Option<u16> {
        let (low, high) = (*self.ports.start(), *self.ports.end());
        let count = u64::from(high.checked_sub(low)?) + 1;
        let start = u64::from_be_bytes(self.random.token()) % count;
        (0..count).map(|step| low + ((start + step) % count) as u16).find(|port| suits(self, *port))
    }

    /// Counts a share and returns the user's budget, or `None` if a quota is used up.
    fn admit(&mut self, owner: &str, customer: IpAddr, budget: impl FnOnce() -> Arc<Budget>) -> Option<Arc<Budget>> {
        let of_customer = self.customers.get(&customer).copied().unwrap_or(0);
        let of_user = self.users.get(owner).map_or(0, |user| user.shares);
        if of_customer >= self.quotas.per_address || of_user >= self.quotas.per_user {
            return None;
        }
        self.customers.insert(customer, of_customer + 1);
        let user = self.users.entry(owner.into()).or_insert_with(|| User { shares: 0, budget: budget() });
        user.shares += 1;
        Some(Arc::clone(&user.budget))
    }

    fn dismiss(&mut self, owner: &str, customer: IpAddr) {
        match self.customers.get_mut(&customer) {
            Some(shares) if *shares > 1 => *shares -= 1,
            Some(_) => {
                self.customers.remove(&customer);
            }
            None => {}
        }
        let Some(user) = self.users.get_mut(owner) else { return };
        user.shares = user.shares.saturating_sub(1);
        if user.shares == 0 {
            self.leaving.push_back(owner.into());
        }
    }

    fn forget_left(&mut self, now: Instant) {
        while let Some(owner) = self.leaving.front() {
            match self.users.get(owner) {
                // A budget refills within a second, which bounds the wait of the users behind this one.
                Some(user) if user.shares == 0 && !user.budget.is_full(now) => return,
                Some(user) if user.shares == 0 => {
                    self.users.remove(owner);
                }
                Some(_) | None => {}
            }
            self.leaving.pop_front();
        }
    }

    fn expire_reservations(&mut self, now: Instant) {
        while let Some((until, token)) = self.expiring.front().copied() {
            if until > now {
                return;
            }
            self.expiring.pop_front();
            if let Some(Reservation { owner, customer, port, .. }) = self.reservations.remove(&token) {
                self.taken.remove(&port);
                self.dismiss(&owner, customer);
            }
        }
    }
}

/// The addresses that one customer of an access provider may use: an IPv4 address, or an IPv6 /56 (RFC 6177).
fn customer(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 72 << 72).into(),
    }
}

/// Random numbers from a keyed MAC over a counter, so that none reveals anything about the others.
struct Random {
    key: Hmac<Sha1>,
    count: u64,
}

impl Random {
    fn new(seed: &[u8]) -> Self {
        Self { key: crate::auth::keyed(seed), count: 0 }
    }

    fn token(&mut self) -> [u8; 8] {
        self.count += 1;
        let tag: [u8; 20] = self.key.clone().chain_update(self.count.to_be_bytes()).finalize().into_bytes().into();
        std::array::from_fn(|at| tag[at])
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_keyed_mac() {
        // HMAC-SHA1 under 32 bytes of 3, over 1, 2 and 3 as eight bytes: without the key, none follows from the others.
        let mut random = Random::new(&[3; 32]);
        let numbers = [(); 3].map(|()| u64::from_be_bytes(random.token()));
        assert_eq!(numbers, [0xfd91_fe80_99ca_4584, 0xfdc9_7f88_e789_8024, 0xfefe_0e05_7e6d_3d41]);
    }
}
