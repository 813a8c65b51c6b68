//! A row that stays in storage until it is needed.

use std::cell::OnceCell;

/// Reads one row of an object's storage by its key. A row that its core has changed is never asked for.
pub type Archive = Box<dyn Fn(&str) -> Option<String>>;

/// A row's value, unless it is still in storage.
#[derive(Debug)]
pub(crate) struct Lazy<T>(OnceCell<Option<T>>);

impl<T> Lazy<T> {
    pub(crate) const fn stored() -> Self {
        Self(OnceCell::new())
    }

    /// Reads the row if necessary; `None` if it is unreadable.
    pub(crate) fn get(&self, read: impl FnOnce() -> Option<T>) -> Option<&T> {
        self.0.get_or_init(read).as_ref()
    }

    /// The value of a row that has been read or made.
    pub(crate) fn known(&self) -> Option<&T> {
        self.0.get()?.as_ref()
    }

    pub(crate) fn known_mut(&mut self) -> Option<&mut T> {
        self.0.get_mut()?.as_mut()
    }
}

impl<T> From<T> for Lazy<T> {
    fn from(value: T) -> Self {
        Self(OnceCell::from(Some(value)))
    }
}
