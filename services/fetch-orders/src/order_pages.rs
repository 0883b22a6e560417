//! Pages of orders: the orders go through as db-proxy wrote them, and a page that many ask for at once is made once.

use std::sync::Arc;

use bytes::Bytes;
use common::{
    api::orders::{Cursor, OrderFilter},
    clients::{CallError, db_proxy::DbProxyClient},
};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{error::ReadError, joint::Joint, routes::Links};

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PageKey {
    ByOffset { start: u64, page_size: u32 },
    ByCursor { filter: OrderFilter, cursor: Option<Cursor>, limit: u32 },
}

type Answer = Result<Bytes, ReadError>;

/// Where pages are asked for.
#[derive(Clone)]
pub struct OrderPages(Joint<PageKey, Answer>);

impl OrderPages {
    pub fn new(db_proxy: DbProxyClient) -> Self {
        Self(Joint::new(move |question| {
            let db_proxy = db_proxy.clone();
            async move { page(&db_proxy, question).await.map_err(|error| ReadError::Call(Arc::new(error))) }.boxed()
        }))
    }

    /// The JSON of a [`Page`](crate::Page).
    pub async fn page(&self, question: PageKey) -> Answer {
        self.0.ask(question).await?
    }
}

/// What db-proxy says of a page, its orders unread. One of the two ways to go on is there, or none.
#[derive(Deserialize)]
struct DbProxyPage<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(default)]
    more: bool,
    #[serde(default)]
    next_cursor: Option<Cursor>,
}

/// A [`Page`](crate::Page) of them.
#[derive(Serialize)]
struct PublicPage<'a> {
    data: &'a RawValue,
    #[serde(rename = "_links")]
    links: Links,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Cursor>,
}

async fn page(db_proxy: &DbProxyClient, question: PageKey) -> Result<Bytes, CallError> {
    match question {
        PageKey::ByOffset { start, page_size } => {
            let bytes = db_proxy.list_orders_by_offset_json(start, page_size).await?;
            let DbProxyPage { data, more, .. } = db_proxy.0.read(&bytes)?;
            let next = more.then(|| {
                let start = start.saturating_add(u64::from(page_size));
                format!("/get_orders/?start={start}&page_size={page_size}")
            });
            db_proxy.0.write(&PublicPage { data, links: Links { next }, next_cursor: None })
        }
        PageKey::ByCursor { filter, cursor, limit } => {
            let bytes = db_proxy.list_orders_json(&filter, cursor, limit).await?;
            let DbProxyPage { data, next_cursor, .. } = db_proxy.0.read(&bytes)?;
            let next = next_cursor.map(|cursor| format!("/api/v1/orders?{}", filter.to_query(Some(cursor), limit)));
            db_proxy.0.write(&PublicPage { data, links: Links { next }, next_cursor })
        }
    }
}
