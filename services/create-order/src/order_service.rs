//! Validates orders and quotes, converts their amounts at the current price, and sends them to db-proxy.

use std::{iter, net::IpAddr, sync::Arc};

use common::{
    api::{
        FieldError,
        limit::{OrderLimit, SetLimitCommand},
        orders::{
            ConversionError, ConvertedAmounts, MarketOrder, OrderPayload, OrderPrice, OrderRequest, OrderSource,
            OrderedAmount, OwnerFilter, PlaceOrderCommand, Placed, PricedOrder, RefusalReason, Refused, ValidatedOrder,
            client_name,
        },
        quotes::{CreateQuoteCommand, Quote, QuoteOutcome, QuoteRequest},
    },
    clients::{DispatchError, db_proxy::DbProxyClient},
    config::Live,
    ids::{QuoteId, UserId},
    money::{Currency, FiatAmount},
    server::RequestKey,
};

use crate::{
    amount_bounds::AmountBounds,
    dispatcher::{Decision, OrderDispatcher},
    error::Error,
    order_backend::OrderBackend,
    price_reader::{OrderablePrice, PriceReader},
};

/// The client that requests a quote. The sum of the open quotes of one client has a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuoteClient {
    User(UserId),
    /// A client without the API key of a user, identified by its IP address.
    Anonymous(IpAddr),
}

impl QuoteClient {
    fn name(self) -> String {
        match self {
            Self::User(user) => client_name(Some(user)),
            Self::Anonymous(address) => format!("ip:{address}"),
        }
    }

    fn user(self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::Anonymous(_) => None,
        }
    }
}

/// Places orders and creates quotes.
#[derive(Clone)]
pub struct OrderService {
    pub currencies: Live<Arc<[Currency]>>,
    pub amount_bounds: Live<Arc<AmountBounds>>,
    pub prices: PriceReader,
    pub dispatcher: OrderDispatcher,
    pub backend: Arc<dyn OrderBackend>,
    /// The lifetime of a quote in seconds.
    pub hold_secs: Live<u32>,
}

impl OrderService {
    /// Places an order of a user, or an anonymous order. Calls of one user with the same idempotency key place at most one order.
    /// The returned order is durable.
    ///
    /// A payload that is invalid with every value of `CURRENCIES` is refused without a call of db-proxy.
    ///
    /// If the client supplies the key, an earlier request possibly placed the order. The order is therefore sent to
    /// db-proxy even if no new order can be placed now, and db-proxy returns the existing order, if there is one. If
    /// db-proxy does not look up the key, the outcome is unknown.
    pub async fn place_order(
        &self,
        payload: &OrderPayload,
        key: &RequestKey,
        user: Option<UserId>,
    ) -> Result<Placed, Error> {
        let mut command = PlaceOrderCommand {
            client: client_name(user),
            key: key.as_idempotency_key().clone(),
            requested_at: Some(self.dispatcher.database_time()),
            market: None,
            quote: None,
            client_reference: None,
            metadata: None,
            user_id: user,
            wallet_id: None,
            credit_wallet_id: None,
            traceparent: None,
        };
        // Why no new order can be placed.
        let mut local_error = None;
        let request = OrderRequest::from_payload(payload, &self.currencies.get()).or_else(|errors| {
            let Some(request) = request_in_any_currency(payload) else { return Err(Error::Invalid(errors)) };
            local_error = Some(Error::Invalid(errors));
            Ok(request)
        })?;
        let source = request.source;
        match source {
            OrderSource::Quoted(quote) => command.quote = Some(quote),
            OrderSource::Market(order) => {
                let mut priced = None;
                if local_error.is_none() {
                    priced = self.price_order(&order, payload).await.map_err(|error| local_error = Some(error)).ok();
                }
                command.market = Some(MarketOrder::new(order, priced));
            }
        }
        (command.client_reference, command.metadata) =
            (request.annotations.client_reference, request.annotations.metadata);
        let wallets = request.wallets;
        command.wallet_id = wallets.map(|wallets| wallets.paying);
        command.credit_wallet_id = wallets.and_then(|wallets| wallets.credited);
        let is_client_key = key.is_client_supplied();
        if let Some(error) = local_error.take_if(|_| !is_client_key) {
            return Err(error);
        }
        let decision = match self.dispatcher.dispatch(command).await {
            Ok(decision) => decision,
            Err(error) if is_client_key => {
                tracing::debug!(%error, "the idempotency key of a client was not looked up");
                return Err(error.with_client_key().into());
            }
            Err(error) => return Err(error.into()),
        };
        match (decision, local_error) {
            (Decision::Placed(placed), _) => Ok(placed),
            // The local error states why the order was sent without a price.
            (Decision::Refused(Refused { reason: RefusalReason::PriceUnavailable, .. }), Some(error)) => Err(error),
            (Decision::Refused(refused), _) => {
                Err(Error::of_refusal(&refused, wallets, Some(source), Some(key.as_idempotency_key())))
            }
        }
    }

    /// Creates a quote for a client. Reserves the current price, and the bitcoin amount under the limit.
    pub async fn create_quote(&self, request: &QuoteRequest, client: QuoteClient) -> Result<Quote, Error> {
        let payload = quote_payload(request);
        let order = ValidatedOrder::from_payload(&payload, &self.currencies.get()).map_err(Error::Invalid)?;
        let PricedOrder { amount, price } = self.price_order(&order, &payload).await?;
        let command = CreateQuoteCommand {
            currency: order.currency,
            amount,
            price,
            hold_secs: self.hold_secs.get(),
            client: Some(client.name()),
            ordered_by: order.amount.ordered_by(),
            user_id: client.user(),
        };
        match self.backend.create_quote(&command).await? {
            QuoteOutcome { quote: Some(quote), .. } => Ok(quote),
            QuoteOutcome {
                refused: Some(Refused { remaining, .. }), exceeded_cap: Some(cap), exceeded_caps, ..
            } => {
                // An older db-proxy sends `exceeded_cap` and no `exceeded_caps`.
                let others = exceeded_caps.iter().map(|exceeded| exceeded.cap).filter(|other| *other != cap);
                Err(Error::QuoteCapExceeded { caps: iter::once(cap).chain(others).collect(), remaining })
            }
            QuoteOutcome { refused: Some(refused), exceeded_cap: None, exceeded_caps, .. } => {
                match (Error::from(refused), exceeded_caps.iter().map(|exceeded| exceeded.remaining).min()) {
                    (Error::LimitExceeded { remaining, .. }, largest_quote) => {
                        Err(Error::LimitExceeded { remaining, largest_quote })
                    }
                    (error, _) => Err(error),
                }
            }
            QuoteOutcome { quote: None, refused: None, .. } => Err(DispatchError::OutcomeUnknown.into()),
        }
    }

    pub async fn order_limit(&self) -> Result<OrderLimit, Error> {
        self.backend.order_limit().await.map_err(Error::ReadLimit)
    }

    pub async fn set_order_limit(&self, command: &SetLimitCommand) -> Result<OrderLimit, Error> {
        self.backend.set_order_limit(command).await.map_err(Error::SetLimit)
    }

    /// Returns a quote that `owner` selects.
    pub async fn find_quote(&self, id: QuoteId, owner: OwnerFilter) -> Result<Quote, Error> {
        match self.backend.find_quote(id, owner).await.map_err(Error::ReadQuote)? {
            QuoteOutcome { quote: Some(quote), .. } => Ok(quote),
            QuoteOutcome { quote: None, .. } => Err(Error::QuoteNotFound(id)),
        }
    }

    /// Releases the reservation of a quote that `owner` selects. Also succeeds if the quote has expired or was released before.
    pub async fn release_quote(&self, id: QuoteId, owner: OwnerFilter) -> Result<(), Error> {
        match self.backend.release_quote(id, owner).await.map_err(Error::ReleaseQuote)? {
            QuoteOutcome { quote: Some(_), .. } => Ok(()),
            QuoteOutcome { refused: Some(Refused { reason: RefusalReason::QuoteTaken, .. }), .. } => {
                // The refusal does not name the order.
                let taken = self.backend.find_quote(id, owner).await.ok().and_then(|outcome| outcome.quote);
                Err(Error::ReleaseTaken { quote: id, order: taken.and_then(|quote| quote.order_id) })
            }
            QuoteOutcome { refused: Some(_), .. } => Err(Error::QuoteNotFound(id)),
            QuoteOutcome { quote: None, refused: None, .. } => {
                let reason = "an outcome that is neither a quote nor a refusal";
                Err(Error::ReleaseQuote(DbProxyClient::invalid_response(reason)))
            }
        }
    }

    /// The invalid fields of an order, as far as they can be found without a price.
    pub fn invalid_fields(&self, payload: &OrderPayload) -> Vec<FieldError> {
        match OrderRequest::from_payload(payload, &self.currencies.get()).map(|request| request.source) {
            Ok(OrderSource::Market(ValidatedOrder { currency, amount: ordered @ OrderedAmount::Fiat(amount) })) => {
                self.check_bounds(currency, amount, ordered, payload).err().into_iter().collect()
            }
            Ok(OrderSource::Market(_) | OrderSource::Quoted(_)) => Vec::new(),
            Err(errors) => errors,
        }
    }

    pub fn invalid_quote_fields(&self, request: &QuoteRequest) -> Vec<FieldError> {
        self.invalid_fields(&quote_payload(request))
    }

    /// Converts the amount of an order at the current price. The cost of the order must be within the configured bounds.
    async fn price_order(&self, order: &ValidatedOrder, payload: &OrderPayload) -> Result<PricedOrder, Error> {
        let ValidatedOrder { currency, amount: ordered } = *order;
        if let OrderedAmount::Fiat(amount) = ordered {
            self.check_bounds(currency, amount, ordered, payload).map_err(|error| Error::Invalid(vec![error]))?;
        }
        let OrderablePrice { price, simulated } = self.prices.current_price(currency).await?;
        let converted = match ordered.convert_rounded_up(price.price) {
            Ok(converted) => converted,
            // More bitcoin than can exist exceeds every limit, so the order is refused even if `order_summary` fails.
            Err(ConversionError::ToBitcoin(_)) => {
                let remaining = self.backend.order_summary().await.ok().map(|summary| summary.remaining);
                return Err(Error::LimitExceeded { remaining, largest_quote: None });
            }
            Err(ConversionError::ToFiat(_)) => {
                let price = price.price;
                let reason = format!(
                    "must cost less than 1000000000 {currency} at {price} {currency} for one bitcoin, but is {ordered}"
                );
                return Err(Error::Invalid(vec![FieldError::new("bitcoin_amount", reason)]));
            }
        };
        let ConvertedAmounts { amount, bitcoin_amount } = converted;
        self.check_bounds(currency, amount, ordered, payload).map_err(|error| Error::Invalid(vec![error]))?;
        let price = OrderPrice {
            exchange_rate: price.price,
            bitcoin_amount,
            as_of: price.as_of,
            expires_at: price.expires_at,
            sources: price.sources,
            simulated,
            price_state: price.state,
        };
        Ok(PricedOrder { amount, price })
    }

    /// Checks that `amount`, the cost of an order, is within the bounds. The error names the field that the client sent, and
    /// quotes it as it was sent in `payload`.
    fn check_bounds(
        &self,
        currency: Currency,
        amount: FiatAmount,
        ordered: OrderedAmount,
        payload: &OrderPayload,
    ) -> Result<(), FieldError> {
        self.amount_bounds.get().check(currency, amount).map_err(|reason| match ordered {
            OrderedAmount::Fiat(_) => match &payload.amount {
                Some(sent) => FieldError::new("amount", sent.describe_refused(reason)),
                None => FieldError::new("amount", reason),
            },
            OrderedAmount::Bitcoin(_) => {
                FieldError::new("bitcoin_amount", format!("costs {amount} {currency}, but the cost {reason}"))
            }
        })
    }
}

/// The order that a quote is requested for.
fn quote_payload(request: &QuoteRequest) -> OrderPayload {
    let QuoteRequest { currency, amount, bitcoin_amount } = request.clone();
    OrderPayload { currency, amount, bitcoin_amount, ..OrderPayload::default() }
}

/// Parses a payload whose only error is a currency that is not configured. The currency was possibly configured when an
/// earlier request placed the order. Returns `None` if the payload has other errors.
fn request_in_any_currency(payload: &OrderPayload) -> Option<OrderRequest> {
    if payload.quote.is_some() {
        return None;
    }
    let currency = payload.currency.as_deref()?.parse().ok()?;
    OrderRequest::from_payload(payload, &[currency]).ok()
}
