//! What happens to every request, whatever it asks for.

use std::{
    borrow::Cow,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use poem::{
    Endpoint, Error, IntoResponse, Middleware, Request, Response, Result,
    error::{MethodNotAllowedError, NotFoundError},
    http::{HeaderValue, Method, header::ALLOW},
};
use poem_openapi::{
    OperationId,
    error::{AuthorizationError, ContentTypeError, ParseParamError, ParsePathError},
};

use super::{RateLimit, allowed_methods::Methods, http_metrics::HttpMetrics, limits::REQUEST_TIMEOUT};
use crate::{
    api::{Code, FieldError, Problem},
    config::Secret,
    error_chain::format_chain,
    ids::RequestId,
    request_context::RequestContext,
};

/// Gives each request its id, measures it, bounds its time, and makes every failure a [`Problem`].
#[derive(Clone)]
pub(super) struct RequestMiddleware {
    pub(super) service: &'static str,
    pub(super) metrics: HttpMetrics,
    /// Holds each client to a rate of requests that change something.
    pub(super) rate_limit: RateLimit,
    /// What each path has.
    pub(super) methods: Arc<Methods>,
    /// What internal endpoints want.
    pub(super) internal_token: Option<Secret>,
}

impl<E: Endpoint> Middleware<E> for RequestMiddleware {
    type Output = RequestMiddlewareEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        RequestMiddlewareEndpoint { inner, edge: self.clone() }
    }
}

pub(super) struct RequestMiddlewareEndpoint<E> {
    inner: E,
    edge: RequestMiddleware,
}

impl<E: Endpoint> Endpoint for RequestMiddlewareEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let start = Instant::now();
        let id = RequestId::from_caller(request.header(RequestId::HEADER));
        let current = RequestContext { service: self.edge.service, id };
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let (allowance, allowed) = self.edge.rate_limit.check(&request).map_or((None, Ok(())), |(a, r)| (Some(a), r));

        if let Some(token) = &self.edge.internal_token {
            request.set_data(token.clone());
        }
        let work = async {
            allowed?;
            self.inner.call(request).await
        };
        let work = AssertUnwindSafe(tokio::time::timeout(REQUEST_TIMEOUT, work)).catch_unwind();
        let outcome = match RequestContext::scope(Some(current.clone()), work).await {
            Ok(Ok(outcome)) => outcome.map_err(Failure::Error),
            Ok(Err(_)) => Err(Failure::TooLong),
            Err(_) => Err(Failure::Panic),
        };

        let id = current.id.clone();
        current.enter(|| {
            let (operation, mut response) = match outcome {
                Ok(output) => {
                    let response = output.into_response();
                    (response.data::<OperationId>().copied(), response)
                }
                Err(failure) => (failure.operation(), self.edge.refuse(&failure, &id, &method, uri.path())),
            };
            if let Ok(value) = HeaderValue::from_str(id.as_str()) {
                response.headers_mut().insert(RequestId::HEADER, value);
            }
            if let Some(allowance) = allowance {
                allowance.write(&mut response);
            }
            let elapsed = start.elapsed();
            log(&method, uri.path(), &response, elapsed);
            self.edge.metrics.observe(operation.map_or("none", |id| id.0), response.status().as_u16(), elapsed);
            Ok(response)
        })
    }
}

/// Why a request has no answer of its endpoint.
enum Failure {
    Error(Error),
    TooLong,
    Panic,
}

impl Failure {
    /// Which operation failed, where that is known.
    fn operation(&self) -> Option<OperationId> {
        match self {
            Self::Error(error) => error.data().copied(),
            Self::TooLong | Self::Panic => None,
        }
    }
}

impl RequestMiddleware {
    fn refuse(&self, failure: &Failure, id: &RequestId, method: &Method, path: &str) -> Response {
        let problem = match failure {
            Failure::Error(error) => problem_of(error, method),
            Failure::TooLong => {
                tracing::error!(%method, path, "a request took longer than any may");
                Problem::new(Code::Overloaded, "The request took too long and was given up.")
            }
            Failure::Panic => {
                tracing::error!(%method, path, "a handler panicked");
                Problem::internal()
            }
        };
        let mut response = problem.respond(Some(id.as_str()));
        if let Failure::Error(error) = failure
            && error.is::<MethodNotAllowedError>()
            && let Some(allowed) = self.methods.at(path)
        {
            response.headers_mut().insert(ALLOW, allowed.clone());
        }
        response
    }
}

/// One line a request: louder where it failed by our fault. What a 503 lacks is told by whoever found out.
fn log(method: &Method, path: &str, response: &Response, elapsed: Duration) {
    let status = response.status().as_u16();
    let micros = elapsed.as_micros();
    if status == 500 {
        tracing::warn!(%method, path, status, micros, "request failed");
    } else {
        tracing::debug!(%method, path, status, micros, "request answered");
    }
}

/// The problem that an error of the framework or of a handler stands for.
fn problem_of(error: &Error, method: &Method) -> Problem {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        return problem.clone();
    }
    if let Some(ParseParamError { name, reason }) = error.downcast_ref() {
        return Problem::validation(vec![FieldError::new(*name, plain(reason))]);
    }
    if let Some(ParsePathError { reason, .. }) = error.downcast_ref() {
        // The framework numbers the parameters of a path (`param0`); every one of ours is an id.
        return Problem::validation(vec![FieldError::new("id", plain(reason))]);
    }
    if let Some(content_type) = error.downcast_ref::<ContentTypeError>() {
        let detail = match content_type {
            ContentTypeError::NotSupported { .. } => "The body must be application/json.",
            ContentTypeError::ExpectContentType => "The request must say Content-Type: application/json.",
        };
        return Problem::new(Code::UnsupportedMediaType, detail);
    }
    if error.is::<AuthorizationError>() {
        return Problem::new(Code::Unauthorized, "Send the internal token as Authorization: Bearer TOKEN.");
    }
    if error.is::<NotFoundError>() {
        return Problem::new(Code::NotFound, "There is nothing at this path; /docs lists what there is.");
    }
    if error.is::<MethodNotAllowedError>() {
        return Problem::new(Code::MethodNotAllowed, format!("{method} is not possible here; /docs lists what is."));
    }
    if error.status().is_client_error() {
        return Problem::new(Code::BadRequest, error.to_string());
    }
    tracing::error!(error = format_chain(error), "a failure that no service expected");
    Problem::internal()
}

/// poem-openapi's reasons tell the Rust type before and after, and its own names of types and bounds, which means nothing to
/// a client.
fn plain(reason: &str) -> Cow<'_, str> {
    if reason.starts_with("Type \"") && reason.ends_with("expects an input value.") {
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
    reason.split_once(" (occurred while parsing").map_or(reason, |(reason, _)| reason).into()
}

#[cfg(test)]
mod tests;
