//! Deletion of old idempotency keys, closed quotes and recorded refusals.

use std::time::Duration;

use common::time::Timestamp;

use super::OrderStore;
use crate::{
    database::DatabaseError,
    retention::{MAX_STEP_ROWS, Retention},
};

/// How long a refusal is kept. It must be longer than any request can wait: create-order gives up after 18 s, and the
/// requests in a full queue of db-proxy are answered within a minute.
const REFUSAL_RETENTION: Duration = Duration::from_secs(300);

pub struct OrderRetention {
    pub store: OrderStore,
    /// How long idempotency keys and closed quotes are kept.
    pub key_retention: Duration,
}

/// Deletes rows from before a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderStep {
    KeysAndQuotes { before: Timestamp },
    Refusals { before: Timestamp },
}

impl Retention for OrderRetention {
    const AGGREGATE: &'static str = "orders";
    type Step = OrderStep;

    fn steps(&self, now: Timestamp) -> Vec<OrderStep> {
        vec![
            OrderStep::KeysAndQuotes { before: now.minus(self.key_retention) },
            OrderStep::Refusals { before: now.minus(REFUSAL_RETENTION) },
        ]
    }

    async fn run_step(&self, step: OrderStep) -> Result<u64, DatabaseError> {
        match step {
            OrderStep::KeysAndQuotes { before } => self.store.delete_keys_and_quotes(before, MAX_STEP_ROWS).await,
            OrderStep::Refusals { before } => self.store.delete_refusals(before, MAX_STEP_ROWS).await,
        }
    }
}
