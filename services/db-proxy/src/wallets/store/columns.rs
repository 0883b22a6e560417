//! Conversion of rows to values. Both engines have the same columns.

use std::collections::HashMap;

use common::{
    api::wallets::Operation,
    ids::{MovementId, OrderId, UserId, WalletId},
    money::{Currency, Money},
    time::Timestamp,
};
use uuid::Uuid;

use crate::{
    client_key::ClientKey,
    database::{
        DatabaseError,
        rows::{DatabaseRow, decode},
    },
    wallets::{
        records::{Account, BalanceReason, Entry, Movement, MovementKind, RecordedRefusal, RefusalKey, StoredWallet},
        verification::{JournalEntry, MovementLine, OrderOfMovement, PaidOrder, StatedPayment, WalletBalance},
    },
};

pub(super) fn wallet_of(row: &impl DatabaseRow) -> Result<StoredWallet, DatabaseError> {
    let currency = currency_of(row)?;
    Ok(StoredWallet {
        id: WalletId(row.value("id")?),
        currency,
        user_id: row.value::<Option<Uuid>>("user_id")?.map(UserId),
        balance: decode("wallets.balance", Money::new(currency, row.value("balance")?))?,
        entries: row.value("entries")?,
        created_at: row.time("created_at")?,
        last_entry_at: row.time("last_entry_at")?,
        last_refused_at: row.time("last_refused_at")?,
    })
}

/// The movements of the rows, by idempotency key. Each row is an entry. The rows of a movement are in the order of the
/// column `line`.
pub(super) fn movements_of(rows: &[impl DatabaseRow]) -> Result<HashMap<ClientKey, Movement>, DatabaseError> {
    let mut movements = HashMap::new();
    for row in rows {
        let entry = EntryRow::of(row)?;
        let movement = movements.entry(key_of(row)?).or_insert_with(|| Movement {
            id: entry.movement_id,
            kind: entry.kind,
            created_at: entry.created_at,
            entries: Vec::with_capacity(2),
        });
        movement.entries.push(entry.entry);
    }
    Ok(movements)
}

/// The entry as an operation of its wallet.
pub(super) fn operation_of(row: &impl DatabaseRow) -> Result<OperationRow, DatabaseError> {
    let EntryRow { movement_id, kind, created_at, entry } = EntryRow::of(row)?;
    let Entry { account: Account::Wallet { id, number, balance }, currency, amount } = entry else {
        return Err(DatabaseError::InvalidRow("an operation without a wallet".to_owned()));
    };
    let operation = Operation {
        id: movement_id,
        wallet_id: id,
        operation_type: kind.entry_type(amount),
        amount: decode("entries.amount", Money::new(currency, amount.abs()))?,
        balance,
        created_at,
    };
    Ok(OperationRow { number, operation })
}

/// An entry with its movement.
struct EntryRow {
    movement_id: MovementId,
    kind: MovementKind,
    created_at: Timestamp,
    entry: Entry,
}

impl EntryRow {
    fn of(row: &impl DatabaseRow) -> Result<Self, DatabaseError> {
        let kind: &str = row.value("kind")?;
        let currency = currency_of(row)?;
        let wallet: (Option<Uuid>, Option<i64>, Option<i64>) =
            (row.value("wallet_id")?, row.value("number")?, row.value("balance")?);
        let account = match wallet {
            (None, None, None) => Account::Outside,
            (Some(id), Some(number), Some(balance)) => {
                let balance = decode("entries.balance", Money::new(currency, balance))?;
                Account::Wallet { id: WalletId(id), number, balance }
            }
            _ => return Err(DatabaseError::InvalidRow("an entry of a wallet without number or balance".to_owned())),
        };
        Ok(Self {
            movement_id: MovementId(row.value("id")?),
            kind: MovementKind::from_text(kind)
                .ok_or_else(|| DatabaseError::InvalidRow(format!("movements.kind {kind}")))?,
            created_at: row.time("created_at")?,
            entry: Entry { account, currency, amount: row.value("amount")? },
        })
    }
}

/// An operation and its number within the wallet.
pub(in crate::wallets) struct OperationRow {
    pub number: i64,
    pub operation: Operation,
}

/// A recorded refusal. Its currency is the currency of the wallet.
pub(super) fn refusal_of(row: &impl DatabaseRow) -> Result<(RefusalKey, RecordedRefusal), DatabaseError> {
    let reason: &str = row.value("reason")?;
    let currency = currency_of(row)?;
    let refusal = RecordedRefusal {
        reason: BalanceReason::from_text(reason)
            .ok_or_else(|| DatabaseError::InvalidRow(format!("wallet_refusals.reason {reason}")))?,
        wallet: WalletId(row.value("wallet_id")?),
        currency,
        balance: decode("wallet_refusals.balance", Money::new(currency, row.value("balance")?))?,
        refused_at: row.time("refused_at")?,
    };
    Ok((RefusalKey { key: key_of(row)?, request: row.value("request")? }, refusal))
}

pub(super) fn wallet_balance_of(row: &impl DatabaseRow) -> Result<WalletBalance, DatabaseError> {
    Ok(WalletBalance {
        id: WalletId(row.value("id")?),
        balance: row.value("balance")?,
        entries: row.value("entries")?,
        last_number: row.value("last_number")?,
        last_balance: row.value("last_balance")?,
    })
}

pub(super) fn journal_entry_of(row: &impl DatabaseRow) -> Result<JournalEntry, DatabaseError> {
    Ok(JournalEntry {
        wallet: WalletId(row.value("wallet_id")?),
        number: row.value("number")?,
        movement: MovementId(row.value("movement_id")?),
        amount: row.value("amount")?,
        balance: row.value("balance")?,
        is_of_wallet: row.value("is_of_wallet")?,
        has_movement: row.value("has_movement")?,
    })
}

pub(super) fn movement_line_of(row: &impl DatabaseRow) -> Result<MovementLine, DatabaseError> {
    Ok(MovementLine {
        movement: MovementId(row.value("id")?),
        currency: row.value("currency")?,
        amount: row.value("amount")?,
        wallet: row.value::<Option<Uuid>>("wallet_id")?.map(WalletId),
        order: order_of_movement(row)?,
    })
}

fn order_of_movement(row: &impl DatabaseRow) -> Result<OrderOfMovement, DatabaseError> {
    if row.value::<&str>("kind")? != MovementKind::Order.as_str() {
        return Ok(OrderOfMovement::None);
    }
    if row.value::<Option<Uuid>>("order_id")?.is_none() {
        return Ok(OrderOfMovement::Missing);
    }
    Ok(OrderOfMovement::Order(StatedPayment {
        paying: row.value::<Option<Uuid>>("paying_wallet_id")?.map(WalletId),
        credited: row.value::<Option<Uuid>>("credit_wallet_id")?.map(WalletId),
        currency: row.value("order_currency")?,
        amount: row.value("amount_e4")?,
        bitcoin: row.value("bitcoin_sats")?,
    }))
}

pub(super) fn paid_order_of(row: &impl DatabaseRow) -> Result<PaidOrder, DatabaseError> {
    Ok(PaidOrder { order: OrderId(row.value("id")?), has_movement: row.value("has_movement")? })
}

fn key_of(row: &impl DatabaseRow) -> Result<ClientKey, DatabaseError> {
    Ok(ClientKey { client: row.value("client")?, key: decode("key", row.value::<&str>("key")?.parse())? })
}

fn currency_of(row: &impl DatabaseRow) -> Result<Currency, DatabaseError> {
    decode("currency", row.value::<&str>("currency")?.parse())
}
