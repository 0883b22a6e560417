//! The store of orders and quotes: the code that both engines share. The statements of each engine are in a separate file.

mod limit;
mod pages;
mod postgres;
mod sqlite;
mod unit_of_work;

use std::{str::FromStr, time::Duration};

use common::{
    api::{
        orders::{ClientReference, Order, OrderFilter, OrderedAmount, OrderedBy, OwnerFilter},
        prices::PriceState,
        quotes::QuoteState,
    },
    ids::{OrderId, QuoteId, UserId},
    money::Sats,
    time::{ClockReading, Timestamp},
};

pub use self::limit::NewLimit;
use self::{postgres::PostgresOrders, sqlite::SqliteOrders};
use super::{
    command::{Command, Decision},
    records::{OwnerTotals, RefusalKey, StoredOrder, StoredQuote, TimedTotals, Totals},
};
use crate::{
    clock_check::{ClockCheck, ClockFault},
    database::{Database, DatabaseError, on_engine, rows::decode},
    group_commit::Attempt,
};

/// The limit and the clock for the decisions about a batch.
#[derive(Clone, Copy)]
pub struct DecisionContext<'a> {
    /// The setting `BTC_LIMIT`: the maximum bitcoin amount of all orders and open quotes together, until an operator sets a limit.
    pub limit: Sats,
    pub clock: DecisionClock<'a>,
}

/// The clock that supplies the time at which a batch is decided. That time is read after the lock was taken.
#[derive(Clone, Copy)]
pub enum DecisionClock<'a> {
    /// The clock of the database, or of the machine if the database has no clock. If the check finds a fault, the batch fails.
    Checked(&'a ClockCheck),
    /// A time that a test chooses.
    Fixed(Timestamp),
}

impl DecisionClock<'_> {
    /// Reads the clocks. Called before the statement that takes the lock.
    fn read(&self) -> ClockReading {
        match self {
            Self::Checked(check) => check.read(),
            Self::Fixed(time) => ClockReading { wall: *time, monotonic: Duration::ZERO },
        }
    }

    /// The time at which the batch is decided. `sent` was read before the statement that returned `locked`.
    fn time_of(&self, sent: ClockReading, locked: &TimedTotals) -> Result<Timestamp, ClockFault> {
        match self {
            Self::Checked(check) => check.verify(locked.evidence(sent)),
            Self::Fixed(time) => Ok(*time),
        }
    }

    /// The time at which the batch is decided, read again after further locks were taken. A checked clock returns no
    /// time before `earlier`.
    fn time_after(&self, earlier: Timestamp) -> Result<Timestamp, ClockFault> {
        match self {
            Self::Checked(check) => Ok(check.write_time()?.max(earlier)),
            Self::Fixed(time) => Ok(*time),
        }
    }
}

/// A range of sequence numbers and the filter to apply to it.
#[derive(Debug, Clone, Copy)]
struct Scan<'a> {
    /// The exclusive lower bound.
    above: i64,
    /// The inclusive upper bound.
    up_to: i64,
    owner: OwnerFilter,
    /// Only the currency and the amounts are applied. The range is already restricted to the times of the filter.
    filter: &'a OrderFilter,
    /// Maximum number of rows to return.
    limit: i64,
}

/// A range of sequence numbers of orders with one reference.
#[derive(Debug, Clone, Copy)]
struct ReferenceScan<'a> {
    owner: OwnerFilter,
    reference: &'a ClientReference,
    /// The exclusive lower bound.
    above: i64,
    /// The inclusive upper bound.
    up_to: i64,
    /// Maximum number of rows to return.
    limit: i64,
}

/// A range of sequence numbers of orders of one user.
#[derive(Debug, Clone, Copy)]
struct UserRange {
    user: UserId,
    /// The exclusive lower bound.
    above: i64,
    /// The inclusive upper bound.
    up_to: i64,
}

/// Orders and quotes in a database. Clones share its connections.
#[derive(Clone)]
pub enum OrderStore {
    Postgres(PostgresOrders),
    Sqlite(SqliteOrders),
}

impl OrderStore {
    pub fn new(database: &Database) -> Self {
        match database {
            Database::Postgres(database) => Self::Postgres(PostgresOrders(database.clone())),
            Database::Sqlite(database) => Self::Sqlite(SqliteOrders(database.clone())),
        }
    }

    /// Decides a batch and commits it in one transaction; see [`BatchStore`](crate::group_commit::BatchStore).
    ///
    /// Releases the reservations of expired quotes, even if the batch is empty.
    pub async fn commit_batch(
        &self,
        context: DecisionContext<'_>,
        commands: &mut [Command],
        attempt: &mut Attempt,
    ) -> Result<Vec<Decision>, DatabaseError> {
        on_engine!(self, store => store.commit_batch(context, commands, attempt))
    }

    /// Commits a write that changes no order; see [`BatchStore`](crate::group_commit::BatchStore).
    pub async fn probe_write(&self) -> Result<(), DatabaseError> {
        on_engine!(self, store => store.0.probe_write())
    }

    /// The totals, read on the connection of the writer, so that the writer does not wait for a connection for reads.
    pub async fn totals_for_writer(&self) -> Result<Totals, DatabaseError> {
        on_engine!(self, store => store.totals_for_writer())
    }

    pub async fn totals(&self) -> Result<Totals, DatabaseError> {
        Ok(self.totals_and_limit().await?.totals)
    }

    /// The totals and the limit. Uses a connection for reads.
    pub async fn totals_and_limit(&self) -> Result<TimedTotals, DatabaseError> {
        on_engine!(self, store => store.timed_totals())
    }

    /// The totals over the orders and quotes of an owner. `totals` are the totals over all owners. The totals of a user take time
    /// in proportion to the number of its orders.
    pub async fn totals_of(&self, owner: OwnerFilter, totals: &Totals) -> Result<OwnerTotals, DatabaseError> {
        let &Totals { orders, bitcoin, user_bitcoin, reserved, .. } = totals;
        match owner {
            OwnerFilter::Everybody => Ok(OwnerTotals { orders, bitcoin, reserved }),
            OwnerFilter::Anonymous => Ok(OwnerTotals {
                orders: totals.anonymous_orders(),
                bitcoin: bitcoin.saturating_sub(user_bitcoin),
                reserved: if reserved > Sats::ZERO { self.anonymous_reserved().await? } else { reserved },
            }),
            OwnerFilter::User(user) => on_engine!(self, store => store.totals_of_user(user)),
        }
    }

    /// The bitcoin amount that open quotes without a user reserve.
    async fn anonymous_reserved(&self) -> Result<Sats, DatabaseError> {
        on_engine!(self, store => store.anonymous_reserved())
    }

    /// The totals and the limit, and the time of the database when it read them. Uses a connection for background work,
    /// so that slow requests do not delay this read.
    pub async fn timed_totals(&self) -> Result<TimedTotals, DatabaseError> {
        on_engine!(self, store => store.timed_totals_in_background())
    }

    /// The orders that have one of these ids, in no particular order.
    pub async fn orders_by_id(&self, ids: &[OrderId]) -> Result<Vec<Order>, DatabaseError> {
        on_engine!(self, store => store.orders_by_id(ids))
    }

    /// The quote with this id, as it is stored. An expired quote has the state open until the writer releases its reservation.
    pub async fn quote_by_id(&self, id: QuoteId) -> Result<Option<StoredQuote>, DatabaseError> {
        on_engine!(self, store => store.quote_by_id(id))
    }

    /// Deletes up to `limit` idempotency keys that are older than `before`. Returns the number of deleted rows.
    pub async fn delete_keys(&self, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        on_engine!(self, store => store.delete_keys(before, limit))
    }

    /// Deletes up to `limit` closed quotes that are older than `before`. Returns the number of deleted rows.
    pub async fn delete_closed_quotes(&self, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        on_engine!(self, store => store.delete_closed_quotes(before, limit))
    }

    /// Deletes up to `limit` recorded refusals that are older than `before`. Returns the number of deleted rows.
    pub async fn delete_refusals(&self, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        on_engine!(self, store => store.delete_refusals(before, limit))
    }

    /// The orders of the owner in a range that pass the filter, newest first.
    async fn scan(&self, scan: Scan<'_>) -> Result<Vec<StoredOrder>, DatabaseError> {
        on_engine!(self, store => store.scan(scan))
    }

    /// The anonymous orders in a range, newest first. Ignores the owner and the filter. There must be an order with the
    /// sequence number `up_to`.
    async fn walk_anonymous(&self, scan: Scan<'_>) -> Result<Vec<StoredOrder>, DatabaseError> {
        on_engine!(self, store => store.walk_anonymous(scan))
    }

    /// The number of orders of users before an anonymous order. `number` is the position of this order among the
    /// anonymous orders; the oldest has the number 1.
    async fn user_orders_before_anonymous(&self, number: i64) -> Result<i64, DatabaseError> {
        on_engine!(self, store => store.user_orders_before_anonymous(number))
    }

    /// Skips the newest `skipped` orders of a user in a range, and returns the sequence number of the next older order.
    /// `None` if the range contains no further order of the user.
    async fn seq_of_user(&self, range: UserRange, skipped: i64) -> Result<Option<i64>, DatabaseError> {
        on_engine!(self, store => store.seq_of_user(range, skipped))
    }

    /// The orders of the owner in a range that have the reference, newest first.
    async fn scan_reference(&self, scan: ReferenceScan<'_>) -> Result<Vec<StoredOrder>, DatabaseError> {
        on_engine!(self, store => store.scan_reference(scan))
    }

    /// The sequence number of the last order that was accepted before `time`. Zero if there is none.
    async fn last_seq_before(&self, time: Timestamp) -> Result<i64, DatabaseError> {
        on_engine!(self, store => store.last_seq_before(super::first_id_at(time)))
    }
}

/// Parses the column `state` of a quote. The statements return `released` for an expired quote that has a time of release.
fn parse_quote_state(text: &str) -> Result<QuoteState, DatabaseError> {
    match text {
        "held" => Ok(QuoteState::Open),
        "taken" => Ok(QuoteState::Taken),
        "expired" => Ok(QuoteState::Expired),
        "released" => Ok(QuoteState::Released),
        other => Err(DatabaseError::InvalidRow(format!("quotes.state {other}"))),
    }
}

fn parse_price_state(text: &str) -> Result<PriceState, DatabaseError> {
    let state = [PriceState::Fresh, PriceState::Prolonged].into_iter().find(|state| state.as_str() == text);
    state.ok_or_else(|| DatabaseError::InvalidRow(format!("price_state {text}")))
}

fn ordered_by(by_bitcoin_amount: bool) -> OrderedBy {
    if by_bitcoin_amount { OrderedBy::BitcoinAmount } else { OrderedBy::Amount }
}

fn parse_refusal_amount(value: i64) -> Result<OrderedAmount, DatabaseError> {
    let amount = RefusalKey::parse_amount_column(value);
    amount.ok_or_else(|| DatabaseError::InvalidRow(format!("refusals.amount_e4 {value}")))
}

fn parse_optional<T: FromStr<Err: std::fmt::Display>>(
    column: &str,
    text: Option<&str>,
) -> Result<Option<T>, DatabaseError> {
    text.map(|text| decode(column, text.parse())).transpose()
}
