//! Reads JSON text into types, with one reader for all of them.
//!
//! serde generates the code that reads a type anew for each format it is read from, and reading a message that names
//! its `type` inside takes two further formats. That was a third of the Worker. Here a text becomes a list of tokens
//! first, and [`Reader`] is the only format that types are read from.

mod reader;
mod tagged;
mod tokens;

pub use ::tagged::tagged;
pub use reader::Reader;
pub use tagged::{Tagged, TaggedReader, inner};
pub use tokens::Document;

pub use serde_json::{Error, Result};

use serde::de::DeserializeOwned;

/// Parses JSON text. A structure must be an object; serde itself would also accept an array of its fields in order.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T> {
    T::deserialize(Document::parse(text)?.reader())
}

/// Like [`from_str`], for a message that names its type inside.
pub fn message<T: Tagged>(text: &str) -> Result<T> {
    Document::parse(text)?.message()
}

#[cfg(test)]
pub(crate) mod arrays;

#[cfg(test)]
mod tests;
