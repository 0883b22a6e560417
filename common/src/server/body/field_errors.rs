//! Finds every invalid field of a JSON body, and describes the errors in terms of JSON.
//!
//! serde stops at the first invalid field, and its messages name types of Rust. After serde has failed, each field is therefore
//! parsed on its own.

use std::{collections::HashMap, fmt};

use poem_openapi::{
    registry::{MetaSchemaRef, Registry},
    types::Type,
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{api::FieldError, server::limits::MAX_FIELD_ERRORS};

/// The result of parsing each field of a JSON object on its own.
pub(super) struct ParsedFields<T> {
    /// The invalid fields, in the order of the body, and then the missing fields. At most [`MAX_FIELD_ERRORS`].
    pub(super) errors: Vec<FieldError>,
    /// The object with only the valid fields. `None` if a required field is missing or not valid.
    pub(super) valid_part: Option<T>,
}

/// Parses the fields of an object. `None` if the JSON is not an object.
pub(super) fn parse_fields<T: Type + DeserializeOwned>(json: &[u8]) -> Option<ParsedFields<T>> {
    let Fields(fields) = serde_json::from_slice(json).ok()?;
    let names = FieldNames::of::<T>();
    let mut occurrences: HashMap<&str, usize> = HashMap::new();
    for (name, _) in &fields {
        *occurrences.entry(name).or_default() += 1;
    }
    let mut errors: Vec<FieldError> = Vec::new();
    let mut valid = Vec::new();
    for (name, value) in &fields {
        if errors.len() >= MAX_FIELD_ERRORS {
            break;
        }
        match occurrences.get_mut(name.as_str()) {
            Some(1) => match field_error::<T>(name, value, &names) {
                Some(error) => errors.push(error),
                None => valid.push((name.as_str(), &**value)),
            },
            // A repeated field is reported once, at its first occurrence.
            Some(count) if *count > 1 => {
                *count = 0;
                errors.push(FieldError::repeated(name));
            }
            _ => {}
        }
    }
    let valid_part = serde_json::from_str(&object_text(&valid));
    if let Err(error) = &valid_part
        && error.to_string().starts_with(MISSING_FIELD)
    {
        let is_missing = |name: &&&str| fields.iter().all(|(sent, _)| sent != **name);
        let missing = names.required.iter().filter(is_missing).map(|name| FieldError::missing(*name));
        let missing: Vec<_> = missing.filter(|missing| !missing.is_misspelt_in(&errors)).collect();
        errors.extend(missing);
        errors.truncate(MAX_FIELD_ERRORS);
    }
    Some(ParsedFields { errors, valid_part: valid_part.ok() })
}

/// The error of one field. `None` if the field is valid, even if other fields are missing.
fn field_error<T: DeserializeOwned>(name: &str, value: &RawValue, names: &FieldNames) -> Option<FieldError> {
    let json = object_text(&[(name, value)]);
    let error = serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(&json)).err()?;
    let path = error.path().to_string();
    let error = error.into_inner();
    if path == "." && error.to_string().starts_with(MISSING_FIELD) {
        return None;
    }
    if path == name && error.to_string().starts_with(UNKNOWN_FIELD) {
        return Some(FieldError::unknown(name, &names.all));
    }
    Some(describe_error(if path == "." { name } else { &path }, &error))
}

/// Converts an error of serde at `path`. The texts of serde itself never reach a user.
pub(super) fn describe_error(path: &str, error: &serde_json::Error) -> FieldError {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(&*message, |(message, _)| message);
    let quoted = |rest: &str| rest.split('`').next().unwrap_or_default().to_owned();
    if let Some(name) = message.strip_prefix(MISSING_FIELD).map(quoted) {
        return FieldError::missing(join_path(path, &name));
    }
    if let Some(rest) = message.strip_prefix(UNKNOWN_FIELD) {
        let (name, known) = rest.split_once('`').unwrap_or((rest, ""));
        return FieldError { field: path.to_owned(), ..FieldError::unknown(name, &backquoted(known)) };
    }
    if let Some(name) = message.strip_prefix(DUPLICATE_FIELD).map(quoted) {
        return FieldError::repeated(join_path(path, &name));
    }
    if let Some((_, known)) = message.strip_prefix("unknown variant `").and_then(|rest| rest.split_once('`')) {
        return FieldError::new(path, format!("must be one of {}", backquoted(known).join(", ")));
    }
    let is_mismatch =
        ["invalid type: ", "invalid value: ", "invalid length "].iter().any(|start| message.starts_with(start));
    if is_mismatch {
        let expected = message.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
        return FieldError::new(path, describe_expected(expected));
    }
    if error.is_data() {
        // The message comes from a type of this workspace.
        return FieldError::new(path, message);
    }
    // The parser itself refused the value, such as a number instead of the name of a variant, or an invalid escape sequence.
    FieldError::new(path, WRONG_TYPE)
}

const WRONG_TYPE: &str = "has a value of the wrong type";
const MISSING_FIELD: &str = "missing field `";
const UNKNOWN_FIELD: &str = "unknown field `";
const DUPLICATE_FIELD: &str = "duplicate field `";

/// What serde expected, in terms of JSON.
fn describe_expected(expected: &str) -> &'static str {
    match expected {
        "a string" | "a borrowed string" | "str" | "string" | "a character" => "must be a string",
        "a boolean" => "must be true or false",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "must be a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "must be a whole number",
        "f32" | "f64" => "must be a number",
        "a map" => "must be a JSON object",
        _ if expected.starts_with("struct ") => "must be a JSON object",
        _ if expected.contains("sequence") || expected.contains("tuple") || expected.contains("array") => {
            "must be a list"
        }
        _ => WRONG_TYPE,
    }
}

/// The path of the field `name`. `path` is the path of the object that contains the field, or already the path of the field.
fn join_path(path: &str, name: &str) -> String {
    if path == "." || path == "body" {
        name.to_owned()
    } else if path == name || path.ends_with(&format!(".{name}")) {
        path.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The texts between backquotes.
fn backquoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The names of the fields of a type, from its schema.
#[derive(Default)]
struct FieldNames {
    all: Vec<&'static str>,
    required: Vec<&'static str>,
}

impl FieldNames {
    fn of<T: Type>() -> Self {
        let mut registry = Registry::new();
        T::register(&mut registry);
        let schema = match T::schema_ref() {
            MetaSchemaRef::Reference(name) => registry.schemas.remove(&name),
            MetaSchemaRef::Inline(schema) => Some(*schema),
        };
        let Some(schema) = schema else { return Self::default() };
        Self { all: schema.properties.iter().map(|(name, _)| *name).collect(), required: schema.required }
    }
}

fn object_text(fields: &[(&str, &RawValue)]) -> String {
    let pair = |(name, value): &(&str, &RawValue)| format!("{}:{}", serde_json::Value::from(*name), value.get());
    format!("{{{}}}", fields.iter().map(pair).collect::<Vec<_>>().join(","))
}

/// The fields of an object in their order, including repeated fields.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}
