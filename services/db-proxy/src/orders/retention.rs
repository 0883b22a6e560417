//! Deletion of old idempotency keys, closed quotes and recorded refusals.

use std::time::Duration;

use common::time::Timestamp;

use super::{
    OrderStore,
    records::{REFUSAL_VALIDITY, TimedTotals},
};
use crate::{
    database::DatabaseError,
    retention::{MAX_STEP_ROWS, Retention},
};

pub struct OrderRetention {
    pub store: OrderStore,
    /// How long idempotency keys and closed quotes are kept.
    pub key_retention: Duration,
}

/// Deletes rows of one table that are older than `before`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderStep {
    Keys { before: Timestamp },
    ClosedQuotes { before: Timestamp },
    Refusals { before: Timestamp },
}

impl Retention for OrderRetention {
    const AGGREGATE: &'static str = "orders";
    type Step = OrderStep;

    fn longest_retention(&self) -> Duration {
        self.key_retention
    }

    async fn database_time(&self) -> Result<Option<Timestamp>, DatabaseError> {
        Ok(self.store.timed_totals().await?.database_time)
    }

    async fn steps(&self, now: Timestamp) -> Result<Vec<OrderStep>, DatabaseError> {
        // If the database has no clock, the age of a key is counted from `now` or from the time of the newest order,
        // whichever is earlier. A recent key is therefore kept even if the clock of the machine is ahead.
        let TimedTotals { totals, database_time, .. } = self.store.timed_totals().await?;
        let key_time = if database_time.is_some() { now } else { now.min(totals.last_created_at) };
        Ok(vec![
            OrderStep::Keys { before: key_time.minus(self.key_retention) },
            OrderStep::ClosedQuotes { before: now.minus(self.key_retention) },
            OrderStep::Refusals { before: now.minus(REFUSAL_VALIDITY) },
        ])
    }

    async fn run_step(&self, step: OrderStep) -> Result<u64, DatabaseError> {
        match step {
            OrderStep::Keys { before } => self.store.delete_keys(before, MAX_STEP_ROWS).await,
            OrderStep::ClosedQuotes { before } => self.store.delete_closed_quotes(before, MAX_STEP_ROWS).await,
            OrderStep::Refusals { before } => self.store.delete_refusals(before, MAX_STEP_ROWS).await,
        }
    }
}
