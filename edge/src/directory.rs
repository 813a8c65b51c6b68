//! The directory of rooms. Rooms register themselves, and the HTTP API's list reads it.
//!
//! It holds names only; each room reports its own state. So a room writes only twice in its life, and the names are
//! spread over several objects. Every room removes its name when it ends; if that write is lost, the next list that
//! finds no room behind the name tells the room to remove it.

use crate::internal::Address;
use serde::{Deserialize, Serialize};
use shared::json::tagged;
use shared::{RoomId, limits};
use worker::Env;

#[tagged("type")]
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// Idempotent.
    Set { room: RoomId, exists: bool },
    Page {
        /// Names after this one; an empty one precedes all.
        after: String,
        limit: usize,
    },
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) rooms: Vec<RoomId>,
    /// If true, there may be more.
    pub(crate) is_full: bool,
}

pub(crate) const PATH: &str = "/directory";

/// Adds a room to the directory or removes it; idempotent. Only the room's own object calls this, one call after
/// another: with two writers, one could remove the other's entry.
pub(crate) async fn set(env: &Env, room: &RoomId, exists: bool) -> worker::Result<()> {
    let request = Request::Set { room: room.clone(), exists };
    Address::directory(shard_of(room)).ask::<Page>(env, PATH, &request).await?;
    Ok(())
}

/// The names in a shard after `after`.
pub(crate) async fn page(env: &Env, shard: usize, after: &str, limit: usize) -> worker::Result<Page> {
    Address::directory(shard).ask(env, PATH, &Request::Page { after: after.to_owned(), limit }).await
}

/// FNV-1a (draft-eastlake-fnv §2), which spreads names that differ only in their last letters.
fn shard_of(room: &RoomId) -> usize {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = room.as_str().bytes().fold(0x811c_9dc5, step);
    usize::try_from(hash).unwrap_or_default().checked_rem(limits::DIRECTORY_SHARDS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_divided_evenly() {
        let mut counts = [0; limits::DIRECTORY_SHARDS];
        for number in 0..8000 {
            counts[shard_of(&RoomId::parse(&format!("room-{number}")).expect("a name"))] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
