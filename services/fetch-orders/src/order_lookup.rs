//! Finds single orders. Lookups that arrive at the same time are sent to db-proxy in one request.
//!
//! Only the ids of the orders are parsed. The JSON of db-proxy is returned unchanged.

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

type LookupResult = Result<Option<Bytes>, ReadError>;

/// Looks up single orders.
#[derive(Clone)]
pub struct OrderLookup(Batcher<OrderId, LookupResult>);

impl OrderLookup {
    /// Returns the handle and the task that sends the requests. The task ends when every clone of the handle is
    /// dropped.
    pub fn new(db_proxy: DbProxyClient) -> (Self, impl Future<Output = ()> + Send) {
        let (batcher, task) = Batcher::new(BATCH_LIMITS, move |ids| look_up_batch(db_proxy.clone(), OrderIds { ids }));
        (Self(batcher), task)
    }

    /// Returns the JSON of an order, or `None` if no order has this id.
    pub async fn find_order(&self, id: OrderId) -> LookupResult {
        self.0.submit(id).await?
    }
}

/// Returns one result for each id, in the same sequence as `ids`.
async fn look_up_batch(db_proxy: DbProxyClient, ids: OrderIds) -> Vec<LookupResult> {
    match fetch_orders_by_id(&db_proxy, &ids).await {
        Ok(orders) => ids.ids.iter().map(|id| Ok(orders.get(id).cloned())).collect(),
        Err(error) => vec![Err(ReadError::Call(Arc::new(error))); ids.ids.len()],
    }
}

/// The [`FoundOrders`](common::api::orders::FoundOrders) of db-proxy, each order as JSON text.
#[derive(Deserialize)]
struct RawFoundOrders<'a> {
    #[serde(borrow)]
    orders: Vec<&'a RawValue>,
}

/// The id of an order, without its other fields.
#[derive(Deserialize)]
struct IdOnly {
    id: OrderId,
}

/// Returns the orders that exist, by id.
async fn fetch_orders_by_id(db_proxy: &DbProxyClient, ids: &OrderIds) -> Result<HashMap<OrderId, Bytes>, CallError> {
    let bytes = db_proxy.find_orders_json(ids).await?;
    let found: RawFoundOrders = db_proxy.0.parse_response(&bytes)?;
    let with_id = |order: &RawValue| {
        let IdOnly { id } = db_proxy.0.parse_response(order.get().as_bytes())?;
        Ok((id, bytes.slice_ref(order.get().as_bytes())))
    };
    found.orders.into_iter().map(with_id).collect()
}
