//! Messages that name their type inside: `{"type":"leave"}`.

use super::reader::{Place, Reader, variant};
use super::{Document, Error};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error as _, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

/// A message that names its type inside; implemented by the attribute `tagged`.
pub trait Tagged: Sized {
    /// The name of the field.
    const TAG: &'static str;

    fn read(reader: TaggedReader<'_, '_>) -> Result<Self, Error>;
}

/// Reads a message inside of something else, of any format.
pub fn inner<'de, T: Tagged, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Document::of(deserializer)?.message().map_err(D::Error::custom)
}

/// An object that is read as an enum: one of its fields names the variant, and the others are its content.
#[derive(Clone, Copy, Debug)]
pub struct TaggedReader<'t, 'de> {
    object: Reader<'t, 'de>,
    tag: &'static str,
}

impl<'t, 'de> TaggedReader<'t, 'de> {
    pub(super) const fn new(object: Reader<'t, 'de>, tag: &'static str) -> Self {
        Self { object, tag }
    }
}

impl<'de> Deserializer<'de> for TaggedReader<'_, 'de> {
    type Error = Error;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if !self.object.is_object() {
            return Err(self.object.mismatch(&"an object"));
        }
        let name = self.object.required(self.tag)?;
        let name = name.as_text().ok_or_else(|| name.mismatch(&"a string"))?;
        visitor.visit_enum(Variant { place: variant(name, names)?, object: self.object })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        Err(self.object.mismatch(&visitor))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Variant<'t, 'de> {
    place: Place,
    object: Reader<'t, 'de>,
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
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.object)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        Err(self.object.mismatch(&visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, names: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.object.fields(names, visitor)
    }
}
