//! Limits the rate of client upgrades before anything is verified: per address, and per address and token.
//!
//! The counts live in the memory of one isolate, so they only bound the cost of a flood for each isolate; the
//! platform's rate limit and the room's [`Door`](crate::door::Door) bound the admitted upgrades.

use crate::door::Address;
use crate::rate_limit::{Rate, TokenBucket};
use shared::UnixMillis;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Of one address: as many as a room lets wait from it at once, and 200 within four seconds.
const ADDRESS_RATE: Rate = Rate::new(128, 50);
/// With one token from one address: more than a client's pauses between attempts allow.
const TOKEN_RATE: Rate = Rate::new(20, 500);
/// Maximum number of stored counts of each kind; a full bucket needs none.
const COUNTS_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub struct Turnstile {
    addresses: BTreeMap<Address, TokenBucket>,
    /// By the token's hash: a client that finds a collision only shares a bucket with itself.
    tokens: BTreeMap<(Address, u64), TokenBucket>,
}

impl Turnstile {
    /// Whether this upgrade is looked at. One that is refused for its token leaves the address's count to others behind the same NAT.
    pub fn admit(&mut self, now: UnixMillis, address: Address, token: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        token.hash(&mut hasher);
        take(&mut self.tokens, now, (address, hasher.finish()), TOKEN_RATE)
            && take(&mut self.addresses, now, address, ADDRESS_RATE)
    }
}

fn take<K: Ord>(buckets: &mut BTreeMap<K, TokenBucket>, now: UnixMillis, key: K, rate: Rate) -> bool {
    if buckets.len() >= COUNTS_MAX && !buckets.contains_key(&key) {
        buckets.retain(|_, bucket| bucket.full_at() > now);
    }
    if buckets.len() >= COUNTS_MAX && !buckets.contains_key(&key) {
        // So many at once are no few addresses: the platform has to tell them apart.
        buckets.clear();
    }
    buckets.entry(key).or_default().take(now, rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    /// A thousand upgrades a second for ten seconds; returns how many were looked at, and whether a good one was each half second.
    fn flood(token: impl Fn(u64) -> String, good_from: &str) -> (usize, bool) {
        let (mut turnstile, mut admitted, mut good) = (Turnstile::default(), 0, true);
        for ms in 0..10_000 {
            let now = NOW.plus_ms(ms);
            admitted += usize::from(turnstile.admit(now, address("192.0.2.1"), &token(ms)));
            if ms % 500 == 499 {
                good &= turnstile.admit(now, address(good_from), &format!("good-{ms}"));
            }
        }
        (admitted, good)
    }

    #[test]
    fn a_flood_with_one_token_keeps_nobody_out_behind_the_same_nat() {
        let (admitted, good) = flood(|_| "eve".into(), "192.0.2.1");
        assert!(good && admitted <= 20 + 20, "{admitted}");
    }

    #[test]
    fn a_flood_with_a_new_token_each_time_is_bounded_by_its_address() {
        let (admitted, good) = flood(|ms| format!("eve-{ms}"), "198.51.100.7");
        assert!(good && admitted <= 128 + 200, "{admitted}");
    }

    #[test]
    fn remembers_a_bounded_number_of_addresses() {
        let mut turnstile = Turnstile::default();
        for number in 0..3 * COUNTS_MAX {
            turnstile.admit(NOW, address(&format!("10.1.{}.{}", number / 250, number % 250)), "eve");
            assert!(turnstile.addresses.len() <= COUNTS_MAX && turnstile.tokens.len() <= COUNTS_MAX);
        }
    }

    #[test]
    fn a_reload_again_and_again_is_let_through() {
        let mut turnstile = Turnstile::default();
        for second in 0..120 {
            assert!(turnstile.admit(NOW.plus_ms(second * 1_000), address("192.0.2.1"), "ada"), "after {second} s");
        }
    }
}
