//! Finds single orders: many that are asked for at once are one question to db-proxy, and go through as it wrote them.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use common::{
    api::orders::OrderIds,
    clients::{
        CallError,
        db_proxy::{BATCH_LIMITS, DbProxyClient},
    },
    concurrency::batching::Batcher,
    ids::OrderId,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::ReadError;

type Answer = Result<Option<Bytes>, ReadError>;

/// Where single orders are asked for.
#[derive(Clone)]
pub struct OrderLookup(Batcher<OrderId, Answer>);

impl OrderLookup {
    /// The handle, and the task to run until every handle is gone.
    pub fn new(db_proxy: DbProxyClient) -> (Self, impl Future<Output = ()> + Send) {
        let (batcher, task) = Batcher::new(BATCH_LIMITS, move |ids| answers(db_proxy.clone(), OrderIds { ids }));
        (Self(batcher), task)
    }

    /// The JSON of the order of this id; nothing where there is none.
    pub async fn order(&self, id: OrderId) -> Answer {
        self.0.submit(id).await?
    }
}

async fn answers(db_proxy: DbProxyClient, ids: OrderIds) -> Vec<Answer> {
    match find(&db_proxy, &ids).await {
        Ok(found) => ids.ids.iter().map(|id| Ok(found.get(id).cloned())).collect(),
        Err(error) => vec![Err(ReadError::Call(Arc::new(error))); ids.ids.len()],
    }
}

/// What db-proxy found, each order unread.
#[derive(Deserialize)]
struct Found<'a> {
    #[serde(borrow)]
    orders: Vec<&'a RawValue>,
}

/// All that is read of an order.
#[derive(Deserialize)]
struct Id {
    id: OrderId,
}

async fn find(db_proxy: &DbProxyClient, ids: &OrderIds) -> Result<HashMap<OrderId, Bytes>, CallError> {
    let bytes = db_proxy.find_orders_json(ids).await?;
    let found: Found = db_proxy.0.read(&bytes)?;
    let of = |order: &RawValue| {
        let Id { id } = db_proxy.0.read(order.get().as_bytes())?;
        Ok((id, bytes.slice_ref(order.get().as_bytes())))
    };
    found.orders.into_iter().map(of).collect()
}
