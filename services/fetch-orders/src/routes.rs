//! The HTTP endpoints of fetch-orders.

use common::{
    api::{
        Problem,
        filters::check_order_filter,
        orders::{ClientReference, Cursor, Order, OrderFilter, OrderQuery, OrderSummary, OwnerFilter},
        pages::LinkedOrderPage,
    },
    clients::db_proxy::OrderReader,
    ids::OrderId,
    money::{Currency, FiatAmount},
    server::{Json, PreserializedJson, TrustedProxies},
    time::Timestamp,
};
use futures_util::StreamExt;
use poem::{Body, Request};
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    error::Error,
    export::{ExportFormat, export_orders},
    export_file::ExportFile,
    export_slots::{ExportClient, ExportSlots},
    order_lookup::OrderLookup,
    order_pages::{OrderPages, PageKey, PagePosition},
};

pub struct Api {
    pub reader: OrderReader,
    pub lookup: OrderLookup,
    pub pages: OrderPages,
    pub export_slots: ExportSlots,
    pub trusted_proxies: TrustedProxies,
    /// The currencies that orders may have.
    pub currencies: Vec<Currency>,
}

#[OpenApi]
impl Api {
    /// Lists orders by offset, newest first.
    #[oai(path = "/get_orders", method = "get", operation_id = "get_orders")]
    async fn get_orders(
        &self,
        /// The number of newest orders to skip.
        #[oai(default)]
        Query(start): Query<u64>,
        /// Maximum number of orders on the page.
        #[oai(default = "default_page_size", validator(minimum(value = "1"), maximum(value = "1000")))]
        Query(page_size): Query<u32>,
    ) -> Result<PreserializedJson<LinkedOrderPage>, Problem> {
        self.page(PagePosition::ByOffset { start, page_size }, OwnerFilter::Anonymous).await
    }

    /// Lists the orders that pass all filters, newest first.
    ///
    /// To read all pages, follow `_links.next`, or send `next_cursor` as `cursor` with the same filters. On the last page,
    /// neither is present. Every order appears once, even while new orders arrive. A page that is not the last one may
    /// contain fewer orders than `limit`.
    #[oai(path = "/api/v1/orders", method = "get", operation_id = "list_orders")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi registers one query parameter per argument")]
    async fn list_orders(
        &self,
        /// Maximum number of orders on the page.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "1000")))]
        Query(limit): Query<u32>,
        /// The `next_cursor` of the previous page.
        Query(cursor): Query<Option<Cursor>>,
        /// Orders in this currency.
        Query(currency): Query<Option<Currency>>,
        /// Orders accepted at this time or later.
        Query(from): Query<Option<Timestamp>>,
        /// Orders accepted before this time.
        Query(to): Query<Option<Timestamp>>,
        /// Orders of this amount or more.
        Query(min_amount): Query<Option<FiatAmount>>,
        /// Orders of this amount or less.
        Query(max_amount): Query<Option<FiatAmount>>,
        /// Orders to which the client gave exactly this reference.
        Query(client_reference): Query<Option<ClientReference>>,
    ) -> Result<PreserializedJson<LinkedOrderPage>, Problem> {
        let filter = self.checked(OrderFilter { currency, from, to, min_amount, max_amount })?;
        let query = OrderQuery { filter, client_reference, user: None };
        self.page(PagePosition::ByCursor { query, cursor, limit }, OwnerFilter::Anonymous).await
    }

    /// Exports all orders that pass all filters, newest first, as one file.
    ///
    /// The file is sent while the orders are read. If the connection closes early, the file is incomplete. Only some exports may run
    /// at once: a further one is refused with 503, or with 429 if the others are of the same address.
    #[oai(path = "/api/v1/orders/export", method = "get", operation_id = "export_orders")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi registers one query parameter per argument")]
    async fn export(
        &self,
        request: &Request,
        /// The file format.
        Query(format): Query<ExportFormat>,
        /// Orders in this currency.
        Query(currency): Query<Option<Currency>>,
        /// Orders accepted at this time or later.
        Query(from): Query<Option<Timestamp>>,
        /// Orders accepted before this time.
        Query(to): Query<Option<Timestamp>>,
        /// Orders of this amount or more.
        Query(min_amount): Query<Option<FiatAmount>>,
        /// Orders of this amount or less.
        Query(max_amount): Query<Option<FiatAmount>>,
        /// Orders to which the client gave exactly this reference.
        Query(client_reference): Query<Option<ClientReference>>,
    ) -> Result<ExportFile, Problem> {
        let filter = self.checked(OrderFilter { currency, from, to, min_amount, max_amount })?;
        let query = OrderQuery { filter, client_reference, user: None };
        let slot = self.export_slots.acquire(ExportClient::Address(self.trusted_proxies.client_address(request)))?;
        // Checks that db-proxy is available. After the stream has begun, an error can no longer be sent as a problem.
        self.reader.db_proxy.order_summary().await.map_err(Error::from)?;
        let pages = export_orders(self.reader.clone(), query, OwnerFilter::Anonymous, format);
        // The slot is freed when the stream is dropped.
        Ok(ExportFile { format, body: Body::from_bytes_stream(pages.inspect(move |_| _ = &slot)) })
    }

    /// Returns the number and the bitcoin total of all orders, and what remains of the limit.
    #[oai(path = "/api/v1/orders/summary", method = "get", operation_id = "order_summary")]
    async fn summary(&self) -> Result<Json<OrderSummary>, Problem> {
        Ok(Json(self.reader.summary(OwnerFilter::Anonymous).await.map_err(Error::from)?))
    }

    /// Returns one order.
    #[oai(path = "/api/v1/orders/:id", method = "get", operation_id = "get_order")]
    async fn get_order(&self, id: Path<OrderId>) -> Result<PreserializedJson<Order>, Problem> {
        let order = self.lookup.find_order(id.0, OwnerFilter::Anonymous).await.map_err(Error::from)?;
        Ok(PreserializedJson::new(order.ok_or(Error::OrderNotFound(id.0))?))
    }
}

impl Api {
    /// Returns the filter, or an error with its wrong parameters.
    fn checked(&self, filter: OrderFilter) -> Result<OrderFilter, Error> {
        let errors = check_order_filter(&filter, &self.currencies);
        if errors.is_empty() { Ok(filter) } else { Err(Error::InvalidFilter(errors)) }
    }

    async fn page(
        &self,
        position: PagePosition,
        owner: OwnerFilter,
    ) -> Result<PreserializedJson<LinkedOrderPage>, Problem> {
        let page = self.pages.page(PageKey { owner, position }).await;
        Ok(PreserializedJson::new(page.map_err(Error::from)?))
    }
}

fn default_page_size() -> u32 {
    10
}

fn default_limit() -> u32 {
    50
}
