//! Describes the errors of serde in terms of JSON, because the texts of serde name types of Rust.

use poem_openapi::registry::MetaSchema;

use crate::{api::parameters::whole_number_rule, spelling::must_be_one_of, text::shown_json};

/// The kind of an error that serde reports for a value.
pub(super) enum ErrorKind {
    /// The value is an object without this required field.
    Missing(String),
    /// The object has this unknown field. The path of the error leads to the object or to the field.
    Unknown { name: String, known: Vec<String> },
    /// The object has this field several times.
    Repeated(String),
    /// The value is wrong.
    Value,
}

const MISSING_FIELD: &str = "missing field `";
const UNKNOWN_FIELD: &str = "unknown field `";
/// The beginning of the message of serde for a repeated field. The metadata of an order uses it for a repeated key.
pub(super) const DUPLICATE_FIELD: &str = "duplicate field `";

impl ErrorKind {
    pub(super) fn of(error: &serde_json::Error) -> Self {
        let message = message_of(error);
        let name = |quoted: &str| quoted.strip_suffix('`').unwrap_or(quoted).to_owned();
        if let Some(quoted) = message.strip_prefix(MISSING_FIELD) {
            return Self::Missing(name(quoted));
        }
        if let Some(quoted) = message.strip_prefix(DUPLICATE_FIELD) {
            return Self::Repeated(name(quoted));
        }
        if let Some(rest) = message.strip_prefix(UNKNOWN_FIELD) {
            let end = ["`, expected ", "`, there are no "].iter().filter_map(|end| rest.rfind(end)).max();
            let (name, known) = rest.split_at(end.unwrap_or(rest.len()));
            let known = known.strip_prefix('`').unwrap_or_default();
            return Self::Unknown { name: name.to_owned(), known: backquoted(known) };
        }
        Self::Value
    }
}

/// The message of serde without the position.
fn message_of(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message).to_owned()
}

/// The texts between backquotes.
fn backquoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The message about the wrong value `json`: the rule for the value, and the value itself.
pub(super) fn describe_value(error: &serde_json::Error, schema: Option<&MetaSchema>, json: &str) -> String {
    let message = message_of(error);
    if message.starts_with("recursion limit exceeded") {
        return "must not be nested so deeply".to_owned();
    }
    if let Some((_, known)) =
        message.strip_prefix("unknown variant `").and_then(|rest| rest.rsplit_once("`, expected "))
    {
        let name = serde_json::from_str(json).unwrap_or_else(|_| json.to_owned());
        return must_be_one_of(&name, backquoted(known));
    }
    let is_mismatch =
        ["invalid type: ", "invalid value: ", "invalid length "].iter().any(|start| message.starts_with(start));
    if error.is_data() && !is_mismatch {
        // The message comes from a type of this workspace.
        return message;
    }
    let expected = message.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    let rule = rule_of_expected(expected, schema).or_else(|| schema.and_then(rule_of_schema));
    format!("{}, but is {}", rule.as_deref().unwrap_or("must have another type"), shown_json(json))
}

/// The rule that a schema states, such as `must be a list`.
fn rule_of_schema(schema: &MetaSchema) -> Option<String> {
    if !schema.enum_items.is_empty() {
        let names: Vec<_> = schema.enum_items.iter().filter_map(|item| item.as_str()).collect();
        return Some(format!("must be one of {}", names.join(", ")));
    }
    let rule = match schema.ty {
        "string" => "must be a string",
        "integer" => return Some(whole_number_rule(schema)),
        "number" => "must be a number",
        "boolean" => "must be true or false",
        "array" => "must be a list",
        "object" => "must be a JSON object",
        _ => return None,
    };
    Some(rule.to_owned())
}

/// Translates what serde expected, such as `a map`, to a rule in terms of JSON. `None` if the text is not known.
fn rule_of_expected(expected: &str, schema: Option<&MetaSchema>) -> Option<String> {
    let whole_number = |rule: &str| {
        let schema = schema.filter(|schema| schema.ty == "integer");
        Some(schema.map_or_else(|| rule.to_owned(), whole_number_rule))
    };
    let rule = match expected {
        "a string" | "a borrowed string" | "str" | "string" | "a character" => "must be a string",
        "a boolean" => "must be true or false",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => return whole_number("must be a whole number, 0 or more"),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => return whole_number("must be a whole number"),
        "f32" | "f64" => "must be a number",
        "a map" => "must be a JSON object",
        _ if expected.starts_with("struct ") => "must be a JSON object",
        _ if expected.contains("sequence") || expected.contains("tuple") || expected.contains("array") => {
            "must be a list"
        }
        _ => return None,
    };
    Some(rule.to_owned())
}
