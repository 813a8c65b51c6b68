//! The secret for resuming a session on another socket: bound to the room, replaced at each use.

use crate::random::{self, Random};
use crate::secret::{self, RoomKeys};
use serde::{Deserialize, Serialize};
use shared::{ParticipantId, RoomId, UnixMillis, limits};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResumeKeys(RoomKeys);

impl ResumeKeys {
    /// Derives keys for this purpose from secrets that serve another one.
    pub fn derived<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self(RoomKeys::derived(secrets, "rotunda resume key v1"))
    }

    /// Returns the holder of a secret of this room; `None` if no key made it.
    #[must_use]
    pub fn holder(&self, room: &RoomId, resume_secret: &str) -> Option<Holder> {
        let letters = self.0.signed(room, resume_secret)?;
        Some(letters.split_once('.').map_or(Holder::Unknown, |(_, holder)| Holder::Blind(holder.into())))
    }
}

/// The participant for whom a resume secret was made, even if it is no longer valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holder {
    /// The same in all secrets of one participant in one room, and meaningless without the key.
    Blind(String),
    /// Secrets of an earlier version name no holder.
    Unknown,
}

/// The ingredients of a secret besides randomness.
#[derive(Clone, Copy)]
pub(crate) struct Mint<'a> {
    pub(crate) keys: &'a ResumeKeys,
    pub(crate) room: &'a RoomId,
    pub(crate) participant: &'a ParticipantId,
}

impl Mint<'_> {
    fn secret(self, random: &mut Random) -> String {
        let letters = random::id(random);
        self.keys.0.sign(self.room, &letters, "holder", self.participant.as_str()).unwrap_or(letters)
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResumeSecrets {
    /// The secret issued last.
    current: String,
    /// The secret that the client presented last; it knows no other if the answer with the current one was lost.
    shown: Option<Shown>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Shown {
    secret: String,
    until: UnixMillis,
}

impl ResumeSecrets {
    pub(crate) fn new(mint: Mint<'_>, random: &mut Random) -> Self {
        Self { current: mint.secret(random), shown: None }
    }

    pub(crate) fn current(&self) -> &str {
        &self.current
    }

    pub(crate) fn open(&self, now: UnixMillis, theirs: &str) -> bool {
        let is_shown = |shown: &Shown| now < shown.until && secret::is_same(&shown.secret, theirs);
        secret::is_same(&self.current, theirs) | self.shown.as_ref().is_some_and(is_shown)
    }

    pub(crate) const fn are_two(&self) -> bool {
        self.shown.is_some()
    }

    pub(crate) fn forget_shown(&mut self) {
        self.shown = None;
    }

    /// Issues a secret in place of the used one. The used one stays valid until the client shows that it has read the
    /// new one, or must have: its socket delivers in order, so a client that is still present by then has read the
    /// answer.
    pub(crate) fn replace(&mut self, now: UnixMillis, used: &str, mint: Mint<'_>, random: &mut Random) {
        let until = now.plus_ms(limits::RESUME_SECRET_OVERLAP_MS);
        self.shown = Some(Shown { secret: used.into(), until });
        self.current = mint.secret(random);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::tests::seeded;
    use crate::secret::BLIND_LETTERS;

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
        assert!(matches!(&ada, Holder::Blind(letters) if letters.len() == BLIND_LETTERS));
        assert_eq!(ada, holder("daily", "ada", 2));
        assert_ne!(ada, holder("daily", "eve", 1));
        assert_ne!(ada, holder("weekly", "ada", 1));
    }

    #[test]
    fn a_secret_without_a_holder_opens_once_and_is_replaced_by_one_with_a_holder() {
        let (keys, room, ada) = (keys("k"), room("daily"), participant("ada"));
        let tag = keys.0.tag(&room, "0123456789").expect("a tag");
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
        // The answer was lost: the client knows only the first secret.
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
