//! Limits the rate of client upgrades before they reach a room's object, where one costs ten times as much as its refusal.
//!
//! The counts live in the memory of one isolate, so they bound what each isolate lets through. The platform's rate limits
//! bound a whole location, and the room's [`Door`](crate::door::Door) bounds the sockets that are open.

use crate::door::Address;
use crate::rate_limit::{Rate, TokenBucket};
use crate::room::Holder;
use shared::{ParticipantId, RoomId, UnixMillis};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Maximum number of stored counts of each kind; a full bucket needs none.
const COUNTS_MAX: usize = 4_096;

/// What upgrades are counted by. Each kind has a table of its own: a flood that fills one leaves the others alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Credential,
    JoinsOfAddress,
    ResumesOfAddress,
    Participant,
    JoinsOfRoom,
    ResumesOfRoom,
    ExplanationsOfAddress,
    Explanation,
}

impl By {
    /// The one table of limits.
    const fn rate(self) -> Rate {
        match self {
            // More than a client's pauses between attempts allow, wherever it comes from.
            Self::Credential | Self::Participant => Rate::new(20, 500),
            // An office or a school behind one NAT that arrives at once.
            Self::JoinsOfAddress => Rate::new(256, 50),
            // A deployment closes every socket. The largest room behind one NAT is back within the resume window, and one address takes
            // less than half of what a room lets back.
            Self::ResumesOfAddress => Rate::new(128, 25),
            // A sixth of what a room's object can take beside its call; a crowd that comes faster waits a moment.
            Self::JoinsOfRoom => Rate::new(200, 20),
            // Those who are in the call come before those who want to be, and must be back within the resume window.
            Self::ResumesOfRoom => Rate::new(256, 10),
            // Those who share a forger's address may have to come again to be told; the others need not.
            Self::ExplanationsOfAddress => Rate::new(32, 100),
            // A refusal in a frame costs a socket and a line in the log.
            Self::Explanation => Rate::new(64, 20),
        }
    }
}

/// What a client shows to get a socket, not verified yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    Token(&'a str),
    ResumeSecret(&'a str),
    /// Neither; all such requests count as one client.
    Nothing,
}

#[derive(Debug, Default)]
pub struct Turnstile {
    counts: BTreeMap<By, Counts>,
}

impl Turnstile {
    /// Whether this upgrade is verified at all. Its address is not counted before: a forger would keep out all others behind the same NAT,
    /// and verifying costs a small part of the refusal.
    pub fn looks_at(&mut self, now: UnixMillis, credential: Credential<'_>) -> bool {
        let key = match credential {
            Credential::Token(token) => hash(("token", token)),
            Credential::ResumeSecret(secret) => hash(("secret", secret)),
            Credential::Nothing => 0,
        };
        self.take(now, By::Credential, key)
    }

    /// Whether a client with a valid token reaches the room. Asked after the token is verified: otherwise a flood without any
    /// token could keep people out of a room.
    pub fn lets_join(&mut self, now: UnixMillis, address: Address, room: &RoomId, participant: &ParticipantId) -> bool {
        self.take(now, By::Participant, hash((room.as_str(), participant.as_str())))
            && self.take(now, By::JoinsOfAddress, address.number())
            && self.take(now, By::JoinsOfRoom, hash(room.as_str()))
    }

    /// The same for a client whose resume secret was made by this room. A crowd at the door keeps no participant out, and neither does
    /// one participant with all secrets that it ever had. Those that name no holder have the room's allowance once more.
    pub fn lets_resume(&mut self, now: UnixMillis, address: Address, room: &RoomId, holder: &Holder) -> bool {
        let of_room = match holder {
            Holder::Blind(holder) => {
                if !self.take(now, By::Participant, hash(("holder", room.as_str(), holder))) {
                    return false;
                }
                hash(room.as_str())
            }
            Holder::Unknown => hash(("unknown", room.as_str())),
        };
        self.take(now, By::ResumesOfAddress, address.number()) && self.take(now, By::ResumesOfRoom, of_room)
    }

    /// Whether a refused client is told why in a frame, which browsers show to the page; the others get a status.
    pub fn explains(&mut self, now: UnixMillis, address: Address) -> bool {
        self.take(now, By::ExplanationsOfAddress, address.number()) && self.take(now, By::Explanation, 0)
    }

    fn take(&mut self, now: UnixMillis, by: By, key: u64) -> bool {
        self.counts.entry(by).or_default().take(now, key, by.rate())
    }
}

/// Buckets of one kind. A key is a hash: a client that finds a collision only shares a bucket.
#[derive(Debug, Default)]
struct Counts(BTreeMap<u64, TokenBucket>);

impl Counts {
    fn take(&mut self, now: UnixMillis, key: u64, rate: Rate) -> bool {
        if self.0.len() >= COUNTS_MAX && !self.0.contains_key(&key) {
            self.make_room(now);
        }
        self.0.entry(key).or_default().take(now, rate)
    }

    /// Forgets full buckets, and if there are too few of them the fuller half of all: an emptier one is worth remembering longer.
    fn make_room(&mut self, now: UnixMillis) {
        self.0.retain(|_, bucket| bucket.full_at() > now);
        if self.0.len() < COUNTS_MAX {
            return;
        }
        let mut by_level: Vec<(UnixMillis, u64)> =
            self.0.iter().map(|(key, bucket)| (bucket.full_at(), *key)).collect();
        by_level.sort_unstable();
        for (_, key) in by_level.into_iter().take(COUNTS_MAX / 2) {
            self.0.remove(&key);
        }
    }
}

fn hash(key: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::limits;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const CROWDED: &str = "crowded";

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    /// The number of an IPv6 customer.
    fn customer(number: u64) -> Address {
        address(&format!("2001:db8:{:x}:{:x}00::1", number >> 8, number & 255))
    }

    fn join(turnstile: &mut Turnstile, now: UnixMillis, address: Address, room: &str, who: &str) -> bool {
        let (id, participant) = (RoomId::parse(room).expect("a name"), ParticipantId::parse(who).expect("a name"));
        turnstile.looks_at(now, Credential::Token(&format!("{room} {who}")))
            && turnstile.lets_join(now, address, &id, &participant)
    }

    fn resume(turnstile: &mut Turnstile, now: UnixMillis, address: Address, secret: &str, who: &str) -> bool {
        resume_as(turnstile, now, address, secret, &Holder::Blind(who.into()))
    }

    fn resume_as(turnstile: &mut Turnstile, now: UnixMillis, address: Address, secret: &str, holder: &Holder) -> bool {
        turnstile.looks_at(now, Credential::ResumeSecret(secret))
            && turnstile.lets_resume(now, address, &RoomId::parse(CROWDED).expect("a name"), holder)
    }

    /// A thousand upgrades a second for ten seconds. Returns how many reach the room, and how many good joins each half second do not:
    /// of a room, from an address.
    fn flood(from: impl Fn(u64) -> (Address, String), good_room: &str, good_from: &str) -> (usize, usize) {
        let (mut turnstile, mut admitted, mut kept_out) = (Turnstile::default(), 0, 0);
        for ms in 0..10_000 {
            let now = NOW.plus_ms(ms);
            let (from, who) = from(ms);
            admitted += usize::from(join(&mut turnstile, now, from, CROWDED, &who));
            if ms % 500 == 499 {
                kept_out +=
                    usize::from(!join(&mut turnstile, now, address(good_from), good_room, &format!("good-{ms}")));
            }
        }
        (admitted, kept_out)
    }

    #[test]
    fn a_flood_with_one_token_keeps_nobody_out_behind_the_same_nat() {
        let (admitted, kept_out) = flood(|_| (address("192.0.2.1"), "eve".into()), CROWDED, "192.0.2.1");
        assert!(admitted <= 20 + 20 && kept_out == 0, "{admitted} {kept_out}");
    }

    #[test]
    fn a_flood_with_one_token_is_one_flood_from_however_many_addresses() {
        let (admitted, kept_out) = flood(|ms| (customer(ms), "eve".into()), CROWDED, "192.0.2.1");
        assert!(admitted <= 20 + 20 && kept_out == 0, "{admitted} {kept_out}");
    }

    #[test]
    fn a_flood_with_a_new_token_each_time_is_bounded_by_its_address() {
        let (admitted, kept_out) = flood(|ms| (address("192.0.2.1"), format!("eve-{ms}")), CROWDED, "198.51.100.7");
        assert!(admitted <= 256 + 200 && kept_out == 0, "{admitted} {kept_out}");
    }

    // It cannot be told from a crowd, so only its own room is closed to newcomers.
    #[test]
    fn a_flood_with_many_tokens_from_many_addresses_is_bounded_by_its_room() {
        let eve = |ms| (customer(ms), format!("eve-{ms}"));
        let (admitted, kept_out) = flood(eve, "another", "192.0.2.1");
        assert!(admitted <= 200 + 500 && kept_out == 0, "{admitted} {kept_out}");
    }

    #[test]
    fn a_crowd_at_the_door_keeps_no_participant_from_coming_back() {
        let mut turnstile = Turnstile::default();
        for ms in 0..10_000 {
            let now = NOW.plus_ms(ms);
            join(&mut turnstile, now, customer(ms), CROWDED, &format!("eve-{ms}"));
            assert!(
                ms % 20 != 0 || resume(&mut turnstile, now, customer(ms), &format!("secret-{ms}"), &format!("p{ms}")),
                "after {ms} ms"
            );
        }
    }

    #[test]
    fn one_participant_with_all_its_secrets_keeps_no_other_from_coming_back() {
        let (mut turnstile, mut admitted) = (Turnstile::default(), 0);
        for ms in 0..10_000 {
            let now = NOW.plus_ms(ms);
            admitted += usize::from(resume(&mut turnstile, now, customer(ms), &format!("void-{}", ms % 1_000), "eve"));
            let secret = format!("secret-{ms}");
            assert!(ms % 20 != 0 || resume(&mut turnstile, now, customer(ms), &secret, &format!("p{ms}")), "{ms} ms");
        }
        assert!(admitted <= 20 + 20, "{admitted}");
    }

    #[test]
    fn secrets_of_unknown_holders_keep_nobody_with_a_newer_one_from_coming_back() {
        let (mut turnstile, mut admitted) = (Turnstile::default(), 0);
        for ms in 0..10_000 {
            let now = NOW.plus_ms(ms);
            let secret = format!("old-{ms}");
            admitted += usize::from(resume_as(&mut turnstile, now, customer(ms), &secret, &Holder::Unknown));
            let secret = format!("secret-{ms}");
            assert!(ms % 20 != 0 || resume(&mut turnstile, now, customer(ms), &secret, &format!("p{ms}")), "{ms} ms");
        }
        assert!((256..=256 + 1_000).contains(&admitted), "{admitted}");
    }

    #[test]
    fn one_address_takes_less_than_half_of_what_a_room_lets_back() {
        let (mut turnstile, mut admitted) = (Turnstile::default(), 0);
        for ms in 0..10_000 {
            let now = NOW.plus_ms(ms);
            let secret = format!("void-{ms}");
            admitted += usize::from(resume(&mut turnstile, now, address("192.0.2.1"), &secret, &format!("eve-{ms}")));
            let secret = format!("secret-{ms}");
            assert!(ms % 20 != 0 || resume(&mut turnstile, now, customer(ms), &secret, &format!("p{ms}")), "{ms} ms");
        }
        assert!(admitted <= 128 + 400, "{admitted}");
    }

    #[test]
    fn a_flood_without_a_valid_token_costs_no_room_anything() {
        let (mut turnstile, mut looked_at, mut explained) = (Turnstile::default(), 0, 0);
        for ms in 0..10_000 {
            let now = NOW.plus_ms(ms);
            looked_at += usize::from(turnstile.looks_at(now, Credential::Nothing));
            if turnstile.looks_at(now, Credential::Token(&format!("forged-{ms}"))) {
                explained += usize::from(turnstile.explains(now, customer(ms)));
            }
            assert!(ms % 100 != 0 || join(&mut turnstile, now, address("192.0.2.1"), CROWDED, &format!("ada-{ms}")));
        }
        assert!(looked_at <= 20 + 20 && explained <= 64 + 500, "{looked_at} {explained}");
    }

    #[test]
    fn a_forger_keeps_nobody_out_behind_the_same_nat() {
        let (mut turnstile, mut explained, nat) = (Turnstile::default(), 0, address("192.0.2.1"));
        let mut forge = |turnstile: &mut Turnstile, now, credential: Credential<'_>| {
            explained += usize::from(turnstile.looks_at(now, credential) && turnstile.explains(now, nat));
        };
        for ms in 0..10_000 {
            let now = NOW.plus_ms(ms);
            forge(&mut turnstile, now, Credential::Token(&format!("forged-{ms}")));
            forge(&mut turnstile, now, Credential::ResumeSecret(&format!("forged-{ms}")));
            if ms % 100 == 99 {
                let (who, secret) = (format!("p{ms}"), format!("secret-{ms}"));
                assert!(join(&mut turnstile, now, nat, CROWDED, &who), "a join after {ms} ms");
                assert!(resume(&mut turnstile, now, nat, &secret, &who), "a resume after {ms} ms");
                assert!(turnstile.explains(now, customer(ms)), "a refusal after {ms} ms");
            }
        }
        assert!(explained <= 32 + 100, "{explained}");
    }

    #[test]
    fn many_tokens_of_one_participant_are_worth_one() {
        let (mut turnstile, room) = (Turnstile::default(), RoomId::parse(CROWDED).expect("a name"));
        let eve = ParticipantId::parse("eve").expect("a name");
        let let_in = (0..10_000).filter(|ms| turnstile.lets_join(NOW.plus_ms(*ms), customer(*ms), &room, &eve)).count();
        assert!(let_in <= 20 + 20, "{let_in}");
    }

    #[test]
    fn an_office_of_two_hundred_arrives_at_once() {
        let mut turnstile = Turnstile::default();
        for number in 0..200 {
            assert!(join(&mut turnstile, NOW, address("192.0.2.1"), CROWDED, &format!("p{number}")), "{number}");
        }
    }

    #[test]
    fn a_reload_again_and_again_is_let_through() {
        let mut turnstile = Turnstile::default();
        for second in 0..120 {
            let now = NOW.plus_ms(second * 1_000);
            assert!(join(&mut turnstile, now, address("192.0.2.1"), CROWDED, "ada"), "after {second} s");
        }
    }

    /// Clients that retry as the SDK does. Returns when the last of them was let in, and after how many tries at most.
    fn retrying(
        clients: u64,
        starts_ms: impl Fn(u64) -> u64,
        mut ask: impl FnMut(UnixMillis, u64) -> bool,
    ) -> (u64, u32) {
        let mut seed = 7_u64;
        let mut waiting: std::collections::BinaryHeap<_> =
            (0..clients).map(|who| std::cmp::Reverse((starts_ms(who), who, 0))).collect();
        let (mut last_ms, mut tries_max) = (0, 0);
        while let Some(std::cmp::Reverse((at_ms, who, failures))) = waiting.pop() {
            if ask(NOW.plus_ms(at_ms), who) {
                (last_ms, tries_max) = (at_ms, tries_max.max(failures + 1));
                continue;
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let span_ms = 8_000.min(250 << failures.min(16));
            waiting.push(std::cmp::Reverse((at_ms + 1 + (seed >> 33) % span_ms, who, failures + 1)));
        }
        (last_ms, tries_max)
    }

    // A deployment closes every socket, and the clients come back within the first back-off.
    #[test]
    fn a_room_is_back_within_the_resume_window() {
        let check = |clients: u64, addresses: u64, last_ms_max: u64| {
            let mut turnstile = Turnstile::default();
            let ask = |now, who: u64| {
                resume(&mut turnstile, now, customer(who % addresses), &format!("secret-{who}"), &format!("p{who}"))
            };
            let (last_ms, _) = retrying(clients, |who| who % 250, ask);
            assert!(last_ms < last_ms_max, "{clients} behind {addresses} addresses: {last_ms} ms");
        };
        let largest = limits::PARTICIPANTS_PER_ROOM_MAX as u64;
        check(largest, largest, limits::RESUME_WINDOW_MS * 2 / 3);
        check(200, 1, limits::RESUME_WINDOW_MS / 2);
        check(largest, 1, limits::RESUME_WINDOW_MS);
    }

    #[test]
    fn five_hundred_who_join_within_five_seconds_get_in_before_they_give_up() {
        const JOIN_TRIES_MAX: u32 = 8;
        let mut turnstile = Turnstile::default();
        let ask = |now, who: u64| join(&mut turnstile, now, customer(who), CROWDED, &format!("p{who}"));
        let (last_ms, tries) = retrying(500, |who| who * 10, ask);
        assert!(tries <= JOIN_TRIES_MAX && last_ms < 20_000, "{tries} tries, {last_ms} ms");
    }

    #[test]
    fn remembers_a_bounded_number_of_clients_and_the_busiest_longest() {
        let mut turnstile = Turnstile::default();
        let eve = Credential::Token("eve");
        while turnstile.looks_at(NOW, eve) {}
        for number in 0..3 * COUNTS_MAX as u64 {
            join(&mut turnstile, NOW, customer(number), &format!("room-{number}"), &format!("p{number}"));
            assert!(turnstile.counts.values().all(|counts| counts.0.len() <= COUNTS_MAX));
        }
        assert!(!turnstile.looks_at(NOW, eve), "a flood makes nobody forget another one");
    }
}
