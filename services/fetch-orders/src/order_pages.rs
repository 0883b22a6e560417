//! Pages of orders. Concurrent requests for the same page share one request to db-proxy.
//!
//! The orders of a page are not parsed. Their JSON from db-proxy is returned unchanged.

use bytes::Bytes;
use common::{
    api::{
        orders::{Cursor, OrderQuery, OwnerFilter},
        pages::{PageLinks, RawLinkedPage, link_page},
    },
    clients::{
        CallError, SharedReadError,
        db_proxy::{DbProxyClient, OrderReader},
    },
    concurrency::single_flight::{JoinPolicy, SingleFlight},
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Maximum number of requests that wait for pages at the same time.
const MAX_WAITING: usize = 4096;

/// Identifies a page: the owner of its orders, the operation that lists them, and all parameters of the operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageKey {
    pub owner: OwnerFilter,
    pub position: PagePosition,
}

/// An operation that lists orders, and its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PagePosition {
    /// Skips the newest `start` orders.
    ByOffset { start: u64, page_size: u32 },
    /// Starts after the order of `cursor`, or at the newest order if there is no cursor.
    ByCursor { query: OrderQuery, cursor: Option<Cursor>, limit: u32 },
}

type PageResult = Result<Bytes, SharedReadError>;

/// Reads pages of orders.
#[derive(Clone)]
pub struct OrderPages(SingleFlight<PageKey, PageResult>);

impl OrderPages {
    pub fn new(reader: OrderReader) -> Self {
        // A request does not share a read that started before it. So a client that has placed an order sees the order
        // in the list.
        Self(SingleFlight::new(JoinPolicy::Next, MAX_WAITING, move |key| {
            let reader = reader.clone();
            async move { read_page(&reader, key).await.map_err(SharedReadError::from) }
        }))
    }

    /// Returns the JSON of a [`LinkedOrderPage`](common::api::pages::LinkedOrderPage).
    pub async fn page(&self, key: PageKey) -> PageResult {
        self.0.get(key).await?
    }
}

/// An [`OffsetPage`](common::api::orders::OffsetPage) of db-proxy, whose orders are JSON text.
#[derive(Deserialize)]
struct RawOffsetPage<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    more: bool,
}

async fn read_page(reader: &OrderReader, PageKey { owner, position }: PageKey) -> Result<Bytes, CallError> {
    let service = &reader.db_proxy.0;
    match position {
        PagePosition::ByOffset { start, page_size } => {
            let bytes = reader.page_by_offset_json(owner, start, page_size).await?;
            let RawOffsetPage { data, more } = service.parse_response(&bytes)?;
            let next = more.then(|| {
                let start = start.saturating_add(u64::from(page_size));
                format!("/get_orders/?start={start}&page_size={page_size}")
            });
            service.to_json(&RawLinkedPage { data, links: PageLinks { next }, next_cursor: None::<Cursor> })
        }
        PagePosition::ByCursor { query, cursor, limit } => {
            let page = reader.page_json(&query, owner, cursor, limit).await?;
            let next_url = |cursor| format!("/api/v1/orders?{}", query.to_query(Some(cursor), limit));
            link_page(&page, next_url).map_err(DbProxyClient::invalid_response)
        }
    }
}
