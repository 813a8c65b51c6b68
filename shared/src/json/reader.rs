//! The format that all types are read from.

use super::Error;
use super::tokens::Token;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;
use std::fmt;

/// The name of a field that is the object itself.
const WHOLE: &str = "$whole";
/// A missing value, which reads like null.
const NOTHING: Reader<'static, 'static> = Reader::new(&[]);

/// One value of a [`super::Document`].
#[derive(Clone, Copy, Debug)]
pub struct Reader<'t, 'de> {
    /// Begins with the value.
    tokens: &'t [Token<'de>],
    /// True for a name in an object, which may be a number in quotes.
    is_name: bool,
}

impl<'t, 'de> Reader<'t, 'de> {
    pub(super) const fn new(tokens: &'t [Token<'de>]) -> Self {
        Self { tokens, is_name: false }
    }

    fn token(&self) -> &'t Token<'de> {
        self.tokens.first().unwrap_or(&Token::Null)
    }

    /// The tokens inside of a list or an object.
    fn inside(&self) -> &'t [Token<'de>] {
        self.tokens.get(1..self.token().count()).unwrap_or_default()
    }

    #[must_use]
    pub fn is_object(&self) -> bool {
        matches!(self.token(), Token::Object(_))
    }

    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.token(), Token::Null)
    }

    #[must_use]
    pub fn as_text(&self) -> Option<&'t str> {
        self.token().as_text()
    }

    #[must_use]
    pub fn as_unsigned(&self) -> Option<u64> {
        match self.token() {
            Token::Unsigned(number) => Some(*number),
            _ => None,
        }
    }

    /// A field of an object, which must not be there twice.
    pub fn field(&self, name: &'static str) -> Result<Option<Self>, Error> {
        let mut fields = Inside { tokens: if self.is_object() { self.inside() } else { &[] } };
        let mut found = None;
        while let Some(key) = fields.next() {
            let value = fields.next();
            if key.as_text() == Some(name) && std::mem::replace(&mut found, value).is_some() {
                return Err(Error::duplicate_field(name));
            }
        }
        Ok(found)
    }

    /// Reads a structure. If one of its fields is [`WHOLE`], its value is the object itself.
    pub(super) fn fields<V: Visitor<'de>>(self, names: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        if !self.is_object() {
            return Err(self.mismatch(&visitor));
        }
        let whole = names.contains(&WHOLE).then_some(self);
        visitor.visit_map(Fields { inside: Inside { tokens: self.inside() }, names, whole })
    }

    pub fn required(&self, name: &'static str) -> Result<Self, Error> {
        self.field(name)?.ok_or_else(|| Error::missing_field(name))
    }

    /// The error that names the value found here and the expected one.
    #[cold]
    pub(super) fn mismatch(&self, expected: &dyn Expected) -> Error {
        let unexpected = match self.token() {
            Token::Null => Unexpected::Unit,
            Token::Bool(value) => Unexpected::Bool(*value),
            Token::Unsigned(value) => Unexpected::Unsigned(*value),
            Token::Signed(value) => Unexpected::Signed(*value),
            Token::Float(value) => Unexpected::Float(*value),
            Token::Text(text) => Unexpected::Str(text),
            Token::Unescaped(text) => Unexpected::Str(text),
            Token::List(_) => Unexpected::Seq,
            Token::Object(_) => Unexpected::Map,
            Token::Deep => return Error::custom("too deep"),
        };
        Error::invalid_type(unexpected, expected)
    }

    /// A name as the number in it.
    fn unquoted(self) -> Token<'de> {
        let number = self.as_text().filter(|_| self.is_name);
        let unsigned = number.and_then(|text| text.parse().ok()).map(Token::Unsigned);
        let signed = || number.and_then(|text| text.parse().ok()).map(Token::Signed);
        unsigned.or_else(signed).unwrap_or(Token::Null)
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
                let unquoted = self.unquoted();
                match if self.is_name { &unquoted } else { self.token() } {
                    Token::Unsigned(number) => visitor.visit_u64(*number),
                    Token::Signed(number) => visitor.visit_i64(*number),
                    Token::Float(number) => visitor.visit_f64(*number),
                    _ => Err(self.mismatch(&visitor)),
                }
            }
        )*
    };
}

macro_rules! texts {
    ($($method:ident)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
                match self.token() {
                    Token::Text(text) => visitor.visit_borrowed_str(text),
                    Token::Unescaped(text) => visitor.visit_str(text),
                    _ => Err(self.mismatch(&visitor)),
                }
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.token() {
            Token::Null => visitor.visit_unit(),
            Token::Bool(value) => visitor.visit_bool(*value),
            Token::Unsigned(value) => visitor.visit_u64(*value),
            Token::Signed(value) => visitor.visit_i64(*value),
            Token::Float(value) => visitor.visit_f64(*value),
            Token::Text(text) => visitor.visit_borrowed_str(text),
            Token::Unescaped(text) => visitor.visit_str(text),
            Token::List(_) => self.deserialize_seq(visitor),
            Token::Object(_) => self.deserialize_map(visitor),
            Token::Deep => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.token() {
            Token::Bool(value) => visitor.visit_bool(*value),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64
    }

    texts! { deserialize_char deserialize_str deserialize_string }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.as_text() {
            Some(text) => visitor.visit_str(text),
            None => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.token() {
            Token::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.token() {
            Token::Null => visitor.visit_unit(),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if !matches!(self.token(), Token::List(_)) {
            return Err(self.mismatch(&visitor));
        }
        let mut items = Inside { tokens: self.inside() };
        let list = visitor.visit_seq(&mut items)?;
        if items.tokens.is_empty() { Ok(list) } else { Err(Error::custom("the list is too long")) }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_object() {
            visitor.visit_map(Entries { inside: Inside { tokens: self.inside() } })
        } else {
            Err(self.mismatch(&visitor))
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.fields(names, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut inside = Inside { tokens: self.inside() };
        let (name, value) = if self.is_object() { (inside.next(), inside.next()) } else { (Some(self), None) };
        match name.and_then(|name| name.as_text()).filter(|_| inside.tokens.is_empty()) {
            Some(name) => visitor.visit_enum(Variant { place: variant(name, names)?, value }),
            None => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

/// The rest of a list or an object.
struct Inside<'t, 'de> {
    tokens: &'t [Token<'de>],
}

impl<'t, 'de> Inside<'t, 'de> {
    fn next(&mut self) -> Option<Reader<'t, 'de>> {
        let (value, rest) = self.tokens.split_at_checked(self.tokens.first()?.count())?;
        self.tokens = rest;
        Some(Reader::new(value))
    }
}

impl<'de> SeqAccess<'de> for Inside<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.next().map(|item| seed.deserialize(item)).transpose()
    }
}

/// The entries of a map.
struct Entries<'t, 'de> {
    inside: Inside<'t, 'de>,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.inside.next().map(|name| seed.deserialize(Reader { is_name: true, ..name })).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(self.inside.next().unwrap_or(NOTHING))
    }
}

/// The fields of a structure.
struct Fields<'t, 'de> {
    inside: Inside<'t, 'de>,
    names: &'static [&'static str],
    /// The object, as the last of its own fields.
    whole: Option<Reader<'t, 'de>>,
}

impl<'t> Fields<'t, '_> {
    /// The name of the next field.
    fn next(&mut self) -> Option<&'t str> {
        match self.inside.next() {
            Some(name) => name.as_text(),
            None => self.whole.map(|_| WHOLE),
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(name) = self.next() else { return Ok(None) };
        match seed.deserialize(Place(place(name, self.names))) {
            Ok(field) => Ok(Some(field)),
            Err(Unknown) => Err(Error::unknown_field(name, self.names)),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = self.inside.next().or_else(|| self.whole.take());
        seed.deserialize(value.unwrap_or(NOTHING))
    }
}

/// The place of a name among those of a structure or an enum; otherwise one that no field has.
fn place(name: &str, names: &[&str]) -> u64 {
    let place = names.iter().position(|known| *known == name);
    place.and_then(|place| u64::try_from(place).ok()).unwrap_or(u64::MAX)
}

pub(super) fn variant(name: &str, names: &'static [&'static str]) -> Result<Place, Error> {
    match place(name, names) {
        u64::MAX => Err(Error::unknown_variant(name, names)),
        place => Ok(Place(place)),
    }
}

/// Names a field or variant by its place, which takes less code than its name.
#[derive(Clone, Copy)]
pub(super) struct Place(u64);

impl Place {
    pub(super) fn seed<'de, V: DeserializeSeed<'de>>(self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(self).map_err(|Unknown| Error::custom("an unknown variant"))
    }
}

impl<'de> Deserializer<'de> for Place {
    type Error = Unknown;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unknown> {
        visitor.visit_u64(self.0)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// No place of this kind exists.
#[derive(Debug)]
pub(super) struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown")
    }
}

impl std::error::Error for Unknown {}

impl serde::de::Error for Unknown {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// A variant of an enum, and its content.
struct Variant<'t, 'de> {
    place: Place,
    value: Option<Reader<'t, 'de>>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        Ok((self.place.seed(seed)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.value {
            None => Ok(()),
            Some(value) if value.is_null() => Ok(()),
            Some(value) => Err(value.mismatch(&"unit variant")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.value.unwrap_or(NOTHING))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.value.unwrap_or(NOTHING).deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, names: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.value.unwrap_or(NOTHING).fields(names, visitor)
    }
}
