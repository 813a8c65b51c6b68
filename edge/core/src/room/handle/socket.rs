//! Sockets that open and close.

use crate::room::context::Context;
use crate::room::handle::{assignment, presence};
use crate::room::state::members::Absence;
use crate::room::state::sockets::{Attachment, Bearer, Kind, Socket};
use crate::{SocketId, door};
use shared::ErrorCode;
use shared::control::RoomToNode;
use shared::signal::{EdgeToClient, close_code};

/// Most sockets of a room; the door admits no more.
const SOCKETS_MAX: usize = door::CLIENT_SOCKETS_MAX + door::NODE_SOCKETS_MAX;

pub(crate) fn opened(cx: &mut Context<'_>, attachment: Attachment) {
    let (socket, opened_at, kind, near, trace, room) = match attachment {
        Attachment::Client { socket, opened_at, claims, near, trace } => {
            let room = claims.room.clone();
            (socket, opened_at, Kind::Client { bearer: Bearer::Token(claims), participant: None }, near, trace, room)
        }
        Attachment::Resuming { socket, opened_at, participant, near, trace } => {
            let kind = Kind::Client { bearer: Bearer::Secret(participant), participant: None };
            (socket, opened_at, kind, near, trace, cx.state.id.clone())
        }
        Attachment::Node { socket, opened_at, claims } => {
            let room = claims.room.clone();
            (socket, opened_at, Kind::Node { claims, epoch: None }, Vec::new(), None, room)
        }
    };
    let is_full = cx.state.sockets.len() >= SOCKETS_MAX;
    cx.state.sockets.insert(socket, Socket::new(kind, near, trace, opened_at));
    if room != cx.state.id {
        refuse(cx, socket, ErrorCode::WrongRoom);
    } else if is_full {
        refuse(cx, socket, ErrorCode::RoomFull);
    }
}

pub(crate) fn closed(cx: &mut Context<'_>, socket: SocketId, going_away: bool) {
    match cx.state.sockets.remove(&socket).map(|socket| socket.kind) {
        Some(Kind::Client { participant: Some(participant), .. }) => {
            let absence = Absence { page_closed: going_away, ..Absence::lost(cx.now, socket) };
            presence::lost(cx, &participant, socket, absence);
        }
        Some(Kind::Node { .. }) => assignment::node_lost(cx, socket),
        None if going_away => presence::page_closed(cx, socket),
        Some(Kind::Client { participant: None, .. }) | None => {}
    }
}

/// Closes a new socket that has not identified itself in time.
pub(crate) fn first_frame_due(cx: &mut Context<'_>, socket: SocketId) {
    refuse(cx, socket, ErrorCode::Timeout);
}

pub(crate) fn refuse(cx: &mut Context<'_>, socket: SocketId, code: ErrorCode) {
    match cx.state.sockets.get(&socket).map(|socket| &socket.kind) {
        Some(Kind::Client { .. }) => {
            cx.outbox.send_client(socket, EdgeToClient::Refused { code });
            cx.close_client(socket, close_code::POLICY);
        }
        Some(Kind::Node { .. }) => {
            cx.outbox.send_node(socket, RoomToNode::Refused { code });
            cx.close_node(socket, close_code::POLICY);
        }
        None => {}
    }
}
