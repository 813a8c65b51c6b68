//! What the threads of one node share: relay ports, reservations and how much each user has. Touched when allocations come and go, never by data.

use crate::budget::Budget;
use crate::limits;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The token with which a reserved port is claimed (RFC 8656 §18.9).
pub type ReservationToken = [u8; 8];

/// Shared by all threads of a node.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    ports: RangeInclusive<u16>,
    taken: BTreeSet<u16>,
    reserved: BTreeMap<ReservationToken, (u16, Instant)>,
    users: BTreeMap<Box<str>, User>,
    /// Users whose last allocation ended, the first to leave first: forgotten once they would start with a full budget anyway.
    leaving: VecDeque<Box<str>>,
    allocations_per_user_max: u32,
    random: u64,
}

#[derive(Debug)]
struct User {
    allocations: u32,
    budget: Arc<Budget>,
}

impl Pool {
    /// `seed` makes the ports unpredictable (RFC 8656 §7.2 and RFC 6056).
    #[must_use]
    pub fn new(ports: RangeInclusive<u16>, allocations_per_user_max: u32, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            ports,
            taken: BTreeSet::new(),
            reserved: BTreeMap::new(),
            users: BTreeMap::new(),
            leaving: VecDeque::new(),
            allocations_per_user_max,
            random: seed | 1,
        })))
    }

    /// Counts one more allocation of a user, unless he has as many as he may; comes with what he may relay in all of them.
    pub(crate) fn admit(&self, owner: &str, bytes_per_s: u64, now: Instant) -> Option<Arc<Budget>> {
        let mut state = self.state();
        state.forget_left(now);
        let most = state.allocations_per_user_max;
        let user = state
            .users
            .entry(owner.into())
            .or_insert_with(|| User { allocations: 0, budget: Arc::new(Budget::new(bytes_per_s, now)) });
        if user.allocations >= most {
            return None;
        }
        user.allocations += 1;
        Some(Arc::clone(&user.budget))
    }

    /// One allocation of a user is gone.
    pub(crate) fn dismiss(&self, owner: &str) {
        let mut state = self.state();
        let Some(user) = state.users.get_mut(owner) else { return };
        user.allocations = user.allocations.saturating_sub(1);
        if user.allocations == 0 {
            state.leaving.push_back(owner.into());
        }
    }

    /// A free port, even if asked for, its upper neighbour free too where a pair is wanted.
    pub(crate) fn take(&self, even: bool, pair: bool, now: Instant) -> Option<u16> {
        let mut state = self.state();
        state.forget_reservations(now);
        let (low, high) = (*state.ports.start(), *state.ports.end());
        let count = u64::from(high.checked_sub(low)?) + 1;
        let start = state.next_random() % count;
        let port = (0..count).map(|step| low + ((start + step) % count) as u16).find(|port| {
            (!even || port % 2 == 0) && state.is_free(*port) && (!pair || state.is_free(port.wrapping_add(1)))
        })?;
        state.taken.insert(port);
        Some(port)
    }

    /// Keeps the port above `port` for whoever shows the token.
    pub(crate) fn reserve_above(&self, port: u16, now: Instant) -> Option<ReservationToken> {
        let mut state = self.state();
        let above = port.checked_add(1).filter(|above| state.is_free(*above))?;
        if state.reserved.len() >= limits::RESERVATIONS_MAX {
            return None;
        }
        let token = state.next_random().to_be_bytes();
        state.reserved.insert(token, (above, now + limits::RESERVATION_LIFETIME));
        state.taken.insert(above);
        Some(token)
    }

    /// The port that was kept for this token; it is the claimer's now.
    pub(crate) fn claim(&self, token: &ReservationToken, now: Instant) -> Option<u16> {
        let mut state = self.state();
        state.forget_reservations(now);
        state.reserved.remove(token).map(|(port, _)| port)
    }

    /// A port is free again.
    pub(crate) fn give_back(&self, port: u16) {
        self.state().taken.remove(&port);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A thread that panicked left sets and counters, each of which is sound by itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_free(&self, port: u16) -> bool {
        self.ports.contains(&port) && !self.taken.contains(&port)
    }

    fn forget_left(&mut self, now: Instant) {
        while let Some(owner) = self.leaving.front() {
            match self.users.get(owner) {
                // A budget lasts a second, so whoever waits behind this one does not wait for long.
                Some(user) if user.allocations == 0 && !user.budget.is_full(now) => return,
                Some(user) if user.allocations == 0 => {
                    self.users.remove(owner);
                }
                Some(_) | None => {}
            }
            self.leaving.pop_front();
        }
    }

    fn forget_reservations(&mut self, now: Instant) {
        let over: Vec<_> =
            self.reserved.iter().filter(|(_, (_, until))| *until <= now).map(|(token, _)| *token).collect();
        for token in over {
            if let Some((port, _)) = self.reserved.remove(&token) {
                self.taken.remove(&port);
            }
        }
    }

    /// SplitMix64: unpredictable enough for ports whose seed is secret.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
