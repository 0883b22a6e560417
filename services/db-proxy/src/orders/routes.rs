//! The HTTP endpoints of orders and quotes. Each endpoint requires the token of an internal caller that has the permission for
//! this endpoint; see `common/src/server/internal_caller.rs`.

use common::{
    api::{
        FieldError, Problem,
        limit::{OrderLimit, SetLimitCommand},
        orders::{
            ClientReference, Cursor, FoundOrders, MAX_PAGE, OffsetPage, Order, OrderFilter, OrderIds, OrderPage,
            OrderSummary, Outcome, Outcomes, OwnerFilter, PlaceOrderCommand, PlaceOrderCommands, RefusalReason,
            Refused,
        },
        quotes::{CreateQuoteCommand, Quote, QuoteOutcome, QuoteState},
    },
    config::{Caller, Live},
    ids::{OrderId, QuoteId},
    money::{Currency, FiatAmount},
    server::{HistoryReader, Json, OrderWriter},
    time::Timestamp,
};
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{
    OrderBatchStore, OrderLimits,
    command::{Command, Decision, QuoteCaps, ReleaseQuoteCommand},
    policy,
    records::OwnerTotals,
    requests::{UnexpectedDecision, check_group_size, place_command, quote_command},
    store::OrderStore,
};
use crate::{
    clock_check::ClockCheck,
    error::Error,
    group_commit::{CommandTraces, WriterHandle, all_or_error},
};

pub struct OrderRoutes {
    pub store: OrderStore,
    pub writer: WriterHandle<OrderBatchStore>,
    pub limits: OrderLimits,
    pub quote_caps: Live<QuoteCaps>,
    pub clock_check: ClockCheck,
}

#[OpenApi]
impl OrderRoutes {
    /// Places a group of orders. Each order is decided on its own, in the sequence of the request. The response is sent after
    /// all accepted orders are stored durably.
    #[oai(path = "/orders", method = "post", operation_id = "place_orders")]
    async fn place_orders(
        &self,
        caller: OrderWriter,
        body: Json<PlaceOrderCommands>,
    ) -> Result<Json<Outcomes>, Problem> {
        let orders = body.0.orders;
        check_group_size("orders", orders.len()).map_err(Error::from)?;
        let outcomes = self.place_all(orders, caller.0).await?;
        Ok(Json(Outcomes { outcomes, decided_at: Some(self.clock_check.database_time()) }))
    }

    /// Like `/orders`. Callers use this path for orders that have a user, a reference, metadata or a bitcoin amount. A db-proxy of
    /// an older release would ignore these fields, and does not have this path.
    #[oai(path = "/v2/orders", method = "post", operation_id = "place_orders_v2")]
    async fn place_orders_v2(
        &self,
        caller: OrderWriter,
        body: Json<PlaceOrderCommands>,
    ) -> Result<Json<Outcomes>, Problem> {
        self.place_orders(caller, body).await
    }

    /// Like `/v2/orders`. Callers use this path for orders that a wallet pays. A db-proxy of the last release would place them without
    /// the payment, and does not have this path.
    #[oai(path = "/v3/orders", method = "post", operation_id = "place_orders_v3")]
    async fn place_orders_v3(
        &self,
        caller: OrderWriter,
        body: Json<PlaceOrderCommands>,
    ) -> Result<Json<Outcomes>, Problem> {
        self.place_orders(caller, body).await
    }

    /// Places one order.
    #[oai(path = "/add", method = "post", operation_id = "add_order")]
    async fn add_order(&self, caller: OrderWriter, body: Json<PlaceOrderCommand>) -> Result<Json<Outcome>, Problem> {
        let outcome = self.place_all(vec![body.0], caller.0).await?.pop();
        Ok(Json(outcome.ok_or(Error::UnexpectedResult)?))
    }

    /// Creates a quote: offers a price for a time and reserves a share of the limit.
    #[oai(path = "/quotes", method = "post", operation_id = "create_quote")]
    async fn create_quote(
        &self,
        caller: OrderWriter,
        body: Json<CreateQuoteCommand>,
    ) -> Result<Json<QuoteOutcome>, Problem> {
        let command = quote_command(body.0, self.quote_caps.get(), caller.0).map_err(Error::from)?;
        self.decide_quote(command).await
    }

    /// Like `/quotes`. Callers use this path for quotes of a user or of a bitcoin amount. A db-proxy of an older release does not
    /// have this path.
    #[oai(path = "/v2/quotes", method = "post", operation_id = "create_quote_v2")]
    async fn create_quote_v2(
        &self,
        caller: OrderWriter,
        body: Json<CreateQuoteCommand>,
    ) -> Result<Json<QuoteOutcome>, Problem> {
        self.create_quote(caller, body).await
    }

    /// Returns a quote of the owner, with its current state.
    #[oai(path = "/quotes/:id", method = "get", operation_id = "get_quote")]
    async fn get_quote(
        &self,
        _caller: OrderWriter,
        id: Path<QuoteId>,
        #[oai(default)] owner: Query<OwnerFilter>,
    ) -> Result<Json<QuoteOutcome>, Problem> {
        let stored = self.store.quote_by_id(id.0).await.map_err(Error::from)?;
        let decision = match stored.filter(|stored| owner.0.selects(stored.quote.user_id)) {
            // Not a 404: a db-proxy of an older release, which does not have this path, returns 404 for any quote.
            None => Decision::Refused(Refused::because(RefusalReason::QuoteUnknown)),
            Some(stored)
                if stored.quote.state == QuoteState::Open && stored.has_expired(self.clock_check.database_time()) =>
            {
                Decision::Quoted(Quote { state: QuoteState::Expired, ..stored.quote })
            }
            Some(stored) => Decision::Quoted(stored.quote),
        };
        Ok(Json(QuoteOutcome::try_from(decision).map_err(Error::from)?))
    }

    /// Releases the reservation of an open quote of the owner. Repeating the request has no effect.
    #[oai(path = "/quotes/:id", method = "delete", operation_id = "release_quote")]
    async fn release_quote(
        &self,
        _caller: OrderWriter,
        id: Path<QuoteId>,
        #[oai(default)] owner: Query<OwnerFilter>,
    ) -> Result<Json<QuoteOutcome>, Problem> {
        self.decide_quote(Command::ReleaseQuote(ReleaseQuoteCommand { id: id.0, owner: owner.0 })).await
    }

    /// Returns anonymous orders, newest first. Skips the newest `start` of them. A fetch-orders of the last release uses
    /// this path.
    #[oai(path = "/get", method = "get", operation_id = "get_orders")]
    async fn get_orders(
        &self,
        caller: HistoryReader,
        #[oai(default)] start: Query<u64>,
        #[oai(default = "default_offset_page", validator(minimum(value = "1"), maximum(value = "1000")))]
        page_size: Query<u32>,
    ) -> Result<Json<OffsetPage>, Problem> {
        self.get_orders_v2(caller, Query(OwnerFilter::Anonymous), start, page_size).await
    }

    /// Returns orders of the owner, newest first. Skips the newest `start` of them.
    #[oai(path = "/v2/get", method = "get", operation_id = "get_orders_v2")]
    async fn get_orders_v2(
        &self,
        _caller: HistoryReader,
        owner: Query<OwnerFilter>,
        #[oai(default)] start: Query<u64>,
        #[oai(default = "default_offset_page", validator(minimum(value = "1"), maximum(value = "1000")))]
        page_size: Query<u32>,
    ) -> Result<Json<OffsetPage>, Problem> {
        Ok(Json(self.store.page_by_offset(owner.0, start.0, page_size.0).await.map_err(Error::from)?))
    }

    /// Returns the anonymous orders that pass all filters, newest first. A fetch-orders of the last release uses this path.
    #[oai(path = "/orders", method = "get", operation_id = "list_orders")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter")]
    async fn list_orders(
        &self,
        _caller: HistoryReader,
        #[oai(default = "default_page", validator(minimum(value = "1"), maximum(value = "1000")))] limit: Query<u32>,
        cursor: Query<Option<Cursor>>,
        Query(currency): Query<Option<Currency>>,
        Query(from): Query<Option<Timestamp>>,
        Query(to): Query<Option<Timestamp>>,
        Query(min_amount): Query<Option<FiatAmount>>,
        Query(max_amount): Query<Option<FiatAmount>>,
    ) -> Result<Json<OrderPage>, Problem> {
        let filter = OrderFilter { currency, from, to, min_amount, max_amount };
        let page = self.store.page_by_cursor(OwnerFilter::Anonymous, &filter, cursor.0, limit.0.min(MAX_PAGE)).await;
        Ok(Json(page.map_err(Error::from)?))
    }

    /// Returns the orders of the owner that pass all filters, newest first. If `client_reference` is present, returns only orders
    /// with this reference. A db-proxy of an older release does not have this path.
    #[oai(path = "/v2/orders", method = "get", operation_id = "list_orders_v2")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter")]
    async fn list_orders_v2(
        &self,
        _caller: HistoryReader,
        owner: Query<OwnerFilter>,
        client_reference: Query<Option<ClientReference>>,
        #[oai(default = "default_page", validator(minimum(value = "1"), maximum(value = "1000")))] limit: Query<u32>,
        cursor: Query<Option<Cursor>>,
        Query(currency): Query<Option<Currency>>,
        Query(from): Query<Option<Timestamp>>,
        Query(to): Query<Option<Timestamp>>,
        Query(min_amount): Query<Option<FiatAmount>>,
        Query(max_amount): Query<Option<FiatAmount>>,
    ) -> Result<Json<OrderPage>, Problem> {
        let filter = OrderFilter { currency, from, to, min_amount, max_amount };
        let (owner, cursor, limit) = (owner.0, cursor.0, limit.0.min(MAX_PAGE));
        let page = match client_reference.0 {
            Some(reference) => self.store.page_by_reference(owner, &reference, &filter, cursor, limit).await,
            None => self.store.page_by_cursor(owner, &filter, cursor, limit).await,
        };
        Ok(Json(page.map_err(Error::from)?))
    }

    /// Returns the anonymous orders that have one of these ids. A fetch-orders of the last release uses this path.
    #[oai(path = "/orders/lookup", method = "post", operation_id = "lookup_orders")]
    async fn lookup_orders(&self, caller: HistoryReader, body: Json<OrderIds>) -> Result<Json<FoundOrders>, Problem> {
        let mut found = self.lookup_orders_v2(caller, body).await?;
        found.0.orders.retain(|order| order.user_id.is_none());
        Ok(found)
    }

    /// Returns the orders of all owners that have one of these ids. The caller must select the orders that its clients may see.
    #[oai(path = "/v2/orders/lookup", method = "post", operation_id = "lookup_orders_v2")]
    async fn lookup_orders_v2(
        &self,
        _caller: HistoryReader,
        body: Json<OrderIds>,
    ) -> Result<Json<FoundOrders>, Problem> {
        check_group_size("ids", body.0.ids.len()).map_err(Error::from)?;
        let orders = self.store.orders_by_id(&body.0.ids).await.map_err(Error::from)?;
        Ok(Json(FoundOrders { orders }))
    }

    /// Returns one order of the owner.
    #[oai(path = "/orders/:id", method = "get", operation_id = "get_order")]
    async fn get_order(
        &self,
        _caller: HistoryReader,
        id: Path<OrderId>,
        #[oai(default)] owner: Query<OwnerFilter>,
    ) -> Result<Json<Order>, Problem> {
        let order = self.store.orders_by_id(&[id.0]).await.map_err(Error::from)?.pop();
        Ok(Json(order.filter(|order| owner.0.selects(order.user_id)).ok_or(Error::OrderNotFound)?))
    }

    /// Returns the totals over the orders and quotes of all owners, and the remaining limit.
    #[oai(path = "/summary", method = "get", operation_id = "summary")]
    async fn summary(&self, caller: HistoryReader) -> Result<Json<OrderSummary>, Problem> {
        self.summary_v2(caller, Query(OwnerFilter::Everybody)).await
    }

    /// Returns the totals over the orders and quotes of the owner, and the remaining limit. All owners share
    /// the limit.
    #[oai(path = "/v2/summary", method = "get", operation_id = "summary_v2")]
    async fn summary_v2(
        &self,
        _caller: HistoryReader,
        owner: Query<OwnerFilter>,
    ) -> Result<Json<OrderSummary>, Problem> {
        let current = self.store.totals_and_limit().await.map_err(Error::from)?;
        let (totals, limit) = (current.totals, self.limits.in_force(&current));
        let OwnerTotals { orders, bitcoin, reserved } =
            self.store.totals_of(owner.0, &totals).await.map_err(Error::from)?;
        Ok(Json(OrderSummary {
            count: orders,
            bitcoin_amount: bitcoin,
            reserved,
            remaining: policy::remaining(limit, &totals),
            limit,
        }))
    }

    /// Returns the limit over all orders, and its newest changes.
    #[oai(path = "/limit", method = "get", operation_id = "get_limit")]
    async fn get_limit(&self, _caller: OrderWriter) -> Result<Json<OrderLimit>, Problem> {
        Ok(Json(self.limits.show().await?))
    }

    /// Sets the limit over all orders for every instance. It applies to every order that is decided after the response. If the limit
    /// is below the sum of all orders, only orders with an open quote are accepted. Repeating the request has no effect.
    #[oai(path = "/limit", method = "put", operation_id = "set_limit")]
    async fn set_limit(&self, _caller: OrderWriter, body: Json<SetLimitCommand>) -> Result<Json<OrderLimit>, Problem> {
        Ok(Json(self.limits.set(body.0).await?))
    }
}

impl OrderRoutes {
    /// Returns one outcome for each order, or one error for all of them.
    async fn place_all(&self, orders: Vec<PlaceOrderCommand>, caller: Caller) -> Result<Vec<Outcome>, Error> {
        let received_at = self.clock_check.database_time();
        let traces = CommandTraces::of_batch(orders.iter().map(|order| order.traceparent.as_deref()));
        let commands = orders.into_iter().map(|order| place_command(order, received_at, caller));
        let commands: Result<Vec<_>, _> = commands.collect();
        let outcomes: Result<_, _> =
            self.submit_commands(commands?, traces).await?.into_iter().map(Outcome::try_from).collect();
        Ok(outcomes?)
    }

    async fn decide_quote(&self, command: Command) -> Result<Json<QuoteOutcome>, Problem> {
        let decision = self.submit_commands(vec![command], CommandTraces::of_request()).await?.pop();
        let outcome = QuoteOutcome::try_from(decision.ok_or(Error::UnexpectedResult)?);
        Ok(Json(outcome.map_err(Error::from)?))
    }

    async fn submit_commands(&self, commands: Vec<Command>, traces: CommandTraces) -> Result<Vec<Decision>, Error> {
        Ok(all_or_error(self.writer.submit_traced(commands, traces).await)?)
    }
}

impl From<FieldError> for Error {
    fn from(error: FieldError) -> Self {
        Self::Invalid(vec![error])
    }
}

impl From<UnexpectedDecision> for Error {
    fn from(_: UnexpectedDecision) -> Self {
        Self::UnexpectedResult
    }
}

fn default_offset_page() -> u32 {
    5
}

fn default_page() -> u32 {
    50
}
