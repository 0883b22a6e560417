//! Responses to conditional requests with a body that is serialized already.

use std::{marker::PhantomData, time::Duration};

use poem::{
    IntoResponse, Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse,
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};

use crate::snapshot::TaggedJson;

/// A 200 with the JSON of a `T`, or a 304 if the client has the same body cached. The type `T` is used only for the
/// OpenAPI document.
pub(crate) struct ConditionalJson<T> {
    json: TaggedJson,
    max_age: Duration,
    not_modified: bool,
    schema: PhantomData<fn() -> T>,
}

impl<T> ConditionalJson<T> {
    /// `if_none_match` is the request header. `max_age` is how long clients may cache the response.
    pub(crate) fn new(json: TaggedJson, if_none_match: Option<&str>, max_age: Duration) -> Self {
        let not_modified = if_none_match.is_some_and(|header| contains_etag(header, &json.etag));
        Self { json, max_age, not_modified, schema: PhantomData }
    }
}

/// Whether an `If-None-Match` header contains the tag, by the weak comparison of RFC 9110, section 13.1.2.
fn contains_etag(if_none_match: &str, etag: &HeaderValue) -> bool {
    let mut tags = if_none_match.split(',').map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag)
}

/// Rounds down to whole seconds, so that no client uses a response after it has expired.
fn cache_control(max_age: Duration) -> HeaderValue {
    match max_age.as_secs() {
        // Avoids formatting for the default refresh interval.
        5 => HeaderValue::from_static("public, max-age=5"),
        0 => HeaderValue::from_static("no-cache"),
        seconds => {
            HeaderValue::from_str(&format!("public, max-age={seconds}")).expect("digits are a valid header value")
        }
    }
}

impl<T> IntoResponse for ConditionalJson<T> {
    fn into_response(self) -> Response {
        let TaggedJson { body, etag } = self.json;
        let mut response = if self.not_modified { Response::default() } else { Response::from(body) };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, etag);
        headers.insert(header::CACHE_CONTROL, cache_control(self.max_age));
        if self.not_modified {
            response.set_status(StatusCode::NOT_MODIFIED);
        } else {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        response
    }
}

fn documented_header(name: &str, description: &str) -> MetaHeader {
    MetaHeader {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: true,
        deprecated: false,
        schema: String::schema_ref(),
    }
}

impl<T: Type> ApiResponse for ConditionalJson<T> {
    fn meta() -> MetaResponses {
        let headers = || {
            vec![
                documented_header("ETag", "Identifies the body. Send it as `If-None-Match` with the next request."),
                documented_header("Cache-Control", "How long the response may be cached."),
            ]
        };
        let content = vec![MetaMediaType { content_type: "application/json", schema: T::schema_ref() }];
        let response = |status, description, content| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content,
            headers: headers(),
        };
        let not_modified = "The client has the current body cached.";
        MetaResponses { responses: vec![response(200, "", content), response(304, not_modified, Vec::new())] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

#[cfg(test)]
mod tests;
