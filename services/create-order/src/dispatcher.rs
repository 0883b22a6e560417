//! Hands orders to db-proxy: many that arrive at once go in one request.

use std::sync::Arc;

use common::{
    api::orders::{Outcome, PlaceOrderCommand, PlaceOrderCommands, RefusalReason},
    clients::{
        CallError,
        db_proxy::{BATCH_LIMITS, DbProxyClient},
    },
    concurrency::batching::{BatchError, Batcher},
};

/// Why an order has no outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DispatchError {
    #[error("too many orders wait already")]
    QueueFull,
    #[error("the service is going down")]
    Stopped,
    #[error(transparent)]
    Call(Arc<CallError>),
    /// A request that carried the order was not answered, so it may have been placed.
    #[error("it is not known whether the order was placed")]
    Unknown,
}

type Answer = Result<Outcome, DispatchError>;

/// The way to db-proxy.
#[derive(Clone)]
pub struct OrderDispatcher(Batcher<PlaceOrderCommand, Answer>);

impl OrderDispatcher {
    /// The handle, and the task to run until every handle is gone and all that waits is answered.
    pub fn new(db_proxy: DbProxyClient) -> (Self, impl Future<Output = ()> + Send) {
        let (batcher, task) =
            Batcher::new(BATCH_LIMITS, move |orders| send(db_proxy.clone(), PlaceOrderCommands { orders }));
        (Self(batcher), task)
    }

    /// Waits for what becomes of the order.
    pub async fn place(&self, order: PlaceOrderCommand) -> Answer {
        match self.0.submit(order).await {
            Ok(answer) => answer,
            Err(BatchError::Full) => Err(DispatchError::QueueFull),
            Err(BatchError::Stopped) => Err(DispatchError::Stopped),
            Err(BatchError::NoResponse) => Err(DispatchError::Unknown),
        }
    }
}

async fn send(db_proxy: DbProxyClient, orders: PlaceOrderCommands) -> Vec<Answer> {
    let size = orders.orders.len();
    let (result, unanswered) = db_proxy.place_orders(&orders).await;
    match result {
        Ok(outcomes) if outcomes.outcomes.len() == size => {
            let settle = |outcome| if unanswered { outcome_after_unanswered_try(outcome) } else { Ok(outcome) };
            outcomes.outcomes.into_iter().map(settle).collect()
        }
        Ok(_) => vec![Err(DispatchError::Unknown); size],
        // Whatever the last try says, an earlier one may have placed the orders.
        Err(error) if unanswered || may_have_been_placed(&error) => {
            tracing::error!(error = %error.chain(), orders = size, "it is not known whether orders were placed");
            vec![Err(DispatchError::Unknown); size]
        }
        Err(error) => {
            tracing::warn!(error = %error.chain(), orders = size, "orders could not be handed to db-proxy");
            vec![Err(DispatchError::Call(Arc::new(error))); size]
        }
    }
}

/// Whether a failed request may have placed its orders.
fn may_have_been_placed(error: &CallError) -> bool {
    matches!(error, CallError::NoResponse(..) | CallError::InvalidResponse(..))
}

/// What an outcome is worth when an earlier try was not answered: that an order exists is certain, that it does not is not,
/// for the earlier try may still wait in the queue of another db-proxy.
fn outcome_after_unanswered_try(outcome: Outcome) -> Result<Outcome, DispatchError> {
    match outcome.refused {
        Some(refused) if refused.reason != RefusalReason::KeyReused => Err(DispatchError::Unknown),
        _ => Ok(outcome),
    }
}

#[cfg(test)]
mod tests;
