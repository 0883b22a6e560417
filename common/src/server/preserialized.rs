//! Responses whose JSON is already serialized.

use std::marker::PhantomData;

use bytes::{Bytes, BytesMut};
use poem::{
    IntoResponse, Response,
    http::{HeaderValue, header::CONTENT_TYPE},
};
use poem_openapi::{
    ApiResponse,
    payload::Payload,
    registry::{MetaResponses, MetaSchemaRef, Registry},
    types::Type,
};
use serde::Serialize;

use super::Json;

/// The JSON of a `T`, serialized once for many responses, or by another service.
#[derive(Debug, Clone)]
pub struct PreserializedJson<T> {
    json: Bytes,
    of: PhantomData<fn() -> T>,
}

impl<T> PreserializedJson<T> {
    /// `json` must be the JSON of a `T`. If `json` has no final line break, one is added.
    pub fn new(json: Bytes) -> Self {
        Self { json: with_line_break(json), of: PhantomData }
    }
}

fn with_line_break(json: Bytes) -> Bytes {
    if json.ends_with(b"\n") {
        return json;
    }
    // The bytes are copied if another value shares them.
    let mut json = json.try_into_mut().unwrap_or_else(BytesMut::from);
    json.extend_from_slice(b"\n");
    json.freeze()
}

impl<T: Type> Payload for PreserializedJson<T> {
    const CONTENT_TYPE: &'static str = Json::<T>::CONTENT_TYPE;

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + Serialize + Send> ApiResponse for PreserializedJson<T> {
    fn meta() -> MetaResponses {
        Json::<T>::meta()
    }

    fn register(registry: &mut Registry) {
        <Json<T> as ApiResponse>::register(registry);
    }
}

impl<T> IntoResponse for PreserializedJson<T> {
    fn into_response(self) -> Response {
        let mut response = Response::from(self.json);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

#[cfg(test)]
mod tests;
