//! The room as rows: one for the room and one for each participant, session, assignment, recording, chat message and
//! ban, so that a small change writes a small row.
//!
//! The state's types are stored directly. An incompatible change to them needs a new [`VERSION`].

use crate::room::state::acts::Act;
use crate::room::state::allowances::Allowance;
use crate::room::state::assignments::Assignment;
use crate::room::state::bans::{Ban, Departed};
use crate::room::state::calls::PastCall;
use crate::room::state::guests::Guest;
use crate::room::state::members::Member;
use crate::room::state::meta::Meta;
use crate::room::state::negotiated::Negotiated;
use crate::room::state::recordings::Recording;
use crate::room::state::sessions::MediaSession;
use crate::room::state::standings::Standing;
use crate::room::state::used_tokens::UsedToken;
use crate::storage;
use crate::storage::{Archive, Lazy, RestoreError, Row};
use shared::signal::ChatMessage;
use shared::sorted::SortedMap;
use shared::{ParticipantId, RecordingId, SessionId, TokenId};

pub(crate) const VERSION: u64 = 1;
pub(crate) const META: &str = "meta";
pub(crate) const MEMBER: &str = "member/";
pub(crate) const SESSION: &str = "session/";
pub(crate) const NEGOTIATED: &str = "negotiated/";
pub(crate) const ASSIGNMENT: &str = "assignment/";
pub(crate) const RECORDING: &str = "recording/";
pub(crate) const CHAT: &str = "chat/";
pub(crate) const BAN: &str = "ban/";
pub(crate) const STANDING: &str = "standing/";
pub(crate) const DEPARTED: &str = "departed/";
pub(crate) const ALLOWANCE: &str = "allowance/";
pub(crate) const USED_TOKEN: &str = "used-token/";
pub(crate) const GUEST: &str = "guest/";
pub(crate) const CALL: &str = "call/";
pub(crate) const ACT: &str = "act/";

#[derive(Default)]
pub(crate) struct Snapshot {
    pub(crate) meta: Option<Meta>,
    pub(crate) members: SortedMap<ParticipantId, Member>,
    pub(crate) sessions: SortedMap<SessionId, MediaSession>,
    pub(crate) negotiated: SortedMap<SessionId, Lazy<Negotiated>>,
    pub(crate) assignments: SortedMap<u64, Assignment>,
    pub(crate) recordings: SortedMap<RecordingId, Recording>,
    pub(crate) chat: SortedMap<u64, ChatMessage>,
    pub(crate) bans: SortedMap<ParticipantId, Ban>,
    pub(crate) standings: SortedMap<ParticipantId, Standing>,
    pub(crate) departed: SortedMap<ParticipantId, Departed>,
    pub(crate) allowances: SortedMap<ParticipantId, Allowance>,
    pub(crate) used_tokens: SortedMap<TokenId, UsedToken>,
    pub(crate) guests: SortedMap<ParticipantId, Guest>,
    pub(crate) calls: SortedMap<u64, PastCall>,
    pub(crate) acts: SortedMap<u64, Act>,
    /// Negotiated parameters that have no rows of their own yet.
    pub(crate) unstored: Vec<(SessionId, Negotiated)>,
}

impl Snapshot {
    /// Parses all rows, and returns the errors of the unreadable ones.
    pub(crate) fn read(rows: &[Row]) -> (Self, Vec<RestoreError>) {
        let mut snapshot = Self::default();
        let unreadable = rows.iter().filter_map(|row| snapshot.add(row).err()).collect();
        (snapshot, unreadable)
    }

    fn add_session(&mut self, row: &Row, id: &str) -> Result<(), RestoreError> {
        let id = SessionId::parse(id).map_err(|error| RestoreError::malformed(row, &error.to_string()))?;
        // An unreadable session's negotiated parameters are deleted with it.
        self.negotiated.insert(id.clone(), Lazy::stored());
        // Earlier versions stored all in one row.
        if row.value.contains(Negotiated::MARK) {
            self.unstored.push((id.clone(), storage::read(row, VERSION)?));
        }
        self.sessions.insert(id, storage::read(row, VERSION)?);
        Ok(())
    }

    fn add(&mut self, row: &Row) -> Result<(), RestoreError> {
        let malformed = |detail: &str| RestoreError::malformed(row, detail);
        if row.key == META {
            self.meta = Some(storage::read(row, VERSION)?);
        } else if let Some(id) = row.key.strip_prefix(MEMBER) {
            self.members.insert(participant(row, id)?, storage::read(row, VERSION)?);
        } else if let Some(id) = row.key.strip_prefix(SESSION) {
            self.add_session(row, id)?;
        } else if row.key.starts_with(NEGOTIATED) {
            // Read when it is needed.
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
        } else if let Some(number) = row.key.strip_prefix(CALL) {
            let number = number.parse().map_err(|_| malformed("a call has a number"))?;
            self.calls.insert(number, storage::read(row, VERSION)?);
        } else if let Some(number) = row.key.strip_prefix(ACT) {
            let number = number.parse().map_err(|_| malformed("an act has a number"))?;
            self.acts.insert(number, storage::read(row, VERSION)?);
        } else {
            return Err(malformed("unknown row key"));
        }
        Ok(())
    }
}

/// True if an unreadable row may be deleted. Returning clients recreate the state of a call; recordings, moderators'
/// decisions and unknown kinds of rows are kept for a version that can read them.
pub(crate) fn is_disposable(key: &str) -> bool {
    key == META
        || [MEMBER, SESSION, NEGOTIATED, ASSIGNMENT, CHAT, ALLOWANCE, GUEST, DEPARTED, CALL]
            .iter()
            .any(|prefix| key.starts_with(prefix))
}

/// A session's negotiated parameters from storage.
pub(crate) fn negotiated(archive: &Archive, session: &SessionId) -> Option<Negotiated> {
    let key = format!("{NEGOTIATED}{session}");
    let value = archive(&key)?;
    storage::read(&Row { key, value }, VERSION).ok()
}

fn participant(row: &Row, id: &str) -> Result<ParticipantId, RestoreError> {
    ParticipantId::parse(id).map_err(|error| RestoreError::malformed(row, &error.to_string()))
}
