//! The HTTP client of the command line. It uses the public endpoints. Only health-check receives a token, that of operators.

use std::{
    io::{ErrorKind, Write, stdout},
    time::Duration,
};

use common::{
    api::{Code, Problem, orders::OrderPayload},
    clients::http_client,
    config::{Env, Secret, shared},
    ids::IdempotencyKey,
};
use reqwest::{RequestBuilder, header::RETRY_AFTER};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    endpoint::{Endpoint, REQUEST_TIMEOUT},
    error::ClientError,
};

/// Maximum number of attempts to place an order. Retries are safe, because every attempt has the same key.
const MAX_ATTEMPTS: u32 = 3;
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Sends requests to the services.
pub struct ApiClient {
    http: reqwest::Client,
    pub create_order: Endpoint,
    pub fetch_orders: Endpoint,
    pub price_cache: Endpoint,
    pub health_check: Endpoint,
    pub rates: Endpoint,
    /// Without it, health-check beyond loopback shows no host names.
    operator_token: Option<Secret>,
}

/// A successful response.
pub struct ServiceResponse {
    body: Vec<u8>,
    service: &'static str,
    /// Whether an earlier request with the same key placed the order.
    pub replayed: bool,
}

/// Why a request failed.
enum RequestError {
    /// The service answered with a problem.
    Problem { code: Code, error: ClientError },
    /// The service sent no response, or one that is not in its format. It is unknown whether it handled the request.
    NoResponse(ClientError),
}

impl RequestError {
    /// Whether the service may have handled the request.
    fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::Problem { code, .. } => *code == Code::OutcomeUnknown,
            Self::NoResponse(_) => true,
        }
    }
}

impl From<RequestError> for ClientError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Problem { error, .. } | RequestError::NoResponse(error) => error,
        }
    }
}

impl ApiClient {
    pub fn new(mut env: Env) -> anyhow::Result<Self> {
        let client = Self {
            http: http_client(),
            create_order: Endpoint::from_env::<create_order::App>(&mut env, "CREATE_ORDER_URL"),
            fetch_orders: Endpoint::from_env::<fetch_orders::App>(&mut env, "ORDERS_URL"),
            price_cache: Endpoint::from_env::<price_cache_proxy::App>(&mut env, "PRICE_CACHE_URL"),
            health_check: Endpoint::from_env::<health_check::App>(&mut env, "HEALTH_CHECK_URL"),
            rates: Endpoint::from_env::<rates::App>(&mut env, "RATES_URL"),
            operator_token: shared::operator_token(&mut env),
        };
        env.finish()?;
        Ok(client)
    }

    pub async fn get(&self, endpoint: &Endpoint, path: &str) -> anyhow::Result<ServiceResponse> {
        let request = self.http.get(endpoint.url(path)?);
        Ok(send_request(request, endpoint).await.map_err(ClientError::from)?)
    }

    /// Sends a POST once. Its outcome is unknown if there is no response.
    pub async fn post(
        &self,
        endpoint: &Endpoint,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<ServiceResponse> {
        let request = self.http.post(endpoint.url(path)?).header("content-type", "application/json");
        let request = request.body(serde_json::to_vec(body)?);
        Ok(send_request(request, endpoint).await.map_err(ClientError::from)?)
    }

    pub async fn delete(&self, endpoint: &Endpoint, path: &str) -> anyhow::Result<ServiceResponse> {
        let request = self.http.delete(endpoint.url(path)?);
        Ok(send_request(request, endpoint).await.map_err(ClientError::from)?)
    }

    /// Sends the token of the operator, if it is set.
    pub async fn get_as_operator(&self, endpoint: &Endpoint, path: &str) -> anyhow::Result<ServiceResponse> {
        let mut request = self.http.get(endpoint.url(path)?);
        if let Some(token) = &self.operator_token {
            request = request.bearer_auth(token.expose());
        }
        Ok(send_request(request, endpoint).await.map_err(ClientError::from)?)
    }

    /// Places an order. Retries with the same key while the outcome is unknown.
    pub async fn place_order(&self, payload: &OrderPayload, key: &IdempotencyKey) -> anyhow::Result<ServiceResponse> {
        let url = self.create_order.url("api/v1/orders")?;
        let body = serde_json::to_vec(payload)?;
        let mut attempt = 1;
        loop {
            let request = self.http.post(url.clone()).header("content-type", "application/json");
            let request = request.header("idempotency-key", key.as_str()).body(body.clone());
            let error = match send_request(request, &self.create_order).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let refused = !error.is_outcome_unknown();
            if refused && attempt == 1 {
                return Err(ClientError::from(error).into());
            }
            // After the first attempt, a refusal proves nothing: an earlier attempt may have placed the order.
            if refused || attempt == MAX_ATTEMPTS {
                return Err(ClientError::from(error).with_unknown_outcome(key).into());
            }
            attempt += 1;
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

async fn send_request(request: RequestBuilder, endpoint: &Endpoint) -> Result<ServiceResponse, RequestError> {
    let no_response = |error| RequestError::NoResponse(ClientError::no_response(endpoint, &error));
    let response = request.timeout(REQUEST_TIMEOUT).send().await.map_err(no_response)?;
    let status = response.status();
    let replayed = response.headers().get("idempotency-replayed").is_some_and(|value| value == "true");
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = response.bytes().await.map_err(no_response)?.to_vec();
    if status.is_success() {
        return Ok(ServiceResponse { body, service: endpoint.service, replayed });
    }
    Err(match Problem::from_json(&body, retry_after.map(Duration::from_secs)) {
        Some(problem) => {
            RequestError::Problem { code: problem.code, error: ClientError::from_problem(&problem, &body) }
        }
        None => RequestError::NoResponse(ClientError::not_the_service(endpoint, &format!("status {status}"))),
    })
}

impl ServiceResponse {
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    pub fn parse<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        let service = self.service;
        Ok(serde_json::from_slice(&self.body).map_err(|error| {
            let message = format!("The response of {service} cannot be read: {error}.");
            ClientError::new("invalid_response", message, format!("Is {service} of another version than this program?"))
        })?)
    }

    /// Prints the JSON of the response unchanged, or the text that `render` returns for it.
    pub fn print<T: DeserializeOwned>(&self, json: bool, render: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        if json {
            print_line(String::from_utf8_lossy(&self.body).trim_end())
        } else {
            print_line(&render(&self.parse()?))
        }
    }
}

/// Prints a text and a line break. A reader that has closed the pipe, such as `head`, is no error.
fn print_line(text: &str) -> anyhow::Result<()> {
    match writeln!(stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
