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
    client::{Answer, Client, PATIENCE, try_send},
    platform::order,
    until,
};

/// The code of the only refusal of an order that may have been placed all the same.
const UNKNOWN: &str = "outcome_unknown";
const PATH: &str = "/api/v1/orders";
const CLIENTS: usize = 8;
/// How long everything may take to be well again after what broke is back.
const RECOVERY: Duration = Duration::from_secs(20);
/// Pause of a client that was refused; its `Retry-After` would make the tests slow and the load light.
const PAUSE: Duration = Duration::from_millis(100);

/// What becomes of a request to create-order while it is itself away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It is not away: each request is answered.
    Fails,
    /// No answer is all right.
    Allowed,
}

/// Every order that was sent, by its key, with what it was.
#[derive(Debug, Default)]
pub struct Sent {
    /// Answered with 201; the order.
    pub placed: BTreeMap<String, Value>,
    /// Answered otherwise, or not at all.
    open: BTreeMap<String, Open>,
}

/// An order to be sent again.
#[derive(Debug)]
struct Open {
    body: String,
    /// Whether the last answer left no doubt that it was not placed.
    refused: bool,
}

/// What was answered so far, by all clients.
#[derive(Debug, Default)]
struct Counts {
    placed: AtomicUsize,
    /// Answered with a 503, or not at all.
    failed: AtomicUsize,
}

/// Clients that send orders until they are told to stop.
pub struct Load {
    stop: CancellationToken,
    clients: JoinSet<Sent>,
    counts: Arc<Counts>,
}

impl Load {
    pub fn start(platform: &Platform, silence: Silence) -> Self {
        let (stop, counts) = (CancellationToken::new(), Arc::<Counts>::default());
        let url = platform.create_order.url(PATH);
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let one = One { client: platform.client.clone(), url: url.clone(), silence, counts: counts.clone() };
            clients.spawn(one.send(number, stop.clone()));
        }
        Self { stop, clients, counts }
    }

    /// Waits until `count` more orders were placed.
    pub async fn placed(&self, count: usize) {
        more(&self.counts.placed, count, "orders are placed").await;
    }

    /// Waits until `count` more requests were answered with a 503, or not at all.
    pub async fn failed(&self, count: usize) {
        more(&self.counts.failed, count, "what is broken shows").await;
    }

    pub async fn stop(self) -> Sent {
        self.stop.cancel();
        let mut all = Sent::default();
        for sent in self.clients.join_all().await {
            all.placed.extend(sent.placed);
            all.open.extend(sent.open);
        }
        all
    }
}

async fn more(counter: &AtomicUsize, count: usize, what: &str) {
    let wanted = counter.load(Ordering::Relaxed) + count;
    until(what, RECOVERY, async || (counter.load(Ordering::Relaxed) >= wanted).then_some(())).await;
}

struct One {
    client: Client,
    url: String,
    silence: Silence,
    counts: Arc<Counts>,
}

impl One {
    async fn send(self, number: usize, stop: CancellationToken) -> Sent {
        let mut sent = Sent::default();
        for count in 1.. {
            if stop.is_cancelled() {
                break;
            }
            let (key, body) = (Uuid::new_v4().to_string(), order("USD", &format!("{count}.{number}")));
            let start = Instant::now();
            let answer = try_send(self.client.json(&self.url, body.as_str()).header("idempotency-key", &key)).await;
            assert!(start.elapsed() < PATIENCE, "an answer took {:?}: {answer:?}", start.elapsed());
            let answer = match answer {
                Ok(answer) => answer,
                Err(_) if self.silence == Silence::Allowed => {
                    self.counts.failed.fetch_add(1, Ordering::Relaxed);
                    sent.open.insert(key, Open { body, refused: false });
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(error) => panic!("no answer: {error:?}"),
            };
            if answer.status == 201 {
                sent.placed.insert(key, answer.json(201));
                self.counts.placed.fetch_add(1, Ordering::Relaxed);
            } else {
                let refused = unavailable(&answer) != UNKNOWN;
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                sent.open.insert(key, Open { body, refused });
                tokio::time::sleep(PAUSE).await;
            }
        }
        sent
    }
}

/// A 503 that says when to come back is the only other answer that there may be. Gives its code.
#[track_caller]
fn unavailable(answer: &Answer) -> String {
    let problem = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    let code = problem["code"].as_str().unwrap_or("no problem at all");
    answer.problem(503, code);
    code.to_owned()
}

/// Sends every order that is open again under its key until it is placed; then compares the books: each key has one
/// order, every order is there once, the total is their sum, and nobody was told "no" about an order that was placed.
pub async fn settle(platform: &Platform, sent: Sent) {
    let mut orders = sent.placed;
    let open = stream::iter(sent.open).map(async |(key, Open { body, mut refused })| {
        let order = until("an order under a known key is placed", RECOVERY, async || {
            let request = platform.client.json(platform.create_order.url(PATH), body.as_str());
            match try_send(request.header("idempotency-key", &key)).await {
                Ok(answer) if answer.status == 201 => {
                    let placed_before = answer.header("idempotency-replayed") == Some("true");
                    assert!(!(refused && placed_before), "an order was refused for certain, and was placed: {key}");
                    Some(answer.json(201))
                }
                Ok(answer) => {
                    refused &= unavailable(&answer) != UNKNOWN;
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
    let settled: Vec<_> = open.buffer_unordered(CLIENTS).collect().await;
    orders.extend(settled);
    crate::reconciliation::agree(platform, &orders.values().cloned().collect::<Vec<_>>()).await;
    // The answer for a key stays the same.
    for (key, order) in orders.iter().take(CLIENTS) {
        let body = crate::platform::order(order["currency"].as_str().unwrap(), order["amount"].as_str().unwrap());
        let again = platform.place_under(key, body).await;
        assert_eq!(again.json(201), *order);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
}
