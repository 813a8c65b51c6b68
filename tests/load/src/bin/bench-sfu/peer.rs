//! Janus, with the same clients.

use super::room::Room;
use super::{CLIENT_CORE, SERVER_CORE};
use anyhow::Result;
use load::client;
use load::janus::Janus;
use load::parameters::ClientNumber;
use load::process;
use std::path::Path;

/// Rooms of Janus.
const ROOMS: [(u32, u32); 2] = [(1, 50), (1, 200)];

/// Janus, with its own rooms.
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) program: Janus,
    pub(crate) rooms: Vec<Room>,
}

impl Peer {
    pub(crate) async fn open(program: &Path) -> Result<Self> {
        let name = format!("janus {}", Janus::version(program)?);
        process::pin_to_core(SERVER_CORE)?;
        let program = Janus::start(program)?;
        process::pin_to_core(CLIENT_CORE)?;
        let (mut rooms, identity) = (Vec::new(), client::identity()?);
        for ((publishers, subscribers), place) in ROOMS.into_iter().zip(5..) {
            let numbers: Vec<_> =
                (0..publishers + subscribers).map(|client| ClientNumber(1_000 * place + client)).collect();
            let (conversation, clients) = program.open(&numbers, &identity).await?;
            tokio::spawn(conversation.drain());
            let identity = identity.clone();
            let connecting = move || Room::connect((publishers, subscribers), clients, numbers, &identity);
            rooms.push(tokio::task::spawn_blocking(connecting).await??);
        }
        Ok(Self { name, program, rooms })
    }
}
