//! The fleet as rows: one for each registered node.

use super::node::Node;
use crate::storage::{self, Changes, RestoreError, Row, Table};
use shared::NodeId;
use std::collections::BTreeMap;

/// The version of all rows.
const VERSION: u64 = 1;
/// What their keys begin with.
const NODE: &str = "node/";

pub(super) fn read(rows: &[Row]) -> Result<BTreeMap<NodeId, Node>, RestoreError> {
    let read = |row: &Row| {
        let id = row.key.strip_prefix(NODE).and_then(|id| NodeId::parse(id).ok());
        let id = id.ok_or_else(|| RestoreError::malformed(row, "no row has this key"))?;
        Ok((id, storage::read(row, VERSION)?))
    };
    rows.iter().map(read).collect()
}

pub(super) fn changes(nodes: &mut Table<NodeId, Node>) -> Changes {
    let mut changes = Changes::default();
    for id in nodes.take_changed() {
        changes.write(format!("{NODE}{id}"), nodes.get(&id), VERSION);
    }
    changes
}
