//! Deletion of old idempotency keys and recorded refusals. Wallets and their journal are never deleted.

use std::time::Duration;

use common::time::Timestamp;

use super::{records::REFUSAL_VALIDITY, store::WalletStore};
use crate::{
    database::DatabaseError,
    retention::{MAX_STEP_ROWS, Retention},
};

pub struct WalletRetention {
    pub store: WalletStore,
    /// How long idempotency keys are kept.
    pub key_retention: Duration,
}

/// Deletes rows of one table that are older than `before`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalletStep {
    Keys { before: Timestamp },
    CreationKeys { before: Timestamp },
    Refusals { before: Timestamp },
}

impl Retention for WalletRetention {
    const AGGREGATE: &'static str = "wallets";
    type Step = WalletStep;

    fn longest_retention(&self) -> Duration {
        self.key_retention
    }

    async fn database_time(&self) -> Result<Option<Timestamp>, DatabaseError> {
        self.store.database_time().await
    }

    async fn steps(&self, now: Timestamp) -> Result<Vec<WalletStep>, DatabaseError> {
        let before = self.store.key_time(now).await?.minus(self.key_retention);
        Ok(vec![
            WalletStep::Keys { before },
            WalletStep::CreationKeys { before },
            WalletStep::Refusals { before: now.minus(REFUSAL_VALIDITY) },
        ])
    }

    async fn run_step(&self, step: WalletStep) -> Result<u64, DatabaseError> {
        match step {
            WalletStep::Keys { before } => self.store.delete_movement_keys(before, MAX_STEP_ROWS).await,
            WalletStep::CreationKeys { before } => self.store.delete_creation_keys(before, MAX_STEP_ROWS).await,
            WalletStep::Refusals { before } => self.store.delete_refusals(before, MAX_STEP_ROWS).await,
        }
    }
}
