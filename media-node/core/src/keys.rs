//! Keys of a shard's tables, separate from the stored types so that those need not import each other.

use crate::slab::Key;

/// Marks keys and storage of [`crate::session::Session`].
#[derive(Debug)]
pub enum Sessions {}
/// Marks keys and storage of [`crate::ingress::track::Track`].
#[derive(Debug)]
pub enum Tracks {}
/// Marks keys and storage of [`crate::room::Room`].
#[derive(Debug)]
pub enum Rooms {}
/// Marks keys and storage of [`crate::ingress::stream::Stream`].
#[derive(Debug)]
pub enum Streams {}

pub type SessionKey = Key<Sessions>;
pub type TrackKey = Key<Tracks>;
pub type StreamKey = Key<Streams>;
pub type RoomKey = Key<Rooms>;
