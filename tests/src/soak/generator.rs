//! Clients that place orders, pay some of them from wallets, transfer money, request quotes, and read orders and
//! courses, as fast as they can or at a fixed rate.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use common::{
    api::{orders::Order, quotes::Quote},
    ids::{IdempotencyKey, QuoteId},
    money::{Currency, FiatAmount},
    time::Timestamp,
};
use fastrand::Rng;
use reqwest::RequestBuilder;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{recorder::RunRecorder, wallets::SoakWallets};
use crate::{
    Client, Platform, Response,
    client::try_send,
    history::{Attempt, Outcome, RequestedOrder},
    platform::ORDERS_PATH,
};

pub const CLIENTS: u64 = 64;
/// A client retries an order or a transfer for at most this time.
const RETRY_LIMIT: Duration = Duration::from_mins(1);
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// The amounts of orders in ten-thousandths. They are so small that a run does not reach the limit over all orders.
/// Each amount buys more than one satoshi at every price.
const AMOUNTS_E4: std::ops::Range<i64> = 100..50_000;

#[derive(Debug, Clone, Copy)]
pub enum Rate {
    /// Each client sends its next request when the previous request is answered.
    Full,
    /// Requests are due at fixed intervals. If every client is waiting for a response when a request is due, the next
    /// free client sends the request.
    PerSecond(u64),
}

/// Clients that send requests until they are stopped.
pub struct Generator {
    stop: CancellationToken,
    clients: JoinSet<()>,
}

impl Generator {
    pub fn start(platform: &Platform, recorder: &Arc<RunRecorder>, wallets: &Arc<SoakWallets>, rate: Rate) -> Self {
        let (stop, schedule) = (CancellationToken::new(), Arc::new(Schedule::new(rate)));
        let urls = Arc::new(Urls {
            orders: platform.create_order.url(ORDERS_PATH),
            quotes: platform.create_order.url("/api/v1/quotes"),
            stored_orders: platform.fetch_orders.url(ORDERS_PATH),
            courses: platform.rates.url("/api/v1/courses"),
            transfers: platform.wallets.url("/api/v1/transfers"),
        });
        let client = |number| SoakClient {
            number: usize::try_from(number).expect("a small number"),
            wallets: wallets.clone(),
            http: platform.client.clone(),
            urls: urls.clone(),
            recorder: recorder.clone(),
            rng: Rng::with_seed(number),
            open_quote: None,
        };
        let clients =
            (0..CLIENTS).map(|number| client(number).send_until_stopped(schedule.clone(), stop.clone())).collect();
        Self { stop, clients }
    }

    /// Stops the clients. Returns when each client has finished its last request and the retries of that request.
    pub async fn stop(self) {
        self.stop.cancel();
        self.clients.join_all().await;
    }
}

/// The times at which requests are due. All clients share one schedule.
struct Schedule {
    rate: Rate,
    start: Instant,
    next: AtomicU64,
}

impl Schedule {
    fn new(rate: Rate) -> Self {
        Self { rate, start: Instant::now(), next: AtomicU64::new(0) }
    }

    /// Waits until the next request is due, and returns that time.
    async fn wait(&self) -> Instant {
        let Rate::PerSecond(rate) = self.rate else { return Instant::now() };
        let number = u32::try_from(self.next.fetch_add(1, Relaxed)).expect("a run has fewer than 2^32 requests");
        let due = self.start + Duration::from_secs(1) * number / u32::try_from(rate).expect("the rate is below 2^32");
        tokio::time::sleep_until(due.into()).await;
        due
    }
}

struct Urls {
    orders: String,
    quotes: String,
    stored_orders: String,
    courses: String,
    transfers: String,
}

struct SoakClient {
    number: usize,
    wallets: Arc<SoakWallets>,
    http: Client,
    urls: Arc<Urls>,
    recorder: Arc<RunRecorder>,
    rng: Rng,
    /// The quote that the next order uses.
    open_quote: Option<QuoteId>,
}

impl SoakClient {
    async fn send_until_stopped(mut self, schedule: Arc<Schedule>, stop: CancellationToken) {
        loop {
            let due = tokio::select! {
                () = stop.cancelled() => return,
                due = schedule.wait() => due,
            };
            if let Some(quote) = self.open_quote.take() {
                self.place_order(RequestedOrder::FromQuote(quote)).await;
            } else {
                match self.rng.u32(0..100) {
                    0..50 => {
                        let requested = self.random_order();
                        self.place_order(requested).await;
                    }
                    50..57 => {
                        let amount = FiatAmount::from_ten_thousandths(self.rng.i64(AMOUNTS_E4)).unwrap();
                        let wallets = self.wallets.of_order(self.number);
                        self.place_order(RequestedOrder::Paid { amount, wallets }).await;
                    }
                    57..64 => self.transfer().await,
                    64..69 => self.open_quote = self.request_quote().await,
                    // No order uses this quote.
                    69..70 => drop(self.request_quote().await),
                    70..90 => self.read_recent_order().await,
                    90..96 => self.read(format!("{}?limit=20", self.urls.stored_orders)).await,
                    96..98 => self.read(format!("{}/summary", self.urls.stored_orders)).await,
                    _ => self.read(self.urls.courses.clone()).await,
                }
            }
            self.recorder.record_response(due.elapsed());
        }
    }

    fn random_order(&mut self) -> RequestedOrder {
        let currency = *self.rng.choice(&[Currency::EUR, Currency::GBP, Currency::USD]).unwrap();
        let amount = FiatAmount::from_ten_thousandths(self.rng.i64(AMOUNTS_E4)).unwrap();
        RequestedOrder::AtMarketPrice { currency, amount }
    }

    /// Sends the order until the outcome is final or [`RETRY_LIMIT`] has passed.
    async fn place_order(&self, requested: RequestedOrder) {
        let (key, first_start, mut attempts) = (self.recorder.new_key(), Instant::now(), Vec::with_capacity(1));
        loop {
            let start = Timestamp::now();
            let request = self.http.json(&self.urls.orders, requested.body()).header("idempotency-key", key.text());
            let outcome = Outcome::from_response(try_send(request).await);
            let (idempotency_key, end) = (key.text(), Timestamp::now());
            let is_final = outcome.is_final();
            attempts.push(Attempt {
                user: None,
                idempotency_key,
                requested,
                bitcoin_amount: None,
                start,
                end,
                outcome,
            });
            if is_final || first_start.elapsed() > RETRY_LIMIT {
                break;
            }
            self.recorder.record_failure();
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        let paid = attempts.last().filter(|attempt| matches!(attempt.requested, RequestedOrder::Paid { .. }));
        if let Some(Attempt { outcome: Outcome::Placed { body, .. }, .. }) = paid {
            let order = serde_json::from_slice::<Order>(body).expect("the body of a 201 is an order");
            self.wallets.record_order(self.number, &order);
        }
        self.recorder.record_order(key, attempts);
    }

    /// Transfers money to the shop. Sends the transfer until it is acknowledged or [`RETRY_LIMIT`] has passed.
    async fn transfer(&mut self) {
        let units = self.rng.i64(AMOUNTS_E4);
        let body = self.wallets.transfer(self.number, units).to_string();
        let (key, start) = (IdempotencyKey::generate(), Instant::now());
        loop {
            let request = self.http.json(&self.urls.transfers, body.clone()).header("idempotency-key", key.as_str());
            match try_send(request).await {
                Ok(response) if response.status == 200 => {
                    self.wallets.record_transfer(self.number, units);
                    return;
                }
                Ok(response) if response.status != 503 => {
                    self.recorder.record_violation(format!("UNEXPECTED RESPONSE: {}", response.description()));
                    return;
                }
                Ok(_) | Err(_) => self.recorder.record_failure(),
            }
            if start.elapsed() > RETRY_LIMIT {
                self.recorder.record_violation(format!("NOT ACKNOWLEDGED: {key} requested {body}"));
                return;
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn request_quote(&mut self) -> Option<QuoteId> {
        let request = self.random_order().quote_body();
        let response = self.response_with_status(self.http.json(&self.urls.quotes, request), 201).await?;
        Some(serde_json::from_slice::<Quote>(&response.body).expect("the body of a 201 is a quote").id)
    }

    /// Checks that an acknowledged order is found and has not changed.
    async fn read_recent_order(&mut self) {
        let Some(order) = self.recorder.recent_order(&mut self.rng) else { return };
        let url = format!("{}/{}", self.urls.stored_orders, order.id);
        let Some(response) = self.response_with_status(self.http.request("GET", url), 200).await else { return };
        let read = serde_json::from_slice::<Order>(&response.body);
        if read.as_ref().ok() != Some(&order) {
            self.recorder.record_violation(format!("CHANGED ORDER: acknowledged {order:?}, read {read:?}"));
        }
    }

    async fn read(&self, url: String) {
        self.response_with_status(self.http.request("GET", url), 200).await;
    }

    /// The response if it has the expected status. Records a 503 and a missing response as a failure, and every other
    /// status as a violation.
    async fn response_with_status(&self, request: RequestBuilder, status: u16) -> Option<Response> {
        match try_send(request).await {
            Ok(response) if response.status == status => return Some(response),
            Ok(response) if response.status != 503 => {
                self.recorder.record_violation(format!("UNEXPECTED RESPONSE: {}", response.description()));
            }
            Ok(_) | Err(_) => self.recorder.record_failure(),
        }
        None
    }
}
