//! Sends orders to db-proxy. Orders that arrive while other requests are in flight are sent in batches.

use std::sync::Arc;

use common::{
    api::orders::{Outcome, Outcomes, PlaceOrderCommand, PlaceOrderCommands, Placed, RefusalReason, Refused},
    clients::{CallError, DispatchError, db_proxy::BATCH_LIMITS, results_of_batch},
    concurrency::batching::Batcher,
    request_context::RequestContext,
    time::{DatabaseTime, Timestamp},
};

use crate::{order_backend::OrderBackend, order_log::OrderLog};

/// The decision of db-proxy about an order.
#[derive(Debug, Clone)]
pub enum Decision {
    Placed(Placed),
    Refused(Refused),
}

impl TryFrom<Outcome> for Decision {
    type Error = DispatchError;

    fn try_from(outcome: Outcome) -> Result<Self, DispatchError> {
        match outcome {
            Outcome { placed: Some(placed), .. } => Ok(Self::Placed(placed)),
            Outcome { placed: None, refused: Some(refused) } => Ok(Self::Refused(refused)),
            Outcome { placed: None, refused: None } => Err(DispatchError::OutcomeUnknown),
        }
    }
}

type DispatchResult = Result<Decision, DispatchError>;

/// Sends orders to db-proxy in batches. Clones share the queue of waiting orders.
#[derive(Clone)]
pub struct OrderDispatcher {
    batcher: Batcher<PlaceOrderCommand, DispatchResult>,
    database_time: DatabaseTime,
    log: Arc<OrderLog>,
}

impl OrderDispatcher {
    /// Returns the dispatcher and the task that sends the requests. The task completes when every clone of the
    /// dispatcher is dropped and all waiting orders are answered.
    pub fn new(backend: Arc<dyn OrderBackend>, database_time: DatabaseTime) -> (Self, impl Future<Output = ()> + Send) {
        let responses = database_time.clone();
        let (batcher, task) = Batcher::new(BATCH_LIMITS, move |orders| {
            send_batch(backend.clone(), responses.clone(), PlaceOrderCommands { orders })
        });
        (Self { batcher, database_time, log: Arc::default() }, task)
    }

    /// A time that is not later than the time of the database; see [`DatabaseTime`].
    pub fn database_time(&self) -> Timestamp {
        self.database_time.now()
    }

    /// Sends an order and waits for the decision.
    pub async fn dispatch(&self, mut order: PlaceOrderCommand) -> DispatchResult {
        order.traceparent = RequestContext::recorded_traceparent();
        let decision = self.batcher.submit(order).await??;
        if let Decision::Placed(placed) = &decision {
            self.log.record(placed);
        }
        Ok(decision)
    }
}

/// Sends one request with all orders of the batch. Returns one result for each order, in the same sequence.
async fn send_batch(
    backend: Arc<dyn OrderBackend>,
    database_time: DatabaseTime,
    batch: PlaceOrderCommands,
) -> Vec<DispatchResult> {
    let size = batch.orders.len();
    let outcome = backend.place_orders(&batch).await;
    match &outcome.result {
        Ok(Outcomes { decided_at: Some(decided_at), .. }) => database_time.record(*decided_at),
        Ok(_) => {}
        Err(error) => log_failure(error, outcome.has_unknown_effect(), size),
    }
    results_of_batch(outcome.and_then(|outcomes| Ok(outcomes.outcomes)), size, final_result_after_lost_response)
}

fn log_failure(error: &CallError, has_unknown_effect: bool, orders: usize) {
    if has_unknown_effect {
        tracing::error!(error = %error.chain(), orders, "it is unknown whether orders were placed");
    } else if matches!(error, CallError::TokenRefused(..)) {
        tracing::error!(%error, orders, "no order can be placed until the tokens are corrected");
    } else {
        tracing::warn!(error = %error.chain(), orders, "db-proxy did not place the orders");
    }
}

/// The result of an order if one attempt had no response, and a later attempt returned `decision`.
///
/// A placed order is final. A refusal because of a reused key is final, because the key already belongs to another
/// order. Other refusals are not final: the attempt without a response possibly waits in the queue of another db-proxy,
/// and is accepted later.
fn final_result_after_lost_response(decision: Decision) -> DispatchResult {
    match decision {
        Decision::Refused(refused) if refused.reason != RefusalReason::KeyReused => Err(DispatchError::OutcomeUnknown),
        Decision::Refused(_) | Decision::Placed(_) => Ok(decision),
    }
}

#[cfg(test)]
mod tests;
