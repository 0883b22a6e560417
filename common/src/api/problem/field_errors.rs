//! Collects the wrong fields of a request.

use std::fmt::Display;

use super::FieldError;
use crate::text::TextType;

/// The wrong fields of a request, so that one response names all of them.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    pub fn add(&mut self, field: impl Into<String>, reason: impl Display) {
        self.0.push(FieldError::new(field, reason));
    }

    pub fn add_missing(&mut self, field: &'static str) {
        self.0.push(FieldError::missing(field));
    }

    /// Parses an optional field. Records an error, and returns `None`, if the text is wrong.
    pub fn optional<T: TextType>(&mut self, field: &'static str, text: Option<&str>) -> Option<T> {
        T::parse_text(text?).map_err(|reason| self.add(field, reason)).ok()
    }

    /// Parses a required field. Records an error, and returns `None`, if the text is missing or wrong.
    pub fn required<T: TextType>(&mut self, field: &'static str, text: Option<&str>) -> Option<T> {
        if text.is_none() {
            self.add_missing(field);
        }
        self.optional(field, text)
    }

    /// Returns `value` if no field is wrong. `value` is `None` only if a field is wrong.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, Vec<FieldError>> {
        value.filter(|_| self.0.is_empty()).ok_or(self.0)
    }
}
