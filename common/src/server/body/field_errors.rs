//! Finds the invalid fields of a JSON body.
//!
//! serde stops at the first error. Therefore, the wrong value is replaced by a placeholder, and the body is parsed
//! again. A value without a placeholder is removed, but not reported as missing.

use std::collections::HashSet;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_path_to_error::{Path, Segment};

use super::{
    descriptions::{ErrorKind, describe_value},
    json_tree::{Node, Step},
    schemas::Schemas,
};
use crate::api::{FieldError, MAX_FIELD_ERRORS};

/// Maximum number of attempts to parse a body. A wrong value fails at most three attempts: as the original value, as a
/// placeholder, and as a missing value.
const MAX_ATTEMPTS: usize = 3 * MAX_FIELD_ERRORS + 1;
/// Maximum size in bytes of a value in which more than the first error is found. Each error takes time in proportion to
/// the size. Without a maximum, an anonymous client could keep the service busy with one request.
pub(super) const MAX_SEARCHED: usize = 64 * 1024;
/// Maximum depth of a value that an error names. An error in a deeper value names the containing value at this depth.
const MAX_DEPTH: usize = 16;

/// The invalid fields of a JSON value.
pub(super) struct InvalidFields<T> {
    /// In the order of the JSON text; the missing fields of an object come after its other errors. At most
    /// [`MAX_FIELD_ERRORS`].
    pub(super) errors: Vec<FieldError>,
    /// The value with placeholders for the fields that `errors` names. `None` if the value possibly has more errors.
    pub(super) with_placeholders: Option<T>,
    /// The required fields that are missing because their names are misspelt. `errors` names the misspelt fields
    /// instead.
    pub(super) misspelt: Vec<String>,
}

/// Parses a JSON value that contains errors. Finds only the first error of a value larger than [`MAX_SEARCHED`]. `root`
/// is the name of the value, empty for a whole body. Without `schemas`, wrong values are removed instead of replaced.
/// `None` if the value is not a JSON object, or if the error does not concern a single field.
pub(super) fn find_invalid_fields<T: DeserializeOwned>(
    root: &str,
    json: &[u8],
    schemas: Option<Schemas>,
) -> Option<InvalidFields<T>> {
    let mut value = Node::parse(json)?;
    if !value.is_object() {
        return None;
    }
    let mut search = Search { root, value, schemas, errors: Vec::new(), misspelt: Vec::new(), visited: HashSet::new() };
    let attempts = if json.len() > MAX_SEARCHED { 1 } else { MAX_ATTEMPTS };
    for _ in 0..attempts {
        let json = search.value.to_json();
        let mut deserializer = serde_json::Deserializer::from_str(&json);
        match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Ok(parsed) => {
                let Search { errors, misspelt, .. } = search;
                return Some(InvalidFields { errors, with_placeholders: Some(parsed), misspelt });
            }
            Err(error) => {
                let path = steps(error.path());
                if search.errors.len() >= MAX_FIELD_ERRORS || !search.record(&path, error.inner()) {
                    break;
                }
            }
        }
    }
    let Search { mut errors, misspelt, .. } = search;
    errors.truncate(MAX_FIELD_ERRORS);
    (!errors.is_empty()).then_some(InvalidFields { errors, with_placeholders: None, misspelt })
}

fn steps(path: &Path) -> Vec<Step> {
    let steps = path.iter().map_while(|segment| match segment {
        Segment::Map { key } => Some(Step::Name(key.clone())),
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    steps.take(MAX_DEPTH).collect()
}

struct Search<'a> {
    root: &'a str,
    value: Node,
    schemas: Option<Schemas>,
    errors: Vec<FieldError>,
    misspelt: Vec<String>,
    /// The paths where a placeholder was inserted, and the paths of wrong values for which there is no placeholder.
    visited: HashSet<Vec<Step>>,
}

impl Search<'_> {
    /// Records an error, and changes the value so that the error does not occur again. Returns whether the value was
    /// changed.
    fn record(&mut self, path: &[Step], error: &serde_json::Error) -> bool {
        if let Some(list) = self.list_instead_of_object(path) {
            self.add(list, |field| FieldError::new(field, "must be a JSON object, but is a list"));
            return self.substitute(list);
        }
        match ErrorKind::of(error) {
            ErrorKind::Missing(name) => self.add_missing(path, &name),
            ErrorKind::Unknown { name, known } => {
                // The path may already contain the unknown field.
                let is_field = matches!(path.last(), Some(Step::Name(last)) if *last == name);
                let object = if is_field { &path[..path.len() - 1] } else { path };
                let field = [object, &[Step::Name(name.clone())]].concat();
                let known: Vec<_> = known.iter().map(String::as_str).collect();
                self.add(&field, |field| FieldError { field, ..FieldError::unknown(name, &known) });
                self.value.remove(&field)
            }
            ErrorKind::Repeated(name) => {
                let field = [path, &[Step::Name(name.clone())]].concat();
                self.add(&field, FieldError::repeated);
                self.value.keep_first(path, &name)
            }
            ErrorKind::Value => self.replace(path, error),
        }
    }

    /// Records an error, unless an error of the same field is already recorded.
    fn add(&mut self, path: &[Step], error: impl FnOnce(String) -> FieldError) {
        let field = self.value.shown_path(self.root, path);
        if self.errors.iter().all(|known| known.field != field) {
            self.errors.push(error(field));
        }
    }

    /// Records that a field of an object is missing or misspelt, and adds a placeholder for it. Removes the object if
    /// there is no placeholder.
    fn add_missing(&mut self, path: &[Step], name: &str) -> bool {
        let field = [path, &[Step::Name(name.to_owned())]].concat();
        let missing = FieldError::missing(self.value.shown_path(self.root, &field));
        if missing.is_explained_by_misspelling(&self.errors) {
            self.misspelt.push(missing.field);
        } else {
            self.add(&field, |_| missing);
        }
        let placeholder = self.placeholder(&field);
        // If the field had a placeholder before, the placeholder was wrong and was removed. It is not inserted again.
        match placeholder.filter(|_| self.visited.insert(field)) {
            Some(placeholder) => self.value.at(path).is_some_and(|object| object.insert(name, placeholder)),
            None => self.value.remove(path),
        }
    }

    /// Records that a value is wrong, and replaces it by a placeholder.
    fn replace(&mut self, path: &[Step], error: &serde_json::Error) -> bool {
        if path.is_empty() {
            return false;
        }
        let Some(json) = self.value.at(path).map(|node| node.to_json()) else { return false };
        let schema = self.schemas.as_ref().and_then(|schemas| schemas.at(path));
        let reason = describe_value(error, schema, &json);
        self.add(path, |field| FieldError::new(field, reason));
        self.substitute(path)
    }

    /// The beginning of the path that leads to a list where the schema has an object. serde parses such a list as the
    /// values of the fields.
    fn list_instead_of_object<'p>(&mut self, path: &'p [Step]) -> Option<&'p [Step]> {
        let schemas = self.schemas.as_ref()?;
        (1..=path.len()).map(|length| &path[..length]).find(|part| {
            let is_object = schemas.at(part).is_some_and(|schema| schema.ty == "object");
            is_object && self.value.at(part).is_some_and(Node::is_list)
        })
    }

    /// Replaces a value by a placeholder. Removes the value if there is no placeholder, or if the value is already the
    /// placeholder. A wrong key of a map remains an error until its value is removed.
    fn substitute(&mut self, path: &[Step]) -> bool {
        let is_new = self.visited.insert(path.to_vec());
        let placeholder = if is_new { self.placeholder(path) } else { None };
        match (placeholder, self.value.at(path)) {
            (Some(placeholder), Some(node)) => {
                *node = placeholder;
                true
            }
            _ => self.value.remove(path),
        }
    }

    fn placeholder(&self, path: &[Step]) -> Option<Node> {
        let schemas = self.schemas.as_ref()?;
        RawValue::from_string(schemas.placeholder(schemas.at(path)?)).ok().map(Node::Raw)
    }
}
