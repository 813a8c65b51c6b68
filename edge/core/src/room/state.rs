//! The data of a room: its tables, which remember what changed, and questions that concern several of them. Nothing is
//! decided here.

pub(crate) mod acts;
pub(crate) mod allowances;
pub(crate) mod assignments;
pub(crate) mod bans;
pub(crate) mod calls;
pub(crate) mod deadlines;
pub(crate) mod departures;
pub(crate) mod direct;
pub(crate) mod guests;
pub(crate) mod members;
pub(crate) mod messages;
pub(crate) mod meta;
pub(crate) mod negotiated;
pub(crate) mod recordings;
pub(crate) mod resume_secrets;
pub(crate) mod rows;
pub(crate) mod rules;
pub(crate) mod sessions;
pub(crate) mod slots;
pub(crate) mod sockets;
pub(crate) mod standings;
pub(crate) mod tracks;
pub(crate) mod used_tokens;

use crate::SocketId;
use crate::room::state::acts::Act;
use crate::room::state::allowances::Allowance;
use crate::room::state::assignments::{Assignment, Link};
use crate::room::state::bans::{Ban, Departed};
use crate::room::state::calls::PastCall;
use crate::room::state::departures::Departures;
use crate::room::state::guests::{Guest, GuestStanding};
use crate::room::state::members::Member;
use crate::room::state::meta::{Meta, Placing};
use crate::room::state::negotiated::Negotiated;
use crate::room::state::recordings::Recording;
use crate::room::state::rows::Snapshot;
use crate::room::state::rules::Rules;
use crate::room::state::sessions::{MediaSession, MediaState};
use crate::room::state::sockets::{Kind, Socket};
use crate::room::state::standings::Standing;
use crate::room::state::tracks::Track;
use crate::room::state::used_tokens::UsedToken;
use crate::storage::{Archive, Lazy, Table};
use shared::rtp_parameters::Session;
use shared::signal::{
    CallState, ChatMessage, ConnectionState, Features, ParticipantInfo, RecordingInfo, RoomInfo, RosterDifference,
};
use shared::sorted::{self, SortedMap, SortedSet};
use shared::token::Bandwidth;
use shared::{Mid, ParticipantId, RecordingId, RoomId, SessionId, TokenId, UnixMillis, limits};

pub(crate) struct State {
    pub(crate) id: RoomId,
    archive: Archive,
    pub(crate) meta: Table<(), Meta>,
    pub(crate) members: Table<ParticipantId, Member>,
    pub(crate) sessions: Table<SessionId, MediaSession>,
    pub(crate) negotiated: Table<SessionId, Lazy<Negotiated>>,
    pub(crate) assignments: Table<u64, Assignment>,
    pub(crate) recordings: Table<RecordingId, Recording>,
    pub(crate) chat: Table<u64, ChatMessage>,
    pub(crate) bans: Table<ParticipantId, Ban>,
    /// Moderators' changes to absent participants.
    pub(crate) standings: Table<ParticipantId, Standing>,
    pub(crate) departed: Table<ParticipantId, Departed>,
    /// Stored only if forgetting them would refill a spent budget.
    pub(crate) allowances: Table<ParticipantId, Allowance>,
    pub(crate) used_tokens: Table<TokenId, UsedToken>,
    /// The lobby: waiting guests, and recent decisions.
    pub(crate) guests: Table<ParticipantId, Guest>,
    /// Past calls, numbered in their order.
    pub(crate) calls: Table<u64, PastCall>,
    /// The audit trail, numbered in its order.
    pub(crate) acts: Table<u64, Act>,
    /// Not stored: from the sockets' attachments.
    pub(crate) sockets: Table<SocketId, Socket>,
}

impl State {
    pub(crate) fn new(id: RoomId, snapshot: Snapshot, archive: Archive) -> Self {
        let Snapshot {
            meta,
            members,
            sessions,
            negotiated,
            assignments,
            recordings,
            chat,
            bans,
            standings,
            departed,
            allowances,
            used_tokens,
            guests,
            calls,
            acts,
            unstored,
        } = snapshot;
        let mut negotiated = Table::new(negotiated);
        for (id, unstored) in unstored {
            negotiated.insert(id, unstored.into());
        }
        Self {
            id,
            archive,
            meta: Table::new(meta.into_iter().map(|meta| ((), meta)).collect()),
            members: Table::new(members),
            sessions: Table::new(sessions),
            negotiated,
            assignments: Table::new(assignments),
            recordings: Table::new(recordings),
            chat: Table::new(chat),
            bans: Table::new(bans),
            standings: Table::new(standings),
            departed: Table::new(departed),
            allowances: Table::new(allowances),
            used_tokens: Table::new(used_tokens),
            guests: Table::new(guests),
            calls: Table::new(calls),
            acts: Table::new(acts),
            sockets: Table::new(SortedMap::new()),
        }
    }
}

impl State {
    /// True if this input has changed nothing but allowances and sockets.
    pub(crate) fn is_unchanged(&self) -> bool {
        let Self {
            id: _,
            archive: _,
            allowances: _,
            sockets: _,
            meta,
            members,
            sessions,
            negotiated,
            assignments,
            recordings,
            chat,
            bans,
            standings,
            departed,
            used_tokens,
            guests,
            calls,
            acts,
        } = self;
        meta.changed().is_empty()
            && members.changed().is_empty()
            && (sessions.changed().is_empty() && negotiated.changed().is_empty())
            && (assignments.changed().is_empty() && recordings.changed().is_empty())
            && (chat.changed().is_empty() && acts.changed().is_empty())
            && (bans.changed().is_empty() && standings.changed().is_empty() && departed.changed().is_empty())
            && (used_tokens.changed().is_empty() && guests.changed().is_empty() && calls.changed().is_empty())
    }

    pub(crate) fn meta(&self) -> Option<&Meta> {
        self.meta.get(&())
    }

    pub(crate) fn meta_mut(&mut self) -> Option<&mut Meta> {
        self.meta.get_mut(&())
    }

    /// The negotiated parameters of a session, or `None` if they are unreadable.
    pub(crate) fn negotiated(&self, session: &SessionId) -> Option<&Negotiated> {
        self.negotiated.get(session)?.get(|| rows::negotiated(&self.archive, session))
    }

    pub(crate) fn negotiated_mut(&mut self, session: &SessionId) -> Option<&mut Negotiated> {
        self.negotiated(session)?;
        self.negotiated.get_mut(session)?.known_mut()
    }

    /// `None` if its negotiated parameters are unreadable.
    pub(crate) fn session_for_node(&self, id: &SessionId) -> Option<Session> {
        let session = self.sessions.get(id)?;
        let trace = self.members.get(&session.participant).and_then(|member| member.trace);
        let bandwidth = self.bandwidth(&session.participant);
        let published = self.published(id).unwrap_or_default();
        let published: Vec<&Mid> = published.iter().map(|track| &track.mid).collect();
        Some(self.negotiated(id)?.to_node(id, session, trace, bandwidth, &published))
    }

    /// The tracks of a session in use, or those of one that waits for its node.
    pub(crate) fn published(&self, id: &SessionId) -> Option<&[Track]> {
        let member = self.members.get(&self.sessions.get(id)?.participant)?;
        let waiting = member.waiting.as_ref().filter(|waiting| waiting.session == *id);
        Some(waiting.map_or(&member.tracks, |waiting| &waiting.tracks))
    }

    /// The limits on a participant's media.
    pub(crate) fn bandwidth(&self, participant: &ParticipantId) -> Bandwidth {
        self.members.get(participant).map_or_else(Bandwidth::default, |member| member.bandwidth)
    }

    /// True while the room has participants, or waits for one to return.
    #[must_use]
    pub(crate) fn exists(&self) -> bool {
        self.meta().is_some()
    }

    /// The participants with the identity of this one, itself included: more than one only where the room admits them.
    pub(crate) fn seats_of(&self, participant: &ParticipantId) -> impl Iterator<Item = &Member> {
        participant.seats().filter_map(|seat| self.members.get(&seat))
    }

    /// The ids in [`State::seats_of`], for a loop that changes them.
    pub(crate) fn seat_ids(&self, participant: &ParticipantId) -> Vec<ParticipantId> {
        self.seats_of(participant).map(|member| member.id.clone()).collect()
    }

    pub(crate) fn room_info(&self) -> RoomInfo {
        self.meta().map_or_else(RoomInfo::default, |meta| RoomInfo {
            locked: meta.locked,
            metadata: meta.metadata.clone(),
            participants_max: u32::try_from(meta.participants_max).unwrap_or(u32::MAX),
            audience: meta.audience,
            peer_to_peer_max: meta.direct.participants_max,
            direct: meta.direct.info(),
            resume_spread_ms: self.resume_spread_ms(),
            state: meta.call.state,
            reason: meta.call.reason.clone(),
            starts_at: meta.starts_at,
            started_at: meta.call.started_at,
            ends_at: meta.ends_at(),
            room_type: meta.rules.room_type,
            public: meta.rules.is_public(),
            features: meta.rules.features,
            quality: meta.rules.quality,
            spotlight: meta.spotlight.clone(),
        })
    }

    /// Changes only when the number of participants doubles or halves, because everybody is told.
    fn resume_spread_ms(&self) -> u32 {
        let count = self.members.len();
        if count < limits::RESUME_SPREAD_FROM {
            return 0;
        }
        let ms = count.next_power_of_two().saturating_mul(limits::RESUME_SPREAD_MS_PER_PARTICIPANT);
        u32::try_from(ms).unwrap_or(u32::MAX)
    }

    /// The rules of the room, or of one that is to be created.
    pub(crate) fn rules(&self) -> Rules {
        self.meta().map_or_else(Rules::default, |meta| meta.rules.clone())
    }

    pub(crate) fn features(&self) -> Features {
        self.meta().map_or_else(Features::default, |meta| meta.rules.features)
    }

    /// True while nothing is forwarded.
    pub(crate) fn is_paused(&self) -> bool {
        self.meta().is_some_and(|meta| meta.call.state == CallState::Paused)
    }

    /// The assignment for new sessions; `None` while another one is being requested.
    pub(crate) fn usable(&self) -> Option<u64> {
        let meta = self.meta()?;
        let current = meta.current?;
        let asked = matches!(meta.placing, Some(Placing::Asked { .. }));
        let assignment = self.assignments.get(&current)?;
        (!asked && assignment.retired_at.is_none() && assignment.link != Link::Silent).then_some(current)
    }

    pub(crate) fn assignment_of(&self, participant: &ParticipantId) -> Option<u64> {
        let member = self.members.get(participant)?;
        let of_session = self.sessions.get(&member.session).and_then(|session| session.epoch);
        of_session.filter(|epoch| self.assignments.contains(epoch)).or_else(|| self.meta()?.current)
    }

    /// A participant's public state.
    pub(crate) fn info(&self, member: &Member) -> ParticipantInfo {
        ParticipantInfo {
            id: member.id.clone(),
            name: member.name.clone(),
            metadata: member.change.metadata.clone().unwrap_or_default(),
            grants: member.grants,
            role: member.role.clone(),
            attributes: member.attributes.clone(),
            bandwidth: member.bandwidth,
            joined_at: member.joined_at,
            connection: self.connection(member),
            hand_raised_at: member.hand_raised_at,
            tracks: member.tracks.iter().map(Into::into).collect(),
        }
    }

    fn connection(&self, member: &Member) -> ConnectionState {
        let session = self.sessions.get(&member.session);
        let media = session.map_or(MediaState::New, |session| session.media);
        let served = session.and_then(|session| session.epoch).is_some_and(|epoch| self.assignments.contains(&epoch));
        match media {
            MediaState::Up if served && member.socket.is_some() => ConnectionState::Connected,
            MediaState::New if !member.was_connected && member.socket.is_some() => ConnectionState::Connecting,
            MediaState::New | MediaState::Up | MediaState::Ended => ConnectionState::Reconnecting,
        }
    }

    /// All participants in the order in which they joined.
    pub(crate) fn everybody(&self) -> Vec<ParticipantInfo> {
        self.in_order(|_| true)
    }

    /// The participants whom everybody knows, and the participant itself, in the order in which they joined.
    pub(crate) fn roster(&self, of: &ParticipantId) -> Vec<ParticipantInfo> {
        self.in_order(|member| !member.audience || member.id == *of)
    }

    /// The revision of the latest change to the roster; a change of `connection` alone has none.
    pub(crate) fn roster_revision(&self) -> u64 {
        self.members.values().map(|member| member.revision).max().unwrap_or(0).max(self.departures_revision())
    }

    pub(crate) fn departures_revision(&self) -> u64 {
        self.meta().and_then(|meta| meta.departures.as_ref()).map_or(0, Departures::latest)
    }

    /// The participants who changed after a revision, and what else differs; `None` if the room no longer knows.
    pub(crate) fn difference(
        &self,
        of: &ParticipantId,
        known: u64,
    ) -> Option<(Vec<ParticipantInfo>, RosterDifference)> {
        if known > self.roster_revision() {
            return None;
        }
        let left = self.meta()?.departures.as_ref()?.since(known)?;
        let mut difference = RosterDifference { left, ..RosterDifference::default() };
        let is_shown = |member: &Member| !member.audience || member.id == *of;
        for member in self.members.values().filter(|member| is_shown(member)) {
            match self.connection(member) {
                ConnectionState::Connecting => difference.connecting.push(member.id.clone()),
                ConnectionState::Connected => {}
                ConnectionState::Reconnecting => difference.reconnecting.push(member.id.clone()),
            }
        }
        Some((self.in_order(|member| is_shown(member) && member.revision > known), difference))
    }

    fn in_order(&self, shows: impl Fn(&Member) -> bool) -> Vec<ParticipantInfo> {
        let mut members: Vec<_> = self.members.values().filter(|member| shows(member)).collect();
        sorted::sort_by_key(&mut members, |member| member.order);
        members.into_iter().map(|member| self.info(member)).collect()
    }

    /// The participant whose session a secret opens; asked before a socket without a join token is accepted.
    #[must_use]
    pub(crate) fn resumable(&self, now: UnixMillis, secret: &str) -> Option<ParticipantId> {
        let opens = |member: &&Member| member.answered && member.resume_secrets.open(now, secret);
        self.members.values().find(opens).map(|member| member.id.clone())
    }

    /// Participants who changed in this input, or whose session or node did.
    pub(crate) fn touched_members(&self) -> SortedSet<ParticipantId> {
        if !self.assignments.changed().is_empty() {
            return self.members.keys().chain(self.members.changed()).cloned().collect();
        }
        let of_session = |id| Some(self.sessions.get(id)?.participant.clone());
        let of_sessions = self.sessions.changed().iter().filter_map(of_session);
        self.members.changed().iter().cloned().chain(of_sessions).collect()
    }

    pub(crate) fn is_flowing(&self, member: &Member) -> bool {
        self.sessions.get(&member.session).is_some_and(|session| {
            session.media == MediaState::Up && session.epoch.is_some_and(|epoch| self.assignments.contains(&epoch))
        })
    }

    /// The time at which grants lost in an earlier room return.
    pub(crate) fn standing_deadline(&self, participant: &ParticipantId) -> Option<UnixMillis> {
        let of_member = self.members.get(participant).and_then(|member| member.lost);
        let lost = of_member.or_else(|| self.standings.get(participant)?.lost);
        lost.map(|lost| lost.until)
    }

    pub(crate) fn is_admitted(&self, participant: &ParticipantId) -> bool {
        self.guests.get(participant).is_some_and(|guest| guest.standing == GuestStanding::Admitted)
    }

    pub(crate) fn running_recording(&self) -> Option<RecordingId> {
        let running = self.recordings.iter().find(|(_, recording)| recording.state.is_running());
        running.map(|(id, _)| id.clone())
    }

    pub(crate) fn is_recorded(&self) -> bool {
        self.running_recording().is_some()
    }

    /// The recording in `joined`: the running one, or else the newest that is being finished or has just ended.
    pub(crate) fn shown_recording(&self, now: UnixMillis) -> Option<RecordingInfo> {
        let is_news = |recording: &Recording| {
            !recording.state.is_over()
                || recording.ended_at.is_some_and(|at| now.since_ms(at) < limits::RECORDING_TOLD_MS)
        };
        let told = self.kept_recordings().filter(|(_, recording)| is_news(recording));
        let newest = told.max_by_key(|(_, recording)| {
            (recording.state.is_running(), !recording.state.is_over(), recording.started_at)
        });
        newest.map(|(id, recording)| recording.info(id))
    }

    /// All recordings that are not deleted.
    pub(crate) fn kept_recordings(&self) -> impl Iterator<Item = (&RecordingId, &Recording)> {
        self.recordings.iter().filter(|(_, recording)| !recording.is_deleted())
    }

    /// Ends the recording: on request, after its maximum duration, or because the room is empty.
    pub(crate) fn end_recording(&mut self, now: UnixMillis) {
        let running = self.running_recording();
        if let Some(recording) = running.and_then(|id| self.recordings.get_mut(&id)) {
            recording.stop(now);
        }
    }
}

impl State {
    /// Binds the socket to a participant.
    pub(crate) fn socket_is_client_of(&mut self, socket: SocketId, whose: &ParticipantId) {
        if let Some(socket) = self.sockets.get_mut(&socket)
            && let Kind::Client { participant, .. } = &mut socket.kind
        {
            *participant = Some(whose.clone());
            socket.is_awaited = false;
        }
    }

    /// Binds the socket to the node of an assignment.
    pub(crate) fn socket_is_node_of(&mut self, socket: SocketId, of: u64) {
        if let Some(socket) = self.sockets.get_mut(&socket)
            && let Kind::Node { epoch, .. } = &mut socket.kind
        {
            *epoch = Some(of);
            socket.is_awaited = false;
        }
    }

    /// Lifts the first-frame deadline of a node's socket: the Fleet object's answer decides next.
    pub(crate) fn socket_waits(&mut self, socket: SocketId) {
        if let Some(socket) = self.sockets.get_mut(&socket) {
            socket.is_awaited = false;
        }
    }

    /// Unbinds an open socket from its departed participant, who may join again until the first frame is due.
    pub(crate) fn forget_participant_of(&mut self, socket: SocketId) {
        if let Some(socket) = self.sockets.get_mut(&socket)
            && let Kind::Client { participant, .. } = &mut socket.kind
        {
            *participant = None;
            socket.is_awaited = true;
        }
    }

    /// True if the socket is bound to a participant or a node.
    #[must_use]
    pub(crate) fn is_settled(&self, socket: SocketId) -> bool {
        match self.sockets.get(&socket).map(|socket| &socket.kind) {
            Some(Kind::Client { participant, .. }) => participant.is_some(),
            Some(Kind::Node { epoch, .. }) => epoch.is_some(),
            None => false,
        }
    }

    /// Counts a bad frame of a node; true if it was one too many.
    pub(crate) fn strike(&mut self, socket: SocketId) -> bool {
        let Some(socket) = self.sockets.get_mut(&socket) else { return false };
        socket.strikes = socket.strikes.saturating_add(1);
        socket.strikes >= limits::MALFORMED_FRAMES_MAX
    }
}
