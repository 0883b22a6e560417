//! What create-order serves.

use std::time::Duration;

use common::{
    api::{
        Code, FieldError, Problem,
        orders::{Order, OrderPayload, Placed, PlacedMessage},
        quotes::{Quote, QuoteRequest},
    },
    ids::{IdempotencyKey, KeyError},
    server::{Json, OptionalBody, parse_form},
};
use poem::{Request, http::HeaderMap};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Query},
};
use url::Url;

use crate::{
    dispatcher::DispatchError,
    order_service::{OrderKey, OrderService},
};

/// Longest time that an order waits in all. With the time that its body may take it is below what the edge allows a request,
/// which knows nothing of orders and could not say that the outcome is open.
const PLACE_DEADLINE: Duration = Duration::from_secs(18);
const KEY_HEADER: &str = "Idempotency-Key";

pub struct Api {
    pub order_service: OrderService,
    pub orders_url: Url,
}

/// The answer of `/place_order`.
#[derive(ApiResponse)]
enum PlacedAnswer {
    /// The order is durable.
    #[oai(status = 201)]
    Created(
        Json<PlacedMessage>,
        /// Where the order is found again.
        #[oai(header = "Location")]
        String,
        /// The key it was placed under.
        #[oai(header = "Idempotency-Key")]
        String,
        /// Whether an earlier request with the same key placed it.
        #[oai(header = "Idempotency-Replayed")]
        bool,
    ),
}

/// The answer of `/api/v1/orders`.
#[derive(ApiResponse)]
enum OrderAnswer {
    /// The order is durable.
    #[oai(status = 201)]
    Created(
        Json<Order>,
        /// Where the order is found again.
        #[oai(header = "Location")]
        String,
        /// The key it was placed under.
        #[oai(header = "Idempotency-Key")]
        String,
        /// Whether an earlier request with the same key placed it.
        #[oai(header = "Idempotency-Replayed")]
        bool,
    ),
}

/// The answer of `/api/v1/quotes`.
#[derive(ApiResponse)]
enum QuoteAnswer {
    /// The price is held.
    #[oai(status = 201)]
    Created(Json<Quote>),
}

#[OpenApi]
impl Api {
    /// Places an order: a JSON body, a form, or `?currency=eur&amount=69`.
    #[oai(path = "/place_order", method = "post", operation_id = "place_order")]
    async fn place_order(
        &self,
        /// A three-letter currency code, any case.
        #[oai(name = "currency")]
        _currency: Query<Option<String>>,
        /// Above 0, below 1000000000, at most 4 decimals.
        #[oai(name = "amount")]
        _amount: Query<Option<String>>,
        /// A quote to take, in place of the other two.
        #[oai(name = "quote")]
        _quote: Query<Option<String>>,
        /// The same key gives the same order, however often it is sent.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<IdempotencyKey>>,
        request: &Request,
        body: OptionalBody<OrderPayload>,
    ) -> Result<PlacedAnswer, Problem> {
        // Read as a form is: what is sent twice, or is no field of an order, is refused and not guessed at.
        let query = parse_form(request.uri().query().unwrap_or_default().as_bytes())?;
        let fields = match (query, body.0) {
            (Some(_), Some(_)) => {
                let reason = "must not be there when the query has fields of the order";
                return Err(Problem::validation(vec![FieldError::new("body", reason)]));
            }
            (query, body) => query.or(body).unwrap_or_default(),
        };
        let (placed, key) = self.place(&fields, only_key(idempotency_key.0, request.headers())?).await?;
        let message = format!("Order was placed for {}:{}", placed.order.currency, placed.order.amount);
        let (location, replayed) = (self.location(&placed), placed.replayed);
        let answer = Json(PlacedMessage { message, order: placed.order });
        Ok(PlacedAnswer::Created(answer, location, key, replayed))
    }

    /// Places an order at the current price, or at the price of a quote.
    #[oai(path = "/api/v1/orders", method = "post", operation_id = "create_order")]
    async fn create_order(
        &self,
        /// The same key gives the same order, however often it is sent.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<IdempotencyKey>>,
        headers: &HeaderMap,
        body: Json<OrderPayload>,
    ) -> Result<OrderAnswer, Problem> {
        let (placed, key) = self.place(&body.0, only_key(idempotency_key.0, headers)?).await?;
        let (location, replayed) = (self.location(&placed), placed.replayed);
        Ok(OrderAnswer::Created(Json(placed.order), location, key, replayed))
    }

    /// Holds the current price for a while, with its share of the limit. One order can take it, by its id.
    #[oai(path = "/api/v1/quotes", method = "post", operation_id = "create_quote")]
    async fn create_quote(&self, body: Json<QuoteRequest>) -> Result<QuoteAnswer, Problem> {
        Ok(QuoteAnswer::Created(Json(self.order_service.quote(&body.0).await?)))
    }
}

impl Api {
    async fn place(&self, fields: &OrderPayload, key: Option<IdempotencyKey>) -> Result<(Placed, String), Problem> {
        let key = OrderKey::from(key);
        let placed = tokio::time::timeout(PLACE_DEADLINE, self.order_service.place(fields, &key)).await;
        match placed.unwrap_or(Err(DispatchError::Unknown.into())) {
            Ok(placed) => Ok((placed, key.get().to_string())),
            Err(error) => Err(with_key(error.into(), &key)),
        }
    }

    fn location(&self, placed: &Placed) -> String {
        format!("{}/api/v1/orders/{}", self.orders_url.as_str().trim_end_matches('/'), placed.order.id)
    }
}

/// The key that was read, where it is the only one that was sent.
///
/// The framework passes over a header that is not ASCII, and takes the first of several: an order would be placed under no
/// key, or under one of two.
fn only_key(read: Option<IdempotencyKey>, headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let sent = headers.get_all(KEY_HEADER).iter().count();
    if sent == usize::from(read.is_some()) {
        return Ok(read);
    }
    Err(Problem::validation(vec![FieldError::new(
        KEY_HEADER,
        if sent > 1 { "must be sent once".into() } else { KeyError.to_string() },
    )]))
}

/// Whoever is to ask again needs the key, also when it was made here.
fn with_key(problem: Problem, key: &OrderKey) -> Problem {
    match problem.code {
        Code::OutcomeUnknown => Problem { idempotency_key: Some(key.get().to_string()), ..problem },
        _ => problem,
    }
}
