//! Answers that were made before they were asked for.

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

/// The JSON of a `T`, or word that the client has it already. poem-openapi documents it and has no part in writing it.
pub(crate) struct ConditionalJson<T> {
    answer: TaggedJson,
    max_age: Duration,
    known: bool,
    of: PhantomData<fn() -> T>,
}

impl<T> ConditionalJson<T> {
    /// `if_none_match` is what the client has; `max_age` is how long the answer may be taken for current.
    pub(crate) fn new(answer: TaggedJson, if_none_match: Option<&str>, max_age: Duration) -> Self {
        let known = if_none_match.is_some_and(|sent| names(sent, &answer.etag));
        Self { answer, max_age, known, of: PhantomData }
    }
}

/// Whether a list of `If-None-Match` names the entity (RFC 9110, section 13.1.2: the weak comparison).
fn names(sent: &str, etag: &HeaderValue) -> bool {
    sent.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag)
}

/// Whole seconds, rounded down: nobody is to keep an answer for longer than it is good.
fn cache_control(max_age: Duration) -> HeaderValue {
    match max_age.as_secs() {
        // The time of a slot, and one that is about to end.
        5 => HeaderValue::from_static("public, max-age=5"),
        0 => HeaderValue::from_static("no-cache"),
        seconds => HeaderValue::from_str(&format!("public, max-age={seconds}")).expect("digits are a header value"),
    }
}

impl<T> IntoResponse for ConditionalJson<T> {
    fn into_response(self) -> Response {
        let TaggedJson { body, etag } = self.answer;
        let mut response = if self.known { Response::default() } else { Response::from(body) };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, etag);
        headers.insert(header::CACHE_CONTROL, cache_control(self.max_age));
        if self.known {
            response.set_status(StatusCode::NOT_MODIFIED);
        } else {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        response
    }
}

fn described(name: &str, description: &str) -> MetaHeader {
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
                described("ETag", "Names the answer; send it as If-None-Match."),
                described("Cache-Control", "How long the answer is the newest."),
            ]
        };
        let content = vec![MetaMediaType { content_type: "application/json", schema: T::schema_ref() }];
        let answer = |status, description, content| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content,
            headers: headers(),
        };
        MetaResponses {
            responses: vec![answer(200, "", content), answer(304, "The client has it already.", Vec::new())],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

#[cfg(test)]
mod tests;
