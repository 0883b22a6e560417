//! Finds single orders: many that are asked for at once are one question to db-proxy.

use std::{collections::HashMap, sync::Arc};

use common::{
    api::orders::{MAX_GROUP, Order, OrderIds},
    batch::{BatchError, Batcher, Limits},
    clients::{CallError, db_proxy::DbProxy},
    ids::OrderId,
};

const LIMITS: Limits = Limits { queue: 4096, group: MAX_GROUP, under_way: 4 };

/// Why it is not known whether there is such an order.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LookupError {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Call(Arc<CallError>),
}

type Answer = Result<Option<Order>, LookupError>;

/// Where single orders are asked for.
#[derive(Clone)]
pub struct Lookup(Batcher<OrderId, Answer>);

impl Lookup {
    /// The handle, and the task to run until every handle is gone.
    pub fn new(db_proxy: DbProxy) -> (Self, impl Future<Output = ()> + Send) {
        let (batcher, task) = Batcher::new(LIMITS, move |ids| find(db_proxy.clone(), ids));
        (Self(batcher), task)
    }

    /// The order of this id; nothing where there is none.
    pub async fn order(&self, id: OrderId) -> Answer {
        self.0.ask(id).await?
    }
}

async fn find(db_proxy: DbProxy, ids: Vec<OrderId>) -> Vec<Answer> {
    let size = ids.len();
    let ids = OrderIds { ids };
    match db_proxy.orders(&ids).await {
        Ok(found) => {
            let found: HashMap<_, _> = found.orders.into_iter().map(|order| (order.id, order)).collect();
            ids.ids.iter().map(|id| Ok(found.get(id).cloned())).collect()
        }
        Err(error) => vec![Err(LookupError::Call(Arc::new(error))); size],
    }
}
