//! A JSON document in which single values can be replaced.

use std::fmt::{self, Write};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::text::shown_name;

/// A step from an object or a list to one of its values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Name(String),
    Index(usize),
}

/// A JSON value. Numbers and texts keep the form in which they were sent, and objects keep repeated names.
pub(super) enum Node {
    /// The original text of an unchanged value.
    Raw(Box<RawValue>),
    Object(Vec<(String, Self)>),
    /// The values with their positions in the original list.
    List(Vec<(usize, Self)>),
}

impl Node {
    /// `None` if the text is not JSON.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().map(Self::Raw)
    }

    pub(super) fn is_object(&mut self) -> bool {
        self.expand();
        matches!(self, Self::Object(_))
    }

    pub(super) fn is_list(&mut self) -> bool {
        self.expand();
        matches!(self, Self::List(_))
    }

    /// Converts an object or a list to the form in which its values can be changed.
    fn expand(&mut self) {
        let Self::Raw(raw) = self else { return };
        let json = raw.get();
        let expanded = match json.as_bytes().first() {
            Some(b'{') => serde_json::from_str(json).ok().map(|Pairs(pairs)| Self::Object(pairs)),
            Some(b'[') => serde_json::from_str(json)
                .ok()
                .map(|values: Vec<Box<RawValue>>| Self::List(values.into_iter().map(Self::Raw).enumerate().collect())),
            _ => None,
        };
        if let Some(expanded) = expanded {
            *self = expanded;
        }
    }

    /// The value at a path. If a name is repeated, its first value is returned.
    pub(super) fn at(&mut self, path: &[Step]) -> Option<&mut Self> {
        let Some((step, rest)) = path.split_first() else { return Some(self) };
        self.expand();
        match (self, step) {
            (Self::Object(pairs), Step::Name(name)) => pairs.iter_mut().find(|(known, _)| known == name)?.1.at(rest),
            (Self::List(values), Step::Index(index)) => values.get_mut(*index)?.1.at(rest),
            _ => None,
        }
    }

    /// Adds a value to an object. Returns false if the node is not an object.
    pub(super) fn insert(&mut self, name: &str, value: Self) -> bool {
        self.expand();
        let Self::Object(pairs) = self else { return false };
        pairs.push((name.to_owned(), value));
        true
    }

    /// Removes the value at a path. Removes all values of a repeated name. Returns whether there was a value.
    pub(super) fn remove(&mut self, path: &[Step]) -> bool {
        let Some((step, parent)) = path.split_last() else { return false };
        match (self.expanded_at(parent), step) {
            (Some(Self::Object(pairs)), Step::Name(name)) => {
                let before = pairs.len();
                pairs.retain(|(known, _)| known != name);
                pairs.len() < before
            }
            (Some(Self::List(values)), Step::Index(index)) if *index < values.len() => {
                values.remove(*index);
                true
            }
            _ => false,
        }
    }

    /// Removes all values of a repeated name except the first. Returns whether there was more than one value.
    pub(super) fn keep_first(&mut self, path: &[Step], name: &str) -> bool {
        let Some(Self::Object(pairs)) = self.expanded_at(path) else { return false };
        let (before, mut is_found) = (pairs.len(), false);
        pairs.retain(|(known, _)| known != name || !std::mem::replace(&mut is_found, true));
        pairs.len() < before
    }

    fn expanded_at(&mut self, path: &[Step]) -> Option<&mut Self> {
        let node = self.at(path)?;
        node.expand();
        Some(node)
    }

    /// The path as users write it, such as `timeline[3].seconds`. Positions in lists refer to the original document.
    pub(super) fn shown_path(&mut self, root: &str, path: &[Step]) -> String {
        let mut shown = root.to_owned();
        for (length, step) in path.iter().enumerate() {
            match step {
                Step::Name(name) => {
                    let separator = if shown.is_empty() { "" } else { "." };
                    shown.push_str(separator);
                    shown.push_str(&shown_name(name));
                }
                Step::Index(index) => {
                    let original = match self.expanded_at(&path[..length]) {
                        Some(Self::List(values)) => values.get(*index).map(|(original, _)| *original),
                        _ => None,
                    };
                    // Writing to a string does not fail.
                    let _ = write!(shown, "[{}]", original.unwrap_or(*index));
                }
            }
        }
        shown
    }

    pub(super) fn to_json(&self) -> String {
        let mut json = String::new();
        self.write(&mut json);
        json
    }

    fn write(&self, json: &mut String) {
        match self {
            Self::Raw(raw) => json.push_str(raw.get()),
            Self::Object(pairs) => {
                for (index, (name, value)) in pairs.iter().enumerate() {
                    json.push(if index == 0 { '{' } else { ',' });
                    json.push_str(&serde_json::Value::from(&**name).to_string());
                    json.push(':');
                    value.write(json);
                }
                json.push_str(if pairs.is_empty() { "{}" } else { "}" });
            }
            Self::List(values) => {
                for (index, (_, value)) in values.iter().enumerate() {
                    json.push(if index == 0 { '[' } else { ',' });
                    value.write(json);
                }
                json.push_str(if values.is_empty() { "[]" } else { "]" });
            }
        }
    }
}

/// The names and values of an object in their order. A name can be repeated.
struct Pairs(Vec<(String, Node)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry()? {
                    pairs.push((name, Node::Raw(value)));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(PairsVisitor)
    }
}
