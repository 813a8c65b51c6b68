//! Addresses messages to participants with an open socket.

use crate::SocketId;
use crate::room::outbox::Output;
use crate::room::state::State;
use crate::room::state::assignments::Assignment;
use crate::room::state::members::Member;
use shared::ParticipantId;
use shared::control::RoomToNode;
use shared::signal::EdgeToClient;
use std::collections::VecDeque;

pub(crate) struct Post<'a> {
    pub(crate) state: &'a State,
    pub(crate) outputs: &'a mut VecDeque<Output>,
}

impl Post<'_> {
    /// Sends to a participant with an open socket.
    pub(crate) fn tell(&mut self, participant: &ParticipantId, message: EdgeToClient) {
        let member = self.state.members.get(participant).filter(|member| member.answered);
        if let Some(socket) = member.and_then(|member| member.socket) {
            self.outputs.push_back(Output::SendClient { socket, message });
        }
    }

    /// Sends to all participants but those who are told already.
    pub(crate) fn tell_all_but(&mut self, message: EdgeToClient, is_told: impl Fn(&ParticipantId) -> bool) {
        let listens = |member: &&Member| member.answered && !is_told(&member.id);
        let sockets = self.state.members.values().filter(listens).filter_map(|member| member.socket).collect();
        self.tell_sockets(sockets, message);
    }

    pub(crate) fn tell_sockets(&mut self, sockets: Vec<SocketId>, message: EdgeToClient) {
        if !sockets.is_empty() {
            self.outputs.push_back(Output::SendClients { sockets, message });
        }
    }

    /// Sends to the node of an assignment, if it is connected.
    pub(crate) fn tell_node(&mut self, epoch: u64, messages: impl IntoIterator<Item = RoomToNode>) {
        let Some(socket) = self.state.assignments.get(&epoch).and_then(Assignment::socket) else { return };
        self.outputs.extend(messages.into_iter().map(|message| Output::SendNode { socket, message }));
    }
}
