//! Limits the rate of client upgrades before they reach a room's object, where one costs ten times as much as its refusal.
//!
//! The counts live in the memory of one isolate, so they bound what each isolate lets through. The platform's rate limits
//! bound a whole location, and the room's [`Door`](crate::door::Door) bounds the sockets that are open.

use crate::door::Address;
use crate::rate_limit::{Rate, TokenBucket};
use crate::room::Holder;
use shared::sorted::{self, SortedMap, SortedSet};
use shared::{ParticipantId, RoomId, UnixMillis};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Maximum number of stored counts of each kind; a full bucket needs none.
const COUNTS_MAX: usize = 4_096;
/// An address's share of a room's upgrades is counted over about this time.
const SHARE_WINDOW_MS: u64 = 60_000;
/// Upgrades that an address may have had for each one that remains for the others. One address alone gets four fifths of the limit at
/// once, enough for an office of 200. Several busy addresses get equal shares, and the last upgrades remain for addresses without any.
const SHARE_PER_ONE_LEFT: u64 = 4;

/// The key by which upgrades are counted. Each kind has a separate table: a flood that fills one does not affect the
/// others.
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
    PostsOfClient,
    PostsOfRoom,
}

impl By {
    /// The limits of each kind.
    const fn rate(self) -> Rate {
        match self {
            // More than a client's delays between attempts allow, from any address.
            Self::Credential | Self::Participant => Rate::new(20, 500),
            // An office or a school behind one NAT that arrives at once.
            Self::JoinsOfAddress => Rate::new(256, 50),
            // A deployment closes every socket. The largest room behind one NAT is back within the resume window, and one address takes
            // less than half of what a room lets back.
            Self::ResumesOfAddress => Rate::new(128, 25),
            // A sixth of what a room's object can take beside its call; clients of a faster crowd retry a moment later.
            Self::JoinsOfRoom => Rate::new(256, 20),
            // Participants of the call take precedence over newcomers, and must be back within the resume window.
            Self::ResumesOfRoom => Rate::new(256, 10),
            // Clients that share a forger's address may have to retry before they get an explanation; the others need
            // not.
            Self::ExplanationsOfAddress => Rate::new(32, 100),
            // A refusal in a frame costs a socket and a log line.
            Self::Explanation => Rate::new(64, 20),
            // A client sends its next frames when the ones before have arrived.
            Self::PostsOfClient => Rate::new(30, 100),
            // Thirty clients at their limit; a room's object takes more.
            Self::PostsOfRoom => Rate::new(300, 3),
        }
    }
}

/// An unverified credential of a client that requests a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    Token(&'a str),
    ResumeSecret(&'a str),
    /// Neither; all such requests count as one client.
    Nothing,
}

#[derive(Debug, Default)]
pub struct Turnstile {
    counts: SortedMap<By, Counts<TokenBucket>>,
    /// The recent upgrades of each address to each room.
    shares: SortedMap<By, Counts<Recent>>,
}

impl Turnstile {
    /// True if this upgrade's credential is to be verified. The address is not counted before: a forger could lock out
    /// all others behind the same NAT, and verifying costs a small part of the refusal.
    pub fn looks_at(&mut self, now: UnixMillis, credential: Credential<'_>) -> bool {
        let key = match credential {
            Credential::Token(token) => hash(("token", token)),
            Credential::ResumeSecret(secret) => hash(("secret", secret)),
            Credential::Nothing => 0,
        };
        self.take(now, By::Credential, key)
    }

    /// True if a client with a valid token may reach the room. Called after the token is verified: otherwise a flood
    /// without any token could keep participants out of a room.
    pub fn lets_join(&mut self, now: UnixMillis, address: Address, room: &RoomId, participant: &ParticipantId) -> bool {
        self.take(now, By::Participant, hash((room.as_str(), participant.as_str())))
            && self.take(now, By::JoinsOfAddress, address.number())
            && self.take_share(now, By::JoinsOfRoom, hash(room.as_str()), address)
    }

    /// The same for a client with a resume secret issued by this room. Neither a crowd of newcomers nor one participant
    /// with all their earlier secrets keeps participants out. Secrets without a holder share a second limit of the same
    /// size.
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
        self.take(now, By::ResumesOfAddress, address.number())
            && self.take_share(now, By::ResumesOfRoom, of_room, address)
    }

    /// True if a refused client gets the reason in a frame, which browsers show to the page; the others get an HTTP
    /// status.
    pub fn explains(&mut self, now: UnixMillis, address: Address) -> bool {
        self.take(now, By::ExplanationsOfAddress, address.number()) && self.take(now, By::Explanation, 0)
    }

    /// True if frames over HTTP may reach the room. `client` is the same in all keys that a client ever had, so closed
    /// connections add nothing.
    pub fn lets_post(&mut self, now: UnixMillis, room: &RoomId, client: &str) -> bool {
        self.take(now, By::PostsOfClient, hash((room.as_str(), client)))
            && self.take(now, By::PostsOfRoom, hash(room.as_str()))
    }

    fn take(&mut self, now: UnixMillis, by: By, key: u64) -> bool {
        self.counts.get_or_default(by).of(now, key).take(now, by.rate())
    }

    /// Counts an upgrade for the room. Refuses if the address has had too many for the number that would remain.
    fn take_share(&mut self, now: UnixMillis, by: By, room: u64, address: Address) -> bool {
        let allowance = self.counts.get_or_default(by).of(now, room);
        let (shares, share) = (self.shares.get_or_default(by), hash((room, address.number())));
        let left_after = allowance.left(now, by.rate()).saturating_sub(1);
        let may_have_taken = left_after.saturating_mul(SHARE_PER_ONE_LEFT);
        if shares.0.get(&share).is_some_and(|taken| taken.count(now) > may_have_taken) {
            return false;
        }
        let is_let = allowance.take(now, by.rate());
        if is_let {
            shares.of(now, share).add(now);
        }
        is_let
    }
}

/// Counts of one kind. A key is a hash: a client that finds a collision only shares a count.
#[derive(Debug, Default)]
struct Counts<C>(SortedMap<u64, C>);

/// A count that falls with time.
trait Count: Default {
    /// Zero if dropping the count changes nothing.
    fn weight(&self, now: UnixMillis) -> u64;
}

impl<C: Count> Counts<C> {
    fn of(&mut self, now: UnixMillis, key: u64) -> &mut C {
        if self.0.len() >= COUNTS_MAX && !self.0.contains_key(&key) {
            self.make_room(now);
        }
        self.0.get_or_default(key)
    }

    /// Drops the counts without weight, and if these are too few the lighter half of all: a dropped count only favours its client, by its
    /// weight at most.
    fn make_room(&mut self, now: UnixMillis) {
        self.0.retain(|_, count| count.weight(now) > 0);
        if self.0.len() < COUNTS_MAX {
            return;
        }
        let mut by_weight: Vec<(u64, u64)> = self.0.iter().map(|(key, count)| (count.weight(now), *key)).collect();
        sorted::sort_by(&mut by_weight, Ord::cmp);
        let light: SortedSet<u64> = by_weight.into_iter().take(COUNTS_MAX / 2).map(|(_, key)| key).collect();
        self.0.retain(|key, _| !light.contains(key));
    }
}

impl Count for TokenBucket {
    fn weight(&self, now: UnixMillis) -> u64 {
        self.full_at().since_ms(now)
    }
}

/// The events in the last [`SHARE_WINDOW_MS`], if those of the previous window were spread evenly over it.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    window: u64,
    here: u64,
    before: u64,
}

impl Recent {
    fn add(&mut self, now: UnixMillis) {
        *self = self.at(now);
        self.here = self.here.saturating_add(1);
    }

    fn count(self, now: UnixMillis) -> u64 {
        let Self { here, before, .. } = self.at(now);
        let remaining_ms = SHARE_WINDOW_MS.saturating_sub(now.0 % SHARE_WINDOW_MS);
        here.saturating_add(before.saturating_mul(remaining_ms) / SHARE_WINDOW_MS)
    }

    fn at(self, now: UnixMillis) -> Self {
        let window = now.0 / SHARE_WINDOW_MS;
        match window.saturating_sub(self.window) {
            0 => self,
            1 => Self { window, here: 0, before: self.here },
            _ => Self { window, ..Self::default() },
        }
    }
}

impl Count for Recent {
    fn weight(&self, now: UnixMillis) -> u64 {
        self.count(now)
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
    /// A client gives up after this many attempts.
    const JOIN_TRIES_MAX: u32 = 8;

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    /// The address of the IPv6 customer with this number.
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

    /// Simulates a thousand upgrades a second for ten seconds. Returns how many reach the room, and the number of half
    /// seconds in which a legitimate join to a room from an address does not.
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
    fn a_client_posts_thirty_times_at_once_and_then_ten_a_second_and_others_are_not_counted_with_it() {
        let mut turnstile = Turnstile::default();
        let [daily, weekly] = ["daily", "weekly"].map(|name| RoomId::parse(name).expect("a name"));
        let posted = (0..10_000).filter(|ms| turnstile.lets_post(UnixMillis(*ms), &daily, "eve")).count();
        assert!((30 + 99..=30 + 100).contains(&posted), "{posted}");
        let now = UnixMillis(10_000);
        assert!(turnstile.lets_post(now, &daily, "ada") && turnstile.lets_post(now, &weekly, "eve"));
        // Thirty-five clients at their limit fill the room's allowance, of no other room.
        let crowd =
            (0..35 * 100).filter(|post| turnstile.lets_post(now, &daily, &format!("eve-{}", post % 35))).count();
        assert!((290..=300).contains(&crowd), "{crowd}");
        assert!(turnstile.lets_post(now, &weekly, "ada"));
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

    // It is indistinguishable from a crowd, so only its own room is closed to newcomers.
    #[test]
    fn a_flood_with_many_tokens_from_many_addresses_is_bounded_by_its_room() {
        let eve = |ms| (customer(ms), format!("eve-{ms}"));
        let (admitted, kept_out) = flood(eve, "another", "192.0.2.1");
        assert!(admitted <= 256 + 500 && kept_out == 0, "{admitted} {kept_out}");
    }

    #[test]
    fn loud_addresses_close_no_room_to_one_that_is_quiet() {
        for addresses in [1, 3, 10, 30, 100, 200] {
            let (mut turnstile, mut admitted) = (Turnstile::default(), 0);
            for ms in 0..60_000 {
                let (now, eve) = (NOW.plus_ms(ms), format!("eve-{}", ms % 1_000));
                admitted += usize::from(join(&mut turnstile, now, customer(ms % addresses), CROWDED, &eve));
                let good = ms % 500 == 499;
                let is_in = !good || join(&mut turnstile, now, customer(1_000 + ms), CROWDED, &format!("p{ms}"));
                assert!(is_in, "{addresses} addresses: after {ms} ms");
            }
            assert!(admitted <= 256 + 3_000, "{addresses} addresses: {admitted}");
        }
    }

    #[test]
    fn an_address_that_is_busy_in_one_room_is_quiet_in_another() {
        let (mut turnstile, eve) = (Turnstile::default(), address("192.0.2.1"));
        let fill = |turnstile: &mut Turnstile, address: Address, room: &str| {
            let lets = |number: &usize| join(turnstile, NOW, address, room, &format!("{}-{number}", address.number()));
            (0..).take_while(lets).count()
        };
        assert_eq!(fill(&mut turnstile, eve, "another"), 205);
        // Only addresses without a share of this room get the last places.
        for number in 0..2 {
            fill(&mut turnstile, customer(number), CROWDED);
        }
        assert!(join(&mut turnstile, NOW, eve, CROWDED, "ada"));
    }

    #[test]
    fn a_school_joins_a_room_that_three_addresses_flood() {
        let mut turnstile = Turnstile::default();
        let mut flooded_until = 0;
        let ask = |now: UnixMillis, who: u64| {
            for ms in flooded_until..now.since_ms(NOW) {
                join(&mut turnstile, NOW.plus_ms(ms), customer(ms % 3), CROWDED, &format!("eve-{}", ms % 30));
            }
            flooded_until = now.since_ms(NOW);
            join(&mut turnstile, now, address("192.0.2.1"), CROWDED, &format!("p{who}"))
        };
        let (last_ms, tries) = retrying(200, |who| 1_000 + who * 25, ask);
        assert!(tries <= JOIN_TRIES_MAX && last_ms < 20_000, "{tries} tries, {last_ms} ms");
    }

    #[test]
    fn loud_addresses_keep_nobody_elsewhere_from_coming_back() {
        for addresses in [3, 30, 100] {
            let (mut turnstile, mut admitted) = (Turnstile::default(), 0);
            for ms in 0..10_000 {
                let (now, secret) = (NOW.plus_ms(ms), format!("void-{}", ms % 1_000));
                admitted += usize::from(resume(&mut turnstile, now, customer(ms % addresses), &secret, &secret));
                let (secret, quiet) = (format!("secret-{ms}"), customer(1_000 + ms));
                let is_back = ms % 500 != 499 || resume(&mut turnstile, now, quiet, &secret, &format!("p{ms}"));
                assert!(is_back, "{addresses}: after {ms} ms");
            }
            assert!(admitted <= 256 + 1_000, "{addresses}: {admitted}");
        }
    }

    #[test]
    fn what_an_address_took_is_forgotten_after_a_while() {
        let mut recent = Recent::default();
        for ms in 0..30 {
            recent.add(NOW.plus_ms(ms * 1_000));
        }
        let counts = [29, 60, 90, 119, 120, 600].map(|second| recent.count(NOW.plus_ms(second * 1_000)));
        assert_eq!(counts, [30, 30, 15, 0, 0, 0]);
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

    /// Simulates clients that retry as the SDK does. Returns the time at which the last of them was admitted, and the
    /// largest number of attempts.
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
            assert!(turnstile.shares.values().all(|shares| shares.0.len() <= COUNTS_MAX));
        }
        assert!(!turnstile.looks_at(NOW, eve), "a flood makes nobody forget another one");
    }

    #[test]
    fn a_flood_of_many_rooms_and_addresses_makes_no_loud_address_quiet() {
        let (mut turnstile, eve) = (Turnstile::default(), address("192.0.2.1"));
        let loud = |turnstile: &mut Turnstile| {
            (0..).take_while(|number| join(turnstile, NOW, eve, CROWDED, &format!("eve-{number}"))).count()
        };
        assert_eq!(loud(&mut turnstile), 205);
        for number in 0..3 * COUNTS_MAX as u64 {
            join(&mut turnstile, NOW, customer(number), &format!("room-{number}"), &format!("p{number}"));
        }
        assert_eq!(loud(&mut turnstile), 0);
        assert!(join(&mut turnstile, NOW, address("198.51.100.7"), CROWDED, "ada"));
    }
}
