//! Generates the client's parser, which `cargo xtask codegen` writes to `client/sdk/src/parse.gen.ts`: a check of every
//! field of each message from the edge.
//!
//! A value is read only as deeply as its type, and each part once. Texts with a fixed set of values are checked only
//! for being texts, because a newer edge may send values that this client does not know.

use crate::signal::EdgeToClient;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, thiserror::Error)]
pub enum ParserError {
    #[error("no check is known for the schema {schema}")]
    UnknownSchema { schema: Value },
    /// A check of such a type would recurse as deeply as a hostile value.
    #[error("{name} contains itself")]
    Recursive { name: String },
}

pub fn checks() -> Result<String, ParserError> {
    // The schema of what the edge writes, not of what it would accept: a field is optional only if the edge may omit
    // it.
    let schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<EdgeToClient>();
    Writer::new(schema.as_value()).file(schema.as_value())
}

struct Writer<'a> {
    definitions: BTreeMap<&'a str, &'a Value>,
    /// Finished checks, and `None` for checks under construction.
    checks: BTreeMap<&'a str, Option<String>>,
    /// Named checks, in order of dependency.
    named: String,
    /// Imported types and basic checks.
    types: BTreeSet<&'a str>,
    basic: BTreeSet<&'static str>,
}

impl<'a> Writer<'a> {
    fn new(schema: &'a Value) -> Self {
        let definitions = schema.get("$defs").and_then(Value::as_object);
        let definitions = definitions.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema)).collect();
        let (checks, named) = (BTreeMap::new(), String::new());
        Self { definitions, checks, named, types: BTreeSet::new(), basic: BTreeSet::new() }
    }

    fn file(mut self, schema: &'a Value) -> Result<String, ParserError> {
        let unknown = || ParserError::UnknownSchema { schema: schema.clone() };
        let messages = schema.get("oneOf").and_then(Value::as_array).ok_or_else(unknown)?;
        let mut frames = String::new();
        for message in messages {
            let name = message.pointer("/properties/type/const").and_then(Value::as_str).ok_or_else(unknown)?;
            let fields = self.fields(message)?;
            let is_field = |(field, _): &(&str, String)| *field != "type";
            frames.push_str(&entry(name, &shape(fields.into_iter().filter(is_field), 2)));
        }
        let Self { named, types, basic, .. } = self;
        let list = |names: Vec<&str>| names.join(", ");
        Ok(format!(
            "// Generated from the crate `shared` by `cargo xtask codegen`. Do not edit.\n\
             import type {{ Frames }} from \"./check\";\n\
             import {{ {} }} from \"./check\";\n\
             import type {{ {} }} from \"./protocol.gen\";\n\n\
             {named}\
             /** The fields of every message. */\n\
             export const FRAMES: Frames = {{\n{frames}}};\n",
            list(basic.into_iter().collect()),
            list(types.into_iter().collect()),
        ))
    }

    /// The fields of an object with their checks, in order.
    fn fields(&mut self, object: &'a Value) -> Result<Vec<(&'a str, String)>, ParserError> {
        let required = object.get("required").and_then(Value::as_array);
        let is_required = |name: &str| required.into_iter().flatten().any(|field| field.as_str() == Some(name));
        let properties = object.get("properties").and_then(Value::as_object);
        let mut fields = Vec::new();
        for (name, schema) in properties.into_iter().flatten() {
            // The message's tag has already selected this object.
            let check = match (schema.get("const"), is_required(name)) {
                (Some(_), _) => String::new(),
                (None, true) => self.check(schema)?,
                // The edge omits such a field instead of writing null.
                (None, false) => {
                    let (check, _) = self.unless_null(schema)?;
                    self.around("orAbsent", &check)
                }
            };
            fields.push((name.as_str(), check));
        }
        Ok(fields)
    }

    fn check(&mut self, schema: &'a Value) -> Result<String, ParserError> {
        let (check, is_nullable) = self.unless_null(schema)?;
        Ok(if is_nullable { self.around("orNull", &check) } else { check })
    }

    /// The check of a value other than null; true if it may be null.
    fn unless_null(&mut self, schema: &'a Value) -> Result<(String, bool), ParserError> {
        let Some(object) = schema.as_object() else { return unknown(schema) };
        if let Some(name) = object.get("$ref").and_then(Value::as_str) {
            return Ok((self.named(name.trim_start_matches("#/$defs/"), schema)?, false));
        }
        if let Some(inner) = nullable(object) {
            return Ok((self.check(inner)?, true));
        }
        if is_text_of_a_set(object) {
            return Ok((self.basic("text"), false));
        }
        match object.get("type") {
            Some(Value::String(name)) => Ok((self.typed(name, schema)?, false)),
            Some(Value::Array(names)) => match names.as_slice() {
                [Value::String(name), Value::String(null)] if null == "null" => Ok((self.typed(name, schema)?, true)),
                _ => unknown(schema),
            },
            _ => unknown(schema),
        }
    }

    fn typed(&mut self, name: &str, schema: &'a Value) -> Result<String, ParserError> {
        match (name, schema.get("items")) {
            ("string", _) => Ok(self.basic("text")),
            ("integer" | "number", _) => Ok(self.basic("number")),
            ("boolean", _) => Ok(self.basic("flag")),
            ("array", Some(items)) => {
                let check = self.check(items)?;
                Ok(self.around("list", &check))
            }
            ("object", None) => {
                let values = schema.get("patternProperties").and_then(Value::as_object);
                let Some((_, values)) = values.and_then(|values| values.iter().next()) else { return unknown(schema) };
                let check = self.check(values)?;
                Ok(self.around("map", &check))
            }
            _ => unknown(schema),
        }
    }

    /// The check of a named type; an object's check is named as well.
    fn named(&mut self, name: &str, reference: &'a Value) -> Result<String, ParserError> {
        let Some((&name, &schema)) = self.definitions.get_key_value(name) else { return unknown(reference) };
        match self.checks.get(name) {
            Some(Some(check)) => return Ok(check.clone()),
            Some(None) => return Err(ParserError::Recursive { name: name.to_owned() }),
            None => {}
        }
        self.checks.insert(name, None);
        let check = if schema.get("properties").is_some() {
            let fields = self.fields(schema)?;
            let (object, constant) = (self.basic("object"), lower_first(name));
            let shape = shape(fields.into_iter(), 0);
            self.named.push_str(&format!("const {constant} = {object}<{name}>({shape});\n\n"));
            self.types.insert(name);
            constant
        } else {
            self.check(schema)?
        };
        self.checks.insert(name, Some(check.clone()));
        Ok(check)
    }

    fn basic(&mut self, name: &'static str) -> String {
        self.basic.insert(name);
        name.to_owned()
    }

    fn around(&mut self, name: &'static str, check: &str) -> String {
        format!("{}({check})", self.basic(name))
    }
}

fn unknown<T>(schema: &Value) -> Result<T, ParserError> {
    Err(ParserError::UnknownSchema { schema: schema.clone() })
}

/// The other schema of a union with null.
fn nullable(object: &Map<String, Value>) -> Option<&Value> {
    match object.get("anyOf")?.as_array()?.as_slice() {
        [inner, null] if null.get("type")?.as_str()? == "null" => Some(inner),
        _ => None,
    }
}

fn is_text_of_a_set(object: &Map<String, Value>) -> bool {
    let is_text = |value: &Value| value.get("const").is_some_and(Value::is_string);
    let one_of = object.get("oneOf").and_then(Value::as_array);
    one_of.is_some_and(|values| values.iter().all(|value| is_text(value) || value.get("enum").is_some()))
}

fn shape<'a>(fields: impl Iterator<Item = (&'a str, String)>, indent: usize) -> String {
    let entries: String = fields.map(|(name, check)| entry(name, &check)).collect();
    if entries.is_empty() {
        return "{}".to_owned();
    }
    let margin = " ".repeat(indent);
    let lines: String = entries.lines().map(|line| format!("{margin}{line}\n")).collect();
    format!("{{\n{lines}{margin}}}")
}

fn entry(name: &str, value: &str) -> String {
    if name == value { format!("  {name},\n") } else { format!("  {name}: {value},\n") }
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect()
}
