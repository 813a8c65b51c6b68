//! A row that is parsed when it is first read.

use super::{RestoreError, Row, check_version, read};
use serde::de::DeserializeOwned;
use std::cell::OnceCell;

/// A row's value, or its text until then.
#[derive(Debug)]
pub(crate) struct Lazy<T> {
    /// `None` for a row that was made here.
    stored: Option<(Row, u64)>,
    /// `None` if the text is unreadable.
    value: OnceCell<Option<T>>,
}

impl<T: DeserializeOwned> Lazy<T> {
    /// Checks only the row's version and that it is JSON.
    pub(crate) fn stored(row: &Row, version: u64) -> Result<Self, RestoreError> {
        check_version(row, version)?;
        Ok(Self { stored: Some((row.clone(), version)), value: OnceCell::new() })
    }

    /// `None` if the row turns out to be unreadable.
    pub(crate) fn get(&self) -> Option<&T> {
        let read = || self.stored.as_ref().and_then(|(row, version)| read(row, *version).ok());
        self.value.get_or_init(read).as_ref()
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.get()?;
        self.value.get_mut()?.as_mut()
    }
}

impl<T> From<T> for Lazy<T> {
    fn from(value: T) -> Self {
        Self { stored: None, value: OnceCell::from(Some(value)) }
    }
}
