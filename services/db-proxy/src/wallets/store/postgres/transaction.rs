//! The transaction of a batch in PostgreSQL.

use std::collections::{BTreeSet, HashMap};

use sqlx::{PgConnection, PgTransaction, Row};
use uuid::Uuid;

use super::statements::{LOCK_WALLETS, MOVEMENTS_BY_KEY, REFUSALS_BY_KEY, WRITE_CHANGES};
use crate::{
    client_key::ClientKey,
    database::{
        DatabaseError, Durability,
        durability::CommitSettings,
        rows::{DatabaseRow, column_of},
    },
    wallets::{
        records::{Account, ChangeSet, Movement, RecordedRefusal, RefusalKey},
        store::{
            columns::{movements_of, refusal_of, wallet_of},
            journal::{JournalTransaction, LockedRows},
            unit_of_work::WalletTransaction,
        },
    },
};

/// A transaction, and the durability that its commit must have.
pub(super) struct PostgresTransaction<'c> {
    pub inner: PgTransaction<'c>,
    pub durability: Durability,
}

/// The columns of the entries to insert.
#[derive(Default)]
struct EntryColumnValues {
    movement_ids: Vec<Uuid>,
    /// The position of each entry in its movement, from 1.
    lines: Vec<i16>,
    wallet_ids: Vec<Option<Uuid>>,
    /// The number of each entry within its wallet.
    numbers: Vec<Option<i64>>,
    currencies: Vec<String>,
    amounts: Vec<i64>,
    balances: Vec<Option<i64>>,
}

impl EntryColumnValues {
    fn of(changes: &ChangeSet) -> Self {
        let mut columns = Self::default();
        for new in &changes.movements {
            for (entry, line) in new.movement.entries.iter().zip(1..) {
                let (wallet_id, number, balance) = match entry.account {
                    Account::Outside => (None, None, None),
                    Account::Wallet { id, number, balance } => (Some(id.0), Some(number), Some(balance.units())),
                };
                columns.movement_ids.push(new.movement.id.0);
                columns.lines.push(line);
                columns.wallet_ids.push(wallet_id);
                columns.numbers.push(number);
                columns.currencies.push(entry.currency.to_string());
                columns.amounts.push(entry.amount);
                columns.balances.push(balance);
            }
        }
        columns
    }
}

impl WalletTransaction for PostgresTransaction<'_> {
    fn journal(&mut self) -> impl JournalTransaction {
        PostgresJournal { connection: &mut self.inner, durability: self.durability }
    }

    async fn commit(self) -> Result<(), DatabaseError> {
        Ok(self.inner.commit().await?)
    }

    async fn roll_back(self) -> Result<(), DatabaseError> {
        Ok(self.inner.rollback().await?)
    }
}

/// The journal within a transaction, and the durability that its commit must have.
pub(crate) struct PostgresJournal<'t> {
    pub connection: &'t mut PgConnection,
    pub durability: Durability,
}

impl JournalTransaction for PostgresJournal<'_> {
    async fn lock_wallets(&mut self, ids: Vec<Uuid>) -> Result<LockedRows, DatabaseError> {
        let rows = sqlx::query(LOCK_WALLETS).bind(ids).fetch_all(&mut *self.connection).await?;
        // If no wallet is locked, nothing is written to the journal, so the durability need not be checked.
        if let Some(row) = rows.first() {
            let settings = CommitSettings {
                synchronous_commit: row.try_get("synchronous_commit")?,
                standby_names: row.try_get("standby_names")?,
            };
            if let Some(violation) = settings.violation(self.durability) {
                return Err(DatabaseError::NotDurable(violation));
            }
        }
        // The database computes `locked_at` of each row after it has locked the row, so the last value follows all locks.
        let locked_at = rows.last().map(|row| row.time("locked_at")).transpose()?;
        Ok(LockedRows { wallets: rows.iter().map(wallet_of).collect::<Result<_, _>>()?, locked_at })
    }

    async fn movements_by_key(
        &mut self,
        keys: &BTreeSet<&ClientKey>,
    ) -> Result<HashMap<ClientKey, Movement>, DatabaseError> {
        let (clients, keys) = key_columns(keys);
        let rows = sqlx::query(MOVEMENTS_BY_KEY).bind(clients).bind(keys).fetch_all(&mut *self.connection).await?;
        movements_of(&rows)
    }

    async fn refusals_by_key(
        &mut self,
        keys: &BTreeSet<&ClientKey>,
    ) -> Result<HashMap<RefusalKey, RecordedRefusal>, DatabaseError> {
        let (clients, keys) = key_columns(keys);
        let rows = sqlx::query(REFUSALS_BY_KEY).bind(clients).bind(keys).fetch_all(&mut *self.connection).await?;
        rows.iter().map(refusal_of).collect()
    }

    async fn write_changes(&mut self, changes: &ChangeSet) -> Result<(), DatabaseError> {
        let ChangeSet { movements, wallets, refusals } = changes;
        let entries = EntryColumnValues::of(changes);
        let new_key_count: i64 = sqlx::query_scalar(WRITE_CHANGES)
            .bind(column_of(movements, |new| new.key.client.as_str()))
            .bind(column_of(movements, |new| new.key.key.as_str()))
            .bind(column_of(movements, |new| new.movement.id.0))
            .bind(column_of(movements, |new| new.movement.created_at.to_datetime()))
            .bind(column_of(movements, |new| new.movement.kind.as_str()))
            .bind(column_of(movements, |new| new.movement.kind.has_key()))
            .bind(column_of(movements, |new| new.written_by.as_str()))
            .bind(entries.movement_ids)
            .bind(entries.lines)
            .bind(entries.wallet_ids)
            .bind(entries.numbers)
            .bind(entries.currencies)
            .bind(entries.amounts)
            .bind(entries.balances)
            .bind(column_of(refusals, |(key, _)| key.key.client.as_str()))
            .bind(column_of(refusals, |(key, _)| key.key.key.as_str()))
            .bind(column_of(refusals, |(key, _)| key.request.as_str()))
            .bind(column_of(refusals, |(_, refusal)| refusal.reason.as_str()))
            .bind(column_of(refusals, |(_, refusal)| refusal.wallet.0))
            .bind(column_of(refusals, |(_, refusal)| refusal.balance.units()))
            .bind(column_of(refusals, |(_, refusal)| refusal.refused_at.to_datetime()))
            .bind(column_of(wallets, |wallet| wallet.id.0))
            .bind(column_of(wallets, |wallet| wallet.balance.units()))
            .bind(column_of(wallets, |wallet| wallet.entries))
            .bind(column_of(wallets, |wallet| wallet.last_entry_at.to_datetime()))
            .bind(column_of(wallets, |wallet| wallet.last_refused_at.to_datetime()))
            .fetch_one(&mut *self.connection)
            .await?;
        let expected = movements.iter().filter(|new| new.movement.kind.has_key()).count();
        if usize::try_from(new_key_count).is_ok_and(|count| count == expected) {
            Ok(())
        } else {
            Err(DatabaseError::KeyConflict)
        }
    }
}

fn key_columns<'k>(keys: &BTreeSet<&'k ClientKey>) -> (Vec<&'k str>, Vec<&'k str>) {
    keys.iter().map(|key| (key.client.as_str(), key.key.as_str())).unzip()
}
