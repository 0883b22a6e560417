//! What db-proxy serves; all of it wants the internal token.

use std::time::Duration;

use common::{
    api::{
        FieldError, Problem,
        orders::{
            Cursor, FoundOrders, MAX_GROUP, MAX_PAGE, MarketOrder, OffsetPage, Order, OrderFilter, OrderIds, OrderPage,
            OrderPrice, OrderSummary, Outcome, Outcomes, PlaceOrderCommand, PlaceOrderCommands, Placed, Refused,
        },
        quotes::{CreateQuoteCommand, MAX_HOLD_SECS, QuoteOutcome},
    },
    ids::{IdempotencyKey, OrderId},
    money::{Currency, FiatAmount, Sats},
    server::{InternalCaller, Json},
    time::Timestamp,
};
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};
use tokio::sync::watch;

use crate::{
    error::Error,
    ledger::{ClientKey, Command, Decision, OrderTerms, PlaceCommand, QuoteCommand},
    store::Store,
    writer::{WriteError, Writer, all_or_error},
};

pub struct Api {
    pub store: Store,
    pub writer: Writer,
    pub limit: watch::Receiver<Sats>,
}

#[OpenApi]
impl Api {
    /// Places a group of orders. Each is decided on its own, in this order; the answer comes when all are durable.
    #[oai(path = "/orders", method = "post", operation_id = "place_orders")]
    async fn place_orders(
        &self,
        _caller: InternalCaller,
        body: Json<PlaceOrderCommands>,
    ) -> Result<Json<Outcomes>, Problem> {
        let orders = body.0.orders;
        check_group("orders", orders.len())?;
        let decisions = self.place(orders).await?;
        Ok(Json(Outcomes { outcomes: decisions.into_iter().map(outcome).collect() }))
    }

    /// Places one order.
    #[oai(path = "/add", method = "post", operation_id = "add_order")]
    async fn add_order(
        &self,
        _caller: InternalCaller,
        body: Json<PlaceOrderCommand>,
    ) -> Result<Json<Outcome>, Problem> {
        let decision = self.place(vec![body.0]).await?.pop().ok_or(Error::Write(WriteError::Stopped))?;
        Ok(Json(outcome(decision)))
    }

    /// Holds a price and its share of the limit for a while.
    #[oai(path = "/quotes", method = "post", operation_id = "hold_quote")]
    async fn hold_quote(
        &self,
        _caller: InternalCaller,
        body: Json<CreateQuoteCommand>,
    ) -> Result<Json<QuoteOutcome>, Problem> {
        let CreateQuoteCommand { currency, amount, price, hold_secs } = body.0;
        check_price(amount, &price).map_err(|error| Error::Invalid(vec![error]))?;
        if !(1..=MAX_HOLD_SECS).contains(&hold_secs) {
            let reason = format!("must be 1 to {MAX_HOLD_SECS}");
            return Err(Error::Invalid(vec![FieldError::new("hold_secs", reason)]).into());
        }
        let duration = Duration::from_secs(hold_secs.into());
        let hold = Command::Quote(QuoteCommand { currency, amount, price, duration, attempted_ids: Vec::new() });
        let decision = self.writer.commit_batch(vec![hold]).await.pop().unwrap_or(Err(WriteError::Stopped));
        Ok(Json(match decision.map_err(Error::from)? {
            Decision::Quoted(quote) => QuoteOutcome { quote: Some(quote), refused: None },
            Decision::Refused { reason, remaining } => {
                QuoteOutcome { quote: None, refused: Some(Refused { reason, remaining }) }
            }
            // A quote is never answered with an order.
            Decision::Placed { .. } => QuoteOutcome { quote: None, refused: None },
        }))
    }

    /// Orders newest first, leaving out the newest `start`.
    #[oai(path = "/get", method = "get", operation_id = "get_orders")]
    async fn get_orders(
        &self,
        _caller: InternalCaller,
        #[oai(default)] start: Query<u64>,
        #[oai(default = "five", validator(minimum(value = "1"), maximum(value = "1000")))] page_size: Query<u32>,
    ) -> Result<Json<OffsetPage>, Problem> {
        let (data, more) = self.store.page_by_offset(start.0, page_size.0).await.map_err(Error::from)?;
        Ok(Json(OffsetPage { data, more }))
    }

    /// Orders that pass all filters, newest first.
    #[oai(path = "/orders", method = "get", operation_id = "list_orders")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter")]
    async fn list_orders(
        &self,
        _caller: InternalCaller,
        #[oai(default = "fifty", validator(minimum(value = "1"), maximum(value = "1000")))] limit: Query<u32>,
        cursor: Query<Option<Cursor>>,
        currency: Query<Option<Currency>>,
        from: Query<Option<Timestamp>>,
        to: Query<Option<Timestamp>>,
        min_amount: Query<Option<FiatAmount>>,
        max_amount: Query<Option<FiatAmount>>,
    ) -> Result<Json<OrderPage>, Problem> {
        let filter = OrderFilter {
            currency: currency.0,
            from: from.0,
            to: to.0,
            min_amount: min_amount.0,
            max_amount: max_amount.0,
        };
        let limit = limit.0.min(MAX_PAGE);
        let (data, next_cursor) = self.store.page(&filter, cursor.0, limit).await.map_err(Error::from)?;
        Ok(Json(OrderPage { data, next_cursor }))
    }

    /// The orders that have one of these ids.
    #[oai(path = "/orders/lookup", method = "post", operation_id = "lookup_orders")]
    async fn lookup_orders(&self, _caller: InternalCaller, body: Json<OrderIds>) -> Result<Json<FoundOrders>, Problem> {
        check_group("ids", body.0.ids.len())?;
        let orders = self.store.orders(&body.0.ids).await.map_err(Error::from)?;
        Ok(Json(FoundOrders { orders }))
    }

    /// One order.
    #[oai(path = "/orders/:id", method = "get", operation_id = "get_order")]
    async fn get_order(&self, _caller: InternalCaller, id: Path<OrderId>) -> Result<Json<Order>, Problem> {
        let order = self.store.orders(&[id.0]).await.map_err(Error::from)?.pop();
        Ok(Json(order.ok_or(Error::NoSuchOrder)?))
    }

    /// What all orders come to, and what is left under the limit.
    #[oai(path = "/summary", method = "get", operation_id = "summary")]
    async fn summary(&self, _caller: InternalCaller) -> Result<Json<OrderSummary>, Problem> {
        let totals = self.store.totals().await.map_err(Error::from)?;
        let limit = *self.limit.borrow();
        let (bitcoin_amount, reserved) = (totals.bitcoin, totals.reserved);
        let remaining = limit.saturating_sub(bitcoin_amount).saturating_sub(reserved);
        Ok(Json(OrderSummary { count: totals.orders, bitcoin_amount, reserved, remaining, limit }))
    }
}

impl Api {
    /// All or nothing where an order of the group is malformed or the outcome of one is not known.
    async fn place(&self, orders: Vec<PlaceOrderCommand>) -> Result<Vec<Decision>, Error> {
        let work: Result<Vec<_>, _> = orders.into_iter().map(entry).collect();
        let answers = self.writer.commit_batch(work.map_err(|error| Error::Invalid(vec![error]))?).await;
        Ok(all_or_error(answers)?)
    }
}

fn check_group(field: &str, size: usize) -> Result<(), Error> {
    if (1..=MAX_GROUP).contains(&size) {
        return Ok(());
    }
    Err(Error::Invalid(vec![FieldError::new(field, format!("must hold 1 to {MAX_GROUP}"))]))
}

/// Checks what create-order made of an order.
fn entry(order: PlaceOrderCommand) -> Result<Command, FieldError> {
    let PlaceOrderCommand { client, key, asked_at, market, quote } = order;
    // What a key may be, its owner may be.
    if client.parse::<IdempotencyKey>().is_err() {
        return Err(FieldError::new("client", "must be 1 to 128 visible ASCII characters"));
    }
    let ask = match (market, quote) {
        (Some(MarketOrder { currency, amount, price }), None) => {
            price.as_ref().map_or(Ok(()), |price| check_price(amount, price))?;
            OrderTerms::Market { currency, amount, price }
        }
        (None, Some(quote)) => OrderTerms::Quote(quote),
        _ => return Err(FieldError::new("quote", "must be there, or market, and not both")),
    };
    // Not later than it came, whatever the clock of its sender says.
    let now = Timestamp::now();
    let asked_at = asked_at.map_or(now, |asked_at| asked_at.min(now));
    Ok(Command::Place(PlaceCommand { key: ClientKey { client, key }, ask, asked_at, attempted_ids: Vec::new() }))
}

/// Computes again what create-order computed, as the last one before the money is written down.
fn check_price(amount: FiatAmount, price: &OrderPrice) -> Result<(), FieldError> {
    if Sats::bought_rounded_up(amount, price.exchange_rate) == Ok(price.bitcoin_amount) {
        Ok(())
    } else {
        Err(FieldError::new("price.bitcoin_amount", "must be amount / exchange_rate, rounded up"))
    }
}

fn outcome(decision: Decision) -> Outcome {
    match decision {
        Decision::Placed { order, replayed } => Outcome { placed: Some(Placed { order, replayed }), refused: None },
        Decision::Refused { reason, remaining } => {
            Outcome { placed: None, refused: Some(Refused { reason, remaining }) }
        }
        // An order is never answered with a quote.
        Decision::Quoted(_) => Outcome { placed: None, refused: None },
    }
}

fn five() -> u32 {
    5
}

fn fifty() -> u32 {
    50
}
