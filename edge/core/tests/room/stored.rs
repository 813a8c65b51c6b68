//! The stored rows as the shell hands them to a room that wakes.

use edge_core::room::ARCHIVED;
use edge_core::storage::{Archive, Row};
use std::collections::BTreeMap;

/// The rows that waking reads, and a copy of the others: the room asks for none that it has changed since.
pub(crate) fn for_waking(rows: &BTreeMap<String, String>) -> (Vec<Row>, Archive) {
    let row = |(key, value): (&String, &String)| Row { key: key.clone(), value: value.clone() };
    let read = rows.iter().filter(|(key, _)| !key.starts_with(ARCHIVED)).map(row).collect();
    let archived = rows.clone();
    (read, Box::new(move |key| archived.get(key).cloned()))
}
