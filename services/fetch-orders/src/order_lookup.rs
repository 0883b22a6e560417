//! Finds single orders. Concurrent lookups are sent to db-proxy in batches.
//!
//! Only the ids and the users of the orders are parsed. The JSON of db-proxy is returned unchanged.

use std::collections::HashMap;

use bytes::Bytes;
use common::{
    api::orders::{OrderIds, OwnerFilter},
    clients::{
        CallError, SharedReadError,
        db_proxy::{BATCH_LIMITS, DbProxyClient, OrderReader, OrdersJson},
    },
    concurrency::batching::Batcher,
    ids::{OrderId, UserId},
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The result of db-proxy for an id.
#[derive(Debug, Clone)]
enum LookupOutcome {
    Order {
        user: Option<UserId>,
        json: Bytes,
    },
    NotFound,
    /// A db-proxy of the previous release, which searches only orders without a user, found no order with this id. It
    /// is unknown whether a user has such an order.
    NoAnonymousOrder,
}

type LookupResult = Result<LookupOutcome, SharedReadError>;

/// Looks up single orders. Lookups of several clients share a request to db-proxy, so the request names no owner. The
/// owner of each order is checked after the response.
#[derive(Clone)]
pub struct OrderLookup(Batcher<OrderId, LookupResult>);

impl OrderLookup {
    /// Returns the handle and the task that sends the requests. The task ends when every clone of the handle is
    /// dropped.
    pub fn new(reader: OrderReader) -> (Self, impl Future<Output = ()> + Send) {
        let (batcher, task) = Batcher::new(BATCH_LIMITS, move |ids| look_up_batch(reader.clone(), OrderIds { ids }));
        (Self(batcher), task)
    }

    /// Returns the JSON of an order. `None` if no order has this id or `owner` does not select the order, so that a
    /// caller cannot find out which ids exist.
    pub async fn find_order(&self, id: OrderId, owner: OwnerFilter) -> Result<Option<Bytes>, SharedReadError> {
        match self.0.submit(id).await?? {
            LookupOutcome::Order { user, json } => Ok(owner.selects(user).then_some(json)),
            LookupOutcome::NotFound => Ok(None),
            LookupOutcome::NoAnonymousOrder if owner == OwnerFilter::Anonymous => Ok(None),
            LookupOutcome::NoAnonymousOrder => Err(DbProxyClient::being_upgraded().into()),
        }
    }
}

/// Returns one result for each id, in the order of `ids`.
async fn look_up_batch(reader: OrderReader, ids: OrderIds) -> Vec<LookupResult> {
    match fetch_orders_by_id(&reader, &ids).await {
        Ok(FoundById { orders, absent }) => {
            ids.ids.iter().map(|id| Ok(orders.get(id).unwrap_or(&absent).clone())).collect()
        }
        Err(error) => vec![Err(SharedReadError::from(error)); ids.ids.len()],
    }
}

/// The [`FoundOrders`](common::api::orders::FoundOrders) of db-proxy, each order as JSON text.
#[derive(Deserialize)]
struct RawFoundOrders<'a> {
    #[serde(borrow)]
    orders: Vec<&'a RawValue>,
}

/// The id and the user of an order, without its other fields.
#[derive(Deserialize)]
struct IdAndUser {
    id: OrderId,
    #[serde(default)]
    user_id: Option<UserId>,
}

/// The orders that were found, and the result for the ids without an order.
struct FoundById {
    orders: HashMap<OrderId, LookupOutcome>,
    absent: LookupOutcome,
}

async fn fetch_orders_by_id(reader: &OrderReader, ids: &OrderIds) -> Result<FoundById, CallError> {
    let service = &reader.db_proxy.0;
    let OrdersJson { json, has_owners } = reader.find_json(ids).await?;
    let found: RawFoundOrders = service.parse_response(&json)?;
    let with_id = |order: &RawValue| {
        let IdAndUser { id, user_id: user } = service.parse_response(order.get().as_bytes())?;
        Ok((id, LookupOutcome::Order { user, json: json.slice_ref(order.get().as_bytes()) }))
    };
    let orders = found.orders.into_iter().map(with_id).collect::<Result<_, CallError>>()?;
    let absent = if has_owners { LookupOutcome::NotFound } else { LookupOutcome::NoAnonymousOrder };
    Ok(FoundById { orders, absent })
}
