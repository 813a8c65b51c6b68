//! The host of the room: the participant with that role. Another one who comes with it is a co-host; if the host is away
//! for too long, the next one takes over by the deployment's rule.

use crate::roles;
use crate::room::context::Context;
use crate::room::handle::{audit, standing};
use crate::room::state::State;
use crate::room::state::bans::Judge;
use crate::room::state::members::Member;
use crate::room::state::meta::Host;
use shared::{ParticipantId, RoleName};

/// Finds out who is the host after an input.
pub(crate) fn settle(cx: &mut Context<'_>) {
    let host = cx.state.meta().and_then(|meta| meta.host.as_ref());
    let is_due = host.and_then(|host| host.until).is_some_and(|until| until <= cx.now);
    if cx.state.members.changed().is_empty() && !is_due {
        return;
    }
    let next = match host.cloned() {
        Some(host) if is_host(cx.state, &host.participant) => Some(Host { until: None, ..host }),
        absent => first(cx.state).or_else(|| succeed(cx, absent?)),
    };
    let others = cx.state.members.values().filter(|member| member.role.as_str() == roles::HOST);
    let others = others.filter(|member| next.as_ref().is_none_or(|host| host.participant != member.id));
    for other in others.map(|member| member.id.clone()).collect::<Vec<_>>() {
        if let Some(member) = cx.state.members.get_mut(&other) {
            member.role = roles::cohost();
        }
    }
    if cx.state.meta().is_some_and(|meta| meta.host != next)
        && let Some(meta) = cx.state.meta_mut()
    {
        meta.host = next;
    }
}

fn is_host(state: &State, participant: &ParticipantId) -> bool {
    state.members.get(participant).is_some_and(|member| member.role.as_str() == roles::HOST)
}

/// The first to have joined with the role of the host.
fn first(state: &State) -> Option<Host> {
    let candidates =
        state.members.values().filter(|member| member.role.as_str() == roles::HOST && !member.grants.hidden);
    candidates.min_by_key(|member| member.order).map(|member| Host { participant: member.id.clone(), until: None })
}

/// Waits for an absent host, and then for nobody: the next one has the first of the roles that may succeed, and among
/// those has joined first.
fn succeed(cx: &mut Context<'_>, absent: Host) -> Option<Host> {
    let until = absent.until.unwrap_or_else(|| cx.now.plus_ms(cx.config.roles.host_absence_ms));
    if cx.now < until {
        return Some(Host { until: Some(until), ..absent });
    }
    let place = |member: &&Member| Some((cx.config.roles.succession(&member.role)?, member.order));
    let candidates =
        cx.state.members.values().filter(|member| !member.grants.hidden && member.id != absent.participant);
    let next =
        candidates.filter_map(|member| Some((place(&member)?, member.id.clone()))).min_by_key(|(place, _)| *place)?.1;
    // Nobody who vouches for the deployment chose them, so their decisions end with the room.
    appoint(cx, Judge::Guest, &next, &roles::host());
    audit::note_succession(cx.state, cx.now, &next, &roles::host());
    Some(Host { participant: next, until: None })
}

/// Gives a participant a role. A new host takes the place of the present one, who becomes a co-host.
pub(crate) fn appoint(cx: &mut Context<'_>, judge: Judge, participant: &ParticipantId, role: &RoleName) {
    if role.as_str() == roles::HOST
        && let Some(present) = present(cx.state).filter(|present| present != participant)
    {
        assign(cx, judge, &present, &roles::cohost());
    }
    assign(cx, judge, participant, role);
    if role.as_str() == roles::HOST
        && let Some(meta) = cx.state.meta_mut()
    {
        meta.host = Some(Host { participant: participant.clone(), until: None });
    }
}

fn assign(cx: &mut Context<'_>, judge: Judge, participant: &ParticipantId, role: &RoleName) {
    let Some(grants) = cx.config.roles.grants(role) else { return };
    standing::regrant(cx.state, cx.now, judge, participant, grants);
    for seat in cx.state.seat_ids(participant) {
        // The other seats moderate too, but only one is the host.
        let role = if role.as_str() == roles::HOST && seat != *participant { roles::cohost() } else { role.clone() };
        if let Some(member) = cx.state.members.get_mut(&seat) {
            member.role.clone_from(&role);
            member.change.role = Some(role);
        }
    }
}

/// The host, while in the room.
fn present(state: &State) -> Option<ParticipantId> {
    let host = state.meta()?.host.as_ref()?;
    is_host(state, &host.participant).then(|| host.participant.clone())
}

/// True if the participant may decide about the host: there is none in the room, or it is the host or an administrator.
pub(crate) fn may_decide(state: &State, participant: &ParticipantId) -> bool {
    is_admin(state, participant) || present(state).is_none_or(|host| host.identity() == participant.identity())
}

pub(crate) fn is_admin(state: &State, participant: &ParticipantId) -> bool {
    state.seats_of(participant).any(|member| member.role.as_str() == roles::ADMIN)
}

/// True if a request concerns the host.
pub(crate) fn concerns(state: &State, participant: &ParticipantId) -> bool {
    present(state).is_some_and(|host| host.identity() == participant.identity())
}
