//! The rows of orders and quotes that the policy reads and changes.

use std::{collections::HashMap, time::Duration};

use common::{
    api::{
        orders::{Order, OrderOrigin, OrderedAmount, RefusalReason, Refused, ValidatedOrder},
        quotes::Quote,
    },
    config::Caller,
    ids::QuoteId,
    money::{FiatAmount, Sats},
    time::{ClockReading, Timestamp},
};

use super::command::{ClientKey, Decision};
use crate::{
    clock_check::ClockEvidence,
    wallets::{self, records::LockedWallets},
};

/// Totals over all orders and open quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// The number of orders. It is also the sequence number of the newest order.
    pub orders: i64,
    /// The bitcoin amount of all orders.
    pub bitcoin: Sats,
    /// The number of orders that have a user. All other orders are anonymous.
    pub user_orders: i64,
    /// The bitcoin amount of the orders that have a user.
    pub user_bitcoin: Sats,
    /// The bitcoin amount that open quotes reserve.
    pub reserved: Sats,
    /// `created_at` of the newest order.
    pub last_created_at: Timestamp,
    /// The latest `refused_at` of a recorded refusal, or up to `MAX_CLOCK_SKEW` later if a clock was ahead.
    pub last_refused_at: Timestamp,
}

impl Totals {
    /// The number of orders without a user.
    ///
    /// It is computed and not stored, because a db-proxy of the last release would not update a stored number.
    pub fn anonymous_orders(&self) -> i64 {
        self.orders - self.user_orders
    }
}

/// The totals over the orders and quotes of one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnerTotals {
    pub orders: i64,
    pub bitcoin: Sats,
    pub reserved: Sats,
}

/// The totals and the limit, and the time of the database when it returned them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedTotals {
    pub totals: Totals,
    /// The limit that an operator has set. `None` if no operator has set it: then the setting `BTC_LIMIT` applies.
    pub limit: Option<Sats>,
    /// `None` if the database has no clock.
    pub database_time: Option<Timestamp>,
}

impl TimedTotals {
    /// The evidence for the clock check. `sent` was read before the statement that returned the totals.
    pub fn evidence(&self, sent: ClockReading) -> ClockEvidence {
        ClockEvidence { sent, database: self.database_time, newest_order: self.totals.last_created_at }
    }
}

/// A row of the table of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrder {
    /// The position of the order among all orders: 1, 2, 3, … without a gap.
    pub seq: i64,
    pub order: Order,
}

/// An order to insert, with its idempotency key and the columns that [`StoredOrder`] does not contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrderRow {
    pub stored: StoredOrder,
    /// The sources of the price, comma-separated.
    pub sources: String,
    pub key: ClientKey,
    /// The number of anonymous orders before an order of a user. `None` if this order is anonymous.
    pub anonymous_before: Option<i64>,
    /// The service that sent the order to db-proxy.
    pub written_by: Caller,
}

/// A row of the table of quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredQuote {
    pub quote: Quote,
    /// The sources of the price, comma-separated.
    pub sources: String,
    /// The client that requested the quote, or `anonymous` if the sender did not distinguish clients.
    pub client: String,
}

impl StoredQuote {
    /// Whether the quote has expired at `now`, so that no order can take it. A quote that was created more than
    /// `MAX_CLOCK_SKEW` in the future counts as expired. Its time comes from a clock that was ahead, and its
    /// reservation would otherwise last too long.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now >= self.quote.expires_at || self.quote.created_at.is_beyond_skew(now)
    }
}

/// A quote to insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewQuoteRow {
    pub stored: StoredQuote,
    /// The service that sent the request to db-proxy.
    pub written_by: Caller,
}

/// Identifies a refused order: its client, its idempotency key, its currency and its amount.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RefusalKey {
    pub key: ClientKey,
    pub order: ValidatedOrder,
}

impl RefusalKey {
    /// The column `amount_e4`: the fiat amount in ten-thousandths, or the negative number of satoshi if the client ordered an
    /// amount of bitcoin. The price of a retry may differ, so the cost of the bitcoin does not identify the order.
    pub fn amount_column(&self) -> i64 {
        match self.order.amount {
            OrderedAmount::Fiat(amount) => amount.ten_thousandths(),
            OrderedAmount::Bitcoin(bitcoin) => -bitcoin.get(),
        }
    }

    /// Parses the column `amount_e4`. `None` if no amount has this value.
    pub fn parse_amount_column(value: i64) -> Option<OrderedAmount> {
        match value {
            ..0 => Sats::new(value.checked_neg()?).ok().map(OrderedAmount::Bitcoin),
            0.. => FiatAmount::from_ten_thousandths(value).ok().map(OrderedAmount::Fiat),
        }
    }
}

/// A refusal that is recorded for some minutes.
///
/// After a client received a refusal, an earlier copy of its request must not be accepted. Such a copy possibly waits
/// in the queue of another db-proxy. A request that was made before the refusal therefore receives the same refusal.
/// A later request is decided anew.
///
/// Only a refusal because of the limit or the price is recorded here: the remaining limit and the price can change. A taken or
/// expired quote keeps its state, so a delayed copy of an order for the quote is refused without a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedRefusal {
    /// The remaining limit at the refusal, if the limit was the reason. `None` if there was no usable price.
    pub remaining: Option<Sats>,
    pub refused_at: Timestamp,
}

/// How long a refusal applies. No request waits for so long: create-order gives up after 18 s, and db-proxy answers the
/// requests in a full queue within a minute.
pub const REFUSAL_VALIDITY: Duration = Duration::from_secs(300);

impl RecordedRefusal {
    /// Whether a request that was made at `requested_at` receives this refusal at `now`.
    ///
    /// A refusal that is more than `MAX_CLOCK_SKEW` in the future does not apply. Its time comes from a clock that was ahead, and
    /// the refusal would otherwise apply for too long.
    pub fn applies_to(self, requested_at: Timestamp, now: Timestamp) -> bool {
        requested_at <= self.refused_at
            && now.since(self.refused_at) <= REFUSAL_VALIDITY
            && !self.refused_at.is_beyond_skew(now)
    }

    pub fn decision(self) -> Decision {
        let reason = match self.remaining {
            Some(_) => RefusalReason::LimitExceeded,
            None => RefusalReason::PriceUnavailable,
        };
        Decision::Refused(Refused { remaining: self.remaining, ..Refused::because(reason) })
    }
}

/// The stored rows to which the commands of a batch refer.
#[derive(Debug, Clone, Default)]
pub struct StoredRecords {
    /// The orders that were placed with the idempotency keys of the batch.
    pub orders: HashMap<ClientKey, StoredOrder>,
    pub quotes: HashMap<QuoteId, StoredQuote>,
    pub refusals: HashMap<RefusalKey, RecordedRefusal>,
    /// For each client that requests a quote in the batch, the sum of the reservations of its open quotes. Clients without open
    /// quotes are absent.
    pub reserved_by_client: HashMap<String, Sats>,
}

/// The state of the database when a batch is decided.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The stored totals.
    pub totals: Totals,
    /// The sum of the reservations of expired quotes. The batch subtracts this sum from `totals.reserved`.
    pub released: Sats,
    /// The time of the decision. It is read after the lock was taken: a price that expires during the wait for the lock
    /// is not used.
    pub now: Timestamp,
    /// The stored origin of the database: simulated or real orders. `None` if no origin is stored yet.
    pub origin: Option<OrderOrigin>,
    pub records: StoredRecords,
    /// The wallets of the paid orders of the batch.
    pub wallets: LockedWallets,
}

/// The rows that a batch changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    pub orders: Vec<NewOrderRow>,
    pub quotes: Vec<NewQuoteRow>,
    pub taken_quotes: Vec<QuoteId>,
    pub released_quotes: Vec<QuoteId>,
    /// Refusals to insert or replace. Each key occurs once.
    pub refusals: Vec<(RefusalKey, RecordedRefusal)>,
    pub totals: Totals,
    /// When the batch was decided.
    pub decided_at: Timestamp,
    /// The origin to store, if this batch contains the first order or quote of the database.
    pub new_origin: Option<OrderOrigin>,
    /// The movements of paid orders, and the refusals of orders because of a balance.
    pub wallet_changes: Option<wallets::records::ChangeSet>,
}
