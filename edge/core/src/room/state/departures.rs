//! The latest departures, so that a resuming client gets the difference to the roster that it knows. A change to a
//! participant who is present has its revision in the participant's row.

use serde::{Deserialize, Serialize};
use shared::{ParticipantId, limits};
use std::collections::VecDeque;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Departures {
    /// Differences to earlier revisions are unknown.
    from: u64,
    /// The revision of the latest departure, even of a participant whom only a count mentions.
    latest: u64,
    /// In the order of their revisions.
    left: VecDeque<(u64, ParticipantId)>,
}

impl Departures {
    pub(crate) const fn new(from: u64) -> Self {
        Self { from, latest: from, left: VecDeque::new() }
    }

    pub(crate) const fn latest(&self) -> u64 {
        self.latest
    }

    /// Notes the departure of a participant; `None` if the participant was not in the roster.
    pub(crate) fn note(&mut self, revision: u64, participant: Option<&ParticipantId>) {
        self.latest = revision;
        let Some(participant) = participant else { return };
        self.left.retain(|(_, other)| other != participant);
        self.left.push_back((revision, participant.clone()));
        while self.left.len() > limits::DEPARTURES_REMEMBERED_MAX
            && let Some((revision, _)) = self.left.pop_front()
        {
            self.from = revision;
        }
    }

    /// The participants who left after a revision; `None` if some of them may be forgotten.
    pub(crate) fn since(&self, known: u64) -> Option<Vec<ParticipantId>> {
        let left = self.left.iter().filter(|(revision, _)| *revision > known);
        (known >= self.from).then(|| left.map(|(_, participant)| participant.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> ParticipantId {
        ParticipantId::parse(&format!("p{number}")).unwrap()
    }

    #[test]
    fn the_earliest_are_forgotten_and_never_left_out() {
        let mut departures = Departures::new(100);
        assert_eq!((departures.since(99), departures.since(100)), (None, Some(vec![])));
        let most = limits::DEPARTURES_REMEMBERED_MAX;
        for number in 1..=most + 3 {
            departures.note(100 + number as u64, Some(&name(number)));
        }
        assert_eq!(departures.since(102), None);
        assert_eq!(departures.since(103).map(|left| left.len()), Some(most));
        assert_eq!(departures.since(102 + most as u64), Some(vec![name(most + 3)]));
        assert_eq!(departures.latest(), 103 + most as u64);
    }

    #[test]
    fn who_leaves_again_is_named_once() {
        let mut departures = Departures::new(1);
        for (revision, number) in [(2, 7), (3, 8), (4, 7)] {
            departures.note(revision, Some(&name(number)));
        }
        departures.note(5, None);
        assert_eq!(departures.since(1), Some(vec![name(8), name(7)]));
        assert_eq!(departures.latest(), 5);
    }
}
