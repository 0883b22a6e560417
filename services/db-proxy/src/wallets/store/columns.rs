//! Conversion of rows to values, independent of the engine.

use std::collections::HashMap;

use common::{
    api::wallets::Operation,
    ids::{MovementId, UserId, WalletId},
    money::{Currency, Money},
    time::Timestamp,
};
use uuid::Uuid;

use crate::{
    client_key::ClientKey,
    database::{DatabaseError, rows::decode},
    wallets::records::{
        Account, BalanceReason, Entry, Movement, MovementKind, RecordedRefusal, RefusalKey, StoredWallet,
    },
};

/// The columns of a wallet.
pub(super) struct WalletColumns<'r> {
    pub id: Uuid,
    pub currency: &'r str,
    pub user_id: Option<Uuid>,
    pub balance: i64,
    pub entries: i64,
    pub created_at: Timestamp,
    pub last_entry_at: Timestamp,
    pub last_refused_at: Timestamp,
}

impl WalletColumns<'_> {
    pub fn into_wallet(self) -> Result<StoredWallet, DatabaseError> {
        let currency = parse_currency(self.currency)?;
        Ok(StoredWallet {
            id: WalletId(self.id),
            currency,
            user_id: self.user_id.map(UserId),
            balance: decode("wallets.balance", Money::new(currency, self.balance))?,
            entries: self.entries,
            created_at: self.created_at,
            last_entry_at: self.last_entry_at,
            last_refused_at: self.last_refused_at,
        })
    }
}

/// The columns of an entry with its movement.
pub(super) struct EntryColumns<'r> {
    pub id: Uuid,
    pub kind: &'r str,
    pub created_at: Timestamp,
    pub wallet_id: Option<Uuid>,
    pub number: Option<i64>,
    pub currency: &'r str,
    pub amount: i64,
    pub balance: Option<i64>,
}

impl EntryColumns<'_> {
    /// Adds the entry to the movement of a key. The entries of a movement follow each other in the order of their lines.
    pub fn add_to(self, key: ClientKey, movements: &mut HashMap<ClientKey, Movement>) -> Result<(), DatabaseError> {
        let kind = self.movement_kind()?;
        let entry = self.entry()?;
        let movement = movements.entry(key).or_insert_with(|| Movement {
            id: MovementId(self.id),
            kind,
            created_at: self.created_at,
            entries: Vec::with_capacity(2),
        });
        movement.entries.push(entry);
        Ok(())
    }

    /// The entry as an operation of its wallet.
    pub fn into_operation(self) -> Result<OperationRow, DatabaseError> {
        let kind = self.movement_kind()?;
        let Entry { account: Account::Wallet { id, number, balance }, currency, amount } = self.entry()? else {
            return Err(DatabaseError::InvalidRow("an operation without a wallet".to_owned()));
        };
        let operation = Operation {
            id: MovementId(self.id),
            wallet_id: id,
            operation_type: kind.entry_type(amount),
            amount: decode("entries.amount", Money::new(currency, amount.abs()))?,
            balance,
            created_at: self.created_at,
        };
        Ok(OperationRow { number, operation })
    }

    fn movement_kind(&self) -> Result<MovementKind, DatabaseError> {
        let kind = MovementKind::from_text(self.kind);
        kind.ok_or_else(|| DatabaseError::InvalidRow(format!("movements.kind {}", self.kind)))
    }

    fn entry(&self) -> Result<Entry, DatabaseError> {
        let currency = parse_currency(self.currency)?;
        let account = match (self.wallet_id, self.number, self.balance) {
            (None, None, None) => Account::Outside,
            (Some(id), Some(number), Some(balance)) => {
                let balance = decode("entries.balance", Money::new(currency, balance))?;
                Account::Wallet { id: WalletId(id), number, balance }
            }
            _ => return Err(DatabaseError::InvalidRow("an entry of a wallet without number or balance".to_owned())),
        };
        Ok(Entry { account, currency, amount: self.amount })
    }
}

/// An operation and its number within the wallet.
pub(in crate::wallets) struct OperationRow {
    pub number: i64,
    pub operation: Operation,
}

/// The columns of a recorded refusal, with the currency of its wallet.
pub(super) struct RefusalColumns<'r> {
    pub key: ClientKey,
    pub request: String,
    pub reason: &'r str,
    pub wallet_id: Uuid,
    pub currency: &'r str,
    pub balance: i64,
    pub refused_at: Timestamp,
}

impl RefusalColumns<'_> {
    pub fn into_refusal(self) -> Result<(RefusalKey, RecordedRefusal), DatabaseError> {
        let reason = BalanceReason::from_text(self.reason);
        let currency = parse_currency(self.currency)?;
        let refusal = RecordedRefusal {
            reason: reason
                .ok_or_else(|| DatabaseError::InvalidRow(format!("wallet_refusals.reason {}", self.reason)))?,
            wallet: WalletId(self.wallet_id),
            currency,
            balance: decode("wallet_refusals.balance", Money::new(currency, self.balance))?,
            refused_at: self.refused_at,
        };
        Ok((RefusalKey { key: self.key, request: self.request }, refusal))
    }
}

pub(super) fn parse_key(client: String, key: &str) -> Result<ClientKey, DatabaseError> {
    Ok(ClientKey { client, key: decode("key", key.parse())? })
}

fn parse_currency(text: &str) -> Result<Currency, DatabaseError> {
    decode("currency", text.parse())
}
