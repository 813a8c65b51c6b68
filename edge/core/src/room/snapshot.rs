//! The room as rows: one for the room and one for each participant, session, assignment, recording, chat message and
//! ban, so that a small change writes a small row.
//!
//! The state's types are stored directly. An incompatible change to them needs a new [`VERSION`].

use super::Room;
use super::allowance::Allowance;
use super::ban::Ban;
use super::departed::Departed;
use super::guest::Guest;
use super::media_session::MediaSession;
use super::member::Member;
use super::recording::Recording;
use super::standing::Standing;
use super::topology::{Assignment, Meta};
use super::used_token::UsedToken;
use crate::storage::{self, Changes, RestoreError, Row};
use shared::signal::ChatMessage;
use shared::{ParticipantId, RecordingId, SessionId, TokenId, UnixMillis};
use std::collections::BTreeMap;

/// The version of all rows.
const VERSION: u64 = 1;

/// The key of the room's own row.
const META: &str = "meta";
/// What the keys of the others begin with.
const MEMBER: &str = "member/";
const SESSION: &str = "session/";
const ASSIGNMENT: &str = "assignment/";
const RECORDING: &str = "recording/";
const CHAT: &str = "chat/";
const BAN: &str = "ban/";
const STANDING: &str = "standing/";
const DEPARTED: &str = "departed/";
const ALLOWANCE: &str = "allowance/";
const USED_TOKEN: &str = "used-token/";
const GUEST: &str = "guest/";

/// The stored part of a room.
#[derive(Default)]
pub(super) struct Snapshot {
    pub(super) meta: Option<Meta>,
    pub(super) members: BTreeMap<ParticipantId, Member>,
    pub(super) sessions: BTreeMap<SessionId, MediaSession>,
    pub(super) assignments: BTreeMap<u64, Assignment>,
    pub(super) recordings: BTreeMap<RecordingId, Recording>,
    pub(super) chat: BTreeMap<u64, ChatMessage>,
    pub(super) bans: BTreeMap<ParticipantId, Ban>,
    pub(super) standings: BTreeMap<ParticipantId, Standing>,
    pub(super) departed: BTreeMap<ParticipantId, Departed>,
    pub(super) allowances: BTreeMap<ParticipantId, Allowance>,
    pub(super) used_tokens: BTreeMap<TokenId, UsedToken>,
    pub(super) guests: BTreeMap<ParticipantId, Guest>,
}

impl Snapshot {
    /// Parses all rows, and returns the errors of the unreadable ones.
    pub(super) fn read(rows: &[Row]) -> (Self, Vec<RestoreError>) {
        let mut snapshot = Self::default();
        let unreadable = rows.iter().filter_map(|row| snapshot.add(row).err()).collect();
        (snapshot, unreadable)
    }

    fn add(&mut self, row: &Row) -> Result<(), RestoreError> {
        let malformed = |detail: &str| RestoreError::malformed(row, detail);
        if row.key == META {
            self.meta = Some(storage::read(row, VERSION)?);
        } else if let Some(id) = row.key.strip_prefix(MEMBER) {
            self.members.insert(participant(row, id)?, storage::read(row, VERSION)?);
        } else if let Some(id) = row.key.strip_prefix(SESSION) {
            let id = SessionId::parse(id).map_err(|error| malformed(&error.to_string()))?;
            self.sessions.insert(id, storage::read(row, VERSION)?);
        } else if let Some(epoch) = row.key.strip_prefix(ASSIGNMENT) {
            let epoch = epoch.parse().map_err(|_| malformed("an epoch is a number"))?;
            self.assignments.insert(epoch, storage::read(row, VERSION)?);
        } else if let Some(id) = row.key.strip_prefix(RECORDING) {
            let id = RecordingId::parse(id).map_err(|error| malformed(&error.to_string()))?;
            self.recordings.insert(id, storage::read(row, VERSION)?);
        } else if let Some(number) = row.key.strip_prefix(CHAT) {
            let number = number.parse().map_err(|_| malformed("a message key must contain a number"))?;
            self.chat.insert(number, storage::read(row, VERSION)?);
        } else if let Some(id) = row.key.strip_prefix(BAN) {
            self.bans.insert(participant(row, id)?, storage::read(row, VERSION)?);
        } else if let Some(id) = row.key.strip_prefix(STANDING) {
            self.standings.insert(participant(row, id)?, storage::read(row, VERSION)?);
        } else if let Some(id) = row.key.strip_prefix(DEPARTED) {
            self.departed.insert(participant(row, id)?, storage::read(row, VERSION)?);
        } else if let Some(id) = row.key.strip_prefix(ALLOWANCE) {
            self.allowances.insert(participant(row, id)?, storage::read(row, VERSION)?);
        } else if let Some(jti) = row.key.strip_prefix(USED_TOKEN) {
            let jti = TokenId::parse(jti).map_err(|error| malformed(&error.to_string()))?;
            self.used_tokens.insert(jti, storage::read(row, VERSION)?);
        } else if let Some(id) = row.key.strip_prefix(GUEST) {
            self.guests.insert(participant(row, id)?, storage::read(row, VERSION)?);
        } else {
            return Err(malformed("unknown row key"));
        }
        Ok(())
    }
}

/// Whether an unreadable row may be deleted. Returning clients recreate what a call needs; recordings, moderators'
/// decisions and unknown kinds of rows are kept for a version that can read them.
pub(super) fn is_disposable(key: &str) -> bool {
    key == META
        || [MEMBER, SESSION, ASSIGNMENT, CHAT, ALLOWANCE, GUEST, DEPARTED].iter().any(|prefix| key.starts_with(prefix))
}

fn participant(row: &Row, id: &str) -> Result<ParticipantId, RestoreError> {
    ParticipantId::parse(id).map_err(|error| RestoreError::malformed(row, &error.to_string()))
}

impl Room {
    /// The rows that have changed since they were last stored.
    pub(super) fn take_changes(&mut self, now: UnixMillis) -> Changes {
        let mut changes = Changes::default();
        for key in self.meta.take_changed() {
            changes.write(META.into(), self.meta.get(&key), VERSION);
        }
        for id in self.assignments.take_changed() {
            changes.write(format!("{ASSIGNMENT}{id}"), self.assignments.get(&id), VERSION);
        }
        for id in self.members.take_changed() {
            changes.write(format!("{MEMBER}{id}"), self.members.get(&id), VERSION);
        }
        for id in self.sessions.take_changed() {
            changes.write(format!("{SESSION}{id}"), self.sessions.get(&id), VERSION);
        }
        for id in self.recordings.take_changed() {
            changes.write(format!("{RECORDING}{id}"), self.recordings.get(&id), VERSION);
        }
        for number in self.chat.take_changed() {
            changes.write(format!("{CHAT}{number}"), self.chat.get(&number), VERSION);
        }
        for id in self.bans.take_changed() {
            changes.write(format!("{BAN}{id}"), self.bans.get(&id), VERSION);
        }
        for id in self.standings.take_changed() {
            changes.write(format!("{STANDING}{id}"), self.standings.get(&id), VERSION);
        }
        for id in self.departed.take_changed() {
            changes.write(format!("{DEPARTED}{id}"), self.departed.get(&id), VERSION);
        }
        for id in self.guests.take_changed() {
            changes.write(format!("{GUEST}{id}"), self.guests.get(&id), VERSION);
        }
        for jti in self.used_tokens.take_changed() {
            changes.write(format!("{USED_TOKEN}{jti}"), self.used_tokens.get(&jti), VERSION);
        }
        self.write_allowances(now, |id, allowance| changes.write(format!("{ALLOWANCE}{id}"), allowance, VERSION));
        changes
    }
}
