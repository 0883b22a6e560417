//! What every service serves beside its own: liveness, readiness, metrics, its OpenAPI document and a page of it.

use std::{collections::HashMap, marker::PhantomData, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use poem::{
    EndpointExt, IntoEndpoint,
    endpoint::BoxEndpoint,
    http::Method,
    middleware::{NormalizePath, TrailingSlash},
};
use poem_openapi::{
    ApiResponse, OpenApi, OpenApiService,
    payload::{Html, PlainText},
    registry::{MetaApi, Registry},
    types::Any,
};
use serde_json::Value;

use super::{
    Json, PreserializedJson, RateLimit, allowed_methods::Methods, http_metrics::HttpMetrics,
    middleware::RequestMiddleware,
};
use crate::{
    api::health::{Component, Readiness},
    config::Secret,
    metrics::Metrics,
};

/// Asks each outside part whether it is there.
pub type ReadinessCheck = Arc<dyn Fn() -> BoxFuture<'static, Vec<Component>> + Send + Sync>;

/// What a service gives, for the endpoints that all have.
pub struct OpsEndpoints {
    pub service: &'static str,
    /// A sentence for the head of the documentation page.
    pub about: &'static str,
    pub metrics: Metrics,
    pub ready: ReadinessCheck,
    /// What internal endpoints want; nothing where the service has none.
    pub internal_token: Option<Secret>,
    /// For services that users call.
    pub rate_limit: RateLimit,
}

struct OpsApi {
    metrics: Metrics,
    ready: ReadinessCheck,
    /// The OpenAPI document, and a page that shows it.
    document: Bytes,
    page: String,
}

#[derive(ApiResponse)]
enum ReadyAnswer {
    /// It can do its work.
    #[oai(status = 200)]
    Ready(Json<Readiness>),
    /// A part that it needs is missing.
    #[oai(status = 503)]
    NotReady(Json<Readiness>, #[oai(header = "Retry-After")] u32),
}

#[OpenApi]
impl OpsApi {
    /// Whether the process is alive.
    #[oai(path = "/livez", method = "get", operation_id = "livez")]
    async fn livez(&self) -> PlainText<&'static str> {
        PlainText("ok\n")
    }

    /// Whether the service can do its work, and which part is missing if it cannot.
    #[oai(path = "/readyz", method = "get", operation_id = "readyz")]
    async fn readyz(&self) -> ReadyAnswer {
        let readiness = Readiness::from((self.ready)().await);
        if readiness.ready { ReadyAnswer::Ready(Json(readiness)) } else { ReadyAnswer::NotReady(Json(readiness), 1) }
    }

    /// Measurements in the text format of Prometheus.
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(&self) -> PlainText<String> {
        PlainText(self.metrics.encode())
    }

    #[oai(path = "/openapi.json", method = "get", operation_id = "openapi", hidden)]
    async fn openapi(&self) -> PreserializedJson<Any<Value>> {
        PreserializedJson::new(self.document.clone())
    }

    #[oai(path = "/docs", method = "get", operation_id = "docs", hidden)]
    async fn docs(&self) -> Html<String> {
        Html(self.page.clone())
    }
}

/// The OpenAPI document of an API, with no running service behind it.
pub fn openapi_document<A: OpenApi>(service: &'static str, about: &'static str) -> String {
    described::<A>(service, about).spec()
}

fn described<A: OpenApi>(service: &'static str, about: &'static str) -> OpenApiService<impl OpenApi, ()> {
    openapi((Described::<A>(PhantomData), Described::<OpsApi>(PhantomData)), service, about)
}

/// An API that can be described and not called.
struct Described<A>(PhantomData<A>);

impl<A: OpenApi> OpenApi for Described<A> {
    fn meta() -> Vec<MetaApi> {
        A::meta()
    }

    fn register(registry: &mut Registry) {
        A::register(registry);
    }

    fn add_routes(self, _: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {}
}

fn openapi<A: OpenApi>(api: A, service: &'static str, about: &'static str) -> OpenApiService<A, ()> {
    OpenApiService::new(api, service, env!("CARGO_PKG_VERSION")).description(about)
}

/// Puts a service's own API, what all have, and the edge together.
pub fn service_endpoint<A: OpenApi + 'static>(api: A, standard: OpsEndpoints) -> BoxEndpoint<'static> {
    let OpsEndpoints { service, about, metrics, ready, internal_token, rate_limit } = standard;
    let methods = Arc::new(Methods::new(<(A, OpsApi)>::meta(), &["/openapi.json", "/docs"]));
    let edge =
        RequestMiddleware { service, metrics: HttpMetrics::register(&metrics), rate_limit, methods, internal_token };
    let described = described::<A>(service, about);
    let (document, page) = (described.spec().into(), described.swagger_ui_html());
    // Every layer more is paid for by every request, so there is no route around those of the API.
    openapi((api, OpsApi { metrics, ready, document, page }), service, about)
        .into_endpoint()
        // A path with a slash at its end is the path without.
        .with(NormalizePath::new(TrailingSlash::Trim))
        .with(edge)
        .boxed()
}
