//! Finds the known name that is meant by a misspelt name, and writes the messages about unknown names.

use std::fmt::Display;

use crate::text::shown_value;

/// Minimum similarity of a suggestion by edit distance, from 0 to 1. The edit distance counts wrong, missing,
/// additional and transposed letters.
const MIN_EDIT_SIMILARITY: f64 = 0.6;
/// Minimum similarity of a suggestion by common prefix, from 0 to 1. The common prefix finds names whose end is missing or
/// too long.
const MIN_PREFIX_SIMILARITY: f64 = 0.9;
/// Maximum ratio of the lengths of two similar names. Above this ratio, neither similarity reaches its minimum. Names
/// above this ratio are not compared, because the cost of a comparison grows with the product of the lengths.
const MAX_LENGTH_RATIO: usize = 2;

/// Maximum number of known names that a message lists.
const MAX_LISTED_NAMES: usize = 200;
/// Maximum number of unknown names that a message repeats.
const MAX_SHOWN_NAMES: usize = 10;

/// The known name that is most similar to `name`, regardless of case. `None` if no name is similar. If `name` has
/// several words and is the beginning of known names, returns the first of these known names: `RATE_LIMIT_PER_MINUTE`
/// for `RATE_LIMIT`.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str, IntoIter: Clone>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let length = name.chars().count();
    let known = known.into_iter();
    let is_beginning = |known: &str| {
        let known = known.to_lowercase();
        known.strip_prefix(&name).is_some_and(|rest| rest.starts_with('_'))
    };
    if name.contains('_')
        && let Some(first) = known.clone().find(|known| is_beginning(known))
    {
        return Some(first);
    }
    let similarity = |known: &str| {
        let known = known.to_lowercase();
        let known_length = known.chars().count();
        if length.max(known_length) > MAX_LENGTH_RATIO * length.min(known_length) {
            return None;
        }
        let edits = strsim::normalized_damerau_levenshtein(&name, &known);
        let prefix = strsim::jaro_winkler(&name, &known);
        (edits >= MIN_EDIT_SIMILARITY || prefix >= MIN_PREFIX_SIMILARITY).then_some(edits)
    };
    let similar = known.filter_map(|known| Some((similarity(known)?, known)));
    similar.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, known)| known)
}

/// The message for an unknown name. The message lists the known names, and suggests the name that is probably meant.
pub fn must_be_one_of(unknown: &str, known: impl IntoIterator<Item = impl Display>) -> String {
    let known: Vec<_> = known.into_iter().map(|name| name.to_string()).collect();
    unknown_name(unknown, &known, nearest(unknown, known.iter().map(String::as_str)))
}

/// A text that is accepted instead of a known name.
#[derive(Debug, Clone, Copy)]
pub struct Alias {
    pub text: &'static str,
    pub name: &'static str,
}

/// Like [`must_be_one_of`], but suggests `alias.name` for a name that is similar to `alias.text`.
pub fn must_be_one_of_or_alias(unknown: &str, known: impl IntoIterator<Item = impl Display>, alias: Alias) -> String {
    let known: Vec<_> = known.into_iter().map(|name| name.to_string()).collect();
    let meant = nearest(unknown, known.iter().map(String::as_str).chain([alias.text]));
    let meant = meant.map(|meant| if meant == alias.text { alias.name } else { meant });
    unknown_name(unknown, &known, meant)
}

/// The message for an unknown name. `meant` is the name to suggest.
fn unknown_name(unknown: &str, known: &[String], meant: Option<&str>) -> String {
    match list(known) {
        Some(names) => format!("must be one of {names}, but is {}", shown_with(unknown, meant)),
        None => NO_NAMES.to_owned(),
    }
}

/// The message for unknown names in a comma-separated list. The message suggests the names that are probably meant, and
/// lists the known names.
pub fn must_each_be_one_of(unknown: &[&str], known: impl IntoIterator<Item = impl Display>) -> String {
    let known: Vec<_> = known.into_iter().map(|name| name.to_string()).collect();
    let shown = shown_names(unknown, &known);
    let names = if unknown.len() == 1 { "name" } else { "names" };
    match list(&known) {
        Some(known) => format!("contains the unknown {names} {shown}; each name must be one of {known}"),
        None => NO_NAMES.to_owned(),
    }
}

/// Unknown names, each with the known name that is probably meant. At most 10 are shown.
pub fn shown_names<T: AsRef<str>>(unknown: &[&str], known: &[T]) -> String {
    let more = unknown.len().saturating_sub(MAX_SHOWN_NAMES);
    let more = (more > 0).then(|| format!("and {more} more"));
    let shown = unknown.iter().take(MAX_SHOWN_NAMES).map(|name| with_suggestion(name, known));
    shown.chain(more).collect::<Vec<_>>().join(", ")
}

const NO_NAMES: &str = "is unknown; there is no data yet, so no name is known";

/// The beginning of an unknown name in quotes, and the known name that is probably meant.
fn with_suggestion<T: AsRef<str>>(unknown: &str, known: &[T]) -> String {
    shown_with(unknown, nearest(unknown, known.iter().map(AsRef::as_ref)))
}

fn shown_with(unknown: &str, meant: Option<&str>) -> String {
    let shown = shown_value(unknown);
    match meant {
        Some(meant) => format!("{shown} (did you mean {meant}?)"),
        None => shown,
    }
}

/// The names, separated by commas. `None` if there are no names.
fn list(names: &[String]) -> Option<String> {
    let more = names.len().saturating_sub(MAX_LISTED_NAMES);
    let more = (more > 0).then(|| format!("and {more} more"));
    let listed = names.iter().take(MAX_LISTED_NAMES).cloned().chain(more);
    (!names.is_empty()).then(|| listed.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests;
