//! Orders from several clients at once, each under a key of its own, while things break.

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
    platform::order,
    wait_until,
};

/// The code of the only refusal of an order that may have been placed all the same.
const OUTCOME_UNKNOWN: &str = "outcome_unknown";
const ORDERS_PATH: &str = "/api/v1/orders";
const CLIENTS: usize = 8;
/// How long everything may take to be well again after what broke is back.
const RECOVERY: Duration = Duration::from_secs(20);
/// Pause of a client that was refused; its `Retry-After` would make the tests slow and the load light.
const PAUSE: Duration = Duration::from_millis(100);

/// What becomes of a request to create-order while it is itself away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingResponse {
    /// It is not away: each request is answered.
    Fails,
    /// No answer is all right.
    Allowed,
}

/// Every order that was sent, by its key, with what it was.
#[derive(Debug, Default)]
pub struct SentOrders {
    /// Answered with 201; the order.
    pub placed: BTreeMap<String, Value>,
    /// Answered otherwise, or not at all.
    unresolved: BTreeMap<String, UnresolvedOrder>,
}

/// An order to be sent again.
#[derive(Debug)]
struct UnresolvedOrder {
    body: String,
    /// Whether the last answer left no doubt that it was not placed.
    refused: bool,
}

/// What was answered so far, by all clients.
#[derive(Debug, Default)]
struct Counters {
    placed: AtomicUsize,
    /// Answered with a 503, or not at all.
    failed: AtomicUsize,
}

/// Clients that send orders until they are told to stop.
pub struct LoadGenerator {
    stop: CancellationToken,
    clients: JoinSet<SentOrders>,
    counts: Arc<Counters>,
}

impl LoadGenerator {
    pub fn start(platform: &Platform, missing_response: MissingResponse) -> Self {
        let (stop, counts) = (CancellationToken::new(), Arc::<Counters>::default());
        let url = platform.create_order.url(ORDERS_PATH);
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let client = LoadClient {
                client: platform.client.clone(),
                url: url.clone(),
                missing_response,
                counts: counts.clone(),
            };
            clients.spawn(client.send(number, stop.clone()));
        }
        Self { stop, clients, counts }
    }

    /// Waits until `count` more orders were placed.
    pub async fn wait_for_placed(&self, count: usize) {
        wait_for_increase(&self.counts.placed, count, "orders are placed").await;
    }

    /// Waits until `count` more requests were answered with a 503, or not at all.
    pub async fn wait_for_failures(&self, count: usize) {
        wait_for_increase(&self.counts.failed, count, "what is broken shows").await;
    }

    pub async fn stop(self) -> SentOrders {
        self.stop.cancel();
        let mut all = SentOrders::default();
        for sent in self.clients.join_all().await {
            all.placed.extend(sent.placed);
            all.unresolved.extend(sent.unresolved);
        }
        all
    }
}

async fn wait_for_increase(counter: &AtomicUsize, count: usize, what: &str) {
    let wanted = counter.load(Ordering::Relaxed) + count;
    wait_until(what, RECOVERY, async || (counter.load(Ordering::Relaxed) >= wanted).then_some(())).await;
}

struct LoadClient {
    client: Client,
    url: String,
    missing_response: MissingResponse,
    counts: Arc<Counters>,
}

impl LoadClient {
    async fn send(self, number: usize, stop: CancellationToken) -> SentOrders {
        let mut sent = SentOrders::default();
        for count in 1.. {
            if stop.is_cancelled() {
                break;
            }
            let (key, body) = (Uuid::new_v4().to_string(), order("USD", &format!("{count}.{number}")));
            let start = Instant::now();
            let response = try_send(self.client.json(&self.url, body.as_str()).header("idempotency-key", &key)).await;
            assert!(start.elapsed() < RESPONSE_TIMEOUT, "an answer took {:?}: {response:?}", start.elapsed());
            let response = match response {
                Ok(response) => response,
                Err(_) if self.missing_response == MissingResponse::Allowed => {
                    self.counts.failed.fetch_add(1, Ordering::Relaxed);
                    sent.unresolved.insert(key, UnresolvedOrder { body, refused: false });
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(error) => panic!("no answer: {error:?}"),
            };
            if response.status == 201 {
                sent.placed.insert(key, response.json(201));
                self.counts.placed.fetch_add(1, Ordering::Relaxed);
            } else {
                let refused = unavailable_code(&response) != OUTCOME_UNKNOWN;
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                sent.unresolved.insert(key, UnresolvedOrder { body, refused });
                tokio::time::sleep(PAUSE).await;
            }
        }
        sent
    }
}

/// A 503 that says when to come back is the only other answer that there may be. Gives its code.
#[track_caller]
fn unavailable_code(response: &Response) -> String {
    let problem = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
    let code = problem["code"].as_str().unwrap_or("no problem at all");
    response.problem(503, code);
    code.to_owned()
}

/// Sends every order that is open again under its key until it is placed; then compares the books: each key has one
/// order, every order is there once, the total is their sum, and nobody was told "no" about an order that was placed.
pub async fn retry_and_reconcile(platform: &Platform, sent: SentOrders) {
    let mut orders = sent.placed;
    let unresolved = stream::iter(sent.unresolved).map(async |(key, UnresolvedOrder { body, mut refused })| {
        let order = wait_until("an order under a known key is placed", RECOVERY, async || {
            let request = platform.client.json(platform.create_order.url(ORDERS_PATH), body.as_str());
            match try_send(request.header("idempotency-key", &key)).await {
                Ok(response) if response.status == 201 => {
                    let placed_before = response.header("idempotency-replayed") == Some("true");
                    assert!(!(refused && placed_before), "an order was refused for certain, and was placed: {key}");
                    Some(response.json(201))
                }
                Ok(response) => {
                    refused &= unavailable_code(&response) != OUTCOME_UNKNOWN;
                    None
                }
                Err(_) => {
                    refused = false;
                    None
                }
            }
        });
        let order = order.await;
        (key, order)
    });
    let resolved: Vec<_> = unresolved.buffer_unordered(CLIENTS).collect().await;
    orders.extend(resolved);
    crate::reconciliation::assert_reconciled(platform, &orders.values().cloned().collect::<Vec<_>>()).await;
    // The answer for a key stays the same.
    for (key, order) in orders.iter().take(CLIENTS) {
        let body = crate::platform::order(order["currency"].as_str().unwrap(), order["amount"].as_str().unwrap());
        let again = platform.place_with_key(key, body).await;
        assert_eq!(again.json(201), *order);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
}
