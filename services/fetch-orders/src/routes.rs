//! The HTTP endpoints of fetch-orders.

use std::sync::Arc;

use common::{
    access::Principal,
    api::{
        Problem,
        filters::check_order_filter,
        orders::{ClientReference, Cursor, Order, OrderFilter, OrderQuery, OrderSummary, OwnerFilter},
        pages::LinkedOrderPage,
        parameters::AsSent,
    },
    clients::db_proxy::OrderReader,
    config::Live,
    ids::{OrderId, UserId},
    money::{Currency, FiatAmount},
    server::{ExportClient, ExportFile, ExportFormat, ExportSlots, Json, PreserializedJson, TrustedProxies},
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
    export::export_orders,
    order_lookup::OrderLookup,
    order_pages::{OrderPages, PageKey, PagePosition},
    owner::select_owner,
};

pub struct Api {
    pub reader: OrderReader,
    pub lookup: OrderLookup,
    pub pages: OrderPages,
    pub export_slots: ExportSlots,
    pub trusted_proxies: TrustedProxies,
    /// The currencies that the filter of orders accepts.
    pub currencies: Live<Arc<[Currency]>>,
}

#[OpenApi]
impl Api {
    /// Lists the orders that the caller may see, by offset, newest first.
    ///
    /// A user sees its own orders. A client without an API key sees the orders that were placed without a key. An operator sees
    /// all orders.
    #[oai(path = "/get_orders", method = "get", operation_id = "get_orders")]
    async fn get_orders(
        &self,
        principal: Principal,
        /// The number of newest orders to skip.
        #[oai(default)]
        Query(start): Query<u64>,
        /// Maximum number of orders on the page.
        #[oai(default = "default_page_size", validator(minimum(value = "1"), maximum(value = "1000")))]
        Query(page_size): Query<u32>,
    ) -> Result<PreserializedJson<LinkedOrderPage>, Problem> {
        self.page(PagePosition::ByOffset { start, page_size }, principal.owner_filter()).await
    }

    /// Lists the orders that the caller may see and that pass all filters, newest first.
    ///
    /// A user sees its own orders. A client without an API key sees the orders that were placed without a key. An operator sees
    /// all orders.
    ///
    /// To read all pages, follow `_links.next`, or send `next_cursor` as `cursor` with the same filters. On the last page,
    /// neither is present. Every order appears once, even while new orders arrive. A page before the last page may contain
    /// fewer orders than `limit`.
    #[oai(path = "/api/v1/orders", method = "get", operation_id = "list_orders")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi registers one query parameter per argument")]
    async fn list_orders(
        &self,
        principal: Principal,
        /// Maximum number of orders on the page.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "1000")))]
        Query(limit): Query<u32>,
        /// The `next_cursor` of the previous page.
        Query(cursor): Query<Option<Cursor>>,
        /// Orders in this currency.
        Query(currency): Query<Option<AsSent<Currency>>>,
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
        /// Orders of this user. Only an operator can select the orders of others.
        Query(user): Query<Option<UserId>>,
    ) -> Result<PreserializedJson<LinkedOrderPage>, Problem> {
        let owner = select_owner(&principal, user)?;
        let filter = self.checked(currency, OrderFilter { currency: None, from, to, min_amount, max_amount })?;
        let query = OrderQuery { filter, client_reference, user };
        self.page(PagePosition::ByCursor { query, cursor, limit }, owner).await
    }

    /// Exports all orders that the caller may see and that pass all filters, newest first, as one file.
    ///
    /// A user sees its own orders. A client without an API key sees the orders that were placed without a key. An operator sees
    /// all orders.
    ///
    /// The file is sent while the orders are read. If the connection closes early, the file is incomplete. The number of
    /// concurrent exports is limited. An export is refused with 503 if too many exports are running, and with 429 if the user
    /// or the address runs too many exports.
    #[oai(path = "/api/v1/orders/export", method = "get", operation_id = "export_orders")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi registers one query parameter per argument")]
    async fn export(
        &self,
        principal: Principal,
        request: &Request,
        /// The file format.
        Query(format): Query<ExportFormat>,
        /// Orders in this currency.
        Query(currency): Query<Option<AsSent<Currency>>>,
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
        /// Orders of this user. Only an operator can select the orders of others.
        Query(user): Query<Option<UserId>>,
    ) -> Result<ExportFile, Problem> {
        let owner = select_owner(&principal, user)?;
        let filter = self.checked(currency, OrderFilter { currency: None, from, to, min_amount, max_amount })?;
        let query = OrderQuery { filter, client_reference, user };
        let address = || ExportClient::Address(self.trusted_proxies.client_address(request));
        let slot = self.export_slots.acquire(principal.user_id().map_or_else(address, ExportClient::User))?;
        // Checks that db-proxy is available. After the stream has begun, an error can no longer be sent as a problem.
        self.reader.db_proxy.order_summary().await.map_err(Error::from)?;
        let pages = export_orders(self.reader.clone(), query, owner, format);
        // The slot is freed when the stream is dropped.
        let body = Body::from_bytes_stream(pages.inspect(move |_| _ = &slot));
        Ok(ExportFile { format, name: "orders", body })
    }

    /// Returns the number and the bitcoin total of the orders that the caller may see, and the remaining limit over all orders.
    #[oai(path = "/api/v1/orders/summary", method = "get", operation_id = "order_summary")]
    async fn summary(
        &self,
        principal: Principal,
        /// Orders of this user. Only an operator can select the orders of others.
        Query(user): Query<Option<UserId>>,
    ) -> Result<Json<OrderSummary>, Problem> {
        let owner = select_owner(&principal, user)?;
        Ok(Json(self.reader.summary(owner).await.map_err(Error::from)?))
    }

    /// Returns one order. A user receives 404 for an order of another owner.
    #[oai(path = "/api/v1/orders/:id", method = "get", operation_id = "get_order")]
    async fn get_order(&self, principal: Principal, id: Path<OrderId>) -> Result<PreserializedJson<Order>, Problem> {
        let order = self.lookup.find_order(id.0, principal.owner_filter()).await.map_err(Error::from)?;
        Ok(PreserializedJson::new(order.ok_or(Error::OrderNotFound(id.0))?))
    }
}

impl Api {
    /// Returns the filter with the currency, or an error with every invalid parameter.
    fn checked(&self, currency: Option<AsSent<Currency>>, filter: OrderFilter) -> Result<OrderFilter, Error> {
        let text = currency.as_ref().map(|currency| currency.text.as_str());
        let errors = check_order_filter(&filter, text, &self.currencies.get());
        let currency = currency.map(|currency| currency.value);
        if errors.is_empty() { Ok(OrderFilter { currency, ..filter }) } else { Err(Error::InvalidFilter(errors)) }
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
