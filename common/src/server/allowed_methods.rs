//! The `Allow` header of a response to OPTIONS, or with status 405.

use poem::http::{HeaderValue, Method};
use poem_openapi::registry::MetaApi;

/// The paths of a service, each with the value of its `Allow` header (RFC 9110, section 10.2.1).
#[derive(Debug, Default)]
pub struct AllowedMethods(Vec<(Vec<String>, HeaderValue)>);

impl AllowedMethods {
    /// Contains the documented paths of `apis` and the paths in `get_only`, which accept only GET.
    pub fn new(apis: Vec<MetaApi>, get_only: &[&str]) -> Self {
        let documented = apis.into_iter().flat_map(|api| api.paths).map(|path| {
            let methods = path.operations.into_iter().map(|operation| operation.method).collect();
            (path.path, methods)
        });
        let get_only = get_only.iter().map(|path| ((*path).to_owned(), vec![Method::GET]));
        let all = documented
            .chain(get_only)
            .filter_map(|(path, methods)| Some((segments(&path).map(str::to_owned).collect(), allow_header(methods)?)));
        Self(all.collect())
    }

    /// The `Allow` header for a path. `None` if the path does not exist. Literal segments take precedence over parameters.
    pub fn for_path(&self, path: &str) -> Option<&HeaderValue> {
        let literal_segments = |pattern: &[String]| pattern.iter().filter(|segment| !is_parameter(segment)).count();
        let matching = self.0.iter().filter(|(pattern, _)| matches_path(pattern, path));
        matching.max_by_key(|(pattern, _)| literal_segments(pattern)).map(|(_, methods)| methods)
    }
}

fn allow_header(mut methods: Vec<Method>) -> Option<HeaderValue> {
    if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
        methods.push(Method::HEAD);
    }
    let mut names: Vec<_> = methods.iter().map(Method::as_str).collect();
    names.push(Method::OPTIONS.as_str());
    names.sort_unstable();
    HeaderValue::from_str(&names.join(", ")).ok()
}

/// The segments of a path. Doubled and trailing slashes are ignored.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with([':', '{'])
}

fn matches_path(pattern: &[String], path: &str) -> bool {
    let mut path = segments(path);
    pattern.iter().all(|expected| path.next().is_some_and(|segment| is_parameter(expected) || expected == segment))
        && path.next().is_none()
}

#[cfg(test)]
mod tests;
