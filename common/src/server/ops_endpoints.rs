//! The operations endpoints of every service: liveness, readiness, metrics, the OpenAPI document and its page.

use std::{collections::HashMap, marker::PhantomData, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use poem::{
    EndpointExt, IntoEndpoint, Request,
    endpoint::BoxEndpoint,
    http::{Method, header::AUTHORIZATION},
    middleware::{NormalizePath, TrailingSlash},
};
use poem_openapi::{
    ApiResponse, OpenApi, OpenApiService,
    payload::{Html, PlainText},
    registry::{MetaApi, MetaPath, Registry},
    types::Any,
};
use serde_json::Value;

use super::{
    AccessControl, Json, PreserializedJson, RateLimit,
    access_control::AccessCheck,
    allowed_methods::{AllowedMethods, PathPattern},
    common_paths::DOCUMENTATION_PATHS,
    connections::Draining,
    documentation::{self, ApiDescription, DocumentedCodes},
    http_metrics::HttpMetrics,
    middleware::RequestMiddleware,
    query_parameters::{QueryParameters, ValueCheck},
    request_log::RequestLog,
};
use crate::{
    api::{
        Problem,
        health::{Component, Readiness},
        reference_html, schema_rules,
    },
    config::{AcceptedCallers, Caller, TokenRefusal},
    metrics::Metrics,
    traces::ServiceTracer,
};

/// Checks each component that the service needs.
pub type ReadinessCheck = Arc<dyn Fn() -> BoxFuture<'static, Vec<Component>> + Send + Sync>;

/// The parts of a service that the operations endpoints and the middleware use.
pub struct OpsEndpoints {
    pub service: &'static str,
    /// The parts of the OpenAPI document that the framework does not generate.
    pub description: ApiDescription,
    pub metrics: Metrics,
    pub ready: ReadinessCheck,
    /// The callers of internal endpoints. `None` if the service accepts none.
    pub accepted_callers: Option<AcceptedCallers>,
    /// The access control of a service for customers. `None` for a service whose operations are internal or public.
    pub access: Option<AccessControl>,
    /// Applies to each client of a public service. `description` states which requests count.
    pub rate_limit: RateLimit,
    /// If a parameter of a request is unknown, repeated or of the wrong type, checks the values of the other
    /// parameters. `None` if the types of the parameters are the only check.
    pub value_check: Option<Arc<dyn ValueCheck>>,
}

struct OpsApi {
    service: &'static str,
    accepted_callers: Option<AcceptedCallers>,
    metrics: Metrics,
    ready: ReadinessCheck,
    /// The OpenAPI document.
    document: Bytes,
    /// The page that displays the OpenAPI document.
    page: String,
}

impl OpsApi {
    /// The component `token`, if this service refuses the token of a calling service. Credentials count as the token of
    /// a calling service if they contain the name of a caller, or if the request has the header
    /// [`Readiness::SERVICE_CALL_HEADER`]. Other credentials do not affect the readiness.
    fn refused_token(&self, request: &Request) -> Option<Component> {
        let accepted = self.accepted_callers.as_ref()?;
        let token = request.header(AUTHORIZATION)?.strip_prefix("Bearer ")?;
        let is_service_call = request.header(Readiness::SERVICE_CALL_HEADER).is_some();
        let caller = Caller::named_by(token).map(Caller::as_str).or(is_service_call.then_some("the calling service"))?;
        if accepted.caller(token).is_some() {
            return None;
        }
        let service = self.service;
        let detail = format!("{service} refuses the token of {caller}: {}", TokenRefusal::Unknown);
        Some(Component::not_ready("token", detail))
    }
}

#[derive(ApiResponse)]
enum ReadinessResponse {
    /// The service is ready.
    #[oai(status = 200)]
    Ready(Json<Readiness>),
    /// A component that the service needs is unavailable.
    #[oai(status = 503)]
    NotReady(Json<Readiness>, #[oai(header = "Retry-After")] u32),
}

#[derive(ApiResponse)]
enum MetricsResponse {
    /// The metrics.
    #[oai(status = 200, content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8")]
    Metrics(PlainText<String>),
}

#[OpenApi]
impl OpsApi {
    /// Returns 200 while the process is alive.
    #[oai(path = "/livez", method = "get", operation_id = "livez")]
    async fn livez(&self) -> PlainText<&'static str> {
        PlainText("ok\n")
    }

    /// Whether the service is ready, and the state of each component that it needs.
    ///
    /// Another service sends its token. If the token is not valid, the component `token` is not ready, because the calls of that
    /// service fail. All other credentials are ignored.
    #[oai(path = "/readyz", method = "get", operation_id = "readyz")]
    async fn readyz(&self, request: &Request) -> ReadinessResponse {
        if request.data::<Draining>().is_some() {
            let stopping = Component::not_ready(Component::SHUTDOWN, "the service is stopping");
            return ReadinessResponse::NotReady(Json(vec![stopping].into()), 1);
        }
        let mut components = (self.ready)().await;
        components.extend(self.refused_token(request));
        let readiness = Readiness::from(components);
        if readiness.ready {
            ReadinessResponse::Ready(Json(readiness))
        } else {
            ReadinessResponse::NotReady(Json(readiness), 1)
        }
    }

    /// Metrics in a text format that Prometheus reads.
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(&self) -> MetricsResponse {
        MetricsResponse::Metrics(PlainText(self.metrics.encode()))
    }

    #[oai(path = "/openapi.json", method = "get", operation_id = "openapi", hidden)]
    async fn openapi(&self) -> PreserializedJson<Any<Value>> {
        PreserializedJson::new(self.document.clone())
    }

    #[oai(path = "/docs", method = "get", operation_id = "docs", hidden)]
    async fn docs(&self) -> Html<String> {
        Html(self.page.clone())
    }

    /// The page that describes every error code. The `type` of each problem is the URL of its code on this page.
    #[oai(path = "/errors", method = "get", operation_id = "errors", hidden)]
    async fn errors(&self) -> Html<String> {
        Html(reference_html())
    }
}

/// The OpenAPI document of an API, without a running service.
pub fn openapi_document<A: OpenApi>(service: &'static str, description: &ApiDescription) -> String {
    finished_document(service, &documentation_service::<A>(service, description.about), description).to_string()
}

fn finished_document(
    service: &str,
    documentation: &OpenApiService<impl OpenApi, ()>,
    description: &ApiDescription,
) -> Value {
    let mut document: Value = serde_json::from_str(&documentation.spec()).expect("poem-openapi writes JSON");
    schema_rules::add_to(&mut document);
    documentation::describe(&mut document, service, description);
    document
}

fn documentation_service<A: OpenApi>(service: &'static str, about: &'static str) -> OpenApiService<impl OpenApi, ()> {
    openapi_service((Described::<A>(PhantomData), Described::<OpsApi>(PhantomData)), service, about)
}

/// An API that is only described. It has no routes.
struct Described<A>(PhantomData<A>);

impl<A: OpenApi> OpenApi for Described<A> {
    fn meta() -> Vec<MetaApi> {
        vec![MetaApi { paths: merge_paths(A::meta()) }]
    }

    fn register(registry: &mut Registry) {
        A::register(registry);
        // The descriptions refer to the schema of a problem.
        Problem::register(registry);
    }

    fn add_routes(self, _: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {}
}

/// Merges the entries with the same path. Two APIs of a service can have the same path, but most readers of a document
/// use only one entry of a path.
fn merge_paths(apis: Vec<MetaApi>) -> Vec<MetaPath> {
    let paths = apis.into_iter().flat_map(|api| api.paths);
    let merged = PathPattern::merge(paths.map(|path| (PathPattern::new(&path.path), path.operations)));
    merged.into_iter().map(|(pattern, operations)| MetaPath { path: pattern.to_string(), operations }).collect()
}

fn openapi_service<A: OpenApi>(api: A, service: &'static str, about: &'static str) -> OpenApiService<A, ()> {
    OpenApiService::new(api, service, env!("CARGO_PKG_VERSION")).description(about)
}

/// Combines the API of a service with the operations endpoints and the middleware.
pub fn service_endpoint<A: OpenApi + 'static>(api: A, ops: OpsEndpoints) -> BoxEndpoint<'static> {
    endpoint(api, CheckedApis { checked: A::meta(), forwarded: Vec::new() }, ops)
}

/// Like [`service_endpoint`], but with a second API, whose requests are forwarded to other services. The other services
/// check the query parameters.
pub fn service_endpoint_with_forwarding<A: OpenApi + 'static, F: OpenApi + 'static>(
    api: A,
    forwarded: F,
    ops: OpsEndpoints,
) -> BoxEndpoint<'static> {
    let apis = CheckedApis { checked: <(A, F)>::meta(), forwarded: F::meta() };
    endpoint((api, forwarded), apis, ops)
}

/// Like [`service_endpoint`], but with a second API, which imitates the API of another server. The requests of the
/// second API are not checked for unknown parameters, because the imitated server would not check them either.
pub fn service_endpoint_with_imitation<A: OpenApi + 'static, I: OpenApi + 'static>(
    api: A,
    imitation: I,
    ops: OpsEndpoints,
) -> BoxEndpoint<'static> {
    endpoint((api, imitation), CheckedApis { checked: A::meta(), forwarded: Vec::new() }, ops)
}

/// The APIs whose operations refuse unknown query parameters.
struct CheckedApis {
    /// All operations that refuse unknown query parameters, including those of `forwarded`.
    checked: Vec<MetaApi>,
    /// The operations of `checked` whose query parameters another service checks.
    forwarded: Vec<MetaApi>,
}

fn endpoint<A: OpenApi + 'static>(api: A, apis: CheckedApis, ops: OpsEndpoints) -> BoxEndpoint<'static> {
    let CheckedApis { checked, forwarded } = apis;
    let OpsEndpoints { service, description, metrics, ready, accepted_callers, access, rate_limit, value_check } = ops;
    let checked: Vec<_> = checked.into_iter().chain(OpsApi::meta()).collect();
    let log = Arc::new(RequestLog::new(<(A, OpsApi)>::meta(), &checked));
    let mut types = Registry::new();
    A::register(&mut types);
    let documentation = documentation_service::<A>(service, description.about);
    let document = finished_document(service, &documentation, &description);
    // In a debug build, the middleware compares each error with the documented codes.
    let documented = if cfg!(debug_assertions) { DocumentedCodes::of(&document) } else { DocumentedCodes::default() };
    let document = document.to_string();
    let page = documentation::render_page(&documentation, service, &document);
    let ops_api = OpsApi {
        service,
        accepted_callers: accepted_callers.clone(),
        metrics: metrics.clone(),
        ready,
        document: format!("{document}\n").into(),
        page,
    };
    let query_parameters = QueryParameters::new(checked, &types, DOCUMENTATION_PATHS, value_check);
    metrics.register_process();
    let tracer = ServiceTracer::of(service);
    if let Some(tracer) = tracer {
        tracer.register_metrics(&metrics);
    }
    let middleware = RequestMiddleware {
        service,
        metrics: HttpMetrics::register(&metrics),
        tracer,
        log,
        rate_limit: rate_limit.counting(description.counted),
        methods: Arc::new(AllowedMethods::new(<(A, OpsApi)>::meta(), DOCUMENTATION_PATHS)),
        query_parameters: Arc::new(query_parameters.without_forwarded(forwarded)),
        documented: Arc::new(documented),
        accepted_callers,
        access: access.map(|access| Arc::new(AccessCheck::new(access, service, <(A, OpsApi)>::meta()))),
    };
    // Each additional layer costs time for every request, so the routes of the API are not nested in another route.
    openapi_service((api, ops_api), service, description.about)
        .into_endpoint()
        .with(NormalizePath::new(TrailingSlash::Trim))
        .with(middleware)
        .boxed()
}

#[cfg(test)]
mod tests;
