//! Wallets and their journal in PostgreSQL.

mod statements;
mod transaction;

use common::{
    api::orders::OwnerFilter,
    ids::{MovementId, OrderId, WalletId},
    time::Timestamp,
};
use sqlx::Acquire;
use uuid::Uuid;

pub(crate) use self::transaction::PostgresJournal;
use self::{
    statements::{
        DELETE_CREATION_KEYS, DELETE_KEYS, DELETE_REFUSALS, INSERT_WALLET, JOURNAL_ENTRIES, LIST_ANONYMOUS_WALLETS,
        LIST_OPERATIONS, LIST_WALLETS, LIST_WALLETS_OF_USER, MOVEMENT_LINES, NTH_ORDER_AFTER, PAID_ORDERS,
        WALLET_BALANCES, WALLET_BY_KEY, WALLETS_BY_ID,
    },
    transaction::PostgresTransaction,
};
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
        DatabaseError,
        postgres::{ANSWER_TIMEOUT, PostgresDatabase},
        rows::column_of,
    },
    group_commit::{self, Attempt},
    wallets::{
        command::{Decision, MoveMoneyCommand},
        records::StoredWallet,
        verification::{JournalEntry, MovementLine, PaidOrder, WalletBalance},
    },
};

#[derive(Clone)]
pub struct PostgresWallets(pub PostgresDatabase);

impl PostgresWallets {
    pub(super) async fn commit_batch(
        &self,
        clock_check: &ClockCheck,
        commands: &mut [MoveMoneyCommand],
        attempt: &mut Attempt,
    ) -> Result<Vec<Decision>, DatabaseError> {
        let mut connection = self.0.acquire_wallet_writer().await?;
        let committed = async {
            let transaction = PostgresTransaction { inner: connection.begin().await?, durability: self.0.durability };
            group_commit::commit_batch(WalletUnit { transaction, clock_check }, commands, attempt).await
        };
        let committed = tokio::time::timeout(ANSWER_TIMEOUT, committed).await.unwrap_or(Err(DatabaseError::TimedOut));
        let decisions = committed.map_err(|error| self.0.record_failure(error))?;
        connection.release();
        if attempt.commit_sent {
            self.0.record_commit();
        }
        Ok(decisions)
    }

    pub(super) async fn probe_write(&self) -> Result<(), DatabaseError> {
        self.0.probe_write_on(&self.0.wallet_writer).await
    }

    /// Returns whether the wallet was inserted. Returns false if the key is stored already, even if an earlier attempt
    /// of this call stored the key.
    pub(super) async fn insert_wallet(&self, wallet: StoredWallet, key: &ClientKey) -> Result<bool, DatabaseError> {
        let inserted = self.0.run_small_write(|connection| {
            let query = sqlx::query_scalar::<_, i64>(INSERT_WALLET)
                .bind(wallet.id.0)
                .bind(wallet.currency.to_string())
                .bind(wallet.user_id.map(|id| id.0))
                .bind(wallet.created_at.to_datetime())
                .bind(key.client.clone())
                .bind(key.key.as_str().to_owned());
            Box::pin(query.fetch_one(connection))
        });
        Ok(inserted.await? == 1)
    }

    pub(super) async fn wallet_by_key(&self, key: &ClientKey) -> Result<Option<StoredWallet>, DatabaseError> {
        let row = self.0.run_repeatable(|connection| {
            let query = sqlx::query(WALLET_BY_KEY).bind(key.client.clone()).bind(key.key.as_str().to_owned());
            Box::pin(query.fetch_optional(connection))
        });
        row.await?.as_ref().map(wallet_of).transpose()
    }

    pub(super) async fn wallets_by_id(&self, ids: &[WalletId]) -> Result<Vec<StoredWallet>, DatabaseError> {
        let ids = column_of(ids, |id| id.0);
        let rows = self
            .0
            .run_repeatable(|connection| Box::pin(sqlx::query(WALLETS_BY_ID).bind(ids.clone()).fetch_all(connection)));
        rows.await?.iter().map(wallet_of).collect()
    }

    pub(super) async fn list_wallets(&self, scan: WalletScan) -> Result<Vec<StoredWallet>, DatabaseError> {
        let WalletScan { owner, before, limit } = scan;
        let rows = self.0.run_repeatable(|connection| {
            let statement = match owner {
                OwnerFilter::Everybody => LIST_WALLETS,
                OwnerFilter::Anonymous => LIST_ANONYMOUS_WALLETS,
                OwnerFilter::User(_) => LIST_WALLETS_OF_USER,
            };
            let mut query = sqlx::query(statement).bind(before.0).bind(i64::from(limit));
            if let OwnerFilter::User(user) = owner {
                query = query.bind(user.0);
            }
            Box::pin(query.fetch_all(connection))
        });
        rows.await?.iter().map(wallet_of).collect()
    }

    pub(super) async fn list_operations(&self, scan: OperationScan) -> Result<Vec<OperationRow>, DatabaseError> {
        let OperationScan { wallet, before, limit } = scan;
        let rows = self.0.run_repeatable(|connection| {
            let query = sqlx::query(LIST_OPERATIONS).bind(wallet.0).bind(before).bind(i64::from(limit));
            Box::pin(query.fetch_all(connection))
        });
        rows.await?.iter().map(operation_of).collect()
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
        let deleted = self.0.run_in_background(|connection| {
            Box::pin(sqlx::query(statement).bind(before.to_datetime()).bind(limit).execute(connection))
        });
        Ok(deleted.await?.rows_affected())
    }

    pub(super) async fn wallet_balances(
        &self,
        after: WalletId,
        limit: u32,
    ) -> Result<Vec<WalletBalance>, DatabaseError> {
        let rows = self.0.run_repeatable(|connection| {
            Box::pin(sqlx::query(WALLET_BALANCES).bind(after.0).bind(i64::from(limit)).fetch_all(connection))
        });
        rows.await?.iter().map(wallet_balance_of).collect()
    }

    pub(super) async fn journal_entries(
        &self,
        from: EntryPosition,
        limit: u32,
    ) -> Result<Vec<JournalEntry>, DatabaseError> {
        let rows = self.0.run_repeatable(|connection| {
            let query = sqlx::query(JOURNAL_ENTRIES).bind(from.wallet.0).bind(from.number).bind(i64::from(limit));
            Box::pin(query.fetch_all(connection))
        });
        rows.await?.iter().map(journal_entry_of).collect()
    }

    pub(super) async fn movement_lines(
        &self,
        range: MovementRange,
        limit: u32,
    ) -> Result<Vec<MovementLine>, DatabaseError> {
        let rows = self.0.run_repeatable(|connection| {
            let query = sqlx::query(MOVEMENT_LINES).bind(range.after.0).bind(range.last.0).bind(i64::from(limit));
            Box::pin(query.fetch_all(connection))
        });
        rows.await?.iter().map(movement_line_of).collect()
    }

    pub(super) async fn nth_order_after(
        &self,
        after: MovementId,
        count: u32,
    ) -> Result<Option<OrderId>, DatabaseError> {
        let skipped = i64::from(count.saturating_sub(1));
        let found = self.0.run_repeatable(|connection| {
            Box::pin(
                sqlx::query_scalar::<_, Uuid>(NTH_ORDER_AFTER).bind(after.0).bind(skipped).fetch_optional(connection),
            )
        });
        Ok(found.await?.map(OrderId))
    }

    pub(super) async fn paid_orders(&self, range: MovementRange) -> Result<Vec<PaidOrder>, DatabaseError> {
        let rows = self.0.run_repeatable(|connection| {
            Box::pin(sqlx::query(PAID_ORDERS).bind(range.after.0).bind(range.last.0).fetch_all(connection))
        });
        rows.await?.iter().map(paid_order_of).collect()
    }
}
