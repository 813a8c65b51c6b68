//! The secret with which a client takes up its session on another socket: bound to the room, replaced at each use.

use crate::random::{self, Random};
use crate::secret::{self, code};
use serde::{Deserialize, Serialize};
use shared::{RoomId, UnixMillis, limits};

/// Letters of the tag after the random ones, 5 bits each.
const TAG_LETTERS: usize = 26;

/// What tags are made with, the newest first. A tag lets the Worker turn away a secret that no room ever gave out
/// without waking the room that it names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ResumeKeys(Vec<[u8; 32]>);

impl std::fmt::Debug for ResumeKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResumeKeys").field("count", &self.0.len()).finish_non_exhaustive()
    }
}

impl ResumeKeys {
    /// Keys of their own for this purpose, out of secrets that have another one.
    pub fn derived<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self(secrets.into_iter().filter_map(|secret| code(secret, "rotunda resume key v1")).collect())
    }

    #[must_use]
    pub fn made(&self, room: &RoomId, resume_secret: &str) -> bool {
        let Some((letters, theirs)) = resume_secret.split_once('.') else { return false };
        let is_ours = |key: &[u8; 32]| tag(key, room, letters).is_some_and(|ours| secret::is_same(&ours, theirs));
        self.0.iter().any(is_ours)
    }

    fn mint(&self, room: &RoomId, random: &mut Random) -> String {
        let letters = random::id(random);
        match self.0.first().and_then(|key| tag(key, room, &letters)) {
            Some(tag) => format!("{letters}.{tag}"),
            None => letters,
        }
    }
}

fn tag(key: &[u8; 32], room: &RoomId, letters: &str) -> Option<String> {
    Some(random::letters(&code(key, &format!("{room}/{letters}"))?, TAG_LETTERS))
}

/// The secrets that open one participant's session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ResumeSecrets {
    /// The one that was given out last.
    current: String,
    /// The one that the client showed last; it has no other where the answer with the current one was lost.
    shown: Option<Shown>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Shown {
    secret: String,
    until: UnixMillis,
}

impl ResumeSecrets {
    pub(super) fn new(keys: &ResumeKeys, room: &RoomId, random: &mut Random) -> Self {
        Self { current: keys.mint(room, random), shown: None }
    }

    pub(super) fn current(&self) -> &str {
        &self.current
    }

    pub(super) fn open(&self, now: UnixMillis, theirs: &str) -> bool {
        let is_shown = |shown: &Shown| now < shown.until && secret::is_same(&shown.secret, theirs);
        secret::is_same(&self.current, theirs) | self.shown.as_ref().is_some_and(is_shown)
    }

    pub(super) const fn are_two(&self) -> bool {
        self.shown.is_some()
    }

    pub(super) fn forget_shown(&mut self) {
        self.shown = None;
    }

    /// Gives out another secret in place of the one that was used. That one stays good until the client shows that it has read the new one,
    /// or must have: its socket delivers in order, so a client that is still here by then has read the answer.
    pub(super) fn replace(
        &mut self,
        now: UnixMillis,
        used: &str,
        keys: &ResumeKeys,
        room: &RoomId,
        random: &mut Random,
    ) {
        let until = now.plus_ms(limits::RESUME_SECRET_OVERLAP_MS);
        self.shown = Some(Shown { secret: used.into(), until });
        self.current = keys.mint(room, random);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::tests::seeded;

    fn room(name: &str) -> RoomId {
        RoomId::parse(name).expect("a name")
    }

    fn keys(secret: &str) -> ResumeKeys {
        ResumeKeys::derived([secret.as_bytes()])
    }

    #[test]
    fn a_secret_is_of_one_room_and_one_of_the_keys() {
        let minted = keys("old").mint(&room("daily"), &mut seeded(1));
        assert!(keys("old").made(&room("daily"), &minted));
        let both = ResumeKeys::derived([b"new".as_slice(), b"old"]);
        assert!(both.made(&room("daily"), &minted));
        assert!(!keys("old").made(&room("weekly"), &minted));
        assert!(!keys("new").made(&room("daily"), &minted));
        assert!(!ResumeKeys::default().made(&room("daily"), &minted));
        let letters = minted.split('.').next().expect("letters");
        for guess in ["", ".", letters, &format!("{letters}."), &minted[..minted.len() - 1], &format!("{minted}0")] {
            assert!(!keys("old").made(&room("daily"), guess), "{guess}");
        }
    }

    #[test]
    fn the_one_before_opens_until_the_new_one_was_seen() {
        let (keys, room, random) = (keys("k"), room("daily"), &mut seeded(1));
        let at = UnixMillis;
        let mut secrets = ResumeSecrets::new(&keys, &room, random);
        let first = secrets.current().to_owned();
        secrets.replace(at(0), &first, &keys, &room, random);
        let lost = secrets.current().to_owned();
        // The answer was lost: the client knows the first one only.
        assert!(secrets.open(at(1), &first) && secrets.open(at(1), &lost));
        secrets.replace(at(1), &first, &keys, &room, random);
        let third = secrets.current().to_owned();
        assert!(!secrets.open(at(2), &lost), "nobody can have read this one");
        secrets.replace(at(2), &third, &keys, &room, random);
        assert!(!secrets.open(at(3), &first), "the client has read a later one");
        assert!(secrets.open(at(3), &third));
        assert!(
            !secrets.open(at(2).plus_ms(limits::RESUME_SECRET_OVERLAP_MS), &third),
            "the client is here and has read it"
        );
        assert!(secrets.open(at(u64::MAX), secrets.current()));
    }
}
