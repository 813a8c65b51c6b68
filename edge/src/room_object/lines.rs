//! The room's log lines: joins, leaves and refusals. The content of messages is never logged.

use crate::log;
use edge_core::SocketId;
use edge_core::fleet::PlaceRequest;
use edge_core::room::{Attachment, Output};
use shared::control::RoomToNode;
use shared::signal::EdgeToClient;
use shared::trace::Trace;
use shared::{NodeId, ParticipantId, Region, RoomId};

pub(super) fn opened(room: &RoomId, attachment: &Attachment, request_id: &str) {
    match attachment {
        Attachment::Client { socket, claims, trace, .. } => {
            client("client_connected", (&claims.room, &claims.sub), *socket, *trace, request_id);
        }
        Attachment::Resuming { socket, participant, trace, .. } => {
            client("client_came_back", (room, participant), *socket, *trace, request_id);
        }
        Attachment::Node { socket, claims, .. } => log::line(
            log::Level::Info,
            "node_connected",
            &[
                ("room", &claims.room),
                ("node", &claims.sub),
                ("epoch", &claims.epoch),
                ("socket", &socket.0),
                ("request", &request_id),
            ],
        ),
    }
}

fn client(
    event: &str,
    (room, participant): (&RoomId, &ParticipantId),
    socket: SocketId,
    trace: Option<Trace>,
    request_id: &str,
) {
    let mut fields: Vec<(&str, &dyn std::fmt::Display)> =
        vec![("room", room), ("participant", participant), ("socket", &socket.0), ("request", &request_id)];
    let trace = trace.map(|trace| trace.id);
    fields.extend(trace.iter().map(|id| ("trace", id as &dyn std::fmt::Display)));
    log::line(log::Level::Info, event, &fields);
}

pub(super) fn output(room: &RoomId, output: &Output) {
    let line = |event: &str, fields: &[(&str, &dyn std::fmt::Display)]| {
        let mut all: Vec<(&str, &dyn std::fmt::Display)> = vec![("room", room)];
        all.extend(fields);
        log::line(log::Level::Info, event, &all);
    };
    match output {
        Output::SendClient { socket, message: EdgeToClient::Joined { participant, session, .. } } => {
            line("participant_joined", &[("participant", participant), ("session", session), ("socket", &socket.0)]);
        }
        Output::SendClient { socket, message: EdgeToClient::Resumed { .. } } => {
            line("participant_resumed", &[("socket", &socket.0)]);
        }
        Output::SendClient { socket, message: EdgeToClient::Error { code, .. } | EdgeToClient::Refused { code } } => {
            line("client_refused", &[("socket", &socket.0), ("code", code)]);
        }
        Output::SendClient { socket, message: EdgeToClient::Removed { code, .. } } => {
            line("participant_removed", &[("socket", &socket.0), ("code", code)]);
        }
        Output::SendClients { message: EdgeToClient::Sought { from, .. }, .. } => {
            line("participant_seeks", &[("from", from)]);
        }
        Output::SendClient { message: EdgeToClient::Signaled { from, to, signal, .. }, .. } => {
            line("participant_signaled", &[("from", from), ("to", to), ("kind", &signal.kind)]);
        }
        Output::SendNode { socket, message: RoomToNode::Error { code, .. } | RoomToNode::Refused { code } } => {
            line("node_refused", &[("socket", &socket.0), ("code", code)]);
        }
        Output::Store(_)
        | Output::SendClient { .. }
        | Output::SendClients { .. }
        | Output::SendNode { .. }
        | Output::CloseClient { .. }
        | Output::CloseNode { .. }
        | Output::AskFleet(_)
        | Output::AskTurn { .. }
        | Output::AskHeard { .. }
        | Output::Answer { .. }
        | Output::AnswerReport { .. } => {}
    }
}

pub(super) fn placed(request: &PlaceRequest, node: &NodeId, region: &Region) {
    let fields: [(&str, &dyn std::fmt::Display); 4] =
        [("room", &request.room), ("epoch", &request.epoch), ("node", node), ("region", region)];
    log::line(log::Level::Info, "room_placed", &fields);
}
