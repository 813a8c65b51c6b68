//! After each input: the consequences of the changed state, for storage and for everybody else.

pub(crate) mod candidates;
mod deadlines;
mod direct;
pub(crate) mod forwards;
mod lobby;
mod microphones;
mod nodes;
mod orders;
pub(crate) mod post;
mod presence;
pub(crate) mod published;
mod replies;
mod roster;
mod settle;
pub(crate) mod slots;
mod store;

use crate::room::context::Context;
use crate::room::handle::turn;
use crate::room::outbox::{Output, Reply};
use crate::room::publish::forwards::Forwards;
use crate::room::publish::lobby::ToldGuests;
use crate::room::publish::microphones::Microphones;
use crate::room::publish::nodes::Complete;
use crate::room::publish::post::Post;
use crate::room::publish::published::Publishers;
use crate::room::publish::roster::Changed;
use crate::room::publish::slots::ChangedSlots;
use crate::room::publish::store::StoredAllowances;
use crate::room::state::State;
use crate::room::state::deadlines::{Deadline, Deadlines};
use crate::room::state::sessions::Limits;
use shared::control::RecordingOrder;
use shared::signal::{EdgeToClient, Reaction};
use shared::sorted::{SortedMap, SortedSet};
use shared::{Mid, ParticipantId, UnixMillis, limits};
use std::collections::VecDeque;

/// The state as last sent and stored, from which the next changes are derived.
pub(crate) struct Announced {
    deadlines: Deadlines,
    publishers: Publishers,
    microphones: Microphones,
    sessions: nodes::Sessions,
    forwards: Forwards,
    orders: SortedMap<u64, RecordingOrder>,
    roster: roster::Told,
    guests: ToldGuests,
    allowances: StoredAllowances,
    is_paused: bool,
}

impl Announced {
    /// Everything in the state counts as sent.
    pub(crate) fn new(state: &State) -> Self {
        let publishers = published::all(state);
        Self {
            deadlines: deadlines::all(state),
            sessions: nodes::sessions(state),
            forwards: forwards::all(state, &publishers),
            microphones: Microphones::new(state, &publishers),
            publishers,
            orders: orders::all(state),
            roster: roster::Told::new(state),
            guests: lobby::guests_to_tell(state),
            is_paused: state.is_paused(),
            allowances: state.allowances.iter().map(|(id, allowance)| (id.clone(), allowance.clone())).collect(),
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<UnixMillis> {
        self.deadlines.first()
    }

    /// Removes and returns the first deadline that has passed.
    pub(crate) fn take_due(&mut self, state: &mut State, now: UnixMillis) -> Option<Deadline> {
        deadlines::update_sockets(&mut self.deadlines, state);
        self.deadlines.take_due(now)
    }

    /// Finishes an input that concerns its sender alone: nothing follows from it.
    pub(crate) fn answer(&mut self, cx: &mut Context<'_>, outputs: &mut VecDeque<Output>) {
        deadlines::update_sockets(&mut self.deadlines, cx.state);
        let changes = store::take_allowances(cx.state, &mut self.allowances, &mut self.deadlines, cx.now);
        if !changes.is_empty() {
            outputs.push_back(Output::Store(changes));
        }
        outputs.extend(cx.outbox.direct.drain(..));
    }

    /// Finishes an input: updates what follows from the state, stores the changes, then sends the messages.
    pub(crate) fn publish(&mut self, cx: &mut Context<'_>, outputs: &mut VecDeque<Output>) {
        let now = cx.now;
        settle::settle(cx);
        direct::settle(cx);
        let republished = published::note(&mut self.publishers, cx.state);
        let is_reordered = self.microphones.settle(cx.state, &self.publishers, &republished);
        let slots = slots::fill(cx.state, &self.publishers, &republished, is_reordered);
        let Changed { infos, left, own } = self.roster.changed_infos(cx.state, &cx.outbox.left);
        let with_slots = cx.outbox.replies.iter().filter(|(_, reply)| reply.has_slots());
        let replied: SortedSet<_> = with_slots.map(|(participant, _)| participant.clone()).collect();
        let is_urgent =
            slots.iter().any(|changed| !changed.slots.is_empty() && !replied.contains(&changed.participant));
        let news = presence::News { left: &left, infos, is_urgent };
        let presence = presence::messages(cx.state, now, news);
        let room = self.roster.changed_room(cx.state);
        let was_paused = std::mem::replace(&mut self.is_paused, cx.state.is_paused());
        let is_toggled = was_paused != self.is_paused;
        let forwards = forwards::changed(&mut self.forwards, cx.state, &self.publishers, &republished, is_toggled);
        let is_same = republished.is_empty() && !is_reordered;
        let microphones = if is_same { Vec::new() } else { self.microphones.changed(&self.publishers) };
        let sessions = nodes::changed_sessions(&mut self.sessions, cx.state);
        refresh_relays(cx);
        let orders = orders::changed(&mut self.orders, cx.state);
        let recordings = self.roster.changed_recordings(cx.state);
        deadlines::update(&mut self.deadlines, cx.state);
        let changes = store::take_changes(cx.state, &mut self.allowances, &mut self.deadlines, now);
        let news = std::mem::take(cx.outbox);
        if !changes.is_empty() {
            outputs.push_back(Output::Store(changes));
        }
        outputs.extend(news.direct);
        let post = &mut Post { state: cx.state, outputs };
        let full = news.replies.iter().filter(|(_, reply)| reply.is_full());
        let full: SortedSet<_> = full.map(|(participant, _)| participant.clone()).collect();
        for (participant, reply) in news.replies {
            replies::tell(post, cx.config, now, &participant, reply);
        }
        post.outputs.extend(news.muted);
        for info in own.into_iter().filter(|info| !full.contains(&info.id)) {
            let id = info.id.clone();
            post.tell(&id, EdgeToClient::ParticipantUpdated { participant: info });
        }
        for message in presence.into_iter().chain(room).chain(recordings) {
            post.tell_all_but(message, |participant| full.contains(participant));
        }
        tell_conversation(post, &full, &news.chat, news.reacted);
        lobby::tell(&mut self.guests, post);
        tell_slots(post, &replied, slots);
        tell_adaptation(post, news.layers, news.limits, news.undecodable);
        for participant in &news.transport_dead {
            post.tell(participant, EdgeToClient::TransportDead {});
        }
        for participant in news.node_away.difference(&news.transport_dead) {
            post.tell(participant, EdgeToClient::NodeAway {});
        }
        let changes = nodes::Changes { welcomes: news.welcomes, sessions, forwards, orders, microphones };
        let (forwards, orders, microphones) = (&self.forwards, &self.orders, self.microphones.told());
        nodes::tell(post, now, changes, Complete { forwards, orders, microphones });
        outputs.extend(news.asks.into_iter().map(Output::AskFleet));
        outputs.extend(news.turn_asks);
        outputs.extend(news.heard_asks);
        outputs.extend(news.verdicts);
        outputs.extend(news.closes);
    }
}

/// Asks for the TURN nodes after a join whose answer contains an old list, for the next join. Not after a resume: all rooms
/// would ask at once after a deployment.
fn refresh_relays(cx: &mut Context<'_>) {
    let joined = cx.outbox.replies.iter().filter(|(_, reply)| matches!(reply, Reply::Joined { .. }));
    let joined: SortedSet<ParticipantId> = joined.map(|(participant, _)| participant.clone()).collect();
    for participant in joined {
        turn::refresh(cx, &participant, limits::TURN_NODES_REFRESH_MS);
    }
}

/// Sends chat messages and reactions to all clients that did not just get the complete state; the author of a
/// reaction already shows it.
fn tell_conversation(
    post: &mut Post<'_>,
    full: &SortedSet<ParticipantId>,
    chat: &[u64],
    reacted: Vec<(ParticipantId, Reaction)>,
) {
    let messages: Vec<_> = chat.iter().filter_map(|number| post.state.chat.get(number).cloned()).collect();
    if !messages.is_empty() {
        post.tell_all_but(EdgeToClient::Chat { messages }, |participant| full.contains(participant));
    }
    for (who, reaction) in reacted {
        let message = EdgeToClient::Reacted { participant: who.clone(), reaction };
        post.tell_all_but(message, |participant| *participant == who);
    }
}

fn tell_slots(post: &mut Post<'_>, replied: &SortedSet<ParticipantId>, changed: Vec<ChangedSlots>) {
    for ChangedSlots { participant, slots, sections_needed } in changed {
        if !slots.is_empty() && !replied.contains(&participant) {
            post.tell(&participant, EdgeToClient::SlotsChanged { slots });
        }
        if let Some((audio, video)) = sections_needed {
            post.tell(&participant, EdgeToClient::SectionsNeeded { audio, video });
        }
    }
}

fn tell_adaptation(
    post: &mut Post<'_>,
    layers: impl IntoIterator<Item = (ParticipantId, Mid)>,
    limits: impl IntoIterator<Item = ParticipantId>,
    undecodable: impl IntoIterator<Item = ParticipantId>,
) {
    let state = post.state;
    let session = |participant: &ParticipantId| {
        state.members.get(participant).and_then(|member| state.sessions.get(&member.session))
    };
    for (participant, mid) in layers {
        let publishes =
            state.members.get(&participant).is_some_and(|member| member.tracks.iter().any(|track| track.mid == mid));
        let rids = session(&participant).filter(|_| publishes).and_then(|session| session.layers.get(&mid));
        if let Some(rids) = rids.cloned() {
            post.tell(&participant, EdgeToClient::LayersWanted { mid, rids });
        }
    }
    for participant in limits {
        if let Some(Limits { estimate_bps, reason, slots }) =
            session(&participant).map(|session| session.limits.clone())
        {
            post.tell(&participant, EdgeToClient::VideoLimited { estimate_bps, reason, slots });
        }
    }
    for participant in undecodable {
        if let Some(mids) = session(&participant).map(|session| session.undecodable.clone()) {
            post.tell(&participant, EdgeToClient::VideoUndecodable { mids });
        }
    }
}
