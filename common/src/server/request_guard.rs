//! Refuses requests with a host name that is not allowed, and unsafe requests (such as POST) that a browser sends for
//! pages of other origins. Permits requests of configured origins (CORS).
//!
//! A page of any site can submit a form to a service on the same machine as the browser, without reading the response. If the
//! name of a site resolves to 127.0.0.1 (DNS rebinding), the browser even regards the site and the service as the same origin.
//! Browsers send the origin of the page and the requested host name in headers, and a page cannot change these headers.

use std::net::SocketAddr;

use poem::{
    Endpoint, Request, Response,
    endpoint::BoxEndpoint,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, uri::Authority},
};

use super::settings::{AllowedHosts, CorsOrigins};
use crate::{
    api::{Code, Problem},
    config::is_loopback,
    ids::RequestId,
    text::shown_name,
};

/// The response headers that a permitted page may read.
const EXPOSED_HEADERS: &str = "location, retry-after, x-request-id, idempotency-key, idempotency-replayed, ratelimit-limit, \
    ratelimit-remaining, ratelimit-reset";
const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
const ALLOWED_HEADERS: &str = "authorization, content-type, idempotency-key, x-request-id";
/// How long a browser may cache the response to a preflight request, in seconds.
const PREFLIGHT_MAX_AGE: &str = "600";

pub(super) struct GuardedEndpoint {
    pub(super) guard: RequestGuard,
    pub(super) endpoint: BoxEndpoint<'static>,
}

impl GuardedEndpoint {
    pub(super) async fn respond(&self, request: Request) -> Response {
        match self.guard.check(&request) {
            Admission::Admitted(origin) => {
                let mut response = self.endpoint.get_response(request).await;
                self.guard.add_headers(origin, &mut response);
                response
            }
            Admission::Responded(response) => response,
        }
    }
}

/// Checks the host name and the origin of each request.
#[derive(Debug)]
pub(super) struct RequestGuard {
    /// `None` if every host name is allowed.
    hosts: Option<HostCheck>,
    origins: CorsOrigins,
}

#[derive(Debug)]
struct HostCheck {
    allowed: AllowedHosts,
    /// Whether the service listens on loopback only.
    loopback: bool,
}

enum Admission {
    /// The origin of the page, if a page of a configured origin sent the request.
    Admitted(Option<HeaderValue>),
    /// The response of the guard: a refusal, or the response to a preflight request.
    Responded(Response),
}

impl RequestGuard {
    /// Host names are checked if the service listens on loopback, or if allowed names are configured.
    pub(super) fn new(address: SocketAddr, hosts: AllowedHosts, origins: CorsOrigins) -> Self {
        let loopback = is_loopback(address.ip());
        let check = loopback || !hosts.is_empty();
        Self { hosts: check.then_some(HostCheck { allowed: hosts, loopback }), origins }
    }

    fn check(&self, request: &Request) -> Admission {
        let headers = request.headers();
        let refused = |problem: Problem| {
            let id = RequestId::from_caller(request.header(RequestId::HEADER));
            tracing::debug!(code = %problem.code, path = request.uri().path(), "a request was refused");
            let mut response = problem.respond(Some(id.as_str()));
            if let Ok(id) = HeaderValue::from_str(id.as_str()) {
                response.headers_mut().insert(RequestId::HEADER, id);
            }
            Admission::Responded(response)
        };
        if let Some(name) = self.hosts.as_ref().and_then(|hosts| hosts.refused_name(request)) {
            // The allowed names are not listed, because a page that uses DNS rebinding can read this response.
            let detail = format!(
                "The host name {} does not belong to this service. If the name is right, add it to ALLOWED_HOSTS.",
                shown_name(&name)
            );
            return refused(Problem::new(Code::MisdirectedRequest, detail));
        }
        let permitted = headers.get(header::ORIGIN).filter(|origin| self.origins.contain(origin));
        if let Some(origin) = permitted {
            let is_preflight =
                request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
            return if is_preflight {
                Admission::Responded(preflight_response(origin))
            } else {
                Admission::Admitted(Some(origin.clone()))
            };
        }
        if !request.method().is_safe() && is_from_another_origin(headers) {
            let origin = headers.get(header::ORIGIN).map(|origin| String::from_utf8_lossy(origin.as_bytes()));
            let shown = origin.map(|origin| format!(" ({})", shown_name(&origin))).unwrap_or_default();
            let detail = format!(
                "A web page of another origin{shown} sent this request. If the page is trusted, add its origin to CORS_ORIGINS."
            );
            return refused(Problem::new(Code::CrossSiteRequest, detail));
        }
        Admission::Admitted(None)
    }

    /// Permits the page of `origin` to read the response.
    fn add_headers(&self, origin: Option<HeaderValue>, response: &mut Response) {
        if self.origins.is_empty() {
            return;
        }
        let headers = response.headers_mut();
        // A cache must not return the response for a page of one origin to a page of another.
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
        }
    }
}

impl HostCheck {
    /// The first host name of the request that is not allowed, without the port.
    fn refused_name(&self, request: &Request) -> Option<String> {
        // HTTP/1.0 clients can omit the header. Browsers always send the header.
        let of_header = request.headers().get(header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()));
        let of_uri = request.uri().authority().map(Authority::as_str);
        let mut names = of_header.as_deref().into_iter().chain(of_uri).map(without_port);
        names.find(|name| !name.is_ascii() || !self.allowed.contain(name, self.loopback)).map(str::to_owned)
    }
}

fn without_port(authority: &str) -> &str {
    let is_port = |port: &str| port.bytes().all(|digit| digit.is_ascii_digit());
    match authority.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => authority,
    }
}

fn preflight_response(origin: &HeaderValue) -> Response {
    Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin)
        .header(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS)
        .header(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS)
        .header(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE)
        .header(header::VARY, "origin")
        .finish()
}

/// Whether a browser states that a page of another origin caused the request. Programs other than browsers usually send
/// neither `Sec-Fetch-Site` nor `Origin`.
fn is_from_another_origin(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-site") {
        // `none`: the user caused the request, for example with a bookmark. `same-site`: the page has another port or
        // another subdomain, so it may belong to another program.
        Some(site) => site != "same-origin" && site != "none",
        None => headers.get(header::ORIGIN).is_some_and(|origin| !is_origin_of_host(origin, headers.get(header::HOST))),
    }
}

/// Compares the host name and the port of an origin with the `Host` header. The scheme is not compared, because a proxy may
/// have terminated TLS.
fn is_origin_of_host(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    let host = host.and_then(|host| host.to_str().ok());
    authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests;
