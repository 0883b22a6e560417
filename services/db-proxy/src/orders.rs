//! Orders and quotes.
//!
//! An order passes through these types:
//!
//! - [`OrderPayload`](common::api::orders::OrderPayload): the body of the client's request
//! - [`OrderSource`](common::api::orders::OrderSource): the validated request
//! - [`PlaceOrderCommand`](common::api::orders::PlaceOrderCommand): one order that create-order sends to db-proxy
//! - [`PlaceCommand`]: the command in the queue of the writer
//! - [`NewOrderRow`](records::NewOrderRow): the row to insert
//! - [`StoredOrder`](records::StoredOrder): the row as it is read
//! - [`Order`](common::api::orders::Order): the order in responses

pub mod command;
mod limit;
mod metrics;
mod order_id;
pub mod policy;
pub mod records;
mod requests;
mod retention;
mod routes;
pub mod store;

use std::time::Duration;

use common::{config::Live, metrics::Metrics, money::Sats, time::Clock};

pub use self::{
    command::{
        CapsExceeded, ClientKey, Command, Decision, MarketTerms, OrderTerms, PlaceCommand, QuoteCaps, QuoteCommand,
        ReleaseQuoteCommand,
    },
    limit::{LimitLog, OrderLimits},
    metrics::OrderMetrics,
    order_id::first_id_at,
    retention::OrderRetention,
    routes::OrderRoutes,
    store::{DecisionClock, DecisionContext, NewLimit, OrderStore},
};
use crate::{
    background::BackgroundTasks,
    clock_check::ClockCheck,
    database::{Database, DatabaseError},
    group_commit::{Attempt, BatchStore, WriteHealth, WriterHandle, WriterMetrics},
};

/// Settings of the order aggregate.
#[derive(Debug, Clone)]
pub struct OrderSettings {
    /// The maximum bitcoin amount of all orders and open quotes together, until an operator sets a limit.
    pub limit: Sats,
    /// Whether `BTC_LIMIT` is set. If it is not, `limit` is its default.
    pub limit_is_set: bool,
    /// The maximum amounts of bitcoin that open quotes may reserve.
    pub quote_caps: Live<QuoteCaps>,
    /// How long idempotency keys and closed quotes are kept.
    pub key_retention: Duration,
}

/// Builds the routes of orders and quotes, and adds their background work to `tasks`.
pub fn build(
    database: &Database,
    settings: OrderSettings,
    clock_check: &ClockCheck,
    metrics: &Metrics,
    health: &WriteHealth,
    tasks: &mut BackgroundTasks,
) -> OrderRoutes {
    let OrderSettings { limit, limit_is_set, quote_caps, key_retention } = settings;
    let store = OrderStore::new(database);
    let order_metrics = OrderMetrics::register(metrics, limit);
    let batches = OrderBatchStore {
        store: store.clone(),
        limit,
        clock_check: clock_check.clone(),
        metrics: order_metrics.clone(),
    };
    let (writer, writer_task) = WriterHandle::new(batches, WriterMetrics::register(metrics, "order"), health.clone());
    tasks.add_writer(writer_task);
    let limits = OrderLimits {
        store: store.clone(),
        setting: limit,
        clock_check: clock_check.clone(),
        log: LimitLog::new(limit_is_set.then_some(limit)),
    };
    let (check, limits_of_check) = (clock_check.clone(), limits.clone());
    let run_check = check.run(move |sent| {
        let (limits, order_metrics) = (limits_of_check.clone(), order_metrics.clone());
        async move {
            let timed = limits.store.timed_totals().await;
            timed.map(|timed| {
                order_metrics.set_totals(&timed.totals, limits.in_force(&timed));
                limits.log.observe(timed.limit);
                timed.evidence(sent)
            })
        }
    });
    tasks.add_until_stopped("clock check", run_check);
    tasks.add_retention(OrderRetention { store: store.clone(), key_retention }, Clock::System);
    OrderRoutes { store, writer, limits, quote_caps, clock_check: clock_check.clone() }
}

/// Commits batches of orders and quotes under the limit.
pub struct OrderBatchStore {
    pub store: OrderStore,
    /// The limit until an operator sets a limit.
    pub limit: Sats,
    pub clock_check: ClockCheck,
    pub metrics: OrderMetrics,
}

impl BatchStore for OrderBatchStore {
    type Command = Command;
    type Decision = Decision;

    async fn commit_batch(
        &self,
        commands: &mut [Command],
        attempt: &mut Attempt,
    ) -> Result<Vec<Decision>, DatabaseError> {
        let context = DecisionContext { limit: self.limit, clock: DecisionClock::Checked(&self.clock_check) };
        let decisions = self.store.commit_batch(context, commands, attempt).await?;
        self.metrics.record_decisions(&decisions);
        Ok(decisions)
    }

    /// Releases the reservations of expired quotes.
    async fn run_idle_work(&self) -> Result<(), DatabaseError> {
        // While the clock is wrong, nothing is written. The clock check has logged the fault.
        if self.clock_check.fault().is_some() {
            return Ok(());
        }
        // An error is ignored here, because the probe and the requests that need the database report it.
        let has_reservations = self.store.totals_for_writer().await.is_ok_and(|totals| totals.reserved > Sats::ZERO);
        if has_reservations {
            self.commit_batch(&mut [], &mut Attempt::default()).await?;
        }
        Ok(())
    }

    async fn probe_write(&self) -> Result<(), DatabaseError> {
        self.store.probe_write().await
    }
}
