//! What fetch-orders serves.

use common::{
    api::{
        Problem,
        orders::{Cursor, Order, OrderFilter, OrderSummary},
    },
    clients::db_proxy::DbProxyClient,
    ids::OrderId,
    money::{Currency, FiatAmount},
    server::{Json, PreserializedJson},
    time::Timestamp,
};
use poem::Body;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Path, Query},
    payload::Binary,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    export::{self, Format},
    order_lookup::OrderLookup,
    order_pages::{OrderPages, PageKey},
};

pub struct Api {
    pub db_proxy: DbProxyClient,
    pub lookup: OrderLookup,
    pub pages: OrderPages,
}

/// Where to go on from a page.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Links {
    /// The next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next: Option<String>,
}

/// A page of orders, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Page {
    pub data: Vec<Order>,
    #[serde(rename = "_links")]
    #[oai(rename = "_links")]
    pub links: Links,
    /// The cursor of the next page; absent on the last one and where pages are cut by offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<Cursor>,
}

/// An export, whole or broken off.
#[derive(ApiResponse)]
enum ExportAnswer {
    #[oai(status = 200, content_type = "text/csv")]
    Csv(Binary<Body>),
    #[oai(status = 200, content_type = "application/jsonl")]
    Jsonl(Binary<Body>),
}

#[OpenApi]
impl Api {
    /// Orders newest first, leaving out the newest `start`.
    #[oai(path = "/get_orders", method = "get", operation_id = "get_orders")]
    async fn get_orders(
        &self,
        /// How many of the newest orders to leave out.
        #[oai(default)]
        start: Query<u64>,
        #[oai(default = "ten", validator(minimum(value = "1"), maximum(value = "1000")))] page_size: Query<u32>,
    ) -> Result<PreserializedJson<Page>, Problem> {
        let question = PageKey::ByOffset { start: start.0, page_size: page_size.0 };
        Ok(PreserializedJson::new(self.pages.page(question).await.map_err(Error::from)?))
    }

    /// Orders that pass all filters, newest first.
    ///
    /// Follow `_links.next`, or send `next_cursor` as `cursor` with the same filters, until there is none: every order is
    /// seen once, while new ones arrive. A page can hold fewer orders than `limit` and still not be the last.
    #[oai(path = "/api/v1/orders", method = "get", operation_id = "list_orders")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter")]
    async fn list_orders(
        &self,
        #[oai(default = "fifty", validator(minimum(value = "1"), maximum(value = "1000")))] limit: Query<u32>,
        cursor: Query<Option<Cursor>>,
        currency: Query<Option<Currency>>,
        /// Accepted at this time or later.
        from: Query<Option<Timestamp>>,
        /// Accepted before this time.
        to: Query<Option<Timestamp>>,
        min_amount: Query<Option<FiatAmount>>,
        max_amount: Query<Option<FiatAmount>>,
    ) -> Result<PreserializedJson<Page>, Problem> {
        let filter = OrderFilter {
            currency: currency.0,
            from: from.0,
            to: to.0,
            min_amount: min_amount.0,
            max_amount: max_amount.0,
        };
        let question = PageKey::ByCursor { filter, cursor: cursor.0, limit: limit.0 };
        Ok(PreserializedJson::new(self.pages.page(question).await.map_err(Error::from)?))
    }

    /// Every order that passes all filters, newest first, as one file.
    ///
    /// It is sent as it is read; one that breaks off before its end is not whole.
    #[oai(path = "/api/v1/orders/export", method = "get", operation_id = "export_orders")]
    async fn export(
        &self,
        format: Query<Format>,
        currency: Query<Option<Currency>>,
        /// Accepted at this time or later.
        from: Query<Option<Timestamp>>,
        /// Accepted before this time.
        to: Query<Option<Timestamp>>,
        min_amount: Query<Option<FiatAmount>>,
        max_amount: Query<Option<FiatAmount>>,
    ) -> Result<ExportAnswer, Problem> {
        let filter = OrderFilter {
            currency: currency.0,
            from: from.0,
            to: to.0,
            min_amount: min_amount.0,
            max_amount: max_amount.0,
        };
        // What is not there at all is told as a problem, before the file begins.
        self.db_proxy.order_summary().await.map_err(Error::from)?;
        let body = Binary(Body::from_bytes_stream(export::export(self.db_proxy.clone(), filter, format.0)));
        Ok(match format.0 {
            Format::Csv => ExportAnswer::Csv(body),
            Format::Jsonl => ExportAnswer::Jsonl(body),
        })
    }

    /// How many orders there are, what they come to, and what may still be ordered.
    #[oai(path = "/api/v1/orders/summary", method = "get", operation_id = "order_summary")]
    async fn summary(&self) -> Result<Json<OrderSummary>, Problem> {
        Ok(Json(self.db_proxy.order_summary().await.map_err(Error::from)?))
    }

    /// One order.
    #[oai(path = "/api/v1/orders/:id", method = "get", operation_id = "get_order")]
    async fn get_order(&self, id: Path<OrderId>) -> Result<PreserializedJson<Order>, Problem> {
        let order = self.lookup.order(id.0).await.map_err(Error::from)?;
        Ok(PreserializedJson::new(order.ok_or(Error::NoSuchOrder(id.0))?))
    }
}

fn ten() -> u32 {
    10
}

fn fifty() -> u32 {
    50
}
