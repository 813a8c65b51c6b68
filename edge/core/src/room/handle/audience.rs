//! Pages of the audience: the participants who are counted instead of listed.

use crate::room::context::{Caller, Context};
use crate::room::state::members::Member;
use shared::signal::EdgeToClient;
use shared::{ParticipantId, limits};

/// Answers with as many participants after `after` as fit into a frame.
pub(crate) fn list(cx: &mut Context<'_>, caller: &Caller, after: Option<&ParticipantId>) {
    let follows =
        |member: &&Member| member.audience && !member.grants.hidden && after.is_none_or(|after| member.id > *after);
    let (mut participants, mut bytes, mut next) = (Vec::new(), 0_usize, None);
    for member in cx.state.members.values().filter(follows) {
        let info = cx.state.info(member);
        bytes = bytes.saturating_add(info.json_bytes_max());
        if participants.len() == limits::AUDIENCE_PER_PAGE || bytes > limits::ROSTER_FRAME_BYTES {
            next = participants.last().map(|last: &shared::signal::ParticipantInfo| last.id.clone());
            break;
        }
        participants.push(info);
    }
    let in_reply_to = caller.id;
    cx.outbox.send_client(caller.socket, EdgeToClient::Audience { in_reply_to, participants, next });
}
