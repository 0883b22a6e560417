//! Clients that send orders and quotes of many kinds. They retry an order with the same idempotency key until its
//! outcome is final.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    api::{
        Code,
        keys::KeySecret,
        orders::{Order, OrderWallets},
        quotes::Quote,
    },
    ids::QuoteId,
    money::{Currency, FiatAmount, Sats},
    time::Timestamp,
};
use fastrand::Rng;
use futures_util::future::join_all;
use reqwest::RequestBuilder;

use super::progress::Progress;
use crate::{
    client::try_send,
    history::{Attempt, ClientUser, Outcome, RequestedOrder},
    platform::ORDERS_PATH,
};

/// How long a client pauses before a retry. `Retry-After` of the services is longer, which would make the load light.
const RETRY_PAUSE_MILLIS: std::ops::Range<u64> = 5..40;
/// A client retries for at most this time, which is longer than an outage of a process.
const RETRY_LIMIT: Duration = Duration::from_secs(60);
/// The largest random order is the difference between the target and the acknowledged bitcoin, divided by this number,
/// but at least three satoshi. So the clients together exceed the target only slightly. When they fill the limit, each
/// order is the remaining bitcoin divided by this number.
const TARGET_DIVISOR: i64 = 32;

pub struct Client {
    pub(super) connection: Connection,
    pub(super) progress: Arc<Progress>,
    name: String,
    pub(super) rng: Rng,
    keys: u32,
}

/// The services to which a client sends requests, and the identity of the client.
#[derive(Debug, Clone)]
pub struct Connection {
    pub http: crate::Client,
    pub create_order_urls: Vec<String>,
    /// The base URLs at which orders are read.
    pub read_urls: Vec<String>,
    pub identity: Identity,
    /// The wallets of the orders that a wallet pays. `None` if the client places no such order.
    pub wallets: Option<OrderWallets>,
}

/// The user of a client and the API key. By default, the client has no key.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    pub user: ClientUser,
    pub api_key: Option<KeySecret>,
}

impl Connection {
    /// Adds the API key of the identity to a request, if it has one.
    pub(super) fn authorize(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.identity.api_key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }
}

impl Client {
    /// A client whose idempotency keys begin with its name. `rng` determines its requests.
    pub fn new(connection: Connection, name: String, rng: Rng, progress: Arc<Progress>) -> Self {
        Self { connection, progress, name, rng, keys: 0 }
    }

    /// Places orders of every kind, and reads orders, until all kills are done.
    pub async fn place_orders(mut self) {
        while !self.progress.is_finished() {
            let requested = self.random_order();
            let key = self.new_key();
            match self.rng.u32(0..26) {
                20..=23 => self.read_orders().await,
                // An order that a wallet pays. For kind 25, two concurrent requests. The wallet may have too little
                // money.
                kind @ 24..=25 => {
                    let Some(wallets) = self.connection.wallets else { continue };
                    let (amount, credited) = (self.random_dollars(), wallets.credited.filter(|_| self.rng.bool()));
                    let paid = RequestedOrder::Paid { amount, wallets: OrderWallets { credited, ..wallets } };
                    let requests = [paid; 2];
                    self.place_concurrently(&key, if kind == 24 { &requests[..1] } else { &requests }).await;
                }
                0..=8 => self.place_concurrently(&key, &[requested]).await,
                // A retry after a final outcome.
                9..=10 => {
                    self.place_concurrently(&key, &[requested]).await;
                    self.retry_until_final(&key, requested).await;
                }
                // Concurrent requests for the same order.
                11..=12 => self.place_concurrently(&key, &[requested, requested, requested]).await,
                // Another order with a key that is already used.
                13 => {
                    self.place_concurrently(&key, &[requested]).await;
                    let other = self.random_order();
                    self.retry_until_final(&key, other).await;
                }
                // Concurrent requests for different orders with one key.
                14 => {
                    let other = self.random_order();
                    self.place_concurrently(&key, &[requested, other]).await;
                }
                // An order that exceeds the limit.
                15 => {
                    let over_limit = dollar_order(self.remaining_sats() + 1 + self.rng.i64(0..1000));
                    self.place_concurrently(&key, &[over_limit]).await;
                }
                kind => {
                    let Some(quote) = self.request_quote(requested).await else { continue };
                    let from_quote = &[RequestedOrder::FromQuote(quote)];
                    match kind {
                        // The quote expires, unless another client takes it.
                        16 => {}
                        // Two keys contend for the quote.
                        17 => {
                            let (other_key, mut rival) = (self.new_key(), self.fork());
                            tokio::join!(
                                self.place_concurrently(&key, from_quote),
                                rival.place_concurrently(&other_key, from_quote)
                            );
                        }
                        18 => self.place_concurrently(&key, &[from_quote[0], from_quote[0]]).await,
                        // Possibly the quote of another client, or of another user.
                        19 => {
                            let quote = self.progress.choose_quote(&mut self.rng).unwrap_or(quote);
                            self.place_concurrently(&key, &[RequestedOrder::FromQuote(quote)]).await;
                        }
                        _ => self.place_concurrently(&key, from_quote).await,
                    }
                }
            }
        }
    }

    /// Places smaller and smaller orders until an order of one satoshi is refused.
    pub async fn fill_limit(mut self) {
        let mut max_sats = self.progress.limit_sats();
        loop {
            let satoshi = (self.remaining_sats() / TARGET_DIVISOR).clamp(1, max_sats);
            let key = self.new_key();
            match self.retry_until_final(&key, dollar_order(satoshi)).await {
                Outcome::Placed { body, .. } => self.record_acknowledged(&body),
                Outcome::Refused { code: Code::LimitExceeded, remaining, .. } if satoshi > 1 => {
                    max_sats = remaining.map_or(1, Sats::get).max(1);
                }
                // The limit is filled. The check reports any other outcome.
                _ => return,
            }
        }
    }

    pub fn new_key(&mut self) -> String {
        self.keys += 1;
        format!("{}-{}", self.name, self.keys)
    }

    /// A copy of this client for a concurrent request.
    fn fork(&mut self) -> Self {
        Self {
            connection: self.connection.clone(),
            progress: self.progress.clone(),
            name: self.name.clone(),
            rng: self.rng.fork(),
            keys: self.keys,
        }
    }

    /// An upper bound of the bitcoin that remains under the limit.
    fn remaining_sats(&self) -> i64 {
        (self.progress.limit_sats() - self.progress.acknowledged_sats()).max(0)
    }

    fn random_sats(&mut self) -> i64 {
        let gap = self.progress.target_sats() - self.progress.acknowledged_sats();
        self.rng.i64(1..=(gap / TARGET_DIVISOR).max(3))
    }

    /// The price of a random number of satoshi.
    fn random_dollars(&mut self) -> FiatAmount {
        FiatAmount::from_ten_thousandths(self.random_sats() * 10_000).unwrap()
    }

    fn random_order(&mut self) -> RequestedOrder {
        let satoshi = self.random_sats();
        let (currency, ten_thousandths) = match self.rng.u32(0..4) {
            0 => (Currency::EUR, satoshi * 84 / 10),
            1 => (Currency::GBP, satoshi * 72 / 10),
            _ => return dollar_order(satoshi),
        };
        let amount = FiatAmount::from_ten_thousandths(ten_thousandths).unwrap();
        RequestedOrder::AtMarketPrice { currency, amount }
    }

    /// Sends the orders concurrently with one key. At most one order is placed.
    async fn place_concurrently(&mut self, key: &str, orders: &[RequestedOrder]) {
        let forks: Vec<_> = orders.iter().map(|order| (self.fork(), *order)).collect();
        let retries = forks.into_iter().map(async |(mut fork, order)| fork.retry_until_final(key, order).await);
        let outcomes = join_all(retries).await;
        let placed = outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Placed { body, .. } => Some(body),
            _ => None,
        });
        if let Some(body) = placed {
            self.record_acknowledged(body);
        }
    }

    pub fn record_acknowledged(&self, body: &[u8]) {
        // The check reports a body that is not an order.
        if let Ok(order) = serde_json::from_slice::<Order>(body) {
            self.progress.record_acknowledged(order);
        }
    }

    pub async fn retry_until_final(&mut self, key: &str, requested: RequestedOrder) -> Outcome {
        let start = Instant::now();
        loop {
            let outcome = self.send_order(key, requested).await;
            self.progress.record_outcome(&outcome);
            if outcome.is_final() || start.elapsed() > RETRY_LIMIT {
                return outcome;
            }
            self.pause_before_retry().await;
        }
    }

    pub(super) async fn pause_before_retry(&mut self) {
        tokio::time::sleep(Duration::from_millis(self.rng.u64(RETRY_PAUSE_MILLIS))).await;
    }

    async fn send_order(&mut self, key: &str, requested: RequestedOrder) -> Outcome {
        let url = self.random_url(ORDERS_PATH);
        let bitcoin_amount = match requested {
            RequestedOrder::AtMarketPrice { currency: Currency::USD, amount } | RequestedOrder::Paid { amount, .. } => {
                Sats::new(amount.ten_thousandths() / 10_000).ok()
            }
            RequestedOrder::AtMarketPrice { .. } | RequestedOrder::FromQuote(_) => None,
        };
        let start = Timestamp::now();
        let request = self.connection.http.json(url, requested.body()).header("idempotency-key", key);
        let request = self.connection.authorize(request);
        let outcome = Outcome::from_response(try_send(request).await);
        let (idempotency_key, end) = (key.to_owned(), Timestamp::now());
        let user = self.connection.identity.user;
        let attempt =
            Attempt { user, idempotency_key, requested, bitcoin_amount, start, end, outcome: outcome.clone() };
        self.progress.history.record_attempt(attempt);
        outcome
    }

    /// Requests a quote. `None` if the request fails: it is not retried, because a quote has no idempotency key.
    async fn request_quote(&mut self, requested: RequestedOrder) -> Option<QuoteId> {
        let url = self.random_url("/api/v1/quotes");
        let request = self.connection.http.json(url, requested.quote_body());
        let response = try_send(self.connection.authorize(request)).await;
        if let Some(response) = response.ok().filter(|response| response.status == 201) {
            let quote: Quote = serde_json::from_slice(&response.body).expect("the body of a 201 is a quote");
            let id = quote.id;
            self.progress.record_quote(quote);
            return Some(id);
        }
        self.pause_before_retry().await;
        None
    }

    /// The URL of this path at one of the create-orders.
    fn random_url(&mut self, path: &str) -> String {
        let urls = &self.connection.create_order_urls;
        format!("{}{path}", urls[self.rng.usize(0..urls.len())])
    }
}

/// An order in dollars. One dollar buys one satoshi.
pub fn dollar_order(satoshi: i64) -> RequestedOrder {
    RequestedOrder::AtMarketPrice {
        currency: Currency::USD,
        amount: FiatAmount::from_ten_thousandths(satoshi * 10_000).unwrap(),
    }
}
