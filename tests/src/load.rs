//! A load generator: several clients place orders, each with its own idempotency key, while a test causes failures.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Platform,
    client::{Client, RESPONSE_TIMEOUT, Response, try_send},
    platform::{Instance, ORDERS_PATH, order},
    reconciliation::assert_reconciled,
    wait_until,
};

/// The code of the only 503 that leaves open whether the order was placed.
const OUTCOME_UNKNOWN: &str = "outcome_unknown";
const CLIENTS: usize = 8;
/// How long the platform may take to recover after the failed component is available again.
const RECOVERY_LIMIT: Duration = Duration::from_secs(20);
/// How long a client pauses after a failure. `Retry-After` of the services is longer, which would make the tests slow.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// Whether a request may remain without a response, because create-order itself is unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingResponse {
    /// A request without a response fails the test.
    Fails,
    /// Requests may remain without a response.
    Allowed,
}

/// Every order that was sent, by idempotency key.
#[derive(Debug, Default)]
pub struct SentOrders {
    /// Orders that were acknowledged with 201.
    pub acknowledged: BTreeMap<String, Value>,
    unresolved: BTreeMap<String, UnresolvedOrder>,
}

/// An order whose first request was not acknowledged. [`retry_and_reconcile`] sends it again.
#[derive(Debug)]
struct UnresolvedOrder {
    body: String,
    /// Whether every response so far stated that the order was not placed.
    denied: bool,
}

/// Counts the outcomes of the requests of all clients.
#[derive(Debug, Default)]
struct Counters {
    acknowledged: AtomicUsize,
    /// Requests answered with 503, or not answered.
    failed: AtomicUsize,
}

/// Clients that place orders until they are stopped.
pub struct LoadGenerator {
    stop: CancellationToken,
    clients: JoinSet<SentOrders>,
    counters: Arc<Counters>,
}

impl SentOrders {
    /// The number of orders whose first request was not acknowledged.
    pub fn unresolved(&self) -> usize {
        self.unresolved.len()
    }

    pub fn extend(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.unresolved.extend(other.unresolved);
    }
}

impl LoadGenerator {
    pub fn start(platform: &Platform, missing_response: MissingResponse) -> Self {
        Self::start_at(platform, &platform.create_order, missing_response)
    }

    pub fn start_at(platform: &Platform, create_order: &Instance, missing_response: MissingResponse) -> Self {
        Self::start_at_url(platform, &create_order.url(ORDERS_PATH), missing_response)
    }

    pub fn start_at_url(platform: &Platform, url: &str, missing_response: MissingResponse) -> Self {
        let (stop, counters) = (CancellationToken::new(), Arc::<Counters>::default());
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let (http, url, counters) = (platform.client.clone(), url.to_owned(), counters.clone());
            clients.spawn(LoadClient { http, url, missing_response, counters }.place_orders(number, stop.clone()));
        }
        Self { stop, clients, counters }
    }

    /// Waits until `count` more orders are acknowledged.
    pub async fn wait_for_orders(&self, count: usize) {
        wait_for_increase(&self.counters.acknowledged, count, "orders are acknowledged").await;
    }

    /// Waits until `count` more requests are answered with 503 or not answered.
    pub async fn wait_for_failures(&self, count: usize) {
        wait_for_increase(&self.counters.failed, count, "requests fail").await;
    }

    pub async fn stop(self) -> SentOrders {
        self.stop.cancel();
        let mut all = SentOrders::default();
        for sent in self.clients.join_all().await {
            all.extend(sent);
        }
        all
    }
}

async fn wait_for_increase(counter: &AtomicUsize, count: usize, condition: &str) {
    let target = counter.load(Ordering::Relaxed) + count;
    wait_until(condition, RECOVERY_LIMIT, async || (counter.load(Ordering::Relaxed) >= target).then_some(())).await;
}

struct LoadClient {
    http: Client,
    url: String,
    missing_response: MissingResponse,
    counters: Arc<Counters>,
}

impl LoadClient {
    async fn place_orders(self, number: usize, stop: CancellationToken) -> SentOrders {
        let mut sent = SentOrders::default();
        for count in 1.. {
            if stop.is_cancelled() {
                break;
            }
            let (key, body) = (Uuid::new_v4().to_string(), order("USD", &format!("{count}.{number}")));
            let start = Instant::now();
            let response = try_send(self.http.json(&self.url, body.as_str()).header("idempotency-key", &key)).await;
            assert!(start.elapsed() < RESPONSE_TIMEOUT, "a response took {:?}: {response:?}", start.elapsed());
            let denied = match response {
                Ok(response) if response.status == 201 => {
                    sent.acknowledged.insert(key, response.json(201));
                    self.counters.acknowledged.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                Ok(response) => unavailable_code(&response) != OUTCOME_UNKNOWN,
                Err(_) if self.missing_response == MissingResponse::Allowed => false,
                Err(error) => panic!("no response: {error:?}"),
            };
            self.counters.failed.fetch_add(1, Ordering::Relaxed);
            sent.unresolved.insert(key, UnresolvedOrder { body, denied });
            tokio::time::sleep(FAILURE_PAUSE).await;
        }
        sent
    }
}

/// The code of a 503. Panics when the response is anything else: during an outage, only 201 and 503 are allowed.
#[track_caller]
fn unavailable_code(response: &Response) -> String {
    let problem = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
    let code = problem["code"].as_str().unwrap_or("no problem document");
    response.problem(503, code);
    code.to_owned()
}

/// Sends every unresolved order again with its key until the order is acknowledged. Asserts that no denied order had
/// been placed, and that exactly the acknowledged orders are stored. A replay of some orders must return the same
/// orders.
pub async fn retry_and_reconcile(platform: &Platform, sent: SentOrders) {
    let mut orders = sent.acknowledged;
    let retries = stream::iter(sent.unresolved).map(async |(key, UnresolvedOrder { body, mut denied })| {
        let order = wait_until("an unresolved order is acknowledged", RECOVERY_LIMIT, async || {
            match try_send(platform.order_request(body.as_str()).header("idempotency-key", &key)).await {
                Ok(response) if response.status == 201 => {
                    let replayed = response.header("idempotency-replayed") == Some("true");
                    assert!(!(denied && replayed), "the order with key {key} was denied although it was placed");
                    Some(response.json(201))
                }
                Ok(response) => {
                    denied &= unavailable_code(&response) != OUTCOME_UNKNOWN;
                    None
                }
                Err(_) => {
                    denied = false;
                    None
                }
            }
        });
        let order = order.await;
        (key, order)
    });
    let resolved: Vec<_> = retries.buffer_unordered(CLIENTS).collect().await;
    orders.extend(resolved);
    assert_reconciled(platform, &orders.values().cloned().collect::<Vec<_>>()).await;
    for (key, placed) in orders.iter().take(CLIENTS) {
        let body = order(placed["currency"].as_str().unwrap(), placed["amount"].as_str().unwrap());
        let again = platform.place_with_key(key, body).await;
        assert_eq!(again.json(201), *placed);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
}
