//! Sends movements of money to db-proxy. Movements that arrive while other requests are in flight are sent in batches.
//!
//! db-proxy commits all movements of a request in one transaction, so thousands of operations per second on one wallet
//! need only a few hundred requests and transactions per second. The movements of a request are decided in the order of
//! their arrival. The order of movements in different requests in flight is not defined. A client
//! that needs an order sends the second movement after the response to the first.

use std::sync::Arc;

use common::{
    api::wallets::{MoveCommand, MoveCommands, MoveOutcomes, MoveRefusalReason, MoveRefused},
    clients::{CallError, DispatchError, db_proxy::MOVE_LIMITS, results_of_batch},
    concurrency::batching::Batcher,
    request_context::RequestContext,
    time::{DatabaseTime, Timestamp},
};

use crate::{
    decision::{Decision, DispatchResult},
    metrics::MovementMetrics,
    wallet_backend::WalletBackend,
};

/// Sends movements to db-proxy in batches. Clones share the queue of waiting movements.
#[derive(Clone)]
pub struct MovementDispatcher {
    batcher: Batcher<MoveCommand, DispatchResult>,
    database_time: DatabaseTime,
    metrics: MovementMetrics,
}

impl MovementDispatcher {
    /// Returns the handle and the task that sends the requests. The task completes when every clone of the handle is
    /// dropped and all waiting movements are answered.
    pub fn new(
        backend: Arc<dyn WalletBackend>,
        database_time: DatabaseTime,
        metrics: MovementMetrics,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let responses = database_time.clone();
        let (batcher, task) = Batcher::new(MOVE_LIMITS, move |movements| {
            send_batch(backend.clone(), responses.clone(), MoveCommands { movements })
        });
        (Self { batcher, database_time, metrics }, task)
    }

    /// A time that is not later than the time of the database; see [`DatabaseTime`].
    pub fn database_time(&self) -> Timestamp {
        self.database_time.now()
    }

    /// Sends a movement and waits for the decision.
    pub async fn dispatch(&self, mut command: MoveCommand) -> DispatchResult {
        command.traceparent = RequestContext::recorded_traceparent();
        let kind = MovementMetrics::kind_of(&command);
        let result = self.batcher.submit(command).await.map_err(DispatchError::from).flatten();
        self.metrics.record(kind, &result);
        result
    }
}

/// Sends one request with all movements of the batch. Returns one result for each movement, in the same sequence.
async fn send_batch(
    backend: Arc<dyn WalletBackend>,
    database_time: DatabaseTime,
    batch: MoveCommands,
) -> Vec<DispatchResult> {
    let size = batch.movements.len();
    let outcome = backend.move_money(&batch).await;
    match &outcome.result {
        Ok(MoveOutcomes { decided_at: Some(decided_at), .. }) => database_time.record(*decided_at),
        Ok(_) => {}
        Err(error) => log_failure(error, outcome.has_unknown_effect(), size),
    }
    results_of_batch(outcome.and_then(|outcomes| Ok(outcomes.outcomes)), size, final_result_after_lost_response)
}

fn log_failure(error: &CallError, has_unknown_effect: bool, movements: usize) {
    if has_unknown_effect {
        tracing::error!(error = %error.chain(), movements, "it is unknown whether money moved");
    } else if matches!(error, CallError::TokenRefused(..)) {
        tracing::error!(%error, movements, "no money can be moved until the tokens are corrected");
    } else {
        tracing::warn!(error = %error.chain(), movements, "db-proxy moved no money");
    }
}

/// The result of a decision that arrived after an attempt without a response.
///
/// A movement is final. A refusal because of a balance is not final: the earlier attempt possibly waits in the queue of
/// another db-proxy, and can find another balance later. The other refusals are final, because the owner and the currency
/// of a wallet never change, and a key stays with its movement.
fn final_result_after_lost_response(decision: Decision) -> DispatchResult {
    match decision {
        Decision::Refused(MoveRefused {
            reason: MoveRefusalReason::InsufficientFunds | MoveRefusalReason::BalanceOutOfRange,
            ..
        }) => Err(DispatchError::OutcomeUnknown),
        Decision::Refused(_) | Decision::Moved { .. } => Ok(decision),
    }
}

#[cfg(test)]
mod tests;
