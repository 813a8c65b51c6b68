//! State shared by a node's threads: relay ports, reservations and user quotas. Only requests use it, never relayed
//! data.
//!
//! Resources are returned on drop: dropping a [`RelayPort`] frees the port, dropping a [`Share`] frees the user's
//! quota.

use crate::budget::Budget;
use crate::limits;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
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

/// One of a user's allocations or reservations, with the bandwidth budget shared by all of them.
#[derive(Debug)]
pub(crate) struct Share {
    owner: Box<str>,
    /// `None` once the pool itself keeps the share for a reservation.
    pool: Option<Pool>,
    budget: Arc<Budget>,
}

/// The upper half of a pair: its port, and the user's share that counts for it.
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
    /// Users without allocations or reservations, oldest first. A user is removed once their budget is full again.
    leaving: VecDeque<Box<str>>,
    shares_per_user_max: u32,
    random: Random,
}

#[derive(Debug)]
struct Reservation {
    owner: Box<str>,
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
    pub fn new(ports: RangeInclusive<u16>, allocations_per_user_max: u32, seed: [u8; 32]) -> Self {
        Self(Arc::new(Mutex::new(State {
            ports,
            taken: BTreeSet::new(),
            reservations: BTreeMap::new(),
            expiring: VecDeque::new(),
            users: BTreeMap::new(),
            leaving: VecDeque::new(),
            shares_per_user_max: allocations_per_user_max,
            random: Random::new(&seed),
        })))
    }

    /// Ports that are in use or reserved.
    #[must_use]
    pub fn ports_taken(&self, now: Instant) -> usize {
        let mut state = self.state();
        state.expire_reservations(now);
        state.taken.len()
    }

    /// Another share of a user's quota, or `None` if all are in use.
    pub(crate) fn admit(&self, owner: &str, bytes_per_s: u64, now: Instant) -> Option<Share> {
        let mut state = self.state();
        state.expire_reservations(now);
        state.forget_left(now);
        let most = state.shares_per_user_max;
        let user = state
            .users
            .entry(owner.into())
            .or_insert_with(|| User { shares: 0, budget: Arc::new(Budget::new(bytes_per_s, now)) });
        if user.shares >= most {
            return None;
        }
        user.shares += 1;
        Some(Share { owner: owner.into(), pool: Some(self.clone()), budget: Arc::clone(&user.budget) })
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
        let reservation = Reservation { owner: share.into_owner(), ip, port: port.into_number() };
        state.reservations.insert(token, reservation);
        state.expiring.push_back((now + limits::RESERVATION_LIFETIME, token));
        token
    }

    /// The reservation with this token, if it belongs to this user.
    pub(crate) fn claim(&self, token: ReservationToken, owner: &str, now: Instant) -> Option<Reserved> {
        let mut state = self.state();
        state.expire_reservations(now);
        if &*state.reservations.get(&token)?.owner != owner {
            return None;
        }
        let budget = Arc::clone(&state.users.get(owner)?.budget);
        let Reservation { owner, ip, port } = state.reservations.remove(&token)?;
        Some(Reserved { ip, port: self.port(port), share: Share { owner, pool: Some(self.clone()), budget } })
    }

    fn port(&self, number: u16) -> RelayPort {
        RelayPort { number, pool: Some(self.clone()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A thread that panicked left sets and counters, each of which is sound by itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RelayPort {
    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// Gives up the lease: the caller frees the port.
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
    pub(crate) fn spend(&self, bytes: usize, now: Instant) -> bool {
        self.budget.spend(bytes, now)
    }

    /// Gives up the share: the caller frees it.
    fn into_owner(mut self) -> Box<str> {
        self.pool = None;
        std::mem::take(&mut self.owner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.state().dismiss(&self.owner);
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

    fn dismiss(&mut self, owner: &str) {
        let Some(user) = self.users.get_mut(owner) else { return };
        user.shares = user.shares.saturating_sub(1);
        if user.shares == 0 {
            self.leaving.push_back(owner.into());
        }
    }

    fn forget_left(&mut self, now: Instant) {
        while let Some(owner) = self.leaving.front() {
            match self.users.get(owner) {
                // A budget fills within a second, so the users behind this one wait no longer than that.
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
            if let Some(Reservation { owner, port, .. }) = self.reservations.remove(&token) {
                self.taken.remove(&port);
                self.dismiss(&owner);
            }
        }
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
