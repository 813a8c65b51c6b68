//! Accepts structures only as JSON objects: serde would also accept an array of their fields in order.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// For `#[serde(deserialize_with)]`: accepts an object, never an array.
pub(crate) fn object<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);
    impl<'de, T: DeserializeOwned> Visitor<'de> for Object<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_map(Object(PhantomData))
}

/// Parses JSON text that must be an object.
pub fn from_str<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = object(&mut deserializer)?;
    deserializer.end()?;
    Ok(parsed)
}

/// Like [`object`], for an optional object; `null` means missing.
pub(crate) fn optional<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let found: Option<Wrapped<T>> = Deserialize::deserialize(deserializer)?;
    Ok(found.map(|Wrapped(found)| found))
}

/// Like [`object`], for a list of objects.
pub(crate) fn list<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let found: Vec<Wrapped<T>> = Deserialize::deserialize(deserializer)?;
    Ok(found.into_iter().map(|Wrapped(found)| found).collect())
}

#[derive(Deserialize)]
#[serde(transparent, bound(deserialize = "T: DeserializeOwned"))]
struct Wrapped<T>(#[serde(deserialize_with = "object")] T);

#[cfg(test)]
pub(crate) mod arrays {
    use serde_json::Value;

    /// Asserts that the message is parsed, but not if any structure in it is an array: of its values, or empty. Returns
    /// the number of its structures.
    pub(crate) fn check_refused(message: &Value, parse: impl Fn(&str) -> Result<(), String>) -> usize {
        assert_eq!(parse(&message.to_string()), Ok(()), "{message}");
        let variants = with_array(message);
        for variant in &variants {
            let refusal = parse(&variant.to_string()).expect_err(&variant.to_string());
            // Another refusal would only say that the array has the wrong values or too few.
            let is_for_array = refusal.contains("invalid type: sequence") || refusal.contains("is not a JSON object");
            assert!(is_for_array, "{variant}: {refusal}");
        }
        variants.len() / 2
    }

    /// The value with each of its objects in turn replaced by arrays.
    fn with_array(value: &Value) -> Vec<Value> {
        let mut found = Vec::new();
        match value {
            Value::Object(fields) => {
                found.push(Value::Array(fields.values().cloned().collect()));
                found.push(Value::Array(Vec::new()));
                for (name, inner) in fields {
                    found.extend(with_array(inner).into_iter().map(|inner| {
                        let mut fields = fields.clone();
                        fields.insert(name.clone(), inner);
                        Value::Object(fields)
                    }));
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    found.extend(with_array(item).into_iter().map(|item| {
                        let mut items = items.clone();
                        items[index] = item;
                        Value::Array(items)
                    }));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        found
    }
}
