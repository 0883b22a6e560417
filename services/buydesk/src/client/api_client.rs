//! The HTTP client of the command line. It sends each service the credentials that the service needs.

mod changes;

use std::{
    fmt::Display,
    io::{ErrorKind, Write, stdout},
    time::Duration,
};

use common::{
    api::{Code, Problem, RetryAdvice, Subcode, health::Readiness},
    clients::http_client,
    config::{Env, Secret},
    ids::IdempotencyKey,
    io_errors::describe_io_error,
    service::Service,
};
use reqwest::{
    RequestBuilder, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

pub(super) use self::changes::Change;
use super::{
    attempts::FailedAttempt,
    credentials::{Credential, Credentials, remedy},
    endpoint::{Audience, Endpoint, Endpoints, REQUEST_TIMEOUT},
    error::{ClientError, Effect, UnknownChange},
};
use crate::{
    cli::{Addresses, CredentialOptions},
    program::{option, typed_name},
};

/// Sends requests to the services.
pub struct ApiClient {
    http: reqwest::Client,
    pub endpoints: Endpoints,
    credentials: Credentials,
    /// The beginning of a command for the same platform: the program, and the option `--server` if the user set this
    /// option.
    program: String,
}

/// A response with any status.
struct RawResponse {
    status: StatusCode,
    retry_after: Option<Duration>,
    /// Whether an earlier request with the same idempotency key made the change.
    replayed: bool,
    body: Vec<u8>,
}

/// A successful response.
pub struct ServiceResponse {
    body: Vec<u8>,
    service: &'static str,
    /// Whether an earlier request with the same idempotency key made the change.
    pub replayed: bool,
    /// The change that the response confirms. `None` for a request without an idempotency key.
    change: Option<ConfirmedChange>,
}

/// A change that a successful response confirms. If the response cannot be parsed, the outcome is `unknown`.
struct ConfirmedChange {
    key: IdempotencyKey,
    unknown: UnknownChange,
}

/// Why a request failed.
enum RequestError {
    /// The service responded with a problem.
    Problem { effect: Effect, error: ClientError },
    /// There was no connection, so nothing was sent.
    NotSent(ClientError),
    /// A server that is not the service responded, and did not forward the request to the service.
    OtherServer(ClientError),
    /// There is no response, or a response that a proxy may have replaced. It is unknown whether the service handled
    /// the request.
    NoResponse(ClientError),
}

impl RequestError {
    fn of_transport(endpoint: &Endpoint, error: &reqwest::Error) -> Self {
        let was_sent = !error.is_connect();
        let error = ClientError::no_response(endpoint, error);
        if was_sent { Self::NoResponse(error) } else { Self::NotSent(error) }
    }

    fn of_problem(endpoint: &Endpoint, problem: &Problem, body: &[u8]) -> Self {
        let error = if is_of_other_service(problem) {
            ClientError::not_the_service(endpoint, &format!("status {}", problem.code.status()))
        } else {
            ClientError::from_problem(problem, body)
        };
        Self::Problem { effect: effect_of(problem), error }
    }
}

/// Whether the problem shows that another service is at the address: the path or the method is unknown there.
fn is_of_other_service(problem: &Problem) -> bool {
    problem.code == Code::MethodNotAllowed || problem.subcode == Some(Subcode::UnknownPath)
}

/// The effect of a request to which the service responded with this problem.
fn effect_of(problem: &Problem) -> Effect {
    match problem.code.retry_advice() {
        RetryAdvice::WithSameKey if problem.subcode == Some(Subcode::NoEffect) => Effect::None,
        RetryAdvice::WithSameKey => Effect::Unknown,
        RetryAdvice::AfterChange | RetryAdvice::AtOnce | RetryAdvice::AfterWait => Effect::Refused,
    }
}

impl From<RequestError> for FailedAttempt {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Problem { effect, error } => Self { effect, error },
            RequestError::NotSent(error) => Self { effect: Effect::NotSent, error },
            RequestError::OtherServer(error) => Self { effect: Effect::Refused, error },
            RequestError::NoResponse(error) => Self { effect: Effect::Unknown, error },
        }
    }
}

impl From<RequestError> for ClientError {
    fn from(error: RequestError) -> Self {
        let FailedAttempt { effect, error } = error.into();
        error.with_effect(effect)
    }
}

impl ApiClient {
    pub fn new(mut env: Env, addresses: Addresses, credentials: CredentialOptions) -> anyhow::Result<Self> {
        let server = addresses.server.as_ref().map(|url| url.as_str().trim_end_matches('/'));
        let program = typed_name() + &option("server", server);
        let endpoints = Endpoints::new(&mut env, addresses);
        let credentials = Credentials::new(&mut env, credentials);
        env.finish()?;
        Ok(Self { http: http_client(), endpoints, credentials: credentials?, program })
    }

    /// A command of this program for the same platform, for hints.
    pub fn command(&self, arguments: &str) -> String {
        format!("{} {arguments}", self.program)
    }

    /// The command that shows the health of the same platform. It contains `--health-check`, because another platform
    /// may run at the default port. The option is omitted if all addresses are the defaults.
    fn health_command(&self) -> String {
        let Endpoints { health_check, are_default, .. } = &self.endpoints;
        let address = (!are_default).then(|| health_check.address());
        self.command(&format!("health{}", option("health-check", address)))
    }

    /// A sentence with the command that shows the health of the same platform.
    pub fn health_hint(&self) -> String {
        format!("`{}` shows what is missing.", self.health_command())
    }

    pub async fn get(&self, endpoint: &Endpoint, path: &str) -> anyhow::Result<ServiceResponse> {
        self.send(self.http.get(endpoint.url(path)?), endpoint).await
    }

    /// Sends a POST request without retries. If there is no response, the outcome is unknown; see `of_change` in
    /// `error.rs`.
    pub async fn post(
        &self,
        endpoint: &Endpoint,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<ServiceResponse> {
        self.send(json(self.http.post(endpoint.url(path)?), body)?, endpoint).await
    }

    /// Sends a POST request without a body.
    pub async fn post_empty(&self, endpoint: &Endpoint, path: &str) -> anyhow::Result<ServiceResponse> {
        self.send(self.http.post(endpoint.url(path)?), endpoint).await
    }

    pub async fn patch(
        &self,
        endpoint: &Endpoint,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<ServiceResponse> {
        self.send(json(self.http.patch(endpoint.url(path)?), body)?, endpoint).await
    }

    pub async fn put(&self, endpoint: &Endpoint, path: &str, body: &impl Serialize) -> anyhow::Result<ServiceResponse> {
        self.send(json(self.http.put(endpoint.url(path)?), body)?, endpoint).await
    }

    pub async fn delete(&self, endpoint: &Endpoint, path: &str) -> anyhow::Result<ServiceResponse> {
        self.send(self.http.delete(endpoint.url(path)?), endpoint).await
    }

    /// Whether requests to services with `Audience::Customers` contain the operator token.
    pub fn acts_as_operator(&self) -> bool {
        matches!(self.credentials.of(Audience::Customers), Some(Credential::OperatorToken(_)))
    }

    pub fn api_key(&self) -> Option<&Secret> {
        self.credentials.api_key()
    }

    pub fn operator_token(&self) -> Option<&Secret> {
        self.credentials.of(Audience::Operators).map(Credential::secret)
    }

    /// Whether the service is ready, and its components.
    pub async fn readiness(&self, endpoint: &Endpoint) -> anyhow::Result<Readiness> {
        let response = receive(self.http.get(endpoint.url("readyz")?), endpoint).await.map_err(ClientError::from)?;
        match serde_json::from_slice(&response.body) {
            // The status is ignored, because a service that is not ready responds with 503.
            Ok(readiness) => Ok(readiness),
            Err(_) => response.success(endpoint).map_err(ClientError::from)?.parse(),
        }
    }

    async fn send(&self, request: RequestBuilder, endpoint: &Endpoint) -> anyhow::Result<ServiceResponse> {
        Ok(self.send_with_credentials(request, endpoint).await.map_err(ClientError::from)?)
    }

    /// Sends a request with the credential for the service. If the service refuses the credential, the error states what to do.
    async fn send_with_credentials(
        &self,
        request: RequestBuilder,
        endpoint: &Endpoint,
    ) -> Result<ServiceResponse, RequestError> {
        let sent = self.credentials.of(endpoint.audience);
        let request = match sent {
            Some(credential) => request.bearer_auth(credential.secret().expose()),
            None => request,
        };
        receive(request, endpoint).await?.success(endpoint).map_err(|error| match error {
            RequestError::Problem { effect, error } => {
                let remedy =
                    error.code().and_then(|code| remedy(code, error.subcode(), sent, self.credentials.source()));
                let error = error.or_next_step(remedy);
                // The status of the platform comes from health-check itself.
                let has_hint = error.is_platform_fault() && endpoint.service != health_check::App::NAME;
                let error = if has_hint { error.adding_next_step(&self.health_hint()) } else { error };
                RequestError::Problem { effect, error }
            }
            error => error,
        })
    }

    /// Whether requests to services with `Audience::UserManagers` contain the operator token.
    pub fn is_user_manager(&self) -> bool {
        matches!(self.credentials.of(Audience::UserManagers), Some(Credential::OperatorToken(_)))
    }
}

fn json(request: RequestBuilder, body: &impl Serialize) -> serde_json::Result<RequestBuilder> {
    Ok(request.header(CONTENT_TYPE, "application/json").body(serde_json::to_vec(body)?))
}

async fn receive(request: RequestBuilder, endpoint: &Endpoint) -> Result<RawResponse, RequestError> {
    let no_response = |error| RequestError::of_transport(endpoint, &error);
    let response = request.timeout(REQUEST_TIMEOUT).send().await.map_err(no_response)?;
    let (status, headers) = (response.status(), response.headers());
    let replayed = headers.get("idempotency-replayed").is_some_and(|value| value == "true");
    let retry_after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = response.bytes().await.map_err(no_response)?.to_vec();
    Ok(RawResponse { status, retry_after: retry_after.map(Duration::from_secs), replayed, body })
}

/// Whether a response with this status and without a problem document proves that no service handled the request. A
/// service would have sent a problem document, so a server in front of the services redirected or refused the request.
/// 408 proves nothing, because a proxy may have forwarded the request before its timeout.
fn was_not_forwarded(status: StatusCode) -> bool {
    (status.is_redirection() || status.is_client_error()) && status != StatusCode::REQUEST_TIMEOUT
}

impl RawResponse {
    /// The response if its status is a success, and otherwise the error.
    fn success(self, endpoint: &Endpoint) -> Result<ServiceResponse, RequestError> {
        let Self { status, retry_after, replayed, body } = self;
        let other_server = |shown: &str| ClientError::not_the_service(endpoint, shown);
        if status.is_success() {
            // A service responds with JSON, or with an empty body if there is nothing to return.
            let is_json = body.is_empty() || serde_json::from_slice::<IgnoredAny>(&body).is_ok();
            let shown = format!("status {status} and a body that is not JSON");
            return if is_json {
                Ok(ServiceResponse { body, service: endpoint.service, replayed, change: None })
            } else {
                // A proxy may have sent the request to the service, and shortened or replaced the response.
                Err(RequestError::NoResponse(other_server(&shown)))
            };
        }
        Err(match Problem::from_json(&body, retry_after) {
            Some(problem) => RequestError::of_problem(endpoint, &problem, &body),
            None if was_not_forwarded(status) => RequestError::OtherServer(other_server(&format!("status {status}"))),
            // A proxy may have sent the request to the service, and lost the response.
            None => RequestError::NoResponse(other_server(&format!("status {status}"))),
        })
    }
}

impl ServiceResponse {
    pub fn parse<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        let service = self.service;
        Ok(serde_json::from_slice(&self.body).map_err(|error| {
            let message = format!("The response of {service} cannot be read: {error}.");
            let next_step = format!("Is {service} of another version than this program?");
            let error = ClientError::new("invalid_response", message, next_step);
            match &self.change {
                Some(ConfirmedChange { key, unknown }) => error.with_unknown_change(key, unknown.clone()),
                None => error,
            }
        })?)
    }

    /// Prints the JSON of the response unchanged.
    pub fn print_json(&self) -> anyhow::Result<()> {
        print_line(String::from_utf8_lossy(&self.body).trim_end())
    }

    /// Prints the JSON of the response unchanged if `json` is set, and otherwise the text that `render` returns. The
    /// response to a change is parsed in both cases, because a response that cannot be parsed leaves the outcome
    /// unknown.
    pub fn print<T: DeserializeOwned>(&self, json: bool, render: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        if json && self.change.is_none() {
            return self.print_json();
        }
        let confirmed = self.parse()?;
        if json { self.print_json() } else { print_line(&render(&confirmed)) }
    }
}

/// Prints a text and a line break.
pub fn print_line(text: &str) -> anyhow::Result<()> {
    print_lines([text]).map(drop)
}

/// Prints texts, each with a line break. Returns false if the reader, such as `head`, has closed the pipe, which is no error.
pub fn print_lines(texts: impl IntoIterator<Item = impl Display>) -> anyhow::Result<bool> {
    let mut out = stdout().lock();
    let written = texts.into_iter().try_for_each(|text| writeln!(out, "{text}")).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => anyhow::bail!("the output cannot be written: {}", describe_io_error(&error)),
        Ok(()) => Ok(true),
    }
}

#[cfg(test)]
mod tests;
