//! Reads of orders. fetch-orders answers them and checks their query parameters.

use common::{
    api::{
        Problem,
        orders::{Order, OrderSummary},
        pages::LinkedOrderPage,
    },
    ids::OrderId,
    server::Json,
};
use poem::Request;
use poem_openapi::{OpenApi, param::Path};

use super::{
    Forwarder,
    parameters::ForwardedQuery,
    responses::{ExportFile, Forwarded},
};

pub struct ForwardedOrders(pub Forwarder);

#[OpenApi]
impl ForwardedOrders {
    /// Lists the orders that the caller may see, by offset, newest first. Answered by fetch-orders.
    #[oai(path = "/get_orders", method = "get", operation_id = "get_orders")]
    async fn get_orders(
        &self,
        request: &Request,
        /// The number of newest orders to skip.
        #[oai(name = "start")]
        _start: ForwardedQuery<Option<String>>,
        /// Maximum number of orders on the page: 1 to 1000.
        #[oai(name = "page_size")]
        _page_size: ForwardedQuery<Option<String>>,
    ) -> Result<Forwarded<Json<LinkedOrderPage>>, Problem> {
        self.0.forward(request).await
    }

    /// Lists the orders that the caller may see and that pass all filters, newest first. Answered by fetch-orders.
    ///
    /// To read all pages, follow `_links.next`, or send `next_cursor` as `cursor` with the same filters.
    #[oai(path = "/api/v1/orders", method = "get", operation_id = "list_orders")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi registers one query parameter per argument")]
    async fn list_orders(
        &self,
        request: &Request,
        /// Maximum number of orders on the page: 1 to 1000.
        #[oai(name = "limit")]
        _limit: ForwardedQuery<Option<String>>,
        /// The `next_cursor` of the previous page.
        #[oai(name = "cursor")]
        _cursor: ForwardedQuery<Option<String>>,
        /// Orders in this currency.
        #[oai(name = "currency")]
        _currency: ForwardedQuery<Option<String>>,
        /// Orders accepted at this time or later.
        #[oai(name = "from")]
        _from: ForwardedQuery<Option<String>>,
        /// Orders accepted before this time.
        #[oai(name = "to")]
        _to: ForwardedQuery<Option<String>>,
        /// Orders of this amount or more.
        #[oai(name = "min_amount")]
        _min_amount: ForwardedQuery<Option<String>>,
        /// Orders of this amount or less.
        #[oai(name = "max_amount")]
        _max_amount: ForwardedQuery<Option<String>>,
        /// Orders to which the client gave exactly this reference.
        #[oai(name = "client_reference")]
        _client_reference: ForwardedQuery<Option<String>>,
        /// Orders of this user. Only an operator can select the orders of others.
        #[oai(name = "user")]
        _user: ForwardedQuery<Option<String>>,
    ) -> Result<Forwarded<Json<LinkedOrderPage>>, Problem> {
        self.0.forward(request).await
    }

    /// Exports all orders that the caller may see and that pass all filters, newest first, as one file. Answered by
    /// fetch-orders.
    #[oai(path = "/api/v1/orders/export", method = "get", operation_id = "export_orders")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi registers one query parameter per argument")]
    async fn export_orders(
        &self,
        request: &Request,
        /// The file format: `csv` or `jsonl`.
        #[oai(name = "format")]
        _format: ForwardedQuery<String>,
        /// Orders in this currency.
        #[oai(name = "currency")]
        _currency: ForwardedQuery<Option<String>>,
        /// Orders accepted at this time or later.
        #[oai(name = "from")]
        _from: ForwardedQuery<Option<String>>,
        /// Orders accepted before this time.
        #[oai(name = "to")]
        _to: ForwardedQuery<Option<String>>,
        /// Orders of this amount or more.
        #[oai(name = "min_amount")]
        _min_amount: ForwardedQuery<Option<String>>,
        /// Orders of this amount or less.
        #[oai(name = "max_amount")]
        _max_amount: ForwardedQuery<Option<String>>,
        /// Orders to which the client gave exactly this reference.
        #[oai(name = "client_reference")]
        _client_reference: ForwardedQuery<Option<String>>,
        /// Orders of this user. Only an operator can select the orders of others.
        #[oai(name = "user")]
        _user: ForwardedQuery<Option<String>>,
    ) -> Result<Forwarded<ExportFile>, Problem> {
        self.0.forward(request).await
    }

    /// Returns the number and the bitcoin total of the orders that the caller may see, and the remaining limit. Answered
    /// by fetch-orders.
    #[oai(path = "/api/v1/orders/summary", method = "get", operation_id = "order_summary")]
    async fn order_summary(
        &self,
        request: &Request,
        /// Orders of this user. Only an operator can select the orders of others.
        #[oai(name = "user")]
        _user: ForwardedQuery<Option<String>>,
    ) -> Result<Forwarded<Json<OrderSummary>>, Problem> {
        self.0.forward(request).await
    }

    /// Returns one order. Answered by fetch-orders.
    #[oai(path = "/api/v1/orders/:id", method = "get", operation_id = "get_order")]
    async fn get_order(
        &self,
        request: &Request,
        #[oai(name = "id")] _id: Path<OrderId>,
    ) -> Result<Forwarded<Json<Order>>, Problem> {
        self.0.forward(request).await
    }
}
