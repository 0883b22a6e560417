//! The HTTP client of the command line. It uses the public endpoints. Only health-check receives a token, that of operators.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, anyhow};
use common::{
    api::{Code, Problem, orders::OrderPayload},
    clients::http_client,
    config::{Bind, Env, Secret, connect_address, shared},
    ids::IdempotencyKey,
    service::Service,
};
use reqwest::RequestBuilder;
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum number of attempts to place an order. Retries are safe, because every attempt has the same key.
const MAX_ATTEMPTS: u32 = 3;
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Sends requests to the services. The address of a service is its URL setting if that is set, and otherwise its port on the
/// bound host.
pub struct ApiClient {
    http: reqwest::Client,
    pub create_order: Url,
    pub fetch_orders: Url,
    pub price_cache: Url,
    pub health_check: Url,
    pub rates: Url,
    /// Without it, health-check beyond loopback shows no host names.
    operator_token: Option<Secret>,
}

/// A successful response.
pub struct ServiceResponse {
    body: Vec<u8>,
    /// Whether an earlier request with the same key placed the order.
    pub replayed: bool,
}

/// Why a request failed.
enum RequestError {
    /// The service answered with a problem.
    Problem(Problem),
    /// The service sent no response, or one that is not in its format. It is unknown whether it handled the request.
    NoResponse(anyhow::Error),
}

impl RequestError {
    /// Whether the service may have handled the request.
    fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::Problem(problem) => problem.code == Code::OutcomeUnknown,
            Self::NoResponse(_) => true,
        }
    }
}

impl From<RequestError> for anyhow::Error {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Problem(problem) => anyhow!("{} ({})", problem.detail, problem.code),
            RequestError::NoResponse(error) => error,
        }
    }
}

impl ApiClient {
    pub fn new(mut env: Env) -> anyhow::Result<Self> {
        let client = Self {
            http: http_client(),
            create_order: service_url::<create_order::App>(&mut env, "CREATE_ORDER_URL"),
            fetch_orders: service_url::<fetch_orders::App>(&mut env, "ORDERS_URL"),
            price_cache: service_url::<price_cache_proxy::App>(&mut env, "PRICE_CACHE_URL"),
            health_check: service_url::<health_check::App>(&mut env, "HEALTH_CHECK_URL"),
            rates: service_url::<rates::App>(&mut env, "RATES_URL"),
            operator_token: shared::operator_token(&mut env),
        };
        env.finish()?;
        Ok(client)
    }

    pub async fn get(&self, base: &Url, path: &str) -> anyhow::Result<ServiceResponse> {
        let url = base.join(path)?;
        Ok(send_request(self.http.get(url.clone()), &url).await?)
    }

    /// Sends a POST once. Its outcome is unknown if there is no response.
    pub async fn post(&self, base: &Url, path: &str, body: &impl Serialize) -> anyhow::Result<ServiceResponse> {
        let url = base.join(path)?;
        let request = self.http.post(url.clone()).header("content-type", "application/json");
        Ok(send_request(request.body(serde_json::to_vec(body)?), &url).await?)
    }

    pub async fn delete(&self, base: &Url, path: &str) -> anyhow::Result<ServiceResponse> {
        let url = base.join(path)?;
        Ok(send_request(self.http.delete(url.clone()), &url).await?)
    }

    /// Sends the token of the operator, if it is set.
    pub async fn get_as_operator(&self, base: &Url, path: &str) -> anyhow::Result<ServiceResponse> {
        let url = base.join(path)?;
        let mut request = self.http.get(url.clone());
        if let Some(token) = &self.operator_token {
            request = request.bearer_auth(token.expose());
        }
        Ok(send_request(request, &url).await?)
    }

    /// Places an order. Retries with the same key while the outcome is unknown.
    pub async fn place_order(&self, payload: &OrderPayload, key: &IdempotencyKey) -> anyhow::Result<ServiceResponse> {
        let url = self.create_order.join("api/v1/orders")?;
        let body = serde_json::to_vec(payload)?;
        let mut attempt = 1;
        loop {
            let request = self.http.post(url.clone()).header("content-type", "application/json");
            let request = request.header("idempotency-key", key.as_str()).body(body.clone());
            let error = match send_request(request, &url).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let refused = !error.is_outcome_unknown();
            if refused && attempt == 1 {
                return Err(error.into());
            }
            // After the first attempt, a refusal proves nothing: an earlier attempt may have placed the order.
            if refused || attempt == MAX_ATTEMPTS {
                return Err(outcome_unknown(&error.into(), key));
            }
            attempt += 1;
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

fn outcome_unknown(error: &anyhow::Error, key: &IdempotencyKey) -> anyhow::Error {
    anyhow!("{error:#}\nThe order may have been placed. To find out, run the command again with --key {key}")
}

fn service_url<S: Service>(env: &mut Env, variable: &str) -> Url {
    let bind = Bind::from_env(env, S::NAME, S::PORT);
    env.url(variable, &format!("http://{}", connect_address(SocketAddr::new(bind.host, bind.port))))
}

async fn send_request(request: RequestBuilder, url: &Url) -> Result<ServiceResponse, RequestError> {
    let origin = url.origin().ascii_serialization();
    let no_response = |error: reqwest::Error| {
        let hint =
            format!("{origin} does not respond; is the service running? `buydesk up --demo` starts all services");
        RequestError::NoResponse(anyhow::Error::from(error).context(hint))
    };
    let response = request.timeout(REQUEST_TIMEOUT).send().await.map_err(no_response)?;
    let status = response.status();
    let replayed = response.headers().get("idempotency-replayed").is_some_and(|value| value == "true");
    let body = response.bytes().await.map_err(no_response)?.to_vec();
    if status.is_success() {
        return Ok(ServiceResponse { body, replayed });
    }
    Err(match Problem::from_json(&body, None) {
        Some(problem) => RequestError::Problem(problem),
        None => RequestError::NoResponse(anyhow!("{origin} answered {status}; it is not a service of Buydesk")),
    })
}

impl ServiceResponse {
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Prints the JSON of the response unchanged, or the text that `render` returns for it.
    pub fn print<T: DeserializeOwned>(&self, json: bool, render: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        if json {
            println!("{}", String::from_utf8_lossy(&self.body));
        } else {
            let value = serde_json::from_slice(&self.body).context("the response of the service cannot be parsed")?;
            println!("{}", render(&value));
        }
        Ok(())
    }
}
