//! The middleware that handles every request.

use std::{borrow::Cow, net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt;
use poem::{
    Endpoint, Error, IntoResponse, Middleware, Request, Response, Result,
    error::{MethodNotAllowedError, NotFoundError},
    http::{
        HeaderValue, Method, StatusCode, Uri,
        header::{ALLOW, LOCATION},
    },
};
use poem_openapi::{
    OperationId,
    error::{AuthorizationError, ContentTypeError, ParseParamError, ParsePathError},
};

use super::{
    RateLimit,
    access_control::{AccessCheck, Admission},
    allowed_methods::{AllowedMethods, PathParameter},
    body::not_of_json_type,
    compression,
    documentation::DocumentedCodes,
    http_metrics::HttpMetrics,
    limits::REQUEST_TIMEOUT,
    query_parameters::QueryParameters,
    request_log::{AnsweredRequest, ImitatedResponse, RequestLog},
    request_span::RequestSpan,
};
use crate::{
    access::Principal,
    api::{Code, FieldError, Problem, Subcode},
    config::AcceptedCallers,
    error_chain::format_chain,
    ids::RequestId,
    request_context::RequestContext,
    text::{describe_refused, shown_name},
    traces::ServiceTracer,
};

/// Assigns each request an id and a trace context. Applies the access rules, the rate limit and the deadline. Records
/// metrics, and converts each failure to a [`Problem`].
#[derive(Clone)]
pub(super) struct RequestMiddleware {
    pub(super) service: &'static str,
    pub(super) metrics: HttpMetrics,
    /// `None` if no traces are recorded.
    pub(super) tracer: Option<ServiceTracer>,
    pub(super) log: Arc<RequestLog>,
    pub(super) rate_limit: RateLimit,
    pub(super) methods: Arc<AllowedMethods>,
    pub(super) query_parameters: Arc<QueryParameters>,
    /// The codes that the OpenAPI document lists for each operation. Empty in a release build.
    pub(super) documented: Arc<DocumentedCodes>,
    /// The callers of internal endpoints.
    pub(super) accepted_callers: Option<AcceptedCallers>,
    /// Authenticates customers and operators.
    pub(super) access: Option<Arc<AccessCheck>>,
}

impl<E: Endpoint> Middleware<E> for RequestMiddleware {
    type Output = RequestMiddlewareEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        RequestMiddlewareEndpoint { inner, middleware: self.clone() }
    }
}

pub(super) struct RequestMiddlewareEndpoint<E> {
    inner: E,
    middleware: RequestMiddleware,
}

impl<E: Endpoint> Endpoint for RequestMiddlewareEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let start = Instant::now();
        let id = RequestId::from_caller(request.header(RequestId::HEADER));
        let (span, trace) = RequestSpan::begin(self.middleware.tracer, &request, &id);
        let context = RequestContext { service: self.middleware.service, id, trace };
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let accepts_gzip = compression::accepts_gzip(request.headers());
        let client = self.middleware.rate_limit.client_address(&request);
        let (mut rate_limit_status, mut user) = (None, None);

        if method == Method::HEAD {
            // The request is handled as a GET. The server then omits the body of the response, but not its length.
            request.set_method(Method::GET);
        }
        if let Some(accepted) = &self.middleware.accepted_callers {
            request.set_data(accepted.clone());
        }
        let work = async {
            let Admission { principal, decision } = self.middleware.admit(&request, client).await;
            user = principal.user_id();
            let counted = self.middleware.rate_limit.check_request(&request, client, &principal).await;
            if let Some((status, allowed)) = counted {
                rate_limit_status = Some(status);
                allowed?;
            }
            decision?;
            if principal != Principal::Anonymous {
                request.set_data(principal);
            }
            if let Some(query) = request.uri().query() {
                self.middleware.query_parameters.check(request.method(), request.uri().path(), query).await?;
            }
            match self.inner.call(request).await {
                Err(error) => Err(self.middleware.add_query_errors(error, &method, &uri).await),
                result => result,
            }
        };
        let work = AssertUnwindSafe(tokio::time::timeout(REQUEST_TIMEOUT, work)).catch_unwind();
        let outcome = match RequestContext::scope(Some(context.clone()), work).await {
            Ok(Ok(outcome)) => outcome.map_err(Failure::Error),
            Ok(Err(_)) => Err(Failure::Timeout),
            Err(_) => Err(Failure::Panic),
        };

        let id = context.id.clone();
        context.enter(|| {
            let (operation, mut response) = match outcome {
                Ok(output) => {
                    let response = output.into_response();
                    (response.data::<OperationId>().copied(), response)
                }
                Err(failure) => {
                    let unrouted =
                        failure.is_unrouted().then(|| self.middleware.unrouted_response(&method, uri.path()));
                    let response = unrouted
                        .flatten()
                        .unwrap_or_else(|| self.middleware.failure_response(&failure, &id, &method, uri.path()));
                    (failure.operation(), response)
                }
            };
            compression::compress(&mut response, accepts_gzip);
            if let Ok(value) = HeaderValue::from_str(id.as_str()) {
                response.headers_mut().insert(RequestId::HEADER, value);
            }
            if let Some(status) = rate_limit_status {
                status.add_headers(&mut response);
            }
            let (status, elapsed) = (response.status().as_u16(), start.elapsed());
            self.middleware.log.record(&AnsweredRequest {
                method: &method,
                path: uri.path(),
                operation,
                client,
                user,
                status,
                imitated: response.data::<ImitatedResponse>().is_some(),
                received_at: start,
                elapsed,
            });
            self.middleware.metrics.observe(operation.map_or("none", |id| id.0), status, elapsed);
            span.end(&method, || self.middleware.log.route(operation), status);
            Ok(response)
        })
    }
}

/// Why an endpoint returned no response.
enum Failure {
    Error(Error),
    Timeout,
    Panic,
}

impl Failure {
    /// The operation that failed, if it is known.
    fn operation(&self) -> Option<OperationId> {
        match self {
            Self::Error(error) => error.data().copied(),
            Self::Timeout | Self::Panic => None,
        }
    }

    /// Whether no operation has the path and the method of the request.
    fn is_unrouted(&self) -> bool {
        match self {
            Self::Error(error) => error.is::<NotFoundError>() || error.is::<MethodNotAllowedError>(),
            Self::Timeout | Self::Panic => false,
        }
    }
}

impl RequestMiddleware {
    async fn admit(&self, request: &Request, client: IpAddr) -> Admission {
        match &self.access {
            Some(access) => access.admit(request, client).await,
            None => Admission::anonymous(),
        }
    }

    /// The response to OPTIONS of an existing path, and to GET or HEAD of `/` in a service without its own page. `None`
    /// for every other request.
    fn unrouted_response(&self, method: &Method, path: &str) -> Option<Response> {
        if *method == Method::OPTIONS {
            let allowed = self.methods.for_path(path)?.clone();
            return Some(Response::builder().status(StatusCode::NO_CONTENT).header(ALLOW, allowed).finish());
        }
        let is_root = path == "/" && (*method == Method::GET || *method == Method::HEAD);
        // A relative path is also valid behind a proxy that adds a prefix to the path.
        is_root.then(|| Response::builder().status(StatusCode::TEMPORARY_REDIRECT).header(LOCATION, "docs").finish())
    }

    /// Replaces an error about one wrong parameter by an error that also names the wrong parameters of the query,
    /// because the framework stops at the first error. Returns other errors unchanged.
    async fn add_query_errors(&self, error: Error, method: &Method, uri: &Uri) -> Error {
        let Some(first) = invalid_parameter(&error, uri.path(), &self.methods) else { return error };
        let mut errors = self.query_parameters.errors(method, uri.path(), uri.query().unwrap_or_default()).await;
        if errors.iter().all(|error| error.field != first.field) {
            errors.insert(0, first);
        }
        let mut complete = Error::from(Problem::validation(errors));
        if let Some(&operation) = error.data::<OperationId>() {
            complete.set_data(operation);
        }
        complete
    }

    fn failure_response(&self, failure: &Failure, id: &RequestId, method: &Method, path: &str) -> Response {
        let problem = match failure {
            Failure::Error(error) => to_problem(error, method, path, &self.methods),
            Failure::Timeout => {
                tracing::error!(%method, path, "a request exceeded its deadline");
                Problem::new(Code::Overloaded, "The request took too long and was cancelled. Try again in a moment.")
            }
            Failure::Panic => {
                tracing::error!(%method, path, "a handler panicked");
                Problem::internal()
            }
        };
        if let Some(OperationId(operation)) = failure.operation() {
            debug_assert!(
                self.documented.contain(operation, problem.code),
                "{operation} answered with {}, which its description does not list: {problem}",
                problem.code
            );
        }
        let mut response = problem.respond(Some(id.as_str()));
        if let Failure::Error(error) = failure
            && error.is::<MethodNotAllowedError>()
            && let Some(allowed) = self.methods.for_path(path)
        {
            response.headers_mut().insert(ALLOW, allowed.clone());
        }
        response
    }
}

/// The parameter of the query, the path or the headers that the framework could not parse.
fn invalid_parameter(error: &Error, path: &str, methods: &AllowedMethods) -> Option<FieldError> {
    if let Some(ParseParamError { name, reason }) = error.downcast_ref() {
        return Some(FieldError::new(*name, readable_reason(reason)));
    }
    let ParsePathError { name, reason } = error.downcast_ref()?;
    // The framework calls path parameters `param0` and so on.
    let position = name.strip_prefix("param").and_then(|digits| digits.parse().ok());
    let parameter = position.and_then(|position| methods.parameter(path, position));
    let Some(PathParameter { name, segment }) = parameter else {
        return Some(FieldError::new(*name, readable_reason(reason)));
    };
    // A parameter of the path is never absent, but the framework reports a segment that is not UTF-8 as absent.
    let reason = if is_absent(reason) {
        describe_refused("must be text in UTF-8", segment).into()
    } else {
        readable_reason(reason)
    };
    Some(FieldError::new(name, reason))
}

/// Converts an error of the framework or of a handler that does not concern a parameter. `methods` contains the paths of
/// the service.
fn to_problem(error: &Error, method: &Method, path: &str, methods: &AllowedMethods) -> Problem {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        return problem.clone();
    }
    if let Some(content_type) = error.downcast_ref::<ContentTypeError>() {
        return not_of_json_type(content_type);
    }
    if error.is::<AuthorizationError>() {
        return Problem::new(
            Code::Unauthorized,
            "Send the internal token, or the token of a service, as Authorization: Bearer TOKEN.",
        );
    }
    if error.is::<NotFoundError>() {
        let meant = methods.nearest_path(path);
        let meant = meant.map_or_else(|| ".".to_owned(), |meant| format!("; did you mean {}?", shown_name(&meant)));
        let detail = format!("The path {} does not exist{meant} /docs lists all paths.", shown_name(path));
        return Problem { subcode: Some(Subcode::UnknownPath), ..Problem::new(Code::NotFound, detail) };
    }
    if error.is::<MethodNotAllowedError>() {
        let allowed = methods.for_path(path).and_then(|allowed| allowed.to_str().ok());
        let hint = allowed.map_or_else(
            || "/docs lists the methods of each path.".to_owned(),
            |allowed| format!("It supports {allowed}."),
        );
        let detail = format!("The path {} does not support {}. {hint}", shown_name(path), shown_name(method.as_str()));
        return Problem::new(Code::MethodNotAllowed, detail);
    }
    if error.status().is_client_error() {
        tracing::debug!(error = format_chain(error), "the framework refused a request");
        return Problem::new(Code::BadRequest, "The request cannot be parsed. /docs lists the parameters and bodies.");
    }
    tracing::error!(error = format_chain(error), "an unexpected error occurred");
    Problem::internal()
}

/// The beginning of the suffix in which poem-openapi names a type that contains the refused value.
const OUTER_TYPE: &str = " (occurred while parsing \"";

/// Whether the framework refused a parameter because it is absent.
fn is_absent(reason: &str) -> bool {
    reason.starts_with("Type \"") && reason.ends_with("expects an input value.")
}

/// Removes the names of types and bounds that poem-openapi adds to a reason, because a client does not know these
/// names.
fn readable_reason(reason: &str) -> Cow<'_, str> {
    if is_absent(reason) {
        return "is required".into();
    }
    if let Some(bound) = reason.strip_prefix("verification failed. ") {
        let number = |kind: &str| bound.strip_prefix(kind)?.strip_suffix(", exclusive: false)");
        if let Some(least) = number("minimum(") {
            return format!("must be {least} or more").into();
        }
        if let Some(most) = number("maximum(") {
            return format!("must be {most} or less").into();
        }
    }
    let reason = reason
        .split_once("\": ")
        .filter(|_| reason.starts_with("failed to parse"))
        .map_or(reason, |(_, reason)| reason);
    // A reason can quote a value that contains the same text, so only suffixes are removed.
    let mut reason = reason;
    while let Some((inner, _)) = reason.strip_suffix("\")").and_then(|reason| reason.rsplit_once(OUTER_TYPE)) {
        reason = inner;
    }
    reason.into()
}

#[cfg(test)]
mod tests;
