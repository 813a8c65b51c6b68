//! The fleet as rows: one for each registered node, and one for each other region.

use super::abroad::Abroad;
use super::node::Node;
use super::turn::TurnNode;
use crate::storage::{self, Changes, RestoreError, Row, Table};
use shared::sorted::SortedMap;
use shared::{NodeId, Region};

const VERSION: u64 = 1;
const NODE: &str = "node/";
const TURN: &str = "turn/";
const ABROAD: &str = "region/";

#[derive(Default)]
pub(super) struct Nodes {
    pub(super) media: SortedMap<NodeId, Node>,
    pub(super) turn: SortedMap<NodeId, TurnNode>,
    pub(super) abroad: SortedMap<Region, Abroad>,
}

/// Parses all rows, and returns the errors of the unreadable ones.
pub(super) fn read(rows: &[Row]) -> (Nodes, Vec<RestoreError>) {
    let mut nodes = Nodes::default();
    let unreadable = rows.iter().filter_map(|row| add(&mut nodes, row).err()).collect();
    (nodes, unreadable)
}

fn add(nodes: &mut Nodes, row: &Row) -> Result<(), RestoreError> {
    let id = |id: &str| NodeId::parse(id).map_err(|error| RestoreError::malformed(row, &error.to_string()));
    if let Some(name) = row.key.strip_prefix(NODE) {
        nodes.media.insert(id(name)?, storage::read(row, VERSION)?);
    } else if let Some(name) = row.key.strip_prefix(TURN) {
        nodes.turn.insert(id(name)?, storage::read(row, VERSION)?);
    } else if let Some(name) = row.key.strip_prefix(ABROAD) {
        let region = Region::parse(name).map_err(|error| RestoreError::malformed(row, &error.to_string()))?;
        nodes.abroad.insert(region, storage::read(row, VERSION)?);
    } else {
        return Err(RestoreError::malformed(row, "unknown row key"));
    }
    Ok(())
}

pub(super) fn changes(
    nodes: &mut Table<NodeId, Node>,
    turn_nodes: &mut Table<NodeId, TurnNode>,
    abroad: &mut Table<Region, Abroad>,
) -> Changes {
    let mut changes = Changes::default();
    for id in nodes.take_changed() {
        changes.write(format!("{NODE}{id}"), nodes.get(&id), VERSION);
    }
    for id in turn_nodes.take_changed() {
        changes.write(format!("{TURN}{id}"), turn_nodes.get(&id), VERSION);
    }
    for region in abroad.take_changed() {
        changes.write(format!("{ABROAD}{region}"), abroad.get(&region), VERSION);
    }
    changes
}
