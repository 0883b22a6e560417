//! The store of wallets and their journal: the code that both engines share. The statements of each engine are in a separate file.

mod columns;
pub(crate) mod journal;
mod postgres;
mod sqlite;
mod unit_of_work;

use common::{
    api::{
        orders::{OwnerFilter, client_name},
        wallets::CreateWalletCommand,
    },
    ids::{MovementId, OrderId, WalletId},
    money::Money,
    time::Timestamp,
};

use self::{columns::OperationRow, postgres::PostgresWallets, sqlite::SqliteWallets};
pub(crate) use self::{postgres::PostgresJournal, sqlite::SqliteJournal};
use super::{
    command::{Decision, MoveMoneyCommand},
    records::StoredWallet,
    verification::{JournalEntry, MovementLine, PaidOrder, WalletBalance},
};
use crate::{
    client_key::ClientKey,
    clock_check::ClockCheck,
    database::{Database, DatabaseError, on_engine, rows::decode},
    group_commit::Attempt,
    uuid_v7::new_uuid_at,
};

/// Maximum number of attempts to commit a batch whose keys conflict with other transactions.
const MAX_COMMIT_ATTEMPTS: usize = 3;

/// The result of [`WalletStore::create_wallet`]: the new wallet, or the current state of the wallet that was created
/// with the same idempotency key.
#[derive(Debug, Clone, Copy)]
pub struct StoredCreation {
    pub wallet: StoredWallet,
    /// Whether an earlier request created the wallet.
    pub replayed: bool,
}

/// Selects a part of the wallets, newest first.
#[derive(Debug, Clone, Copy)]
pub struct WalletScan {
    pub owner: OwnerFilter,
    /// Only wallets with a lower id.
    pub before: WalletId,
    pub limit: u32,
}

/// Selects a part of the operations of a wallet, newest first.
#[derive(Debug, Clone, Copy)]
pub(super) struct OperationScan {
    pub wallet: WalletId,
    /// Only operations with a lower number.
    pub before: i64,
    pub limit: u32,
}

/// The position of an entry in the order of wallets and numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryPosition {
    pub wallet: WalletId,
    pub number: i64,
}

/// The ids after `after`, up to and including `last`. The range also selects orders, because the movement of an order has the id of
/// the order.
#[derive(Debug, Clone, Copy)]
pub(super) struct MovementRange {
    pub after: MovementId,
    pub last: MovementId,
}

/// Wallets and their journal in a database. Clones share its connections.
#[derive(Clone)]
pub enum WalletStore {
    Postgres(PostgresWallets),
    Sqlite(SqliteWallets),
}

impl WalletStore {
    pub fn new(database: &Database) -> Self {
        match database {
            Database::Postgres(database) => Self::Postgres(PostgresWallets(database.clone())),
            Database::Sqlite(database) => Self::Sqlite(SqliteWallets::new(database.clone())),
        }
    }

    /// Inserts an empty wallet with its key in one transaction, or finds the wallet that has the key. The found wallet
    /// can have another currency.
    pub async fn create_wallet(
        &self,
        command: CreateWalletCommand,
        now: Timestamp,
    ) -> Result<StoredCreation, DatabaseError> {
        let CreateWalletCommand { key, currency, user_id } = command;
        let key = ClientKey { client: client_name(user_id), key };
        let wallet = StoredWallet {
            id: WalletId(new_uuid_at(now)),
            currency,
            user_id,
            balance: decode("balance", Money::new(currency, 0))?,
            entries: 0,
            created_at: now,
            last_entry_at: now,
            last_refused_at: now,
        };
        if on_engine!(self, store => store.insert_wallet(wallet, &key))? {
            return Ok(StoredCreation { wallet, replayed: false });
        }
        let found: Option<StoredWallet> = on_engine!(self, store => store.wallet_by_key(&key))?;
        // The key can be deleted between the two statements.
        let found = found.ok_or(DatabaseError::KeyConflict)?;
        // If the first attempt to insert received no response, the retry finds the wallet of that attempt.
        Ok(StoredCreation { wallet: found, replayed: found.id != wallet.id })
    }

    /// The wallets that have one of these ids, in no particular order.
    pub async fn wallets_by_id(&self, ids: &[WalletId]) -> Result<Vec<StoredWallet>, DatabaseError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        on_engine!(self, store => store.wallets_by_id(ids))
    }

    pub async fn list_wallets(&self, scan: WalletScan) -> Result<Vec<StoredWallet>, DatabaseError> {
        on_engine!(self, store => store.list_wallets(scan))
    }

    pub(super) async fn list_operations(&self, scan: OperationScan) -> Result<Vec<OperationRow>, DatabaseError> {
        on_engine!(self, store => store.list_operations(scan))
    }

    /// Decides a batch and commits it in one transaction; see [`BatchStore`](crate::group_commit::BatchStore).
    ///
    /// If two processes use one key for different wallets at the same time, they lock different wallets. The later
    /// process gets [`DatabaseError::KeyConflict`] when it writes, and decides its batch again.
    pub async fn commit_batch(
        &self,
        clock_check: &ClockCheck,
        commands: &mut [MoveMoneyCommand],
        attempt: &mut Attempt,
    ) -> Result<Vec<Decision>, DatabaseError> {
        for _ in 0..MAX_COMMIT_ATTEMPTS {
            match on_engine!(self, store => store.commit_batch(clock_check, commands, attempt)) {
                Err(DatabaseError::KeyConflict) => {}
                result => return result,
            }
        }
        Err(DatabaseError::KeyConflict)
    }

    /// Commits a write that changes no wallet; see [`BatchStore`](crate::group_commit::BatchStore).
    pub async fn probe_write(&self) -> Result<(), DatabaseError> {
        on_engine!(self, store => store.probe_write())
    }

    /// Deletes up to `limit` idempotency keys of movements that are older than `before`. Returns the number of deleted rows.
    pub async fn delete_movement_keys(&self, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        on_engine!(self, store => store.delete_movement_keys(before, limit))
    }

    /// Deletes up to `limit` idempotency keys of wallet creations that are older than `before`. Returns the number of deleted rows.
    pub async fn delete_creation_keys(&self, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        on_engine!(self, store => store.delete_creation_keys(before, limit))
    }

    /// Deletes up to `limit` recorded refusals that are older than `before`. Returns the number of deleted rows.
    pub async fn delete_refusals(&self, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        on_engine!(self, store => store.delete_refusals(before, limit))
    }

    /// The time from which the age of idempotency keys is computed. If the database has no clock, this is at most the
    /// time of the newest key, because the clock of the machine can be ahead.
    pub async fn key_time(&self, now: Timestamp) -> Result<Timestamp, DatabaseError> {
        match self {
            Self::Postgres(_) => Ok(now),
            Self::Sqlite(store) => Ok(store.newest_key_time().await?.map_or(now, |newest| newest.min(now))),
        }
    }

    /// The time of the database. `None` if it has no clock.
    pub async fn database_time(&self) -> Result<Option<Timestamp>, DatabaseError> {
        match self {
            Self::Postgres(store) => store.0.time().await.map(Some),
            Self::Sqlite(_) => Ok(None),
        }
    }

    /// The wallets after an id, in the order of the ids.
    pub(super) async fn wallet_balances(
        &self,
        after: WalletId,
        limit: u32,
    ) -> Result<Vec<WalletBalance>, DatabaseError> {
        on_engine!(self, store => store.wallet_balances(after, limit))
    }

    /// The entries of wallets from a position on, in the order of wallets and numbers.
    pub(super) async fn journal_entries(
        &self,
        from: EntryPosition,
        limit: u32,
    ) -> Result<Vec<JournalEntry>, DatabaseError> {
        on_engine!(self, store => store.journal_entries(from, limit))
    }

    /// The lines of the movements in a range, in the order of the ids. `limit` is the maximum number of movements.
    pub(super) async fn movement_lines(
        &self,
        range: MovementRange,
        limit: u32,
    ) -> Result<Vec<MovementLine>, DatabaseError> {
        on_engine!(self, store => store.movement_lines(range, limit))
    }

    /// The `count`-th order after `after`, in the order of the ids. `None` if fewer orders follow.
    pub(super) async fn nth_order_after(
        &self,
        after: MovementId,
        count: u32,
    ) -> Result<Option<OrderId>, DatabaseError> {
        on_engine!(self, store => store.nth_order_after(after, count))
    }

    /// The paid orders in a range, in the order of the ids.
    pub(super) async fn paid_orders(&self, range: MovementRange) -> Result<Vec<PaidOrder>, DatabaseError> {
        on_engine!(self, store => store.paid_orders(range))
    }
}
