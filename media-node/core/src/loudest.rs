//! The choice of the microphones that are heard, in a room that has more open ones than a client has slots.

use crate::ingress::voice::Voice;
use shared::control::{self, TrackRef};
use shared::limits;
use std::cmp::Reverse;
use std::time::{Duration, Instant};

/// A microphone keeps its slot for this long after its last word: people answer, and take breath.
const KEPT_AFTER_SPEECH: Duration = Duration::from_secs(3);
/// One that has just got its slot keeps it for this long. A new node, too, knows by then who speaks.
const KEPT_AT_FIRST: Duration = Duration::from_secs(1);
/// Minimum interval of reports to the room.
const REPORT_INTERVAL: Duration = Duration::from_millis(limits::LOUDEST_INTERVAL_MS);
/// The shortest wait until the next choice while a speaker has no slot.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The microphones of a room as the edge listed them, and the node's last choice.
#[derive(Clone, Debug)]
pub struct Microphones {
    heard: Vec<Heard>,
    waiting: Vec<Waiting>,
    reported_at: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Heard {
    track: TrackRef,
    since: Instant,
}

#[derive(Clone, Debug)]
struct Waiting {
    track: TrackRef,
    /// True if it was opened a moment ago, most likely by the next speaker.
    is_new: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// True if the room must be told.
    pub is_news: bool,
    /// The time to choose again.
    pub again_at: Option<Instant>,
}

impl Microphones {
    /// Takes the edge's list, after an earlier one if there was any. `None` if everybody is heard anyway.
    pub fn listed(now: Instant, before: Option<Self>, listed: &control::Microphones) -> Option<Self> {
        if listed.is_empty() {
            return None;
        }
        let is_first = before.is_none();
        let before = before.unwrap_or(Self { heard: Vec::new(), waiting: Vec::new(), reported_at: None });
        let heard = listed.heard.iter().take(limits::SLOTS_PER_KIND_MAX).map(|track| {
            let since = before.heard.iter().find(|heard| heard.track == *track).map_or(now, |heard| heard.since);
            Heard { track: track.clone(), since }
        });
        let waiting = listed.waiting.iter().take(limits::MICROPHONES_PER_ROOM_MAX).map(|track| {
            let known = before.waiting.iter().find(|waiting| waiting.track == *track);
            let was_heard = before.is_heard(track);
            let is_new = known.map_or(!is_first && !was_heard, |known| known.is_new);
            Waiting { track: track.clone(), is_new }
        });
        let (heard, waiting) = (heard.collect(), waiting.collect());
        Some(Self { heard, waiting, reported_at: before.reported_at })
    }

    /// All of them, the heard ones first.
    pub fn tracks(&self) -> impl Iterator<Item = &TrackRef> {
        self.heard.iter().map(|heard| &heard.track).chain(self.waiting.iter().map(|waiting| &waiting.track))
    }

    pub fn is_heard(&self, track: &TrackRef) -> bool {
        self.heard.iter().any(|heard| heard.track == *track)
    }

    /// The heard ones, best first after a choice.
    pub fn heard(&self) -> impl Iterator<Item = &TrackRef> {
        self.heard.iter().map(|heard| &heard.track)
    }

    /// Gives the slots of silent microphones to those that speak, the loudest first, and then to new ones.
    pub fn choose(&mut self, now: Instant, voice: impl Fn(&TrackRef) -> Option<Voice>) -> Choice {
        if let Some(at) = self.reported_at.map(|at| at + REPORT_INTERVAL).filter(|at| *at > now) {
            return Choice { is_news: false, again_at: Some(at) };
        }
        let mut kept_until: Vec<Instant> =
            self.heard.iter().map(|heard| heard.kept_until(voice(&heard.track))).collect();
        let mut is_news = false;
        let mut again_at = None;
        for (place, speaks) in self.newcomers(now, &voice) {
            let Some(waiting) = self.waiting.get_mut(place) else { continue };
            match giving_way(now, &self.heard, &kept_until, &waiting.track, speaks) {
                Some((heard, kept)) => {
                    (is_news, waiting.is_new) = (true, false);
                    let heard = self.heard.get_mut(heard).zip(kept_until.get_mut(heard));
                    let Some((heard, kept_until)) = heard else { continue };
                    std::mem::swap(&mut heard.track, &mut waiting.track);
                    (heard.since, *kept_until) = (now, kept);
                }
                None => again_at = kept_until.iter().filter(|until| **until > now).min().copied(),
            }
        }
        if is_news {
            self.reported_at = Some(now);
            self.heard.sort_by_cached_key(|heard| Reverse(heard.kept_until(voice(&heard.track))));
        }
        Choice { is_news, again_at: again_at.map(|at: Instant| at.max(now + LOOK_AGAIN_AFTER)) }
    }

    /// Places of those that should be heard, most urgent first, and whether they speak.
    fn newcomers(&self, now: Instant, voice: impl Fn(&TrackRef) -> Option<Voice>) -> Vec<(usize, bool)> {
        let newcomer = |(place, waiting): (usize, &Waiting)| {
            let speaking = voice(&waiting.track).filter(|voice| voice.speaks(now));
            let loudness_db = speaking.map(|voice| voice.loudness_db());
            (waiting.is_new || speaking.is_some()).then_some((Reverse(loudness_db), place))
        };
        let mut newcomers: Vec<_> = self.waiting.iter().enumerate().filter_map(newcomer).collect();
        newcomers.sort();
        newcomers.into_iter().map(|(Reverse(loudness_db), place)| (place, loudness_db.is_some())).collect()
    }
}

impl Heard {
    fn kept_until(&self, voice: Option<Voice>) -> Instant {
        let spoke_at = voice.and_then(|voice| voice.spoke_at());
        let at_first = self.since + KEPT_AT_FIRST;
        spoke_at.map_or(at_first, |at| at_first.max(at + KEPT_AFTER_SPEECH))
    }
}

/// The heard microphone that makes way for another one, and the time until which that one is kept: the one that has been
/// silent longest. One that speaks only makes way if its participant has a second slot.
fn giving_way(
    now: Instant,
    heard: &[Heard],
    kept_until: &[Instant],
    newcomer: &TrackRef,
    speaks: bool,
) -> Option<(usize, Instant)> {
    let of = |session: &shared::SessionId| {
        let of_session =
            heard.iter().zip(kept_until).enumerate().filter(move |(_, (heard, _))| heard.track.session == *session);
        of_session.map(|(place, (_, until))| (place, *until)).collect::<Vec<_>>()
    };
    // By its level, a participant gets another slot only in exchange.
    let own = if speaks { of(&newcomer.session) } else { Vec::new() };
    let kept = if speaks { now + KEPT_AFTER_SPEECH } else { now + KEPT_AT_FIRST };
    if let Some((place, _)) = own.iter().min_by_key(|(_, until)| *until) {
        return own.iter().all(|(_, until)| *until <= now).then_some((*place, kept));
    }
    let makes_way = |(place, until): &(usize, Instant)| {
        let is_second =
            |session| of(session).iter().any(|other| (other.1, Reverse(other.0)) > (*until, Reverse(*place)));
        *until <= now || heard.get(*place).is_some_and(|heard| is_second(&heard.track.session))
    };
    let places = kept_until.iter().copied().enumerate().filter(makes_way);
    let longest = places.min_by_key(|(place, until)| ((*until).min(now), Reverse(*place)));
    longest.map(|(place, _)| (place, kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Levels in −dBov.
    const LOUD: u8 = 30;
    const LOUDER: u8 = 10;

    /// The word "a" is the first microphone of participant a, and "a1" the second.
    fn track(word: &str) -> TrackRef {
        let (session, mid) = word.split_at(1);
        let mid = if mid.is_empty() { "0" } else { mid };
        TrackRef { session: session.parse().expect("an id"), mid: mid.parse().expect("a mid") }
    }

    fn word(track: &TrackRef) -> String {
        let mid = track.mid.as_str();
        format!("{}{}", track.session, if mid == "0" { "" } else { mid })
    }

    fn listed(heard: &str, waiting: &str) -> control::Microphones {
        let tracks = |words: &str| words.split_whitespace().map(track).collect();
        control::Microphones { heard: tracks(heard), waiting: tracks(waiting) }
    }

    struct Room {
        now: Instant,
        microphones: Microphones,
        voices: BTreeMap<TrackRef, Voice>,
        /// Every report, with its time in ms.
        reports: Vec<(u64, String)>,
        again_at: Option<Instant>,
    }

    impl Room {
        /// A room whose node has listened for a while.
        fn new(heard: &str, waiting: &str) -> Self {
            let mut room = Self::just_listed(heard, waiting);
            room.wait(1_000);
            room
        }

        fn just_listed(heard: &str, waiting: &str) -> Self {
            let now = crate::virtual_time::start();
            let microphones = Microphones::listed(now, None, &listed(heard, waiting)).expect("some");
            Self { now, microphones, voices: BTreeMap::new(), reports: Vec::new(), again_at: None }
        }

        fn list(&mut self, heard: &str, waiting: &str) {
            let before = Some(self.microphones.clone());
            self.microphones = Microphones::listed(self.now, before, &listed(heard, waiting)).expect("some");
            self.choose();
        }

        /// These participants speak for a while, in packets of 20 ms.
        fn speak(&mut self, who: &[(&str, u8)], ms: u64) {
            for _ in 0..ms / 20 {
                self.wait(20);
                let mut speaks_up = false;
                for (word, level) in who {
                    speaks_up |= self.voices.entry(track(word)).or_default().take(self.now, *level);
                }
                if speaks_up {
                    self.choose();
                }
            }
        }

        fn wait(&mut self, ms: u64) {
            let end = self.now + Duration::from_millis(ms);
            while let Some(at) = self.again_at.filter(|at| *at <= end) {
                self.now = at;
                self.choose();
            }
            self.now = end;
        }

        fn choose(&mut self) {
            let choice = self.microphones.choose(self.now, |track| self.voices.get(track).copied());
            self.again_at = choice.again_at;
            assert!(self.again_at.is_none_or(|at| at > self.now), "time passes");
            if choice.is_news {
                let at_ms = (self.now - crate::virtual_time::start()).as_millis() as u64;
                self.reports.push((at_ms, self.heard()));
            }
        }

        fn heard(&self) -> String {
            self.microphones.heard().map(word).collect::<Vec<_>>().join(" ")
        }

        fn check(&self, reports: &[(u64, &str)]) {
            let expected: Vec<_> = reports.iter().map(|(at_ms, heard)| (*at_ms, (*heard).to_string())).collect();
            assert_eq!(self.reports, expected);
        }
    }

    #[test]
    fn who_speaks_is_heard_in_place_of_one_who_does_not() {
        let mut room = Room::new("a b", "c d");
        room.speak(&[("a", LOUD)], 100);
        room.speak(&[("d", LOUD)], 100);
        room.check(&[(1_160, "d a")]);
    }

    #[test]
    fn what_a_new_node_does_not_know_yet_changes_nothing() {
        let mut room = Room::just_listed("a b", "c");
        room.speak(&[("a", LOUD), ("b", LOUD), ("c", LOUDER)], 5_000);
        room.check(&[]);
        let mut room = Room::just_listed("a b", "c");
        room.speak(&[("a", LOUD), ("c", LOUD)], 1_200);
        room.check(&[(1_000, "a c")]);
    }

    #[test]
    fn no_speaker_is_dropped_for_a_louder_one() {
        let mut room = Room::new("a b", "c");
        room.speak(&[("a", LOUD), ("b", LOUD)], 1_000);
        room.speak(&[("a", LOUD), ("b", LOUD), ("c", LOUDER)], 5_000);
        room.check(&[]);
        room.speak(&[("a", LOUD), ("c", LOUD)], 5_000);
        room.check(&[(10_000, "a c")]);
    }

    #[test]
    fn the_first_change_is_immediate_and_the_next_a_second_later() {
        let mut room = Room::new("a b c", "d e f");
        room.speak(&[("d", LOUD)], 100);
        room.speak(&[("d", LOUD), ("e", LOUD)], 2_000);
        room.check(&[(1_060, "d a b"), (2_060, "d e a")]);
        let mut room = Room::new("a b c", "d e f");
        room.speak(&[("d", LOUD)], 100);
        room.speak(&[("e", LOUD)], 100);
        room.wait(2_000);
        room.check(&[(1_060, "d a b")]);
    }

    #[test]
    fn of_several_at_once_the_loudest_comes_first() {
        let mut room = Room::new("a b", "c d");
        room.speak(&[("b", LOUD)], 100);
        room.speak(&[("b", LOUD), ("c", LOUD), ("d", LOUDER)], 900);
        room.check(&[(1_160, "d b")]);
        let mut room = Room::new("a b c", "d e f");
        room.speak(&[("a", LOUD)], 100);
        room.speak(&[("d", LOUD)], 60);
        room.speak(&[("a", LOUD), ("b", LOUD), ("d", LOUD), ("e", LOUD), ("f", LOUDER)], 2_000);
        assert_eq!(room.reports.len(), 1, "the others speak");
    }

    #[test]
    fn a_microphone_just_opened_gets_a_slot_before_the_first_word() {
        let mut room = Room::new("a b", "c");
        room.list("a b", "c d");
        room.check(&[(1_000, "d a")]);
        room.wait(10_000);
        room.check(&[(1_000, "d a")]);
        let mut room = Room::new("a b", "c");
        room.speak(&[("a", LOUD), ("b", LOUD)], 100);
        room.list("a b", "c d");
        room.check(&[]);
        room.wait(5_000);
        assert_eq!(room.reports.len(), 1, "it waits for the first silence");
    }

    #[test]
    fn the_loudest_liar_has_one_slot() {
        let mut room = Room::new("a b c", "d e");
        room.list("a b c", "a1 a2 a3 d e");
        let lies: Vec<_> = ["a", "a1", "a2", "a3"].map(|word| (word, 0)).to_vec();
        room.speak(&lies, 10_000);
        let slots = |room: &Room| room.heard().split(' ').filter(|word| word.starts_with('a')).count();
        assert!(slots(&room) > 1, "an open microphone has got a slot");
        // Everybody who speaks gets one of them.
        let with = |who: &[&'static str]| [lies.clone(), who.iter().map(|word| (*word, LOUD)).collect()].concat();
        room.speak(&with(&["b", "d"]), 4_000);
        room.speak(&with(&["b", "d", "e"]), 4_000);
        assert_eq!(slots(&room), 1, "{}", room.heard());
        room.speak(&lies, 20_000);
        assert_eq!(slots(&room), 1, "{}", room.heard());
    }

    #[test]
    fn a_participant_with_two_microphones_is_heard_through_the_one_that_is_used() {
        let mut room = Room::new("a b", "a1 c");
        room.speak(&[("a", LOUD), ("b", LOUD)], 100);
        room.speak(&[("a1", LOUD), ("b", LOUD)], 5_000);
        assert_eq!(room.heard(), "a1 b");
    }

    #[test]
    fn reports_are_at_least_a_second_apart() {
        let mut room = Room::new("a b c", "d e f g h i j");
        let crowd: Vec<_> = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].to_vec();
        for turn in 0..100 {
            let who = crowd[turn * 7 % crowd.len()];
            room.speak(&[(who, LOUD)], 200);
            room.wait(700);
        }
        assert!(room.reports.len() > 10);
        let times: Vec<u64> = room.reports.iter().map(|(at_ms, _)| *at_ms).collect();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= limits::LOUDEST_INTERVAL_MS), "{times:?}");
    }

    #[test]
    fn a_list_ends_what_is_not_on_it() {
        assert!(Microphones::listed(crate::virtual_time::start(), None, &listed("", "")).is_none());
        let mut room = Room::new("a b", "c");
        room.list("a c", "d");
        assert_eq!(room.heard(), "d c", "d is new, and c has just got its slot");
        room.list("a b", "c");
        assert_eq!(room.heard(), "a b");
    }
}
