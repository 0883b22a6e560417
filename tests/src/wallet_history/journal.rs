//! The stored wallets and their journal, read directly from the tables.

use std::collections::BTreeMap;

use common::{
    api::orders::client_name,
    ids::{MovementId, WalletId},
    money::{Currency, Money},
    time::Timestamp,
};

use crate::history::{
    ClientUser,
    stored_state::{Reader, parse_id, parse_integer, parse_time},
};

/// All wallets and all movements.
#[derive(Debug, Clone, Default)]
pub struct StoredJournal {
    pub wallets: BTreeMap<WalletId, StoredWallet>,
    pub movements: BTreeMap<MovementId, StoredMovement>,
    /// Entries whose movement is not stored.
    pub orphans: Vec<StoredEntry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredWallet {
    pub currency: Currency,
    pub user: ClientUser,
    /// In the smallest unit of the currency.
    pub balance: i64,
    pub entries: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMovement {
    /// `deposit`, `withdrawal`, `transfer` or `order`.
    pub kind: String,
    pub created_at: Timestamp,
    /// The name of the client that requested the movement.
    pub client: String,
    pub idempotency_key: String,
    /// In the order of their lines.
    pub entries: Vec<StoredEntry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredEntry {
    pub movement: MovementId,
    pub account: StoredAccount,
    pub currency: Currency,
    /// In the smallest unit of the currency. Positive if the account receives money.
    pub amount: i64,
}

/// The account on which an entry is booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredAccount {
    Outside,
    Wallet {
        id: WalletId,
        number: i64,
        /// The balance after the entry.
        balance: i64,
    },
}

impl StoredEntry {
    /// The amount without its sign.
    pub fn money(&self) -> Money {
        money_of(self.currency, self.amount.abs())
    }
}

impl StoredMovement {
    /// Whether the client of this user requested the movement.
    pub fn is_of(&self, user: ClientUser) -> bool {
        self.client == client_name(user)
    }

    /// The first entry of a wallet in the movement.
    pub fn entry_of(&self, wallet: WalletId) -> Option<&StoredEntry> {
        self.entries.iter().find(|entry| matches!(entry.account, StoredAccount::Wallet { id, .. } if id == wallet))
    }
}

/// The amount of this many smallest units of a currency. Panics if it is out of range.
pub fn money_of(currency: Currency, units: i64) -> Money {
    Money::new(currency, units).expect("a stored amount is in range")
}

impl StoredJournal {
    /// Reads everything in one transaction.
    pub async fn read(database_url: &str) -> sqlx::Result<Self> {
        let mut reader = Reader::open(database_url).await?;
        let (id, micros) = (reader.dialect().id, reader.dialect().micros);
        reader.begin().await?;
        let wallets = reader.rows(format!(
            "select {}, currency, {}, cast(balance as text), cast(entries as text) from wallets",
            id("id"),
            id("user_id")
        ));
        let wallets: BTreeMap<_, _> = wallets.await?.iter().map(|row| parse_wallet(row)).collect();
        let movements =
            reader.rows(format!("select {}, kind, {}, client, key from movements", id("id"), micros("created_at")));
        let mut movements: BTreeMap<_, _> = movements.await?.iter().map(|row| parse_movement(row)).collect();
        let entries = reader.rows(format!(
            "select {}, {}, coalesce(cast(number as text), ''), currency, cast(amount as text),
                coalesce(cast(balance as text), '')
            from entries order by movement_id, line",
            id("movement_id"),
            id("wallet_id")
        ));
        let mut orphans = Vec::new();
        for row in entries.await? {
            let entry = parse_entry(&row);
            match movements.get_mut(&entry.movement) {
                Some(movement) => movement.entries.push(entry),
                None => orphans.push(entry),
            }
        }
        Ok(Self { wallets, movements, orphans })
    }

    /// The number of entries, with the orphans.
    pub fn entry_count(&self) -> usize {
        self.movements.values().map(|movement| movement.entries.len()).sum::<usize>() + self.orphans.len()
    }
}

fn parse_wallet(row: &[String]) -> (WalletId, StoredWallet) {
    let [id, currency, user, balance, entries] = row else { panic!("a wallet has other columns: {row:?}") };
    let wallet = StoredWallet {
        currency: currency.parse().expect("a currency code"),
        user: parse_id(user).map(common::ids::UserId),
        balance: parse_integer(balance),
        entries: parse_integer(entries),
    };
    (WalletId(parse_id(id).expect("a wallet has an id")), wallet)
}

fn parse_movement(row: &[String]) -> (MovementId, StoredMovement) {
    let [id, kind, created_at, client, key] = row else { panic!("a movement has other columns: {row:?}") };
    let movement = StoredMovement {
        kind: kind.clone(),
        created_at: parse_time(created_at),
        client: client.clone(),
        idempotency_key: key.clone(),
        entries: Vec::new(),
    };
    (MovementId(parse_id(id).expect("a movement has an id")), movement)
}

fn parse_entry(row: &[String]) -> StoredEntry {
    let [movement, wallet, number, currency, amount, balance] = row else {
        panic!("an entry has other columns: {row:?}")
    };
    let account = parse_id(wallet).map_or(StoredAccount::Outside, |id| StoredAccount::Wallet {
        id: WalletId(id),
        number: parse_integer(number),
        balance: parse_integer(balance),
    });
    StoredEntry {
        movement: MovementId(parse_id(movement).expect("an entry has a movement")),
        account,
        currency: currency.parse().expect("a currency code"),
        amount: parse_integer(amount),
    }
}
