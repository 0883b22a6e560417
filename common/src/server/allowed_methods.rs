//! Which methods each path has, for whoever sends one that it has not.

use poem::http::{HeaderValue, Method};
use poem_openapi::registry::MetaApi;

/// The paths of a service, each with the value of its `Allow` header (RFC 9110, section 10.2.1).
#[derive(Debug, Default)]
pub struct Methods(Vec<(Vec<String>, HeaderValue)>);

impl Methods {
    /// Those of its documented paths, and of further ones that can be read.
    pub fn new(apis: Vec<MetaApi>, readable: &[&str]) -> Self {
        let documented = apis.into_iter().flat_map(|api| api.paths).map(|path| {
            let methods = path.operations.into_iter().map(|operation| operation.method).collect();
            (path.path, methods)
        });
        let readable = readable.iter().map(|path| ((*path).to_owned(), vec![Method::GET]));
        let all = documented
            .chain(readable)
            .filter_map(|(path, methods)| Some((segments(&path).map(str::to_owned).collect(), allow(methods)?)));
        Self(all.collect())
    }

    /// What is possible at a path; nothing where nobody knows it.
    pub fn at(&self, path: &str) -> Option<&HeaderValue> {
        let literal = |pattern: &[String]| pattern.iter().filter(|segment| !is_parameter(segment)).count();
        let known = self.0.iter().filter(|(pattern, _)| matches(pattern, path));
        known.max_by_key(|(pattern, _)| literal(pattern)).map(|(_, methods)| methods)
    }
}

fn allow(mut methods: Vec<Method>) -> Option<HeaderValue> {
    if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
        methods.push(Method::HEAD);
    }
    let mut names: Vec<_> = methods.iter().map(Method::as_str).collect();
    names.sort_unstable();
    HeaderValue::from_str(&names.join(", ")).ok()
}

/// Slashes that are doubled or at the end mean nothing.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with([':', '{'])
}

fn matches(pattern: &[String], path: &str) -> bool {
    let mut path = segments(path);
    pattern.iter().all(|wanted| path.next().is_some_and(|segment| is_parameter(wanted) || wanted == segment))
        && path.next().is_none()
}

#[cfg(test)]
mod tests;
