//! The wallets of a run. Only their expected balances are kept in memory, not their movements.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use common::{
    api::{
        orders::{Order, OrderWallets},
        wallets::Wallet,
    },
    ids::WalletId,
    money::{Currency, Money},
};
use serde_json::{Value, json};

use crate::{Platform, process_kills::verify_journal};

/// The deposit to each wallet that pays. It is enough for all payments of a run.
const DEPOSIT: &str = "900000000";
const WALLETS_PATH: &str = "/api/v1/wallets";

/// A wallet, and the balance that follows from the responses.
#[derive(Debug)]
struct Account {
    id: WalletId,
    currency: Currency,
    /// In the smallest unit of the currency.
    expected: AtomicI64,
}

/// A wallet of each client, and two wallets that all clients pay into.
#[derive(Debug)]
pub struct SoakWallets {
    paying: Vec<Account>,
    shop: Account,
    bitcoin: Account,
    /// How many movements were acknowledged.
    movements: AtomicU64,
}

impl Account {
    async fn create(platform: &Platform, currency: Currency) -> Self {
        let url = platform.wallets.url(WALLETS_PATH);
        let created = platform.client.post(url, json!({ "currency": currency }).to_string()).await;
        let wallet: Wallet = serde_json::from_value(created.json(201)).expect("the body of a 201 is a wallet");
        Self { id: wallet.id, currency, expected: AtomicI64::new(wallet.balance.units()) }
    }

    async fn fund(self, platform: &Platform) -> Self {
        let url = platform.wallets.url(&format!("{WALLETS_PATH}/{}/operation", self.id));
        let deposit = json!({ "operation_type": "DEPOSIT", "amount": DEPOSIT });
        let stored = platform.client.post(url, deposit.to_string()).await.json(200);
        let wallet = Self::read(platform, self.id).await;
        assert_eq!(stored["balance"], wallet.balance.to_string());
        self.add(wallet.balance.units());
        self
    }

    async fn read(platform: &Platform, id: WalletId) -> Wallet {
        let read = platform.client.get(platform.wallets.url(&format!("{WALLETS_PATH}/{id}"))).await;
        serde_json::from_value(read.json(200)).expect("the body of a 200 is a wallet")
    }

    fn add(&self, units: i64) {
        self.expected.fetch_add(units, Relaxed);
    }
}

impl SoakWallets {
    /// Creates and funds a wallet for each of `clients`.
    pub async fn create(platform: &Platform, clients: u64) -> Self {
        let mut paying = Vec::new();
        for _ in 0..clients {
            paying.push(Account::create(platform, Currency::USD).await.fund(platform).await);
        }
        let (shop, bitcoin) =
            (Account::create(platform, Currency::USD).await, Account::create(platform, Currency::BTC).await);
        Self { paying, shop, bitcoin, movements: AtomicU64::new(clients) }
    }

    /// The wallets of an order: the wallet of the client pays, and one wallet receives the bitcoin of all clients.
    pub fn of_order(&self, client: usize) -> OrderWallets {
        OrderWallets { paying: self.paying[client].id, credited: Some(self.bitcoin.id) }
    }

    /// The body of a transfer from the wallet of a client to the shop.
    pub fn transfer(&self, client: usize, units: i64) -> Value {
        let amount = Money::new(Currency::USD, units).expect("the amount is in range");
        json!({ "from": self.paying[client].id, "to": self.shop.id, "amount": amount })
    }

    pub fn record_transfer(&self, client: usize, units: i64) {
        self.paying[client].add(-units);
        self.shop.add(units);
        self.movements.fetch_add(1, Relaxed);
    }

    pub fn record_order(&self, client: usize, order: &Order) {
        self.paying[client].add(-order.amount.ten_thousandths());
        self.bitcoin.add(order.bitcoin_amount.get());
        self.movements.fetch_add(1, Relaxed);
    }

    pub fn movements(&self) -> u64 {
        self.movements.load(Relaxed)
    }

    /// Compares the balances with the responses, and verifies the journal. Returns the violations.
    pub async fn check(&self, platform: &Platform) -> Vec<String> {
        let mut violations = Vec::new();
        for account in self.paying.iter().chain([&self.shop, &self.bitcoin]) {
            let expected = Money::new(account.currency, account.expected.load(Relaxed)).map(|money| money.to_string());
            let balance = Account::read(platform, account.id).await.balance.to_string();
            if expected.as_ref() != Ok(&balance) {
                violations.push(format!("WRONG BALANCE: wallet {} has {balance}, expected {expected:?}", account.id));
            }
        }
        let verified = verify_journal(platform).await;
        if verified.violations > 0 || verified.movements != self.movements() {
            let movements = self.movements();
            violations.push(format!("WRONG JOURNAL: {movements} movements were acknowledged; verify: {verified:?}"));
        }
        violations
    }
}
