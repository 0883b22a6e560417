//! The transaction of a batch in an SQLite file.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};
use sqlx::{SqliteConnection, SqliteTransaction};
use uuid::Uuid;

use super::statements::{
    INSERT_ENTRIES, INSERT_KEYS, INSERT_MOVEMENTS, INSERT_REFUSALS, MOVEMENTS_BY_KEY, REFUSALS_BY_KEY, UPDATE_WALLETS,
    WALLETS_BY_ID,
};
use crate::{
    client_key::ClientKey,
    database::{
        DatabaseError,
        rows::{column_of, sqlite::to_hex},
    },
    wallets::{
        records::{Account, ChangeSet, Entry, Movement, NewMovement, RecordedRefusal, RefusalKey, StoredWallet},
        store::{
            columns::{movements_of, refusal_of, wallet_of},
            journal::{JournalTransaction, LockedRows},
            unit_of_work::WalletTransaction,
        },
    },
};

/// The transaction must have begun with the write lock.
impl WalletTransaction for SqliteTransaction<'_> {
    fn journal(&mut self) -> impl JournalTransaction {
        SqliteJournal(self)
    }

    async fn commit(self) -> Result<(), DatabaseError> {
        Ok(SqliteTransaction::commit(self).await?)
    }

    async fn roll_back(self) -> Result<(), DatabaseError> {
        Ok(self.rollback().await?)
    }
}

/// The journal within a transaction, which must have begun with the write lock.
pub(crate) struct SqliteJournal<'t>(pub &'t mut SqliteConnection);

impl JournalTransaction for SqliteJournal<'_> {
    /// The transaction holds the write lock of the file, so no further lock is needed.
    async fn lock_wallets(&mut self, ids: Vec<Uuid>) -> Result<LockedRows, DatabaseError> {
        let ids = json!(column_of(&ids, to_hex)).to_string();
        let rows = sqlx::query(WALLETS_BY_ID).bind(ids).fetch_all(&mut *self.0).await?;
        Ok(LockedRows { wallets: rows.iter().map(wallet_of).collect::<Result<_, _>>()?, locked_at: None })
    }

    async fn movements_by_key(
        &mut self,
        keys: &BTreeSet<&ClientKey>,
    ) -> Result<HashMap<ClientKey, Movement>, DatabaseError> {
        let rows = sqlx::query(MOVEMENTS_BY_KEY).bind(keys_as_json(keys)).fetch_all(&mut *self.0).await?;
        movements_of(&rows)
    }

    async fn refusals_by_key(
        &mut self,
        keys: &BTreeSet<&ClientKey>,
    ) -> Result<HashMap<RefusalKey, RecordedRefusal>, DatabaseError> {
        let rows = sqlx::query(REFUSALS_BY_KEY).bind(keys_as_json(keys)).fetch_all(&mut *self.0).await?;
        rows.iter().map(refusal_of).collect()
    }

    async fn write_changes(&mut self, changes: &ChangeSet) -> Result<(), DatabaseError> {
        let ChangeSet { movements, wallets, refusals } = changes;
        if !movements.is_empty() {
            let rows = json!(column_of(movements, movement_as_json)).to_string();
            sqlx::query(INSERT_MOVEMENTS).bind(&rows).execute(&mut *self.0).await?;
            sqlx::query(INSERT_KEYS).bind(&rows).execute(&mut *self.0).await?;
            let entries: Vec<_> = movements.iter().flat_map(entries_as_json).collect();
            sqlx::query(INSERT_ENTRIES).bind(json!(entries).to_string()).execute(&mut *self.0).await?;
        }
        if !refusals.is_empty() {
            let refusals = json!(column_of(refusals, refusal_as_json)).to_string();
            sqlx::query(INSERT_REFUSALS).bind(refusals).execute(&mut *self.0).await?;
        }
        let wallets = json!(column_of(wallets, wallet_as_json)).to_string();
        sqlx::query(UPDATE_WALLETS).bind(wallets).execute(&mut *self.0).await?;
        Ok(())
    }
}

/// The parameter of [`MOVEMENTS_BY_KEY`] and [`REFUSALS_BY_KEY`].
fn keys_as_json(keys: &BTreeSet<&ClientKey>) -> String {
    json!(keys.iter().map(|key| (&key.client, &key.key)).collect::<Vec<_>>()).to_string()
}

/// A row of [`INSERT_MOVEMENTS`] and [`INSERT_KEYS`], which refer to its elements by index.
fn movement_as_json(NewMovement { movement, key, written_by }: &NewMovement) -> Value {
    let Movement { id, kind, created_at, .. } = movement;
    let has_key = i32::from(kind.has_key());
    json!([to_hex(&id.0), kind.as_str(), created_at.micros(), key.client, key.key, written_by.as_str(), has_key])
}

/// Rows of [`INSERT_ENTRIES`], which refers to their elements by index.
fn entries_as_json(NewMovement { movement, .. }: &NewMovement) -> impl Iterator<Item = Value> {
    let row = |(entry, line): (&Entry, i64)| {
        let (wallet_id, number, balance) = match entry.account {
            Account::Outside => (None, None, None),
            Account::Wallet { id, number, balance } => (Some(to_hex(&id.0)), Some(number), Some(balance.units())),
        };
        json!([to_hex(&movement.id.0), line, wallet_id, number, entry.currency, entry.amount, balance])
    };
    movement.entries.iter().zip(1..).map(row)
}

/// A row of [`UPDATE_WALLETS`], which refers to its elements by index.
fn wallet_as_json(wallet: &StoredWallet) -> Value {
    let StoredWallet { id, balance, entries, last_entry_at, last_refused_at, .. } = wallet;
    json!([to_hex(&id.0), balance.units(), entries, last_entry_at.micros(), last_refused_at.micros()])
}

/// A row of [`INSERT_REFUSALS`], which refers to its elements by index.
fn refusal_as_json((RefusalKey { key, request }, refusal): &(RefusalKey, RecordedRefusal)) -> Value {
    let RecordedRefusal { reason, wallet, balance, refused_at, .. } = refusal;
    json!([key.client, key.key, request, reason.as_str(), to_hex(&wallet.0), balance.units(), refused_at.micros()])
}
