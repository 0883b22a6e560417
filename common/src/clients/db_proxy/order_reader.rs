//! Reads orders from db-proxies of this release and of the previous release.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use poem::http::Method;
use serde::Serialize;

use super::{CallError, DbProxyClient, READ_DEADLINE, Retry, unavailable_if_older};
use crate::api::{
    Code,
    orders::{Cursor, OrderIds, OrderPage, OrderQuery, OrderSummary, OwnerFilter},
};

/// Reads orders from db-proxy. Clones share the knowledge whether a db-proxy of this release has responded.
///
/// The paths of the previous release ignore owners and return the orders of everybody. They are used only until a
/// db-proxy of this release responds, because until then all orders are anonymous. Afterwards, they could disclose the
/// orders of users.
#[derive(Debug, Clone)]
pub struct OrderReader {
    pub db_proxy: DbProxyClient,
    current_release_has_responded: Arc<AtomicBool>,
}

/// Orders in JSON, as db-proxy has sent them.
#[derive(Debug, Clone)]
pub struct OrdersJson {
    pub json: Bytes,
    /// Whether the JSON contains the users of the orders. False if a db-proxy of the previous release sent the JSON.
    pub has_owners: bool,
}

impl OrderReader {
    pub fn new(db_proxy: DbProxyClient) -> Self {
        Self { db_proxy, current_release_has_responded: Arc::default() }
    }

    /// The orders after the `start` newest orders, newest first, as the JSON of an
    /// [`OffsetPage`](crate::api::orders::OffsetPage).
    pub async fn page_by_offset_json(
        &self,
        owner: OwnerFilter,
        start: u64,
        page_size: u32,
    ) -> Result<Bytes, CallError> {
        let range = format!("start={start}&page_size={page_size}");
        let previous_path = previous_release_can_select(owner).then(|| format!("/get?{range}"));
        self.get(format!("/v2/get?owner={owner}&{range}"), previous_path).await
    }

    /// A page of the orders that match `query`, newest first. The page begins after the order of `cursor`.
    pub async fn page(
        &self,
        query: &OrderQuery,
        owner: OwnerFilter,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<OrderPage, CallError> {
        self.db_proxy.0.parse_response(&self.page_json(query, owner, cursor, limit).await?)
    }

    /// Like [`OrderReader::page`], but returns the JSON.
    pub async fn page_json(
        &self,
        query: &OrderQuery,
        owner: OwnerFilter,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Bytes, CallError> {
        // An older db-proxy ignores the reference, and would return all orders.
        let is_supported = previous_release_can_select(owner) && query.client_reference.is_none();
        let previous_path = is_supported.then(|| format!("/orders?{}", query.to_query_without_owner(cursor, limit)));
        self.get(format!("/v2/orders?{}", query.to_query_of_owner(owner, cursor, limit)), previous_path).await
    }

    /// The orders of everybody with these ids, as the JSON of [`FoundOrders`](crate::api::orders::FoundOrders). The caller selects
    /// the orders that its clients may see.
    pub async fn find_json(&self, ids: &OrderIds) -> Result<OrdersJson, CallError> {
        self.read(Method::POST, "/v2/orders/lookup", Some("/orders/lookup"), Some(ids)).await
    }

    /// The totals over the orders of the owner.
    pub async fn summary(&self, owner: OwnerFilter) -> Result<OrderSummary, CallError> {
        let previous_path = previous_release_can_select(owner).then(|| "/summary".to_owned());
        self.db_proxy.0.parse_response(&self.get(format!("/v2/summary?owner={owner}"), previous_path).await?)
    }

    async fn get(&self, path: String, previous_path: Option<String>) -> Result<Bytes, CallError> {
        Ok(self.read(Method::GET, &path, previous_path.as_deref(), None::<&()>).await?.json)
    }

    /// Reads from `path`. Reads from `previous_path`, the path of the previous release, if db-proxy does not have
    /// `path` and no db-proxy of this release has responded.
    async fn read<B: Serialize + Sync>(
        &self,
        method: Method,
        path: &str,
        previous_path: Option<&str>,
        body: Option<&B>,
    ) -> Result<OrdersJson, CallError> {
        let send = |path| self.db_proxy.0.call_bytes(method.clone(), path, body, Retry::Safe, READ_DEADLINE);
        let error = match send(path).await {
            Ok(json) => {
                self.current_release_has_responded.store(true, Ordering::Relaxed);
                return Ok(OrdersJson { json, has_owners: true });
            }
            Err(error) => error,
        };
        let is_older = matches!(&error, CallError::Problem(_, problem) if problem.code == Code::NotFound);
        match previous_path.filter(|_| is_older && !self.current_release_has_responded.load(Ordering::Relaxed)) {
            Some(path) => Ok(OrdersJson { json: send(path).await?, has_owners: false }),
            None => Err(unavailable_if_older(error)),
        }
    }
}

/// Whether a db-proxy that does not support users can select the orders of this owner.
fn previous_release_can_select(owner: OwnerFilter) -> bool {
    !matches!(owner, OwnerFilter::User(_))
}

#[cfg(test)]
mod tests;
