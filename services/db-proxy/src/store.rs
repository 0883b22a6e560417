//! Where orders are kept: one contract, two engines, the SQL of each in a file of its own.

mod courses;
mod postgres;
mod settle;
mod sqlite;

use common::{
    api::{
        orders::{Cursor, Order, OrderFilter},
        prices::PriceState,
    },
    config::redact_password,
    ids::OrderId,
    money::Sats,
    time::Timestamp,
};
use uuid::Uuid;

use self::{postgres::Postgres, sqlite::Sqlite};
use crate::ledger::{ClientKey, Command, Decision, OrderTerms, PlaceCommand, QuoteState, StoredOrder, Totals};

/// Rows that one statement of a filtered walk looks at: bounds the time of a statement whatever the filter.
const SCAN_WINDOW: i64 = 50_000;
/// Rows that one page of a filtered walk looks at in all. A page may come back with fewer orders than asked for, or none,
/// and a cursor that goes on.
const SCAN_BUDGET: i64 = 500_000;
/// Above every sequence number: a scan from here begins with the newest order.
const NEWEST: i64 = i64::MAX;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, or broke off; it may come back.
    #[error("the database is away")]
    Unavailable(#[source] sqlx::Error),
    #[error("the database took too long")]
    TimedOut,
    /// The database refused what was asked: a fault of ours or of the machine.
    #[error("the database refused")]
    Fault(#[source] sqlx::Error),
    /// A row that this program cannot have written.
    #[error("a row cannot be read: {0}")]
    Corrupt(String),
    #[error("the tables cannot be brought up to date")]
    Migration(#[source] sqlx::migrate::MigrateError),
}

impl StoreError {
    /// The error with its causes, for the log.
    pub fn chain(&self) -> String {
        common::error_chain::format_chain(self)
    }
}

impl From<sqlx::Error> for StoreError {
    /// The one place that tells a database that is away from one that refuses.
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let away = match &error {
            E::Io(_) | E::Tls(_) | E::Protocol(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => true,
            E::Database(error) => error.code().is_some_and(|code| is_transient(&code)),
            _ => false,
        };
        if away { Self::Unavailable(error) } else { Self::Fault(error) }
    }
}

/// Whether an SQLSTATE of PostgreSQL or a result code of SQLite is one that goes away by itself.
fn is_transient(code: &str) -> bool {
    if let Ok(number) = code.parse::<u32>() {
        // SQLite tells the kind in the lowest byte: busy, locked, an error of the disk, full, cannot be opened.
        if number < 10_000 && [5, 6, 10, 13, 14].contains(&(number & 0xff)) {
            return true;
        }
    }
    match code {
        // A deadlock, a serialization failure, a lock or a statement that took too long; tables or columns that are not made
        // yet.
        "40001" | "40P01" | "55P03" | "57014" | "25P03" | "42P01" | "42703" => true,
        // Connection exceptions, insufficient resources, operator intervention (shutdown, starting up), read-only standby.
        code => ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) || code == "25006",
    }
}

/// What is known of one try to commit, also when it is broken off in the middle.
#[derive(Debug, Default)]
pub struct Attempt {
    /// Whether the commit may have reached the database: from here on a failure leaves the outcome open.
    pub commit_sent: bool,
}

/// Tells the time, asked when the lock is held: what ran out while a group waited for it has run out.
pub type Clock<'a> = &'a (dyn Fn() -> Timestamp + Send + Sync);

/// Orders in a database.
#[derive(Clone)]
pub enum Store {
    Postgres(Postgres),
    Sqlite(Sqlite),
}

/// Calls the same method of whichever engine it is.
macro_rules! on_engine {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Self::Postgres($store) => $call.await,
            Self::Sqlite($store) => $call.await,
        }
    };
}
use on_engine;

impl Store {
    /// Opens `postgres://…` or `sqlite:PATH`. PostgreSQL may be away and come later; a file of SQLite must be usable now.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        let not_understood = || anyhow::anyhow!("DATABASE_URL={} is not allowed; {ALLOWED_URLS}", redact_password(url));
        match url.split_once(':') {
            Some(("postgres" | "postgresql", _)) => {
                Ok(Self::Postgres(Postgres::open(url).map_err(|_| not_understood())?))
            }
            Some(("sqlite", path)) => Ok(Self::Sqlite(Sqlite::open(path).await?)),
            _ => Err(not_understood()),
        }
    }

    /// Brings the tables up to date.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        on_engine!(self, store => store.migrate()).map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(error) | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => {
                match StoreError::from(error) {
                    StoreError::Fault(error) => StoreError::Migration(sqlx::migrate::MigrateError::Execute(error)),
                    passing => passing,
                }
            }
            error => StoreError::Migration(error),
        })
    }

    /// Whether the database answers and its tables are there.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.totals().await.map(|_| ())
    }

    pub fn engine(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgresql",
            Self::Sqlite(_) => "sqlite",
        }
    }

    /// Decides and commits a group in one transaction. Nothing is written when this fails before `attempt` says that the
    /// commit was sent.
    ///
    /// Quotes that ran out give back what they held, also when the group is empty.
    pub async fn commit_batch(
        &self,
        work: &mut [Command],
        limit: Sats,
        clock: Clock<'_>,
        attempt: &mut Attempt,
    ) -> Result<Vec<Decision>, StoreError> {
        on_engine!(self, store => store.commit_batch(work, limit, clock, attempt))
    }

    /// Removes up to `most` keys and settled quotes that are older than `before`; says how many there were.
    pub async fn forget(&self, before: Timestamp, most: i64) -> Result<u64, StoreError> {
        on_engine!(self, store => store.forget(before, most))
    }

    /// Removes up to `most` refusals that are older than `before`; says how many there were.
    pub async fn forget_refusals(&self, before: Timestamp, most: i64) -> Result<u64, StoreError> {
        on_engine!(self, store => store.forget_refusals(before, most))
    }

    pub async fn totals(&self) -> Result<Totals, StoreError> {
        on_engine!(self, store => store.totals())
    }

    /// The orders that have one of these ids, in any order.
    pub async fn orders(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        on_engine!(self, store => store.orders(ids))
    }

    /// Orders newest first, leaving out the newest `start`; and whether there are more.
    pub async fn page_by_offset(&self, start: u64, page_size: u32) -> Result<(Vec<Order>, bool), StoreError> {
        // Sequence numbers have no gap, so the place of an offset is known without counting, and the first page begins at
        // whatever is the newest.
        let upper = if start == 0 { NEWEST } else { self.totals().await?.orders.saturating_sub_unsigned(start) };
        let rows = if upper > 0 {
            self.scan(upper, 0, &OrderFilter::default(), i64::from(page_size)).await?
        } else {
            Vec::new()
        };
        let more = rows.last().is_some_and(|row| row.seq > 1);
        Ok((rows.into_iter().map(|row| row.order).collect(), more))
    }

    /// Orders that pass `filter`, newest first, that come after `cursor` in the walk.
    pub async fn page(
        &self,
        filter: &OrderFilter,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<(Vec<Order>, Option<Cursor>), StoreError> {
        let by_value = filter.selects_by_value();
        let newest = match filter.to {
            Some(to) => self.last_seq_before(to).await?,
            // Only a walk in windows has to know where the orders begin.
            None if by_value => self.totals().await?.orders,
            None => NEWEST,
        };
        // No further than the newest order, however far a made-up cursor reaches.
        let upper = cursor.map_or(newest, |Cursor(seen)| newest.min(seen - 1));
        let lower = match filter.from {
            Some(from) => self.last_seq_before(from).await?,
            None => 0,
        };
        let wanted = i64::from(limit);
        if !by_value {
            // Every order passes: the first rows of the index are the page, and where there are fewer they are the last.
            let rows = if upper > lower { self.scan(upper, lower, filter, wanted).await? } else { Vec::new() };
            let last = rows.last().filter(|row| rows_len(&rows) == wanted && row.seq > lower + 1);
            let next = last.map(|row| Cursor(row.seq));
            return Ok((rows.into_iter().map(|row| row.order).collect(), next));
        }
        let (mut rows, mut top, end) = (Vec::new(), upper, (upper - SCAN_BUDGET).max(lower));
        while top > end {
            let bottom = (top - SCAN_WINDOW).max(end);
            rows.extend(self.scan(top, bottom, filter, wanted - rows_len(&rows)).await?);
            if rows_len(&rows) == wanted {
                top = rows.last().map_or(bottom, |row: &StoredOrder| row.seq - 1);
                break;
            }
            top = bottom;
        }
        let next = (top > lower).then_some(Cursor(top + 1));
        Ok((rows.into_iter().map(|row| row.order).collect(), next))
    }

    /// Orders with `lower < seq <= upper` that pass the filter by value, newest first.
    async fn scan(
        &self,
        upper: i64,
        lower: i64,
        filter: &OrderFilter,
        limit: i64,
    ) -> Result<Vec<StoredOrder>, StoreError> {
        on_engine!(self, store => store.scan(upper, lower, filter, limit))
    }

    /// The sequence number of the last order that was accepted before `time`; zero where there is none.
    async fn last_seq_before(&self, time: Timestamp) -> Result<i64, StoreError> {
        on_engine!(self, store => store.last_seq_before(crate::order_id::first_id_at(time)))
    }

    /// Lets transactions that are under way end, and closes every connection.
    pub async fn close(&self) {
        on_engine!(self, store => store.close());
    }
}

/// What a `DATABASE_URL` may look like.
pub const ALLOWED_URLS: &str = "sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME";

fn rows_len(rows: &[StoredOrder]) -> i64 {
    i64::try_from(rows.len()).unwrap_or(i64::MAX)
}

/// A number from a column that a constraint should have kept in range.
fn column<T, E: std::fmt::Display>(name: &str, value: Result<T, E>) -> Result<T, StoreError> {
    value.map_err(|error| StoreError::Corrupt(format!("{name} {error}")))
}

/// One column of new rows.
fn each<'a, R, T>(rows: &'a [R], read: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(read).collect()
}

/// The keys that a group asks for, and the quotes: those that orders take, and those that earlier tries made.
fn asked(work: &[Command]) -> (Vec<&ClientKey>, Vec<Uuid>) {
    let (mut keys, mut quotes) = (Vec::with_capacity(work.len()), Vec::new());
    for piece in work {
        match piece {
            Command::Place(PlaceCommand { key, ask, .. }) => {
                keys.push(key);
                if let OrderTerms::Quote(id) = ask {
                    quotes.push(id.0);
                }
            }
            Command::Quote(hold) => quotes.extend(hold.attempted_ids.iter().map(|id| id.0)),
        }
    }
    (keys, quotes)
}

/// What the column `state` of a quote says.
fn quote_state(text: &str) -> Result<QuoteState, StoreError> {
    match text {
        "held" => Ok(QuoteState::Active),
        "taken" => Ok(QuoteState::Taken),
        "expired" => Ok(QuoteState::Expired),
        other => Err(StoreError::Corrupt(format!("quotes.state {other}"))),
    }
}

/// What the column `price_state` of an order or a quote says.
fn price_state(text: &str) -> Result<PriceState, StoreError> {
    let known = [PriceState::Fresh, PriceState::Prolonged].into_iter().find(|state| state.as_str() == text);
    known.ok_or_else(|| StoreError::Corrupt(format!("price_state {text}")))
}
