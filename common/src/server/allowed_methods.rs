//! The `Allow` header of responses to OPTIONS, and of responses with status 405.

use std::fmt;

use poem::http::{HeaderValue, Method};
use poem_openapi::registry::MetaApi;

use crate::spelling::nearest;

/// The paths of a service, each with the value of its `Allow` header (RFC 9110, section 10.2.1).
#[derive(Debug, Default)]
pub struct AllowedMethods(Vec<(PathPattern, HeaderValue)>);

impl AllowedMethods {
    /// Contains the documented paths of `apis`, and the paths in `get_only`, which accept GET and HEAD.
    pub fn new(apis: Vec<MetaApi>, get_only: &[&str]) -> Self {
        let documented = apis.into_iter().flat_map(|api| api.paths).map(|path| {
            let methods = path.operations.into_iter().map(|operation| operation.method).collect();
            (PathPattern::new(&path.path), methods)
        });
        let get_only = get_only.iter().map(|path| (PathPattern::new(path), vec![Method::GET]));
        let all = PathPattern::merge(documented.chain(get_only)).into_iter();
        Self(all.filter_map(|(path, methods)| Some((path, allow_header(methods)?))).collect())
    }

    /// The `Allow` header for a path. `None` if the path does not exist.
    pub fn for_path(&self, path: &str) -> Option<&HeaderValue> {
        PathPattern::most_specific(&self.0, path)
    }

    /// The path that is probably meant by a path that does not exist, with the parameters of the latter. Words of the
    /// path can be misspelt, and its beginning can be missing.
    pub fn nearest_path(&self, path: &str) -> Option<String> {
        let sent: Vec<_> = segments(path).collect();
        let similar = self.0.iter().filter_map(|(pattern, _)| pattern.completed(&sent));
        similar.max_by_key(|(right_words, _)| *right_words).map(|(_, path)| path)
    }

    /// The parameter at `position` among the parameters of a path.
    pub fn parameter<'a>(&'a self, path: &'a str, position: usize) -> Option<PathParameter<'a>> {
        let matching = self.0.iter().map(|(pattern, _)| pattern).filter(|pattern| pattern.matches(path));
        let pattern = matching.max_by_key(|pattern| pattern.literal_segments())?;
        let segments = pattern.0.iter().zip(segments(path)).filter(|(expected, _)| is_parameter(expected));
        segments.map(|(expected, segment)| PathParameter { name: parameter_name(expected), segment }).nth(position)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathParameter<'a> {
    /// The documented name.
    pub name: &'a str,
    /// The segment of the path, as it was sent.
    pub segment: &'a str,
}

/// A path of the API, with or without parameters.
#[derive(Debug, PartialEq)]
pub(super) struct PathPattern(Vec<String>);

impl PathPattern {
    pub(super) fn new(path: &str) -> Self {
        Self(segments(path).map(str::to_owned).collect())
    }

    /// Joins the values of equal patterns. Several APIs of a service can have operations with the same path.
    pub(super) fn merge<T>(values: impl Iterator<Item = (Self, Vec<T>)>) -> Vec<(Self, Vec<T>)> {
        let mut merged: Vec<(Self, Vec<T>)> = Vec::new();
        for (pattern, values) in values {
            match merged.iter_mut().find(|(known, _)| *known == pattern) {
                Some((_, known)) => known.extend(values),
                None => merged.push((pattern, values)),
            }
        }
        merged
    }

    /// The value of the pattern that matches a path. If several patterns match, the one with the most literal segments
    /// takes precedence.
    pub(super) fn most_specific<'a, T>(patterns: &'a [(Self, T)], path: &str) -> Option<&'a T> {
        let matching = patterns.iter().filter(|(pattern, _)| pattern.matches(path));
        matching.max_by_key(|(pattern, _)| pattern.literal_segments()).map(|(_, value)| value)
    }

    fn matches(&self, path: &str) -> bool {
        let mut path = segments(path);
        self.0.iter().all(|expected| path.next().is_some_and(|segment| is_parameter(expected) || expected == segment))
            && path.next().is_none()
    }

    /// The path of this pattern with the parameters of a misspelt path, and the number of the words that both have.
    /// `None` if the paths are not similar.
    fn completed(&self, sent: &[&str]) -> Option<(usize, String)> {
        let missing = self.0.len().checked_sub(sent.len())?;
        let (beginning, end) = self.0.split_at(missing);
        if beginning.iter().chain(end.first()).any(|segment| is_parameter(segment)) {
            return None;
        }
        let pairs = || end.iter().map(String::as_str).zip(sent.iter().copied());
        let is_similar = |(expected, sent)| is_parameter(expected) || nearest(sent, [expected]).is_some();
        if end.is_empty() || !pairs().all(is_similar) {
            return None;
        }
        let right_words = pairs().filter(|(expected, sent)| expected == sent).count();
        let end = pairs().map(|(expected, sent)| if is_parameter(expected) { sent } else { expected });
        let words: Vec<_> = beginning.iter().map(String::as_str).chain(end).collect();
        Some((right_words, format!("/{}", words.join("/"))))
    }

    pub(super) fn has_parameters(&self) -> bool {
        self.0.iter().any(|segment| is_parameter(segment))
    }

    fn literal_segments(&self) -> usize {
        self.0.iter().filter(|segment| !is_parameter(segment)).count()
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0.join("/"))
    }
}

fn allow_header(mut methods: Vec<Method>) -> Option<HeaderValue> {
    if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
        methods.push(Method::HEAD);
    }
    let mut names: Vec<_> = methods.iter().map(Method::as_str).collect();
    names.push(Method::OPTIONS.as_str());
    names.sort_unstable();
    names.dedup();
    HeaderValue::from_str(&names.join(", ")).ok()
}

/// The segments of a path. Doubled and trailing slashes are ignored.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

fn parameter_name(parameter: &str) -> &str {
    parameter.trim_matches([':', '{', '}'])
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with([':', '{'])
}

#[cfg(test)]
mod tests;
