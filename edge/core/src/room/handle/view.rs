//! The view of a participant: whom they look at, and in which size.

use crate::room::context::{Caller, Context};
use crate::room::state::members::Member;
use shared::ParticipantId;
use shared::sorted::SortedMap;

pub(crate) fn view(
    cx: &mut Context<'_>,
    caller: &Caller,
    view: Vec<ParticipantId>,
    lines: Option<SortedMap<ParticipantId, u16>>,
) {
    let is_same = |member: &Member| member.view == view && member.view_lines == lines;
    if !cx.state.members.get(&caller.participant).is_none_or(is_same)
        && let Some(member) = cx.state.members.get_mut(&caller.participant)
    {
        member.view = view;
        member.view_lines = lines;
    }
    cx.done(caller);
}
