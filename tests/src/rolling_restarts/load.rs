//! Sends requests of customers to nginx at a fixed rate, whether or not earlier requests are answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use common::{
    api::{orders::Order, quotes::Quote, wallets::Wallet},
    ids::UserId,
    money::{Currency, FiatAmount, Money},
    time::Timestamp,
};
use fastrand::Rng;
use reqwest::RequestBuilder;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::figures::{Figures, RequestOutcome};
use crate::{
    Client, Platform, Response,
    client::try_send,
    history::{Attempt, Outcome, RequestedOrder},
    nginx::Nginx,
    platform::{OPERATOR_TOKEN, ORDERS_PATH},
    process_kills::{Identity, Progress, WalletConnection, connect_wallets, create_identities},
    wait_until,
    wallet_history::{BalanceRead, MoveAttempt, MoveOutcome, RequestedMovement},
};

/// A client retries a request with an idempotency key for at most this time.
const RETRY_LIMIT: Duration = Duration::from_mins(1);
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// Time limit of [`Load::wait_for_a_second`].
const PROGRESS_LIMIT: Duration = Duration::from_mins(1);
/// The amounts of orders in ten-thousandths. They are so small that a run does not reach the limit over all orders.
const AMOUNTS_E4: std::ops::Range<i64> = 100..50_000;
/// The largest amount of a movement, in the smallest unit of the currency.
const MAX_UNITS: i64 = 50_000_000;
/// A client reads one of this many newest acknowledged orders.
const NEWEST_ORDERS: usize = 200;

pub(super) struct Load {
    rate: u64,
    stop: CancellationToken,
    driver: JoinHandle<()>,
    customers: Arc<Customers>,
}

/// The records of a load that was stopped.
pub(super) struct FinishedLoad {
    pub(super) progress: Arc<Progress>,
    pub(super) figures: Arc<Figures>,
}

impl Load {
    /// Sends requests to `nginx`, which forwards them to the services of `platform`.
    pub(super) async fn start(platform: &Platform, nginx: &Nginx, rate: u32) -> Self {
        let progress = Arc::new(Progress::new(1, i64::MAX));
        let identities = create_identities(platform).await;
        let connections = connect_wallets(platform, vec![nginx.url("")], &identities).await;
        for wallet in &connections[0].wallets.all {
            progress.wallets.record_wallet(wallet.clone());
        }
        let figures = Arc::<Figures>::default();
        figures.begin_part("no restart");
        let (url, http, keys) = (nginx.url(""), platform.client.clone(), AtomicU64::new(0));
        let customers = Arc::new(Customers { http, url, connections, keys, progress, figures });
        let stop = CancellationToken::new();
        let driver = tokio::spawn(send_until_stopped(customers.clone(), rate, stop.clone()));
        Self { rate: rate.into(), stop, driver, customers }
    }

    pub(super) fn begin_part(&self, name: &'static str) {
        self.customers.figures.begin_part(name);
    }

    pub(super) fn figures_of(&self, part: &str) -> String {
        self.customers.figures.of_part(part)
    }

    /// Waits until as many requests are answered as are sent in a second.
    pub(super) async fn wait_for_a_second(&self) {
        let target = self.customers.figures.requests() + self.rate;
        let probe = async || (self.customers.figures.requests() >= target).then_some(());
        wait_until("requests are answered", PROGRESS_LIMIT, probe).await;
    }

    /// Stops sending requests, and waits until each sent request is answered.
    pub(super) async fn stop(self) -> FinishedLoad {
        self.stop.cancel();
        self.driver.await.unwrap();
        FinishedLoad { progress: self.customers.progress.clone(), figures: self.customers.figures.clone() }
    }
}

async fn send_until_stopped(customers: Arc<Customers>, rate: u32, stop: CancellationToken) {
    let (start, mut requests) = (Instant::now(), JoinSet::new());
    for number in 0.. {
        let due = start + Duration::from_secs(1) * number / rate;
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep_until(due.into()) => {}
        }
        let customers = customers.clone();
        requests.spawn(async move {
            let answer = customers.send_request(Rng::with_seed(number.into())).await;
            customers.figures.record(due.elapsed(), answer);
        });
        while let Some(ended) = requests.try_join_next() {
            ended.unwrap();
        }
    }
    requests.join_all().await;
}

struct Customers {
    http: Client,
    url: String,
    /// The connections of the identities to nginx.
    connections: Vec<WalletConnection>,
    keys: AtomicU64,
    progress: Arc<Progress>,
    figures: Arc<Figures>,
}

impl Customers {
    /// Sends a request of a random kind. Orders and movements are retried until their outcome is final.
    ///
    /// Returns `Success` only if the first attempt succeeded. A request whose connection was closed is sent again
    /// immediately, one time. Both count as one attempt.
    async fn send_request(&self, mut rng: Rng) -> RequestOutcome {
        let connection = &self.connections[rng.usize(0..self.connections.len())];
        let identity = &connection.identity;
        match rng.u32(0..100) {
            0..30 => self.place_order(identity, &mut rng).await,
            30..60 => self.move_money(connection, &mut rng).await,
            60..70 => self.read_order(&mut rng).await,
            70..75 => self.read(identity, &format!("{ORDERS_PATH}?limit=20")).await,
            75..83 => self.read_balance(connection, &mut rng).await,
            83..90 => self.read(identity, "/api/v1/price?direction=BTC-USD").await,
            90..93 => self.read(identity, "/api/v1/courses").await,
            93..97 => self.read_user(identity.user).await,
            _ => self.request_quote(identity, &mut rng).await,
        }
    }

    fn request(&self, identity: &Identity, method: &str, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &identity.api_key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }

    fn post(&self, identity: &Identity, path: &str, key: Option<&str>, body: String) -> RequestBuilder {
        let request = self.request(identity, "POST", path).header("content-type", "application/json").body(body);
        match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        }
    }

    fn new_key(&self) -> String {
        format!("key-{}", self.keys.fetch_add(1, Relaxed))
    }

    async fn place_order(&self, identity: &Identity, rng: &mut Rng) -> RequestOutcome {
        let (requested, key, first_start) = (random_order(rng), self.new_key(), Instant::now());
        let (mut answer, mut is_repeated) = (RequestOutcome::Success, false);
        loop {
            let start = Timestamp::now();
            let response = try_send(self.post(identity, ORDERS_PATH, Some(&key), requested.body())).await;
            let repeats = !is_repeated && self.repeats(&response);
            is_repeated |= repeats;
            let description = describe(&response);
            let outcome = Outcome::from_response(response);
            let (idempotency_key, end) = (key.clone(), Timestamp::now());
            if let Outcome::Placed { body, .. } = &outcome {
                // The check of the history reports a body that is not an order.
                if let Ok(order) = serde_json::from_slice::<Order>(body) {
                    self.progress.record_acknowledged(order);
                }
            } else if matches!(answer, RequestOutcome::Success) && !repeats {
                answer = RequestOutcome::Failed(description);
            }
            let is_final = outcome.is_final();
            let (user, bitcoin_amount) = (identity.user, None);
            let attempt = Attempt { user, idempotency_key, requested, bitcoin_amount, start, end, outcome };
            self.progress.history.record_attempt(attempt);
            if is_final || first_start.elapsed() > RETRY_LIMIT {
                return answer;
            }
            if !repeats {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }

    /// Deposits, withdraws or transfers. A refusal counts as a success here. The check of the history decides whether
    /// the refusal was correct.
    async fn move_money(&self, connection: &WalletConnection, rng: &mut Rng) -> RequestOutcome {
        let (requested, key, first_start) = (random_movement(connection, rng), self.new_key(), Instant::now());
        let (identity, mut answer, mut is_repeated) = (&connection.identity, RequestOutcome::Success, false);
        loop {
            let start = Timestamp::now();
            let request = self.post(identity, &requested.path(), Some(&key), requested.body().to_string());
            let response = try_send(request).await;
            let repeats = !is_repeated && self.repeats(&response);
            is_repeated |= repeats;
            let description = describe(&response);
            let outcome = MoveOutcome::from_response(response);
            let (user, idempotency_key, end) = (identity.user, key.clone(), Timestamp::now());
            let is_final = outcome.is_final();
            if !is_final && matches!(answer, RequestOutcome::Success) && !repeats {
                answer = RequestOutcome::Failed(description);
            }
            self.progress.wallets.record_attempt(MoveAttempt { user, idempotency_key, requested, start, end, outcome });
            if is_final || first_start.elapsed() > RETRY_LIMIT {
                return answer;
            }
            if !repeats {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }

    /// Reads an acknowledged order, which must be unchanged.
    async fn read_order(&self, rng: &mut Rng) -> RequestOutcome {
        let Some(order) = self.progress.choose_acknowledged(NEWEST_ORDERS, rng) else { return RequestOutcome::Success };
        let owner = self.connections.iter().find(|connection| connection.identity.user == order.user_id);
        let identity = &owner.expect("each order belongs to an identity").identity;
        let response = match self.get(identity, &format!("{ORDERS_PATH}/{}", order.id)).await {
            Ok(response) => response,
            Err(failure) => return failure,
        };
        if serde_json::from_slice::<Order>(&response.body).ok().as_ref() == Some(&order) {
            return RequestOutcome::Success;
        }
        RequestOutcome::Failed(format!("acknowledged {order:?}, {}", response.description()))
    }

    async fn read_balance(&self, connection: &WalletConnection, rng: &mut Rng) -> RequestOutcome {
        let (wallet, start) = (random_own_wallet(connection, rng).id, Timestamp::now());
        let response = match self.get(&connection.identity, &format!("/api/v1/wallets/{wallet}")).await {
            Ok(response) => response,
            Err(failure) => return failure,
        };
        let end = Timestamp::now();
        let read: Wallet = serde_json::from_slice(&response.body).expect("the body of a 200 is a wallet");
        self.progress.wallets.record_read(BalanceRead { wallet: read.id, balance: read.balance, start, end });
        RequestOutcome::Success
    }

    async fn read_user(&self, user: Option<UserId>) -> RequestOutcome {
        let path = user.map_or("/api/v1/users?limit=5".to_owned(), |user| format!("/api/v1/users/{user}"));
        let request = || self.http.request("GET", format!("{}{path}", self.url)).bearer_auth(OPERATOR_TOKEN);
        expected_response(self.send_read(request).await, 200)
            .map_or_else(|failure| failure, |_| RequestOutcome::Success)
    }

    async fn read(&self, identity: &Identity, path: &str) -> RequestOutcome {
        self.get(identity, path).await.map_or_else(|failure| failure, |_| RequestOutcome::Success)
    }

    async fn get(&self, identity: &Identity, path: &str) -> Result<Response, RequestOutcome> {
        expected_response(self.send_read(|| self.request(identity, "GET", path)).await, 200)
    }

    async fn send_read(&self, request: impl Fn() -> RequestBuilder) -> reqwest::Result<Response> {
        let response = try_send(request()).await;
        if self.repeats(&response) { try_send(request()).await } else { response }
    }

    /// Whether the request is sent again immediately because its connection was closed. Counts these repetitions. nginx
    /// closes connections when it is reloaded or replaced. HTTP clients then repeat an idempotent request (RFC 9110,
    /// section 9.2.2).
    fn repeats(&self, response: &reqwest::Result<Response>) -> bool {
        let is_closed = response.as_ref().is_err_and(|error| !error.is_timeout());
        if is_closed {
            self.figures.record_repeated();
        }
        is_closed
    }

    /// Requests a quote that no order uses. The request has no idempotency key, so it is not repeated.
    async fn request_quote(&self, identity: &Identity, rng: &mut Rng) -> RequestOutcome {
        let request = self.post(identity, "/api/v1/quotes", None, random_order(rng).quote_body());
        match try_send(request).await {
            Ok(response) if response.status == 201 => {
                let quote: Quote = serde_json::from_slice(&response.body).expect("the body of a 201 is a quote");
                self.progress.record_quote(quote);
                RequestOutcome::Success
            }
            Ok(response) if response.status != 503 => RequestOutcome::Failed(response.description()),
            Ok(_) | Err(_) => RequestOutcome::FailedUnrepeatable,
        }
    }
}

/// The response, if it has the expected status.
fn expected_response(response: reqwest::Result<Response>, status: u16) -> Result<Response, RequestOutcome> {
    match response {
        Ok(response) if response.status == status => Ok(response),
        other => Err(RequestOutcome::Failed(describe(&other))),
    }
}

fn describe(response: &reqwest::Result<Response>) -> String {
    match response {
        Ok(response) => response.description(),
        Err(error) => format!("no response: {error:?}"),
    }
}

fn random_order(rng: &mut Rng) -> RequestedOrder {
    let currency = *rng.choice(&[Currency::EUR, Currency::GBP, Currency::USD]).unwrap();
    let amount = FiatAmount::from_ten_thousandths(rng.i64(AMOUNTS_E4)).unwrap();
    RequestedOrder::AtMarketPrice { currency, amount }
}

fn random_own_wallet<'a>(connection: &'a WalletConnection, rng: &mut Rng) -> &'a Wallet {
    let own = connection.own();
    own[rng.usize(0..own.len())]
}

fn random_movement(connection: &WalletConnection, rng: &mut Rng) -> RequestedMovement {
    let Wallet { id: wallet, currency, .. } = *random_own_wallet(connection, rng);
    let amount = Money::new(currency, rng.i64(1..=MAX_UNITS)).unwrap();
    let mut others = connection.wallets.all.iter().filter(|other| other.currency == currency && other.id != wallet);
    match (rng.u32(0..10), others.next()) {
        (0..4, _) | (_, None) => RequestedMovement::Deposit { wallet, amount },
        (4..6, _) => RequestedMovement::Withdraw { wallet, amount },
        (_, Some(other)) => RequestedMovement::Transfer { from: wallet, to: other.id, amount },
    }
}
