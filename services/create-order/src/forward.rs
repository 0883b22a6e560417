//! Hands orders to db-proxy: many that arrive at once go in one request.
//!
//! An order that comes alone is sent at once. While as many requests as allowed are under way, further orders gather and
//! leave together, so the price of a request is shared by more of them the more there are.

use std::sync::Arc;

use common::{
    api::orders::{MAX_GROUP, NewOrder, NewOrders, Outcome, RefusalReason},
    clients::{CallError, db_proxy::DbProxy},
    http::{current_request_id, with_request_id},
    ids::RequestId,
};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Most orders that may wait here; db-proxy has a queue of its own behind this one.
const QUEUE: usize = 4096;
/// Requests to db-proxy that may be under way at once. One gathers what the next commit will take; more only cut the same
/// orders into smaller groups.
const UNDER_WAY: usize = 4;

/// Why an order has no outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ForwardError {
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

struct Waiting {
    order: NewOrder,
    request: Option<RequestId>,
    answer: oneshot::Sender<Result<Outcome, ForwardError>>,
}

/// The way to db-proxy.
#[derive(Clone)]
pub struct Forward {
    queue: mpsc::Sender<Waiting>,
}

impl Forward {
    /// The handle, and the task to run until every handle is gone and all that waits is answered.
    pub fn new(db_proxy: DbProxy) -> (Self, impl Future<Output = ()> + Send) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        (Self { queue }, run(db_proxy, waiting))
    }

    /// Waits for what becomes of the order.
    pub async fn place(&self, order: NewOrder) -> Result<Outcome, ForwardError> {
        let (answer, receiver) = oneshot::channel();
        let waiting = Waiting { order, request: current_request_id(), answer };
        self.queue.try_send(waiting).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ForwardError::QueueFull,
            mpsc::error::TrySendError::Closed(_) => ForwardError::Stopped,
        })?;
        receiver.await.unwrap_or(Err(ForwardError::Unknown))
    }
}

async fn run(db_proxy: DbProxy, mut queue: mpsc::Receiver<Waiting>) {
    let places = Arc::new(Semaphore::new(UNDER_WAY));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let mut group = Vec::new();
        if queue.recv_many(&mut group, MAX_GROUP).await == 0 {
            break;
        }
        let db_proxy = db_proxy.clone();
        tokio::spawn(async move {
            send(&db_proxy, group).await;
            drop(place);
        });
    }
    // What is under way is answered before this task ends.
    let _ = places.acquire_many(u32::try_from(UNDER_WAY).unwrap_or(u32::MAX)).await;
}

async fn send(db_proxy: &DbProxy, group: Vec<Waiting>) {
    let mut orders = NewOrders { orders: Vec::with_capacity(group.len()) };
    let mut callers = Vec::with_capacity(group.len());
    // A group goes under the id of its first order; the others are tied to it in the log.
    let id = group.iter().find_map(|waiting| waiting.request.clone()).unwrap_or_else(RequestId::generate);
    for Waiting { order, request, answer } in group {
        if let Some(request) = request.filter(|request| *request != id) {
            tracing::debug!(request_id = %request, group = %id, key = %order.key, "the order travels in a group");
        }
        orders.orders.push(order);
        callers.push(answer);
    }
    let (result, unanswered) = with_request_id(id, db_proxy.place(&orders)).await;
    match result {
        Ok(outcomes) if outcomes.outcomes.len() == callers.len() => {
            for (caller, outcome) in callers.into_iter().zip(outcomes.outcomes) {
                let _ = caller.send(if unanswered { settled(outcome) } else { Ok(outcome) });
            }
        }
        Ok(_) => answer_all(callers, &ForwardError::Unknown),
        // Whatever the last try says, an earlier one may have placed the orders.
        Err(error) if unanswered || is_open(&error) => {
            tracing::error!(%error, orders = callers.len(), "it is not known whether orders were placed");
            answer_all(callers, &ForwardError::Unknown);
        }
        Err(error) => answer_all(callers, &ForwardError::Call(Arc::new(error))),
    }
}

/// Whether a failed request may have placed its orders.
fn is_open(error: &CallError) -> bool {
    matches!(error, CallError::NoAnswer(..) | CallError::Garbled(..))
}

/// What an outcome is worth when an earlier try was not answered: that an order exists is certain, that it does not is not,
/// for the earlier try may still wait in the queue of another db-proxy.
fn settled(outcome: Outcome) -> Result<Outcome, ForwardError> {
    match outcome.refused {
        Some(refused) if refused.reason != RefusalReason::KeyReused => Err(ForwardError::Unknown),
        _ => Ok(outcome),
    }
}

fn answer_all(callers: Vec<oneshot::Sender<Result<Outcome, ForwardError>>>, error: &ForwardError) {
    for caller in callers {
        let _ = caller.send(Err(error.clone()));
    }
}

#[cfg(test)]
mod tests {
    use common::api::orders::Refused;

    use super::*;

    fn refused(reason: RefusalReason) -> Outcome {
        Outcome { placed: None, refused: Some(Refused { reason, remaining: None }) }
    }

    #[test]
    fn after_a_try_without_an_answer_no_refusal_is_certain_but_that_of_a_key() {
        assert!(matches!(settled(refused(RefusalReason::LimitExceeded)), Err(ForwardError::Unknown)));
        assert!(matches!(settled(refused(RefusalReason::PriceUnavailable)), Err(ForwardError::Unknown)));
        assert!(settled(refused(RefusalReason::KeyReused)).is_ok());
    }
}
