//! Orders for the recorder, and the way of its messages back to their rooms.

use media_core::control::Input;
use shared::RoomId;
use shared::control::{NodeToRoom, RecordingOrder};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

pub(super) enum Order {
    Set { at: Instant, order: Box<Option<RecordingOrder>>, line: RoomLine },
    Stop(oneshot::Sender<()>),
}

/// Takes a recording's messages to its room, by way of the node's control.
#[derive(Clone, Debug)]
pub(crate) struct RoomLine {
    pub(crate) room: RoomId,
    /// The epoch of the order.
    pub(crate) epoch: u64,
    pub(crate) inputs: mpsc::Sender<Input>,
}

impl RoomLine {
    /// False if the control is too busy.
    pub(super) fn tell(&self, message: NodeToRoom) -> bool {
        let Self { room, epoch, inputs } = self;
        inputs.try_send(Input::Recording { room: room.clone(), epoch: *epoch, message }).is_ok()
    }
}
