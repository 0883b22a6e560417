//! Summarizes a database: the numbers and sums that a backup states and that a restored database must have.

use common::{
    money::{Currency, Sats},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::database::{DatabaseError, rows::DatabaseRow, rows::decode};

/// Counts orders, users, wallets and the rows of the journal, and reads the stored totals of the orders. The statement
/// is valid on both engines.
pub(super) const SUMMARY: &str = "
    select
        (select count(*) from orders) as orders,
        (select cast(coalesce(sum(bitcoin_sats), 0) as bigint) from orders) as bitcoin_sats,
        (select coalesce(max(seq), 0) from orders) as newest_seq,
        (select max(created_at) from orders) as newest_at,
        (select count(*) from users) as users,
        (select count(*) from wallets) as wallets,
        (select count(*) from movements) as movements,
        (select count(*) from entries) as entries,
        (select max(version) from _sqlx_migrations) as schema_version,
        orders as total_orders,
        bitcoin_sats as total_bitcoin_sats,
        reserved_sats,
        limit_sats
    from order_totals";
/// The sum of the balances of each currency, in two parts: a sum of many balances may exceed the range of an integer.
pub(super) const WALLET_TOTALS: &str = "
    select
        currency,
        count(*) as wallets,
        cast(sum(balance / 1000000000) as bigint) as billions,
        cast(sum(balance % 1000000000) as bigint) as rest
    from wallets
    group by currency
    order by currency";

/// The numbers and sums of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseSummary {
    pub orders: i64,
    /// The sum over all orders.
    pub bitcoin_amount: Sats,
    /// The part of the limit that open quotes reserve.
    pub reserved: Sats,
    /// The limit that an operator has set. `None` if the setting `BTC_LIMIT` applies.
    pub limit: Option<Sats>,
    /// The time of the newest order.
    pub newest_order_at: Option<Timestamp>,
    pub users: i64,
    pub wallets: i64,
    pub movements: i64,
    pub entries: i64,
    pub wallet_totals: Vec<WalletTotal>,
    /// The version of the newest applied migration.
    pub schema_version: i64,
}

/// The wallets of one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletTotal {
    pub currency: Currency,
    pub wallets: i64,
    /// The sum of the balances, as a decimal number.
    pub balance: String,
}

impl DatabaseSummary {
    /// Reads the summary from the row of [`SUMMARY`] and the rows of [`WALLET_TOTALS`]. Fails with
    /// [`DatabaseError::InvalidRow`] if the stored totals differ from the totals of the orders.
    pub(super) fn from_rows<R: DatabaseRow>(row: &R, wallet_rows: &[R]) -> Result<Self, DatabaseError> {
        let sats = |column| decode(column, Sats::new(row.value(column)?));
        let (orders, newest): (i64, i64) = (row.value("orders")?, row.value("newest_seq")?);
        let (stored_orders, bitcoin_amount): (i64, Sats) = (row.value("total_orders")?, sats("bitcoin_sats")?);
        let stored_bitcoin = sats("total_bitcoin_sats")?;
        if (orders, newest) != (stored_orders, stored_orders) || bitcoin_amount != stored_bitcoin {
            return Err(DatabaseError::InvalidRow(format!(
                "order_totals states {stored_orders} orders of {stored_bitcoin} BTC, but there are {orders} orders of \
                 {bitcoin_amount} BTC, and the newest one has the number {newest}"
            )));
        }
        let limit: Option<i64> = row.value("limit_sats")?;
        Ok(Self {
            orders,
            bitcoin_amount,
            reserved: sats("reserved_sats")?,
            limit: limit.map(|limit| decode("limit_sats", Sats::new(limit))).transpose()?,
            newest_order_at: row.optional_time("newest_at")?,
            users: row.value("users")?,
            wallets: row.value("wallets")?,
            movements: row.value("movements")?,
            entries: row.value("entries")?,
            wallet_totals: wallet_rows.iter().map(WalletTotal::from_row).collect::<Result<_, _>>()?,
            schema_version: row.value("schema_version")?,
        })
    }

    /// Whether this can be the summary of the same database at a later time than `earlier`. Rows of orders, users,
    /// wallets and the journal are never deleted.
    pub fn is_after(&self, earlier: &Self) -> bool {
        self.orders >= earlier.orders
            && self.bitcoin_amount >= earlier.bitcoin_amount
            && self.wallets >= earlier.wallets
            && self.movements >= earlier.movements
            && self.entries >= earlier.entries
            && self.users >= earlier.users
    }
}

impl WalletTotal {
    fn from_row(row: &impl DatabaseRow) -> Result<Self, DatabaseError> {
        let currency: Currency = decode("wallets.currency", row.value::<&str>("currency")?.parse())?;
        let (billions, rest): (i64, i64) = (row.value("billions")?, row.value("rest")?);
        let units = i128::from(billions) * 1_000_000_000 + i128::from(rest);
        let scale = 10_i128.pow(currency.decimals());
        let decimals = usize::try_from(currency.decimals()).unwrap_or_default();
        let balance = format!("{}.{:0decimals$}", units / scale, units % scale);
        Ok(Self { currency, wallets: row.value("wallets")?, balance })
    }
}

#[cfg(test)]
mod tests;
