//! Replaces the fields of the API in a message by the options of the command line that set them.

use serde_json::Value;

/// A field of the API, and the option or argument of the command line that sets it.
#[derive(Debug, Clone, Copy)]
pub struct FieldOption {
    pub field: &'static str,
    pub option: &'static str,
}

/// Adds the option to one element of `errors`. Returns the error as a sentence, such as `--amount must be greater than 0`.
pub(super) fn name_option(error: &mut Value, options: &[FieldOption]) -> Option<String> {
    let (field, message) = (error["field"].as_str()?, error["message"].as_str()?);
    // `metadata.cart` is the part `cart` of the field `metadata`. `scopes[1]` is the second value of the option
    // `--scopes`. The message contains this value, so the index is omitted.
    let (name, part) = field.split_once('.').map_or((field, None), |(name, part)| (name, Some(part)));
    let name = name.split_once('[').map_or(name, |(list, _)| list);
    let option = options.iter().find(|option| option.field == name).map(|option| option.option);
    let Some(option) = option else { return Some(format!("{field} {message}")) };
    let message = name_compared_options(message, options);
    let sentence = match part {
        Some(part) => format!("{option} {part}: {message}"),
        None => format!("{option} {message}"),
    };
    error["option"] = option.into();
    Some(sentence)
}

/// Some messages compare the value with another field, such as `must not be later than to`. Replaces the name of this
/// field by its option, such as `--to`.
/// The text from the first quotation mark on contains values of the user, so it remains unchanged.
fn name_compared_options(message: &str, options: &[FieldOption]) -> String {
    let (rule, values) = message.split_at(message.find('"').unwrap_or(message.len()));
    let mut rule = rule.to_owned();
    for comparison in [" than ", " the currency of "] {
        let Some((start, rest)) = rule.split_once(comparison) else { continue };
        let end = rest.find(|next: char| !next.is_ascii_alphanumeric() && next != '_').unwrap_or(rest.len());
        let (field, rest) = rest.split_at(end);
        if let Some(option) = options.iter().find(|option| option.field == field) {
            rule = format!("{start}{comparison}{}{rest}", option.option);
        }
    }
    rule + values
}
