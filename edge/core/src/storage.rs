//! The storage interface of a core: rows of text under a key.

mod lazy;
mod table;

pub use lazy::Archive;
pub(crate) use lazy::Lazy;
pub(crate) use table::Table;

use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::json::{self, Document};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// At most 128 bytes of printable ASCII.
    pub key: String,
    /// JSON that contains a version.
    pub value: String,
}

/// The changes of one input; written in one transaction before any other output of that input is executed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub put: Vec<Row>,
    /// Keys of rows to delete; they need not exist.
    pub delete: Vec<String>,
}

impl Changes {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.delete.is_empty()
    }

    /// Adds a row's new value, or its deletion.
    pub(crate) fn write<T: Serialize>(&mut self, key: String, row: Option<&T>, version: u64) {
        // The state consists of texts, numbers and lists, which always serialise.
        match row.and_then(|row| serde_json::to_string(&Written { version, row }).ok()) {
            Some(value) => self.put.push(Row { key, value }),
            None => self.delete.push(key),
        }
    }
}

pub(crate) fn read<T: DeserializeOwned>(row: &Row, version: u64) -> Result<T, RestoreError> {
    let of_version = |found| RestoreError::Version { key: row.key.clone(), found, expected: version };
    let malformed = |error: json::Error| RestoreError::malformed(row, &error.to_string());
    let document = Document::parse(&row.value).map_err(malformed)?;
    let field = |name| document.reader().required(name).map_err(malformed);
    match field("version")?.as_unsigned() {
        Some(found) if found == version => T::deserialize(field("row")?).map_err(malformed),
        Some(found) => Err(of_version(found)),
        None => Err(RestoreError::malformed(row, "its version is no number")),
    }
}

#[derive(Serialize)]
struct Written<'a, T> {
    version: u64,
    row: &'a T,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Written by another version of this program.
    #[error("row {key} has version {found}, expected {expected}")]
    Version { key: String, found: u64, expected: u64 },
    /// Not written by this program.
    #[error("row {key} cannot be read: {detail}")]
    Malformed { key: String, detail: Box<str> },
}

impl RestoreError {
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Version { key, .. } | Self::Malformed { key, .. } => key,
        }
    }

    pub(crate) fn malformed(row: &Row, detail: &str) -> Self {
        Self::Malformed { key: row.key.clone(), detail: detail.into() }
    }
}
