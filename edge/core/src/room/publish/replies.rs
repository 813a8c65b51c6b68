//! Answers that contain the room's state after the input.

use crate::room::context::Config;
use crate::room::outbox::Reply;
use crate::room::publish::post::Post;
use crate::room::state::assignments::Assignment;
use crate::room::state::negotiated::Negotiated;
use crate::room::state::{State, messages};
use crate::session_description::{Answer, Transport};
use shared::signal::{EdgeToClient, IceServer, SlotInfo};
use shared::turn_credential::{Credential, TurnPolicy, TurnUser};
use shared::{ParticipantId, SessionId, UnixMillis, limits};

pub(crate) fn tell(post: &mut Post<'_>, config: &Config, now: UnixMillis, participant: &ParticipantId, reply: Reply) {
    let state = post.state;
    let Some(member) = state.members.get(participant) else { return };
    let session = state.sessions.get(&member.session);
    let assignment = session.and_then(|session| state.assignments.get(&session.epoch?));
    let negotiated = state.negotiated(&member.session);
    let answer = session
        .zip(negotiated)
        .zip(assignment)
        .map(|((session, negotiated), assignment)| answer(&member.session, session.version, negotiated, assignment));
    let policy = match reply {
        Reply::Joined { .. } | Reply::Resumed { .. } | Reply::Negotiated { .. } => TurnPolicy::Sfu,
        Reply::PeerServers { .. } => TurnPolicy::P2p,
    };
    let ice_servers = ice_servers(state, config, now, participant, policy);
    let slots: Vec<SlotInfo> = member.slots.iter().map(Into::into).collect();
    let message = match reply {
        Reply::Joined { in_reply_to } => EdgeToClient::Joined {
            in_reply_to,
            participant: participant.clone(),
            session: member.session.clone(),
            resume_token: member.resume_secrets.current().into(),
            answer: answer.unwrap_or_default(),
            room: state.room_info(),
            roster: state.roster(participant),
            revision: Some(state.roster_revision()),
            slots,
            ice_servers,
            chat_last: messages::last(&state.chat),
            recording: state.shown_recording(now),
        },
        Reply::Resumed { in_reply_to, transport_dead, revision, .. } => {
            let changed = revision.and_then(|known| state.difference(participant, known));
            let (roster, difference) = match changed {
                Some((roster, difference)) => (roster, Some(difference)),
                None => (state.roster(participant), None),
            };
            EdgeToClient::Resumed {
                in_reply_to,
                resume_token: member.resume_secrets.current().into(),
                room: state.room_info(),
                roster,
                difference,
                revision: Some(state.roster_revision()),
                slots,
                transport_dead,
                ice_servers,
                recording: state.shown_recording(now),
            }
        }
        Reply::Negotiated { in_reply_to } => EdgeToClient::Negotiated {
            in_reply_to,
            session: member.session.clone(),
            answer: answer.unwrap_or_default(),
            slots,
            ice_servers,
        },
        Reply::PeerServers { in_reply_to } => EdgeToClient::PeerServers { in_reply_to, ice_servers },
    };
    post.tell(participant, message);
    let missed = match reply {
        Reply::Joined { .. } => messages::after(&state.chat, 0),
        Reply::Resumed { chat_after, .. } => messages::after(&state.chat, chat_after),
        Reply::Negotiated { .. } | Reply::PeerServers { .. } => Vec::new(),
    };
    for messages in missed {
        post.tell(participant, messages);
    }
}

/// The SDP answer for a session that a node serves.
fn answer(id: &SessionId, version: u32, negotiated: &Negotiated, assignment: &Assignment) -> String {
    let transport = Transport {
        ufrag: &negotiated.node_ufrag,
        pwd: &negotiated.node_pwd,
        fingerprint: assignment.fingerprint,
        candidates: &assignment.candidates,
        tcp_candidates: &assignment.tcp_candidates,
    };
    let (origin, cname) = (negotiated.origin, id.as_str());
    Answer { origin, version, cname, transport, sections: &negotiated.sections }.write()
}

/// The `RTCConfiguration.iceServers` for a participant.
fn ice_servers(
    state: &State,
    config: &Config,
    now: UnixMillis,
    participant: &ParticipantId,
    policy: TurnPolicy,
) -> Vec<IceServer> {
    let mut servers = config.ice_servers.clone();
    let relay = state.assignment_of(participant).and_then(|epoch| Some(&state.assignments.get(&epoch)?.relay));
    let near = state.members.get(participant).map_or(&[][..], |member| &member.near);
    let urls = relay.map(|relay| relay.urls_near(near)).unwrap_or_default();
    // Without a key there are no credentials, and most clients need none.
    if let Some(keys) = config.turn_keys.as_ref().filter(|_| !urls.is_empty()) {
        let user = TurnUser {
            expires_at: now.plus_ms(limits::TURN_CREDENTIAL_LIFETIME_MS),
            policy,
            room: state.id.clone(),
            participant: participant.clone(),
        };
        let Credential { username, password } = keys.mint(&user);
        servers.push(IceServer { urls, username: Some(username), credential: Some(password) });
    }
    servers
}
