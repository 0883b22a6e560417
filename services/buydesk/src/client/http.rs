//! Asking a service as a user does: no token, and failures told in words.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use common::{
    api::{Code, Problem, orders::OrderPayload},
    clients::http_client,
    config::{Bind, Env, connect_address},
    ids::IdempotencyKey,
    service::Service,
};
use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(20);
/// Times that placing an order is tried: safe, for every try carries the same key.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// Knows where the services are: `CREATE_ORDER_URL` and the like, or the ports that are set, or the standard ones.
pub struct Client {
    http: reqwest::Client,
    pub create_order: Url,
    pub fetch_orders: Url,
    pub price_cache: Url,
    pub health_check: Url,
    pub rates: Url,
}

/// A good answer.
pub struct ServiceResponse {
    body: Vec<u8>,
    /// Whether an earlier request with the same key placed the order.
    pub replayed: bool,
}

impl Client {
    pub fn new(mut env: Env) -> anyhow::Result<Self> {
        let client = Self {
            http: http_client(),
            create_order: address::<create_order::App>(&mut env, "CREATE_ORDER_URL"),
            fetch_orders: address::<fetch_orders::App>(&mut env, "ORDERS_URL"),
            price_cache: address::<price_cache_proxy::App>(&mut env, "PRICE_CACHE_URL"),
            health_check: address::<health_check::App>(&mut env, "HEALTH_CHECK_URL"),
            rates: address::<rates::App>(&mut env, "RATES_URL"),
        };
        env.finish()?;
        Ok(client)
    }

    pub async fn get(&self, base: &Url, path: &str) -> anyhow::Result<ServiceResponse> {
        let url = base.join(path)?;
        ask(self.http.get(url.clone()), &url).await?.map_err(|problem| told(&problem))
    }

    /// Places an order, and again with the same key where it is not known what became of it.
    pub async fn place(&self, fields: &OrderPayload, key: &IdempotencyKey) -> anyhow::Result<ServiceResponse> {
        let url = self.create_order.join("api/v1/orders")?;
        let body = serde_json::to_vec(fields)?;
        let mut open = false;
        for tries_left in (0..TRIES).rev() {
            let request = self.http.post(url.clone()).header("content-type", "application/json");
            let request = request.header("idempotency-key", key.as_str()).body(body.clone());
            let error = match ask(request, &url).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(problem)) if problem.code == Code::OutcomeUnknown => told(&problem),
                // A plain no, unless an earlier try may have been a yes.
                Ok(Err(problem)) if open => return Err(again(&told(&problem), key)),
                Ok(Err(problem)) => return Err(told(&problem)),
                Err(error) => error,
            };
            // What became of it is not known: the same key finds out.
            open = true;
            if tries_left == 0 {
                return Err(again(&error, key));
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("the order was not tried")
    }
}

fn again(error: &anyhow::Error, key: &IdempotencyKey) -> anyhow::Error {
    anyhow::anyhow!("{error:#}\nTo find out what became of the order, run the command again with --key {key}")
}

fn address<S: Service>(env: &mut Env, variable: &str) -> Url {
    let at = Bind::from_env(env, S::NAME, S::PORT);
    env.url(variable, &format!("http://{}", connect_address(SocketAddr::new(at.host, at.port))))
}

/// A good answer or a problem; an error where neither came back.
async fn ask(request: RequestBuilder, url: &Url) -> anyhow::Result<Result<ServiceResponse, Problem>> {
    let at = url.origin().ascii_serialization();
    let absent = || format!("nothing answers at {at}; is it running? `buydesk up --demo` starts everything");
    let response = request.timeout(TIMEOUT).send().await.with_context(absent)?;
    let status = response.status();
    let replayed = response.headers().get("idempotency-replayed").is_some_and(|value| value == "true");
    let body = response.bytes().await.with_context(absent)?.to_vec();
    if status.is_success() {
        return Ok(Ok(ServiceResponse { body, replayed }));
    }
    match Problem::from_json(&body, None) {
        Some(problem) => Ok(Err(problem)),
        None => bail!("{at} answered {status}, and not as a service of Buydesk does"),
    }
}

fn told(problem: &Problem) -> anyhow::Error {
    anyhow::anyhow!("{} ({})", problem.detail, problem.code)
}

impl ServiceResponse {
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Prints the JSON as it came, or what `table` makes of it.
    pub fn show<T: DeserializeOwned>(&self, json: bool, table: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        if json {
            println!("{}", String::from_utf8_lossy(&self.body));
        } else {
            let value = serde_json::from_slice(&self.body).context("the answer cannot be read")?;
            println!("{}", table(&value));
        }
        Ok(())
    }
}
