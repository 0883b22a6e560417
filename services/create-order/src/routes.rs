//! The HTTP endpoints of create-order.

use std::time::Duration;

use common::{
    access::{AnonymousAccess, Principal, Rule},
    api::{
        FieldError, Problem,
        keys::Scope,
        limit::{LimitPayload, OrderLimit, SetLimitCommand},
        orders::{Order, OrderPayload, Placed, PlacedMessage},
        quotes::{Quote, QuoteRequest},
    },
    clients::DispatchError,
    ids::{IdempotencyKey, QuoteId},
    server::{Json, OptionalBody, RequestKey, TrustedProxies, UncheckedBody, parse_form},
};
use poem::{Request, http::HeaderMap};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
};
use url::Url;

use crate::{
    error::Error,
    order_service::{OrderService, QuoteClient},
};

/// Maximum time from the call of the order service to its result. After this time, the response states that the outcome is
/// unknown.
///
/// This timeout expires before the request timeout of the server, whose response does not mention the unknown outcome.
/// It expires first even if the check of the API key and the reading of the body take their maximum times.
const PLACE_ORDER_TIMEOUT: Duration = Duration::from_secs(18);

pub struct Api {
    pub order_service: OrderService,
    pub orders_url: Option<Url>,
    pub trusted_proxies: TrustedProxies,
    /// The publish interval of prices. If there is no price, it is the `Retry-After` of the response.
    pub publish_interval: Duration,
}

/// The response of `/place_order`.
#[derive(ApiResponse)]
enum PlaceOrderResponse {
    /// The order is stored durably.
    #[oai(status = 201)]
    Created(
        Json<PlacedMessage>,
        /// The URL of the order.
        #[oai(header = "Location")]
        String,
        /// The idempotency key of the order. It is generated if the request has none.
        #[oai(header = "Idempotency-Key")]
        String,
        /// Whether an earlier request with the same idempotency key placed the order.
        #[oai(header = "Idempotency-Replayed")]
        bool,
    ),
}

/// The response of `/api/v1/orders`.
#[derive(ApiResponse)]
enum CreateOrderResponse {
    /// The order is stored durably.
    #[oai(status = 201)]
    Created(
        Json<Order>,
        /// The URL of the order.
        #[oai(header = "Location")]
        String,
        /// The idempotency key of the order. It is generated if the request has none.
        #[oai(header = "Idempotency-Key")]
        String,
        /// Whether an earlier request with the same idempotency key placed the order.
        #[oai(header = "Idempotency-Replayed")]
        bool,
    ),
}

/// The response of `/api/v1/quotes`.
#[derive(ApiResponse)]
enum CreateQuoteResponse {
    /// The quote is open. Its price and its share of the limit are reserved.
    #[oai(status = 201)]
    Created(Json<Quote>),
}

/// The response of `DELETE /api/v1/quotes/:id`.
#[derive(ApiResponse)]
enum ReleaseQuoteResponse {
    /// The reservation of the quote is released.
    #[oai(status = 204)]
    Released,
}

#[OpenApi]
impl Api {
    /// Places an order. The client sends its fields as a JSON body, as a form, or as the query `?currency=eur&amount=69`.
    #[oai(path = "/place_order", method = "post", operation_id = "place_order")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi registers one query parameter per argument")]
    async fn place_order(
        &self,
        principal: Principal,
        /// A three-letter currency code in upper or lower case.
        #[oai(name = "currency")]
        _currency: Query<Option<String>>,
        /// More than 0, less than 1000000000, at most 4 decimals.
        #[oai(name = "amount")]
        _amount: Query<Option<String>>,
        /// The bitcoin to buy, instead of `amount`: more than 0, at most 8 decimals.
        #[oai(name = "bitcoin_amount")]
        _bitcoin_amount: Query<Option<String>>,
        /// The id of a quote. Replaces `currency`, `amount` and `bitcoin_amount`.
        #[oai(name = "quote")]
        _quote: Query<Option<String>>,
        /// A reference of the client: 1 to 200 characters without control characters.
        #[oai(name = "client_reference")]
        _client_reference: Query<Option<String>>,
        /// The wallet that pays: a wallet of the caller, in the currency of the order.
        #[oai(name = "wallet_id")]
        _wallet_id: Query<Option<String>>,
        /// The wallet that receives the bitcoin: a wallet of the caller in BTC. Requires `wallet_id`.
        #[oai(name = "credit_wallet_id")]
        _credit_wallet_id: Query<Option<String>>,
        /// Identifies the order: a user's requests with the same idempotency key place only one order. All requests without an
        /// API key count as requests of one user.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<IdempotencyKey>>,
        request: &Request,
        body: OptionalBody<OrderPayload>,
    ) -> Result<PlaceOrderResponse, Problem> {
        // The query is parsed like a form, so that a repeated or an unknown field is refused.
        let query = parse_form(request.uri().query().unwrap_or_default().as_bytes());
        let payload = match (query, body.0) {
            (Some(_), Some(_)) => {
                let reason = "must be empty if the query contains fields of the order";
                return Err(Problem::validation(vec![FieldError::new("body", reason)]));
            }
            (query, body) => match query.or(body) {
                Some(payload) => self.parsed_payload(payload)?,
                None => OrderPayload::default(),
            },
        };
        let key = RequestKey::from_header(idempotency_key.0, request.headers())?;
        let placed = self.place_with_timeout(&payload, &key, &principal).await?;
        let message = format!("Order was placed for {}:{}", placed.order.currency, placed.order.amount);
        let (location, replayed) = (self.location(&placed), placed.replayed);
        let body = Json(PlacedMessage { message, order: placed.order });
        Ok(PlaceOrderResponse::Created(body, location, key.to_string(), replayed))
    }

    /// Places an order at the current price or at the price of a quote.
    #[oai(path = "/api/v1/orders", method = "post", operation_id = "create_order")]
    async fn create_order(
        &self,
        principal: Principal,
        /// Identifies the order: a user's requests with the same idempotency key place only one order. All requests without an
        /// API key count as requests of one user.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<IdempotencyKey>>,
        headers: &HeaderMap,
        body: UncheckedBody<OrderPayload>,
    ) -> Result<CreateOrderResponse, Problem> {
        let key = RequestKey::from_header(idempotency_key.0, headers)?;
        let payload = self.parsed_payload(body)?;
        let placed = self.place_with_timeout(&payload, &key, &principal).await?;
        let (location, replayed) = (self.location(&placed), placed.replayed);
        Ok(CreateOrderResponse::Created(Json(placed.order), location, key.to_string(), replayed))
    }

    /// Creates a quote: reserves the current price and a share of the limit until the quote expires.
    ///
    /// An order uses the quote if its field `quote` is the id of the quote. Only one order can use the quote. If the quote was
    /// requested with an API key, the order must have an API key of the same user. If the quote was requested without an API key,
    /// the order must have none. Three amounts of bitcoin are limited: the amount of one quote, the sum over the open quotes of
    /// one client, and the sum over all open quotes.
    #[oai(path = "/api/v1/quotes", method = "post", operation_id = "create_quote")]
    async fn create_quote(
        &self,
        principal: Principal,
        request: &Request,
        body: UncheckedBody<QuoteRequest>,
    ) -> Result<CreateQuoteResponse, Problem> {
        let body = body.or_problem(|parsed| self.order_service.invalid_quote_fields(parsed))?;
        let address = || QuoteClient::Anonymous(self.trusted_proxies.client_address(request));
        let client = principal.user_id().map_or_else(address, QuoteClient::User);
        let quote = self.order_service.create_quote(&body, client).await;
        let quote = quote.map_err(|error| error.into_quote_problem(self.publish_interval))?;
        Ok(CreateQuoteResponse::Created(Json(quote)))
    }

    /// Returns a quote, its state, and the id of the order that used it. A user receives 404 for a quote of another owner.
    ///
    /// A quote that is no longer open is deleted some time after its creation, by default after a day. The setting
    /// `IDEMPOTENCY_KEEP_SECS` of db-proxy configures this time.
    #[oai(path = "/api/v1/quotes/:id", method = "get", operation_id = "get_quote")]
    async fn get_quote(&self, principal: Principal, id: Path<QuoteId>) -> Result<Json<Quote>, Problem> {
        Ok(Json(self.order_service.find_quote(id.0, principal.owner_filter()).await?))
    }

    /// Releases the reservation of a quote before the quote expires. No order can use the quote afterwards.
    ///
    /// Repeating the request has no effect. The response for a quote that an order has used is 409 `quote_taken`.
    #[oai(path = "/api/v1/quotes/:id", method = "delete", operation_id = "release_quote")]
    async fn release_quote(&self, principal: Principal, id: Path<QuoteId>) -> Result<ReleaseQuoteResponse, Problem> {
        self.order_service.release_quote(id.0, principal.owner_filter()).await?;
        Ok(ReleaseQuoteResponse::Released)
    }

    /// Returns the limit over all orders, its remaining part, and its newest changes. Only for operators.
    #[oai(path = "/api/v1/limit", method = "get", operation_id = "get_limit")]
    async fn get_limit(&self) -> Result<Json<OrderLimit>, Problem> {
        Ok(Json(self.order_service.order_limit().await?))
    }

    /// Sets the limit over all orders, and returns it. Only for operators.
    ///
    /// The limit applies at once, to every order that is decided after the response. From the first such request on, the setting
    /// `BTC_LIMIT` has no effect. A limit below the sum of all orders is allowed: only orders with an open quote are then accepted.
    /// Repeating the request has no effect.
    #[oai(path = "/api/v1/limit", method = "put", operation_id = "set_limit")]
    async fn set_limit(&self, body: UncheckedBody<LimitPayload>) -> Result<Json<OrderLimit>, Problem> {
        let payload = body.or_problem(|parsed| SetLimitCommand::from_payload(parsed).err().unwrap_or_default())?;
        let command = SetLimitCommand::from_payload(&payload).map_err(Error::Invalid)?;
        Ok(Json(self.order_service.set_order_limit(&command).await?))
    }
}

impl Api {
    fn parsed_payload(&self, payload: UncheckedBody<OrderPayload>) -> Result<OrderPayload, Problem> {
        payload.or_problem(|parsed| self.order_service.invalid_fields(parsed))
    }

    async fn place_with_timeout(
        &self,
        payload: &OrderPayload,
        key: &RequestKey,
        principal: &Principal,
    ) -> Result<Placed, Problem> {
        check_payment(payload, principal)?;
        let placing = self.order_service.place_order(payload, key, principal.user_id());
        let result = match tokio::time::timeout(PLACE_ORDER_TIMEOUT, placing).await {
            Ok(result) => result,
            Err(_elapsed) => Err(DispatchError::OutcomeUnknown.into()),
        };
        result.map_err(|error| key.add_to(error.into_order_problem(self.publish_interval)))
    }

    fn location(&self, placed: &Placed) -> String {
        let base = self.orders_url.as_ref().map_or("", |url| url.as_str().trim_end_matches('/'));
        format!("{base}/api/v1/orders/{}", placed.order.id)
    }
}

/// If the request has an API key, an order with a wallet requires the scope `wallets`. Operators are refused, because
/// they do not act for a customer.
fn check_payment(payload: &OrderPayload, principal: &Principal) -> Result<(), Error> {
    if payload.wallet_id.is_none() && payload.credit_wallet_id.is_none() {
        return Ok(());
    }
    // Anonymous access is not checked again: if it is off, the rule of the operation has already refused the request.
    Rule::CustomerOnly(Scope::Wallets).check(principal, AnonymousAccess::On).map_err(Error::PaymentForbidden)
}
