//! The fleet as rows: one for each registered node.

use super::node::Node;
use super::turn::TurnNode;
use crate::storage::{self, Changes, RestoreError, Row, Table};
use shared::NodeId;
use std::collections::BTreeMap;

const VERSION: u64 = 1;
const NODE: &str = "node/";
const TURN: &str = "turn/";

pub(super) type Nodes = (BTreeMap<NodeId, Node>, BTreeMap<NodeId, TurnNode>);

/// Parses all rows, and returns the errors of the unreadable ones.
pub(super) fn read(rows: &[Row]) -> (Nodes, Vec<RestoreError>) {
    let mut nodes = Nodes::default();
    let unreadable = rows.iter().filter_map(|row| add(&mut nodes, row).err()).collect();
    (nodes, unreadable)
}

fn add(nodes: &mut Nodes, row: &Row) -> Result<(), RestoreError> {
    let id = |id: &str| NodeId::parse(id).map_err(|error| RestoreError::malformed(row, &error.to_string()));
    if let Some(name) = row.key.strip_prefix(NODE) {
        nodes.0.insert(id(name)?, storage::read(row, VERSION)?);
    } else if let Some(name) = row.key.strip_prefix(TURN) {
        nodes.1.insert(id(name)?, storage::read(row, VERSION)?);
    } else {
        return Err(RestoreError::malformed(row, "unknown row key"));
    }
    Ok(())
}

pub(super) fn changes(nodes: &mut Table<NodeId, Node>, turn_nodes: &mut Table<NodeId, TurnNode>) -> Changes {
    let mut changes = Changes::default();
    for id in nodes.take_changed() {
        changes.write(format!("{NODE}{id}"), nodes.get(&id), VERSION);
    }
    for id in turn_nodes.take_changed() {
        changes.write(format!("{TURN}{id}"), turn_nodes.get(&id), VERSION);
    }
    changes
}
