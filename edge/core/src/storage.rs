//! What a core hands to storage and takes back from it: rows of text under a key.

/// One stored row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Its key: at most 128 bytes of printable ASCII.
    pub key: String,
    /// JSON with a version in it.
    pub value: String,
}

/// What one input changed; written in one transaction, before any other output of that input is carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rows to insert or replace.
    pub put: Vec<Row>,
    /// Keys of rows to delete; they need not exist.
    pub delete: Vec<String>,
}

impl Changes {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.delete.is_empty()
    }
}

/// Why stored rows cannot be read back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Written by another version of this program.
    #[error("row {key} has version {found}, {expected} is spoken here")]
    Version {
        /// The row.
        key: String,
        /// Its version.
        found: u64,
        /// The version of this program.
        expected: u64,
    },
    /// Not what this program writes.
    #[error("row {key} cannot be read: {detail}")]
    Malformed {
        /// The row.
        key: String,
        /// What is wrong.
        detail: Box<str>,
    },
}
