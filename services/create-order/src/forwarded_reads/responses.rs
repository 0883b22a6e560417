//! Responses of other services, and their descriptions for the OpenAPI document.

use std::marker::PhantomData;

use common::server::Json;
use poem::{IntoResponse, Response};
use poem_openapi::{
    ApiResponse,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use serde::Serialize;

/// A response of another service. The OpenAPI document describes it as a `T`.
pub struct Forwarded<T> {
    response: Response,
    documented_as: PhantomData<fn() -> T>,
}

impl<T> Forwarded<T> {
    pub(super) fn new(response: Response) -> Self {
        Self { response, documented_as: PhantomData }
    }
}

impl<T> IntoResponse for Forwarded<T> {
    fn into_response(self) -> Response {
        self.response
    }
}

impl<T: ApiResponse> ApiResponse for Forwarded<T> {
    fn meta() -> MetaResponses {
        T::meta()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// A JSON response, or a 304 without a body if the client has the current body cached.
pub struct ConditionalJson<T>(PhantomData<fn() -> T>);

impl<T: Type + Serialize + Send> ApiResponse for ConditionalJson<T> {
    fn meta() -> MetaResponses {
        let MetaResponses { mut responses } = Json::<T>::meta();
        responses.push(response(304, "The client has the current body cached.", &[]));
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        <Json<T> as ApiResponse>::register(registry);
    }
}

/// Defines a response that is not JSON.
macro_rules! other_response {
    ($(#[doc = $doc:literal])+ $name:ident, $content_types:expr) => {
        $(#[doc = $doc])+
        pub struct $name;

        impl ApiResponse for $name {
            fn meta() -> MetaResponses {
                MetaResponses { responses: vec![response(200, concat!($($doc),+).trim(), $content_types)] }
            }

            fn register(_: &mut Registry) {}
        }
    };
}

other_response!(
    /// A file of orders. The connection closes early if the export fails.
    ExportFile, &["text/csv", "application/jsonl"]
);
other_response!(
    /// The chart.
    Chart, &["image/svg+xml"]
);
other_response!(
    /// Server-sent events.
    Events, &["text/event-stream"]
);

fn response(status: u16, description: &'static str, content_types: &[&'static str]) -> MetaResponse {
    let content = content_types.iter();
    let content = content.map(|&content_type| MetaMediaType { content_type, schema: String::schema_ref() });
    MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: content.collect(),
        headers: Vec::new(),
    }
}
