//! The secret with which a client takes up its session on another socket: bound to the room, replaced at each use.

use crate::random::{self, Random};
use crate::secret::{self, code};
use serde::{Deserialize, Serialize};
use shared::{ParticipantId, RoomId, UnixMillis, limits};

/// Letters of the tag, which is the last part of a secret, 5 bits each.
const TAG_LETTERS: usize = 26;
/// Letters of the holder, which is the part between the random letters and the tag.
const HOLDER_LETTERS: usize = 16;

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

    /// The holder of a secret of this room; `None` if no key made it.
    #[must_use]
    pub fn holder(&self, room: &RoomId, resume_secret: &str) -> Option<Holder> {
        let (letters, theirs) = resume_secret.rsplit_once('.')?;
        let is_ours = |key: &[u8; 32]| tag(key, room, letters).is_some_and(|ours| secret::is_same(&ours, theirs));
        let holder = || letters.split_once('.').map_or(Holder::Unknown, |(_, holder)| Holder::Blind(holder.into()));
        self.0.iter().any(is_ours).then(holder)
    }
}

/// The participant that a resume secret was made for, also when the secret opens nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holder {
    /// The same in all secrets of one participant in one room, and nothing to anybody without the key.
    Blind(String),
    /// Secrets that an earlier version made name no holder.
    Unknown,
}

/// What a secret is made of, beside chance.
#[derive(Clone, Copy)]
pub(super) struct Mint<'a> {
    pub(super) keys: &'a ResumeKeys,
    pub(super) room: &'a RoomId,
    pub(super) participant: &'a ParticipantId,
}

impl Mint<'_> {
    fn secret(self, random: &mut Random) -> String {
        let letters = random::id(random);
        self.tagged(&letters).unwrap_or(letters)
    }

    fn tagged(self, letters: &str) -> Option<String> {
        let Self { keys, room, participant } = self;
        let key = keys.0.first()?;
        let letters = format!("{letters}.{}", holder(key, room, participant)?);
        Some(format!("{letters}.{}", tag(key, room, &letters)?))
    }
}

fn tag(key: &[u8; 32], room: &RoomId, letters: &str) -> Option<String> {
    Some(random::letters(&code(key, &format!("{room}/{letters}"))?, TAG_LETTERS))
}

/// Made with a key of its own, so that no holder is part of a tag.
fn holder(key: &[u8; 32], room: &RoomId, participant: &ParticipantId) -> Option<String> {
    let code = code(&code(key, "holder")?, &format!("{room}/{participant}"))?;
    Some(random::letters(&code, HOLDER_LETTERS))
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
    pub(super) fn new(mint: Mint<'_>, random: &mut Random) -> Self {
        Self { current: mint.secret(random), shown: None }
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
    pub(super) fn replace(&mut self, now: UnixMillis, used: &str, mint: Mint<'_>, random: &mut Random) {
        let until = now.plus_ms(limits::RESUME_SECRET_OVERLAP_MS);
        self.shown = Some(Shown { secret: used.into(), until });
        self.current = mint.secret(random);
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

    fn participant(name: &str) -> ParticipantId {
        ParticipantId::parse(name).expect("a name")
    }

    fn minted(keys: &ResumeKeys, room_name: &str, name: &str, seed: u64) -> String {
        let mint = Mint { keys, room: &room(room_name), participant: &participant(name) };
        mint.secret(&mut seeded(seed))
    }

    #[test]
    fn a_secret_is_of_one_room_and_one_of_the_keys() {
        let minted = minted(&keys("old"), "daily", "ada", 1);
        let is_of = |keys: &ResumeKeys, name: &str, secret: &str| keys.holder(&room(name), secret).is_some();
        assert!(minted.len() <= limits::RESUME_TOKEN_BYTES_MAX);
        assert!(is_of(&keys("old"), "daily", &minted));
        assert!(is_of(&ResumeKeys::derived([b"new".as_slice(), b"old"]), "daily", &minted));
        assert!(!is_of(&keys("old"), "weekly", &minted));
        assert!(!is_of(&keys("new"), "daily", &minted));
        assert!(!is_of(&ResumeKeys::default(), "daily", &minted));
        let (letters, tag) = minted.rsplit_once('.').expect("a tag");
        let (chance, _) = letters.split_once('.').expect("a holder");
        let guesses = [
            "",
            ".",
            "..",
            letters,
            &format!("{letters}."),
            &format!("{chance}.{tag}"),
            &format!("{chance}.0000000000000000.{tag}"),
            &minted[..minted.len() - 1],
            &format!("{minted}0"),
        ];
        for guess in guesses {
            assert!(!is_of(&keys("old"), "daily", guess), "{guess}");
        }
    }

    #[test]
    fn the_holder_is_the_same_in_all_secrets_of_a_participant_in_a_room_and_tells_nothing_else() {
        let keys = keys("k");
        let holder = |room_name: &str, name: &str, seed| {
            let secret = minted(&keys, room_name, name, seed);
            assert!(!secret.contains(name) && !secret.contains(room_name), "{secret}");
            keys.holder(&room(room_name), &secret).expect("ours")
        };
        let ada = holder("daily", "ada", 1);
        assert!(matches!(&ada, Holder::Blind(letters) if letters.len() == HOLDER_LETTERS));
        assert_eq!(ada, holder("daily", "ada", 2));
        assert_ne!(ada, holder("daily", "eve", 1));
        assert_ne!(ada, holder("weekly", "ada", 1));
    }

    #[test]
    fn a_secret_without_a_holder_opens_once_and_is_replaced_by_one_with_a_holder() {
        let (keys, room, ada) = (keys("k"), room("daily"), participant("ada"));
        let tag = tag(&keys.0[0], &room, "0123456789").expect("a tag");
        let old = format!("0123456789.{tag}");
        assert_eq!(keys.holder(&room, &old), Some(Holder::Unknown));
        let mut secrets = ResumeSecrets { current: old.clone(), shown: None };
        assert!(secrets.open(UnixMillis(1), &old));
        let mint = Mint { keys: &keys, room: &room, participant: &ada };
        secrets.replace(UnixMillis(1), &old, mint, &mut seeded(1));
        assert!(matches!(keys.holder(&room, secrets.current()), Some(Holder::Blind(_))));
    }

    #[test]
    fn the_one_before_opens_until_the_new_one_was_seen() {
        let (keys, room, random) = (keys("k"), room("daily"), &mut seeded(1));
        let at = UnixMillis;
        let mint = Mint { keys: &keys, room: &room, participant: &participant("ada") };
        let mut secrets = ResumeSecrets::new(mint, random);
        let first = secrets.current().to_owned();
        secrets.replace(at(0), &first, mint, random);
        let lost = secrets.current().to_owned();
        // The answer was lost: the client knows the first one only.
        assert!(secrets.open(at(1), &first) && secrets.open(at(1), &lost));
        secrets.replace(at(1), &first, mint, random);
        let third = secrets.current().to_owned();
        assert!(!secrets.open(at(2), &lost), "nobody can have read this one");
        secrets.replace(at(2), &third, mint, random);
        assert!(!secrets.open(at(3), &first), "the client has read a later one");
        assert!(secrets.open(at(3), &third));
        assert!(
            !secrets.open(at(2).plus_ms(limits::RESUME_SECRET_OVERLAP_MS), &third),
            "the client is here and has read it"
        );
        assert!(secrets.open(at(u64::MAX), secrets.current()));
    }
}
