//! Wallets and their journal in an SQLite file.

mod statements;
mod transaction;

use std::{sync::Arc, time::Duration};

use common::{
    api::orders::OwnerFilter,
    ids::{MovementId, OrderId, WalletId},
    time::Timestamp,
};
use serde_json::json;
use sqlx::Connection;
use tokio::sync::Mutex;
use uuid::Uuid;

use self::statements::{
    DELETE_CREATION_KEYS, DELETE_KEYS, DELETE_REFUSALS, INSERT_CREATION_KEY, INSERT_WALLET, JOURNAL_ENTRIES,
    LIST_ANONYMOUS_WALLETS, LIST_OPERATIONS, LIST_WALLETS, LIST_WALLETS_OF_USER, MOVEMENT_LINES, NEWEST_KEY_TIME,
    NTH_ORDER_AFTER, PAID_ORDERS, WALLET_BALANCES, WALLET_BY_KEY, WALLETS_BY_ID,
};
pub(crate) use self::transaction::SqliteJournal;
use super::{
    EntryPosition, MovementRange, OperationScan, WalletScan,
    columns::{
        OperationRow, journal_entry_of, movement_line_of, operation_of, paid_order_of, wallet_balance_of, wallet_of,
    },
    unit_of_work::WalletUnit,
};
use crate::{
    client_key::ClientKey,
    clock_check::ClockCheck,
    database::{
        DatabaseError, SqliteDatabase, TransactionConnection,
        rows::{column_of, decode, sqlite::to_hex},
    },
    group_commit::{self, Attempt},
    wallets::{
        command::{Decision, MoveMoneyCommand},
        records::StoredWallet,
        verification::{JournalEntry, MovementLine, PaidOrder, WalletBalance},
    },
};

/// How long the creation of a wallet waits at most for other creations.
const MAX_CREATION_WAIT: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct SqliteWallets {
    database: SqliteDatabase,
    /// Held during the creation of a wallet, including the wait for the only connection for writes. Orders and
    /// movements therefore wait for at most one creation.
    creation_lock: Arc<Mutex<()>>,
}

impl SqliteWallets {
    pub(super) fn new(database: SqliteDatabase) -> Self {
        Self { database, creation_lock: Arc::default() }
    }

    /// The writer of orders uses the same connection. Each batch waits until the connection is free.
    pub(super) async fn commit_batch(
        &self,
        clock_check: &ClockCheck,
        commands: &mut [MoveMoneyCommand],
        attempt: &mut Attempt,
    ) -> Result<Vec<Decision>, DatabaseError> {
        let mut connection = TransactionConnection::acquire(&self.database.writer).await?;
        // Takes the write lock before the first read, so that the rows that are read do not change before the commit.
        let transaction = connection.begin_with("begin immediate").await?;
        let unit = WalletUnit { transaction, clock_check };
        let decisions = group_commit::commit_batch(unit, commands, attempt).await?;
        connection.release();
        Ok(decisions)
    }

    pub(super) async fn probe_write(&self) -> Result<(), DatabaseError> {
        self.database.probe_write().await
    }

    /// Returns whether the wallet was inserted. Returns false if the key is stored already.
    pub(super) async fn insert_wallet(&self, wallet: StoredWallet, key: &ClientKey) -> Result<bool, DatabaseError> {
        let guard = tokio::time::timeout(MAX_CREATION_WAIT, self.creation_lock.lock()).await;
        let _guard = guard.map_err(|_| DatabaseError::TimedOut)?;
        let mut connection = TransactionConnection::acquire(&self.database.writer).await?;
        let mut transaction = connection.begin_with("begin immediate").await?;
        let stored_key = sqlx::query(INSERT_CREATION_KEY)
            .bind(&key.client)
            .bind(key.key.as_str())
            .bind(wallet.id.0)
            .bind(wallet.created_at.micros())
            .execute(&mut *transaction)
            .await?;
        let is_new = stored_key.rows_affected() == 1;
        if is_new {
            sqlx::query(INSERT_WALLET)
                .bind(wallet.id.0)
                .bind(wallet.currency.to_string())
                .bind(wallet.user_id.map(|id| id.0))
                .bind(wallet.created_at.micros())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await.map_err(DatabaseError::of_write)?;
        connection.release();
        Ok(is_new)
    }

    pub(super) async fn wallet_by_key(&self, key: &ClientKey) -> Result<Option<StoredWallet>, DatabaseError> {
        let query = sqlx::query(WALLET_BY_KEY).bind(&key.client).bind(key.key.as_str());
        query.fetch_optional(&self.database.readers).await?.as_ref().map(wallet_of).transpose()
    }

    pub(super) async fn wallets_by_id(&self, ids: &[WalletId]) -> Result<Vec<StoredWallet>, DatabaseError> {
        let ids = json!(column_of(ids, |id| to_hex(&id.0))).to_string();
        let rows = sqlx::query(WALLETS_BY_ID).bind(ids).fetch_all(&self.database.readers).await?;
        rows.iter().map(wallet_of).collect()
    }

    pub(super) async fn list_wallets(&self, scan: WalletScan) -> Result<Vec<StoredWallet>, DatabaseError> {
        let WalletScan { owner, before, limit } = scan;
        let statement = match owner {
            OwnerFilter::Everybody => LIST_WALLETS,
            OwnerFilter::Anonymous => LIST_ANONYMOUS_WALLETS,
            OwnerFilter::User(_) => LIST_WALLETS_OF_USER,
        };
        let mut query = sqlx::query(statement).bind(before.0).bind(limit);
        if let OwnerFilter::User(user) = owner {
            query = query.bind(user.0);
        }
        query.fetch_all(&self.database.readers).await?.iter().map(wallet_of).collect()
    }

    pub(super) async fn list_operations(&self, scan: OperationScan) -> Result<Vec<OperationRow>, DatabaseError> {
        let OperationScan { wallet, before, limit } = scan;
        let query = sqlx::query(LIST_OPERATIONS).bind(wallet.0).bind(before).bind(limit);
        let rows = query.fetch_all(&self.database.readers).await?;
        rows.iter().map(operation_of).collect()
    }

    pub(super) async fn delete_movement_keys(&self, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        self.delete_rows(DELETE_KEYS, before, limit).await
    }

    pub(super) async fn delete_creation_keys(&self, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        self.delete_rows(DELETE_CREATION_KEYS, before, limit).await
    }

    pub(super) async fn delete_refusals(&self, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        self.delete_rows(DELETE_REFUSALS, before, limit).await
    }

    async fn delete_rows(&self, statement: &'static str, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        let query = sqlx::query(statement).bind(before.micros()).bind(limit);
        Ok(query.execute(&self.database.writer).await?.rows_affected())
    }

    pub(super) async fn newest_key_time(&self) -> Result<Option<Timestamp>, DatabaseError> {
        let micros: Option<i64> = sqlx::query_scalar(NEWEST_KEY_TIME).fetch_one(&self.database.background).await?;
        micros.map(|micros| decode("created_at", Timestamp::from_micros(micros))).transpose()
    }

    pub(super) async fn wallet_balances(
        &self,
        after: WalletId,
        limit: u32,
    ) -> Result<Vec<WalletBalance>, DatabaseError> {
        let query = sqlx::query(WALLET_BALANCES).bind(after.0).bind(limit);
        query.fetch_all(&self.database.readers).await?.iter().map(wallet_balance_of).collect()
    }

    pub(super) async fn journal_entries(
        &self,
        from: EntryPosition,
        limit: u32,
    ) -> Result<Vec<JournalEntry>, DatabaseError> {
        let query = sqlx::query(JOURNAL_ENTRIES).bind(from.wallet.0).bind(from.number).bind(limit);
        query.fetch_all(&self.database.readers).await?.iter().map(journal_entry_of).collect()
    }

    pub(super) async fn movement_lines(
        &self,
        range: MovementRange,
        limit: u32,
    ) -> Result<Vec<MovementLine>, DatabaseError> {
        let query = sqlx::query(MOVEMENT_LINES).bind(range.after.0).bind(range.last.0).bind(limit);
        query.fetch_all(&self.database.readers).await?.iter().map(movement_line_of).collect()
    }

    pub(super) async fn nth_order_after(
        &self,
        after: MovementId,
        count: u32,
    ) -> Result<Option<OrderId>, DatabaseError> {
        let query = sqlx::query_scalar::<_, Uuid>(NTH_ORDER_AFTER).bind(after.0).bind(count.saturating_sub(1));
        Ok(query.fetch_optional(&self.database.readers).await?.map(OrderId))
    }

    pub(super) async fn paid_orders(&self, range: MovementRange) -> Result<Vec<PaidOrder>, DatabaseError> {
        let query = sqlx::query(PAID_ORDERS).bind(range.after.0).bind(range.last.0);
        query.fetch_all(&self.database.readers).await?.iter().map(paid_order_of).collect()
    }
}
