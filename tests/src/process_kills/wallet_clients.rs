//! Clients that deposit, withdraw and transfer money, and retry with the same idempotency key until the outcome is
//! final.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    api::{
        orders::OrderWallets,
        wallets::{LinkedOperationPage, Wallet},
    },
    money::{Currency, Money},
    time::Timestamp,
};
use fastrand::Rng;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{clients::Identity, progress::Progress};
use crate::{
    Platform, Response,
    client::try_send,
    environment::run_binary,
    history::ClientUser,
    platform::OPERATOR_TOKEN,
    wallet_history::{BalanceRead, MoveAttempt, MoveOutcome, RequestedMovement, Statement, VerifiedRows},
};

/// How long a client pauses before a retry.
const RETRY_PAUSE_MILLIS: std::ops::Range<u64> = 5..40;
/// A client retries for at most this time, which is longer than an outage of a process.
const RETRY_LIMIT: Duration = Duration::from_secs(60);
/// An amount above every balance, in whole units of the currency.
const MORE_THAN_ANY_BALANCE: i64 = 900_000_000;
/// Maximum amount of a random movement, in the smallest unit of the currency.
const MAX_UNITS: i64 = 50_000_000;

/// The instances of the service `wallets`, the identity of a client, and its wallets.
#[derive(Debug, Clone)]
pub struct WalletConnection {
    pub http: crate::Client,
    pub urls: Vec<String>,
    pub identity: Identity,
    pub wallets: Arc<Wallets>,
}

/// The wallets of a run.
#[derive(Debug, Default)]
pub struct Wallets {
    pub all: Vec<Wallet>,
}

impl Wallets {
    /// The wallets with which a user pays orders and receives their bitcoin. `None` if the user has no wallet in US
    /// dollars.
    pub fn paying_orders(&self, user: ClientUser) -> Option<OrderWallets> {
        let wallet_in = |currency| {
            let mut own = self.all.iter().filter(|wallet| wallet.user_id == user);
            own.find(|wallet| wallet.currency == currency).map(|wallet| wallet.id)
        };
        Some(OrderWallets { paying: wallet_in(Currency::USD)?, credited: wallet_in(Currency::BTC) })
    }

    /// A wallet to which all clients transfer money.
    fn shop(&self) -> &Wallet {
        &self.all[0]
    }
}

/// Creates the wallets of each identity, and returns one connection for each identity. The services must be running.
pub async fn connect_wallets(platform: &Platform, urls: Vec<String>, identities: &[Identity]) -> Vec<WalletConnection> {
    let connection = |identity: &Identity, wallets: &Arc<Wallets>| WalletConnection {
        http: platform.client.clone(),
        urls: urls.clone(),
        identity: identity.clone(),
        wallets: wallets.clone(),
    };
    let mut wallets = Wallets::default();
    for identity in identities {
        let creator = connection(identity, &Arc::default());
        for currency in [Currency::USD, Currency::USD, Currency::BTC] {
            wallets.all.push(creator.create_wallet(currency).await);
        }
    }
    let wallets = Arc::new(wallets);
    identities.iter().map(|identity| connection(identity, &wallets)).collect()
}

/// Runs `buydesk wallet verify`. Panics if it does not reach the end of the journal.
pub async fn verify_journal(platform: &Platform) -> VerifiedRows {
    let settings = [("WALLETS_URL", platform.wallets.url("")), ("OPERATOR_TOKEN", OPERATOR_TOKEN.to_owned())];
    let verify = move || run_binary("buydesk", &["--json", "wallet", "verify"], settings, &std::env::temp_dir());
    let output = tokio::task::spawn_blocking(verify).await.unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |rows: &str| result["checked"][rows].as_u64().unwrap();
    let violations = result["violations"].as_array().unwrap();
    for violation in violations {
        eprintln!("verify: {violation}");
    }
    VerifiedRows {
        wallets: count("wallets"),
        entries: count("entries"),
        movements: count("movements"),
        violations: violations.len(),
    }
}

pub struct WalletClient {
    connection: WalletConnection,
    progress: Arc<Progress>,
    name: String,
    rng: Rng,
    keys: u32,
}

impl WalletConnection {
    fn request(&self, method: &str, path: &str, rng: &mut Rng) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.urls[rng.usize(0..self.urls.len())]);
        let request = self.http.request(method, url);
        match &self.identity.api_key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }

    /// Creates a wallet of the identity.
    async fn create_wallet(&self, currency: Currency) -> Wallet {
        let request = self.request("POST", "/api/v1/wallets", &mut Rng::with_seed(0));
        let body = json!({ "currency": currency }).to_string();
        let response = try_send(request.header("content-type", "application/json").body(body)).await.unwrap();
        assert_eq!(response.status, 201, "{}", response.description());
        serde_json::from_slice(&response.body).unwrap()
    }

    pub fn own(&self) -> Vec<&Wallet> {
        self.wallets.all.iter().filter(|wallet| wallet.user_id == self.identity.user).collect()
    }
}

impl WalletClient {
    /// A client whose idempotency keys begin with its name. `rng` determines its requests.
    pub fn new(connection: WalletConnection, name: String, rng: Rng, progress: Arc<Progress>) -> Self {
        Self { connection, progress, name, rng, keys: 0 }
    }

    /// Moves money in every way, and reads balances, until all kills are done.
    pub async fn move_money(mut self) {
        while !self.progress.is_finished() {
            let requested = self.random_movement();
            let key = self.new_key();
            match self.rng.u32(0..16) {
                0..=7 => self.send_concurrently(&key, &[requested]).await,
                // A retry after a final outcome.
                8 => {
                    self.send_concurrently(&key, &[requested]).await;
                    self.retry_until_final(&key, requested).await;
                }
                // Concurrent requests for the same movement.
                9..=10 => self.send_concurrently(&key, &[requested; 3]).await,
                // Another movement with a key that is already used.
                11 => {
                    self.send_concurrently(&key, &[requested]).await;
                    let other = self.random_movement();
                    self.retry_until_final(&key, other).await;
                }
                // Concurrent requests for different movements with one key.
                12 => {
                    let other = self.random_movement();
                    self.send_concurrently(&key, &[requested, other]).await;
                }
                13 => {
                    let refused = self.refused_movement();
                    self.send_concurrently(&key, &[refused]).await;
                }
                _ => self.read_balance().await,
            }
        }
    }

    fn new_key(&mut self) -> String {
        self.keys += 1;
        format!("{}-{}", self.name, self.keys)
    }

    fn fork(&mut self) -> Self {
        Self {
            connection: self.connection.clone(),
            progress: self.progress.clone(),
            name: self.name.clone(),
            rng: self.rng.fork(),
            keys: self.keys,
        }
    }

    fn own_wallet(&mut self) -> Wallet {
        let own = self.connection.own();
        own[self.rng.usize(0..own.len())].clone()
    }

    fn any_wallet(&mut self) -> Wallet {
        let all = &self.connection.wallets.all;
        all[self.rng.usize(0..all.len())].clone()
    }

    fn random_amount(&mut self, currency: Currency) -> Money {
        let units = self.rng.i64(1..=MAX_UNITS);
        Money::new(currency, units).unwrap()
    }

    /// A movement of a wallet of the client. The movement is refused if the balance does not permit it. A transfer is
    /// also refused if both wallets are the same wallet or have different currencies.
    fn random_movement(&mut self) -> RequestedMovement {
        let Wallet { id: wallet, currency, .. } = self.own_wallet();
        let amount = self.random_amount(currency);
        let shop = self.connection.wallets.shop();
        match self.rng.u32(0..10) {
            0..=3 => RequestedMovement::Deposit { wallet, amount },
            4..=5 => RequestedMovement::Withdraw { wallet, amount },
            6..=7 if shop.currency == currency => RequestedMovement::Transfer { from: wallet, to: shop.id, amount },
            _ => RequestedMovement::Transfer { from: wallet, to: self.any_wallet().id, amount },
        }
    }

    /// A movement that is usually refused: a withdrawal of more than the balance, or a transfer from a random wallet,
    /// which can belong to another owner.
    fn refused_movement(&mut self) -> RequestedMovement {
        let (own, other) = (self.own_wallet(), self.any_wallet());
        if self.rng.bool() {
            let amount = Money::new(own.currency, MORE_THAN_ANY_BALANCE * 10_i64.pow(own.currency.decimals())).unwrap();
            RequestedMovement::Withdraw { wallet: own.id, amount }
        } else {
            let amount = self.random_amount(other.currency);
            RequestedMovement::Transfer { from: other.id, to: own.id, amount }
        }
    }

    /// Sends the movements concurrently with one key. At most one movement is made.
    async fn send_concurrently(&mut self, key: &str, movements: &[RequestedMovement]) {
        let forks: Vec<_> = movements.iter().map(|movement| (self.fork(), *movement)).collect();
        join_all(forks.into_iter().map(async |(mut fork, movement)| fork.retry_until_final(key, movement).await)).await;
    }

    async fn retry_until_final(&mut self, key: &str, requested: RequestedMovement) {
        let start = Instant::now();
        loop {
            let outcome = self.send(key, requested).await;
            self.progress.record_movement(&outcome);
            if outcome.is_final() || start.elapsed() > RETRY_LIMIT {
                return;
            }
            self.pause().await;
        }
    }

    async fn pause(&mut self) {
        tokio::time::sleep(Duration::from_millis(self.rng.u64(RETRY_PAUSE_MILLIS))).await;
    }

    async fn send(&mut self, key: &str, requested: RequestedMovement) -> MoveOutcome {
        let request = self.connection.request("POST", &requested.path(), &mut self.rng);
        let request = request.header("content-type", "application/json").header("idempotency-key", key);
        let start = Timestamp::now();
        let outcome = MoveOutcome::from_response(try_send(request.body(requested.body().to_string())).await);
        let (user, idempotency_key, end) = (self.connection.identity.user, key.to_owned(), Timestamp::now());
        let attempt = MoveAttempt { user, idempotency_key, requested, start, end, outcome: outcome.clone() };
        self.progress.wallets.record_attempt(attempt);
        outcome
    }

    /// Reads the balance of one of the wallets of the client. Does not retry a failed read.
    async fn read_balance(&mut self) {
        let wallet = self.own_wallet().id;
        let start = Timestamp::now();
        let Some(response) = self.try_get(&format!("/api/v1/wallets/{wallet}")).await else { return };
        let end = Timestamp::now();
        let read: Wallet = serde_json::from_slice(&response.body).expect("the body of a 200 is a wallet");
        self.progress.wallets.record_read(BalanceRead { wallet: read.id, balance: read.balance, start, end });
    }

    /// Reads all operations of each wallet of the client, after the last movement was made and the last fault has
    /// ended.
    pub async fn list_all(mut self) {
        let wallets: Vec<_> = self.connection.own().into_iter().map(|wallet| wallet.id).collect();
        for wallet in wallets {
            let (mut operations, mut next) =
                (Vec::new(), Some(format!("/api/v1/wallets/{wallet}/operations?limit=1000")));
            while let Some(path) = next {
                let response = self.get(&path).await;
                let page: LinkedOperationPage =
                    serde_json::from_slice(&response.body).expect("the body of a 200 is a page");
                operations.extend(page.data);
                next = page.links.next;
            }
            self.progress.wallets.record_statement(Statement { wallet, operations });
        }
    }

    /// The response to a read, if it succeeds.
    async fn try_get(&mut self, path: &str) -> Option<Response> {
        let request = self.connection.request("GET", path, &mut self.rng);
        try_send(request).await.ok().filter(|response| response.status == 200)
    }

    /// Repeats a read until it succeeds.
    async fn get(&mut self, path: &str) -> Response {
        loop {
            if let Some(response) = self.try_get(path).await {
                return response;
            }
            self.pause().await;
        }
    }
}
