//! Clients as they are in earnest: each asks again under its key until it has a definite answer.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use common::{
    api::{Code, orders::Order, quotes::Quote},
    ids::QuoteId,
    money::{Currency, FiatAmount, Sats},
    time::Timestamp,
};
use fastrand::Rng;
use futures_util::future::join_all;

use super::{LIMIT, Shared};
use crate::{
    client::try_send,
    history::{Attempt, Outcome, RequestedOrder},
};

/// Pause before a client asks again; the `Retry-After` of the services would make the load light.
const PAUSE_MILLIS: std::ops::Range<u64> = 5..40;
/// How long a client asks; longer than anything is away.
const GIVE_UP: Duration = Duration::from_secs(40);
/// Orders are this part of what is to be ordered by now, so that all clients together come to about that.
const SHARE: i64 = 32;

pub struct Client {
    http: crate::Client,
    doors: [String; 2],
    shared: Arc<Shared>,
    name: String,
    rng: Rng,
    keys: u32,
}

impl Client {
    pub fn new(http: crate::Client, doors: [String; 2], number: u64, seed: u64, shared: Arc<Shared>) -> Self {
        let rng = Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(number));
        Self { http, doors, shared, name: format!("client-{number}"), rng, keys: 0 }
    }

    /// Places orders of every kind until all kills are done.
    pub async fn work(mut self) {
        while !self.shared.is_over() {
            let requested = self.something();
            let key = self.new_key();
            match self.rng.u32(0..20) {
                0..=8 => self.place(&key, &[requested]).await,
                // Again, when it is long known.
                9..=10 => {
                    self.place(&key, &[requested]).await;
                    self.repeat(&key, requested).await;
                }
                // Several at once under one key.
                11..=12 => self.place(&key, &[requested, requested, requested]).await,
                // Another order under a key that is used, later and at once.
                13 => {
                    self.place(&key, &[requested]).await;
                    let other = self.something();
                    self.repeat(&key, other).await;
                }
                14 => {
                    let other = self.something();
                    self.place(&key, &[requested, other]).await;
                }
                15 => {
                    let too_much = dollars(self.left() + 1 + self.rng.i64(0..1000));
                    self.place(&key, &[too_much]).await;
                }
                kind => {
                    let Some(quote) = self.quote(requested).await else { continue };
                    let asked = [RequestedOrder::Quoted(quote)];
                    match kind {
                        16 => {}
                        17 => {
                            let (other, mut rival) = (self.new_key(), self.fork());
                            tokio::join!(self.place(&key, &asked), rival.place(&other, &asked));
                        }
                        18 => self.place(&key, &[asked[0], asked[0]]).await,
                        _ => self.place(&key, &asked).await,
                    }
                }
            }
        }
    }

    /// Asks for ever smaller orders until one satoshi is refused.
    pub async fn fill(mut self) {
        let mut most = LIMIT;
        loop {
            let satoshi = (self.left() / SHARE).clamp(1, most);
            let key = self.new_key();
            let requested = dollars(satoshi);
            match self.until_definite(&key, requested).await {
                Outcome::Placed { body, .. } => self.acknowledged(&body),
                Outcome::Refused { code: Code::LimitExceeded, remaining } if satoshi > 1 => {
                    most = remaining.map_or(1, Sats::get).max(1);
                }
                // Full; what else it may be, the check will tell.
                _ => return,
            }
        }
    }

    fn new_key(&mut self) -> String {
        self.keys += 1;
        format!("{}-{}", self.name, self.keys)
    }

    /// The same client once more, to do something at the same time.
    fn fork(&mut self) -> Self {
        let rng = self.rng.fork();
        let (http, doors, shared) = (self.http.clone(), self.doors.clone(), self.shared.clone());
        Self { http, doors, shared, name: self.name.clone(), rng, keys: self.keys }
    }

    /// At most this much is left.
    fn left(&self) -> i64 {
        (LIMIT - self.shared.acknowledged_sats.load(Ordering::Relaxed)).max(0)
    }

    fn something(&mut self) -> RequestedOrder {
        let gap = self.shared.target() - self.shared.acknowledged_sats.load(Ordering::Relaxed);
        let satoshi = self.rng.i64(1..=(gap / SHARE).max(3));
        let (currency, ten_thousandths) = match self.rng.u32(0..4) {
            0 => (Currency::EUR, satoshi * 84 / 10),
            1 => (Currency::GBP, satoshi * 72 / 10),
            _ => return dollars(satoshi),
        };
        RequestedOrder::Market { currency, amount: FiatAmount::from_ten_thousandths(ten_thousandths).unwrap() }
    }

    /// Asks for all of these at once under one key; at most one of them is placed.
    async fn place(&mut self, key: &str, asks: &[RequestedOrder]) {
        let forks: Vec<_> = asks.iter().map(|requested| (self.fork(), *requested)).collect();
        let outcome =
            join_all(forks.into_iter().map(async |(mut fork, requested)| fork.until_definite(key, requested).await))
                .await;
        if let Some(body) = outcome
            .iter()
            .find_map(|outcome| if let Outcome::Placed { body, .. } = outcome { Some(body) } else { None })
        {
            self.acknowledged(body);
        }
    }

    /// Asks for what is known already, which is no new order.
    async fn repeat(&mut self, key: &str, requested: RequestedOrder) {
        self.until_definite(key, requested).await;
    }

    fn acknowledged(&self, body: &[u8]) {
        // An answer that is no order is found by the check.
        if let Ok(order) = serde_json::from_slice::<Order>(body) {
            self.shared.acknowledged_sats.fetch_add(order.bitcoin_amount.get(), Ordering::Relaxed);
            self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn until_definite(&mut self, key: &str, requested: RequestedOrder) -> Outcome {
        let start = Instant::now();
        loop {
            let outcome = self.once(key, requested).await;
            self.shared.count(&outcome);
            if outcome.is_definite() || start.elapsed() > GIVE_UP {
                return outcome;
            }
            self.pause().await;
        }
    }

    async fn pause(&mut self) {
        tokio::time::sleep(Duration::from_millis(self.rng.u64(PAUSE_MILLIS))).await;
    }

    async fn once(&mut self, key: &str, requested: RequestedOrder) -> Outcome {
        let url = format!("{}/api/v1/orders", self.doors[self.rng.usize(0..self.doors.len())]);
        let bitcoin = match requested {
            RequestedOrder::Market { currency: Currency::USD, amount } => {
                Sats::new(amount.ten_thousandths() / 10_000).ok()
            }
            RequestedOrder::Market { .. } | RequestedOrder::Quoted(_) => None,
        };
        let start = Timestamp::now();
        let outcome = Outcome::from_response(
            try_send(self.http.json(url, requested.body()).header("idempotency-key", key)).await,
        );
        let (key, end, answer) = (key.to_owned(), Timestamp::now(), outcome.clone());
        self.shared.history.attempt(Attempt { key, requested, bitcoin, start, end, outcome });
        answer
    }

    /// A quote for what could be ordered; nothing where there is no answer, for nobody is asked twice.
    async fn quote(&mut self, requested: RequestedOrder) -> Option<QuoteId> {
        let url = format!("{}/api/v1/quotes", self.doors[self.rng.usize(0..self.doors.len())]);
        let answer = try_send(self.http.json(url, requested.body())).await;
        if let Some(answer) = answer.ok().filter(|answer| answer.status == 201) {
            let quote: Quote = serde_json::from_slice(&answer.body).expect("a quote is a quote");
            let id = quote.id;
            self.shared.history.quote(quote);
            return Some(id);
        }
        self.pause().await;
        None
    }
}

fn dollars(satoshi: i64) -> RequestedOrder {
    RequestedOrder::Market {
        currency: Currency::USD,
        amount: FiatAmount::from_ten_thousandths(satoshi * 10_000).unwrap(),
    }
}
