//! A parsed text as a flat list of tokens.

use super::{Reader, Result, Tagged, TaggedReader};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Values nested deeper are not kept. serde_json itself refuses more than 128 levels.
const LEVELS_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'de> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    /// Borrowed from the text, so it has no escapes.
    Text(&'de str),
    /// With escapes, or from a text that does not live long enough.
    Unescaped(Box<str>),
    /// The number of the following tokens that belong to the list.
    List(usize),
    /// The same for an object: each name, which is a text, and its value.
    Object(usize),
    /// Too deep to be kept.
    Deep,
}

impl Token<'_> {
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Unescaped(text) => Some(text),
            _ => None,
        }
    }

    /// The number of tokens of the value that begins here.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::List(inside) | Self::Object(inside) => 1 + inside,
            _ => 1,
        }
    }
}

/// A parsed text.
#[derive(Clone, Debug, PartialEq)]
pub struct Document<'de> {
    /// Never empty.
    tokens: Vec<Token<'de>>,
}

impl<'de> Document<'de> {
    pub fn parse(text: &'de str) -> Result<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let document = Self::of(&mut deserializer)?;
        deserializer.end()?;
        Ok(document)
    }

    /// Reads a value of any format.
    pub fn of<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut tokens = Vec::new();
        Value { tokens: &mut tokens, level: 0 }.deserialize(deserializer)?;
        Ok(Self { tokens })
    }

    #[must_use]
    pub fn reader(&self) -> Reader<'_, 'de> {
        Reader::new(&self.tokens)
    }

    /// Reads a message that names its type inside.
    pub fn message<T: Tagged>(&self) -> Result<T> {
        T::read(TaggedReader::new(self.reader(), T::TAG))
    }

    /// Turns 1.0 into 1: JSON Schema does not distinguish them (draft 2020-12 §4.2.3), and some languages write the
    /// former.
    pub fn make_integers(&mut self) {
        /// Beyond this, floats skip integers (ECMA-262, Number.MAX_SAFE_INTEGER).
        const SAFE_INTEGER_MAX: f64 = 9_007_199_254_740_991.0;
        for token in &mut self.tokens {
            if let Token::Float(float) = *token
                && float.fract() == 0.0
                && float.abs() <= SAFE_INTEGER_MAX
            {
                #[allow(clippy::cast_possible_truncation, reason = "a whole number of at most 53 bits")]
                let whole = float as i64;
                *token = u64::try_from(whole).map_or(Token::Signed(whole), Token::Unsigned);
            }
        }
    }
}

/// Appends the tokens of one value.
struct Value<'t, 'de> {
    tokens: &'t mut Vec<Token<'de>>,
    level: usize,
}

impl<'de> Value<'_, 'de> {
    fn push(self, token: Token<'de>) {
        self.tokens.push(token);
    }

    fn inner(&mut self) -> Value<'_, 'de> {
        Value { tokens: self.tokens, level: self.level + 1 }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        if self.level < LEVELS_MAX {
            return deserializer.deserialize_any(self);
        }
        deserializer.deserialize_ignored_any(IgnoredAny)?;
        self.push(Token::Deep);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Value<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        self.push(Token::Null);
        Ok(())
    }

    fn visit_none<E: serde::de::Error>(self) -> std::result::Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<(), E> {
        self.push(Token::Bool(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<(), E> {
        self.push(Token::Unsigned(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<(), E> {
        self.push(u64::try_from(value).map_or(Token::Signed(value), Token::Unsigned));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<(), E> {
        self.push(Token::Float(value));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> std::result::Result<(), E> {
        self.push(Token::Text(text));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<(), E> {
        self.push(Token::Unescaped(text.into()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> std::result::Result<(), A::Error> {
        let start = self.tokens.len();
        self.tokens.push(Token::List(0));
        while list.next_element_seed(self.inner())?.is_some() {}
        self.tokens[start] = Token::List(self.tokens.len() - start - 1);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> std::result::Result<(), A::Error> {
        let start = self.tokens.len();
        self.tokens.push(Token::Object(0));
        while object.next_key_seed(Value { tokens: self.tokens, level: 0 })?.is_some() {
            if self.tokens.last().is_none_or(|name| name.as_text().is_none()) {
                return Err(A::Error::custom("a name must be a string"));
            }
            object.next_value_seed(self.inner())?;
        }
        self.tokens[start] = Token::Object(self.tokens.len() - start - 1);
        Ok(())
    }
}
