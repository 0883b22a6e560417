//! The errors of create-order. Only this module converts them to HTTP statuses.

mod wallet_refusal;

use std::time::Duration;

use common::{
    access::Denied,
    api::{
        Code, FieldError, Problem,
        orders::{OrderOrigin, OrderSource, OrderWallets, RefusalReason, Refused},
        quotes::QuoteCap,
    },
    clients::{CallError, DispatchError, key_not_looked_up, unknown_outcome, with_denial},
    ids::{IdempotencyKey, OrderId, QuoteId},
    money::Sats,
    text::shown_name,
};

use self::wallet_refusal::{WalletReason, WalletRefusal};
use crate::price_reader::PriceError;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 422, with the invalid fields.
    #[error("the order has invalid fields")]
    Invalid(Vec<FieldError>),
    /// 503: there is no usable price. 500 if price-cache-proxy reports an internal error.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// 503: the price is simulated and the orders of the database are real, or the reverse.
    #[error("the price is {}, and the database contains {database} orders", database.opposite())]
    PriceOfOtherOrigin { database: OrderOrigin },
    /// 422: the idempotency key belongs to a different order.
    #[error("the idempotency key was used for a different order")]
    KeyReused(Option<IdempotencyKey>),
    /// 409: a smaller order possibly fits.
    #[error("the order exceeds the limit over all orders")]
    LimitExceeded {
        remaining: Option<Sats>,
        /// The largest quote that the caps permit. Only for a request for a quote that also exceeds a cap.
        largest_quote: Option<Sats>,
    },
    /// 409: a smaller quote may be accepted now. The same quote may be accepted after other quotes have expired.
    #[error("the quote exceeds what quotes may reserve")]
    QuoteCapExceeded {
        caps: Vec<QuoteCap>,
        /// The largest quote that the caps permit now.
        remaining: Option<Sats>,
    },
    /// 422: the client has no quote with this id. Quotes are deleted some time after they expire.
    #[error("the quote does not exist")]
    QuoteUnknown(Option<QuoteId>),
    /// 409: only one order can use a quote.
    #[error("another order used the quote")]
    QuoteTaken(Option<QuoteId>),
    /// 409: a quote that expired or was released reserves nothing.
    #[error("the quote has expired or was released")]
    QuoteExpired(Option<QuoteId>),
    /// 409 or 422: the order is refused because of one of its wallets.
    #[error(transparent)]
    Wallet(#[from] WalletRefusal),
    /// 403: the credentials permit orders, but no payments from wallets.
    #[error(transparent)]
    PaymentForbidden(Denied),
    /// 404: there is no quote with this id that the caller may see.
    #[error("quote {0} does not exist")]
    QuoteNotFound(QuoteId),
    /// 409: the reservation has passed to the order that took the quote.
    #[error("quote {quote} cannot be released, because an order took it")]
    ReleaseTaken {
        quote: QuoteId,
        /// `None` if the quote could not be read after the refusal.
        order: Option<OrderId>,
    },
    /// 503, or 500 because of an internal error of db-proxy: the order was not placed, or its outcome is unknown.
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    /// 503: the request for a quote failed. 500 if db-proxy reports an internal error.
    #[error(transparent)]
    Call(#[from] CallError),
    /// 503: the quote could not be read. 500 if db-proxy reports an internal error.
    #[error("the quote could not be read")]
    ReadQuote(#[source] CallError),
    /// 503: the request to release a quote failed. 500 if db-proxy reports an internal error.
    #[error("the quote could not be released")]
    ReleaseQuote(#[source] CallError),
    /// 503: the limit could not be read. 500 if db-proxy reports an internal error.
    #[error("the limit of all orders could not be read")]
    ReadLimit(#[source] CallError),
    /// 503: the request to set the limit failed. 500 if db-proxy reports an internal error.
    #[error("the limit of all orders could not be set")]
    SetLimit(#[source] CallError),
}

impl Error {
    /// The error of a refused order or quote. `wallets` are the wallets of the order. `source` and `key` are `None` for a
    /// quote.
    pub fn of_refusal(
        refused: &Refused,
        wallets: Option<OrderWallets>,
        source: Option<OrderSource>,
        key: Option<&IdempotencyKey>,
    ) -> Self {
        let (order, quote) = match source {
            Some(OrderSource::Market(order)) => (Some(order), None),
            Some(OrderSource::Quoted(id)) => (None, Some(id)),
            None => (None, None),
        };
        let wallet = |reason| Self::Wallet(WalletRefusal::new(reason, refused, wallets, order));
        match refused.reason {
            RefusalReason::LimitExceeded => Self::LimitExceeded { remaining: refused.remaining, largest_quote: None },
            RefusalReason::KeyReused => Self::KeyReused(key.cloned()),
            RefusalReason::PriceUnavailable => match refused.database_origin {
                Some(database) => Self::PriceOfOtherOrigin { database },
                None => Self::Price(PriceError::Refused),
            },
            RefusalReason::QuoteUnknown => Self::QuoteUnknown(quote),
            RefusalReason::QuoteTaken => Self::QuoteTaken(quote),
            RefusalReason::QuoteExpired => Self::QuoteExpired(quote),
            RefusalReason::WalletNotFound => wallet(WalletReason::NotFound),
            RefusalReason::WalletCurrency => wallet(WalletReason::Currency),
            RefusalReason::InsufficientFunds => wallet(WalletReason::InsufficientFunds),
            RefusalReason::BalanceOutOfRange => wallet(WalletReason::BalanceOutOfRange),
        }
    }
}

impl From<Refused> for Error {
    /// The error of a refusal that concerns no wallet.
    fn from(refused: Refused) -> Self {
        Self::of_refusal(&refused, None, None, None)
    }
}

/// The quote of an order as the subject of a sentence.
fn named_quote(id: Option<QuoteId>) -> String {
    id.map_or_else(|| "The quote".to_owned(), |id| format!("Quote {id}"))
}

fn unknown_quote(id: Option<QuoteId>) -> String {
    let shown = id.map(|id| format!(", but {id} does not exist")).unwrap_or_default();
    format!("must be an existing quote{shown}; quotes are deleted some time after they expire")
}

/// The detail if a request placed no order and its key was not looked up.
const KEY_NOT_LOOKED_UP: &str = "It is not known whether an earlier request with this idempotency_key placed the order. Send the \
    order again with the same key. The order is placed only once.";
/// The detail if it is not known whether a quote was created.
const UNKNOWN_RESERVATION: &str = "It is not known whether the price was reserved. Request a new quote. If the price was \
    reserved, the reservation is released when the quote expires.";
/// The detail if it is not known whether a quote was released.
const UNKNOWN_RELEASE: &str =
    "It is not known whether the reservation was released. Send the request again; a repetition is safe.";

/// The detail if it is not known whether the limit was set.
const UNKNOWN_LIMIT: &str = "It is not known whether the limit was set. Send the request again; a repetition is safe.";

/// The kind of a request, for error texts.
#[derive(Debug, Clone, Copy)]
enum RequestKind {
    Order,
    Quote,
}

impl RequestKind {
    fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Quote => "quote",
        }
    }

    fn denial(self) -> &'static str {
        match self {
            Self::Order => "No order was placed.",
            Self::Quote => "No quote was created.",
        }
    }
}

impl Error {
    /// The problem of a request for an order. If a price is missing, `Retry-After` is the interval at which prices are published.
    pub fn into_order_problem(self, publish_interval: Duration) -> Problem {
        let retry_after = self.retry_after(publish_interval);
        with_retry_after(self.into(), retry_after)
    }

    /// Like [`Self::into_order_problem`], for a request for a quote.
    pub fn into_quote_problem(self, publish_interval: Duration) -> Problem {
        let retry_after = self.retry_after(publish_interval);
        with_retry_after(self.quote_problem(), retry_after)
    }

    /// The time after which the client can repeat a request that needs another price. `None` for other failures.
    fn retry_after(&self, publish_interval: Duration) -> Option<Duration> {
        match self {
            Self::Price(PriceError::Call(_)) => None,
            Self::Price(_) | Self::PriceOfOtherOrigin { .. } => Some(publish_interval),
            _ => None,
        }
    }

    fn quote_problem(self) -> Problem {
        match self {
            Self::Price(error) => price_problem(error, RequestKind::Quote),
            Self::PriceOfOtherOrigin { database } => other_origin_problem(database, RequestKind::Quote),
            Self::LimitExceeded { remaining, largest_quote } => {
                limit_problem(remaining, largest_quote, RequestKind::Quote)
            }
            Self::Dispatch(DispatchError::OutcomeUnknown) => unknown_outcome(UNKNOWN_RESERVATION),
            error => error.into(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(errors) => Self::validation(errors),
            Error::Price(error) => price_problem(error, RequestKind::Order),
            Error::PriceOfOtherOrigin { database } => other_origin_problem(database, RequestKind::Order),
            Error::KeyReused(key) => {
                let shown = key.map(|key| format!("\"{}\" ", shown_name(key.as_str()))).unwrap_or_default();
                let detail = format!(
                    "The Idempotency-Key {shown}was used for a different order. Send this order with a new Idempotency-Key."
                );
                Self {
                    errors: vec![FieldError::new("Idempotency-Key", format!("{shown}was used for a different order"))],
                    ..Self::new(Code::KeyReused, detail)
                }
            }
            Error::LimitExceeded { remaining, largest_quote } => {
                limit_problem(remaining, largest_quote, RequestKind::Order)
            }
            Error::QuoteCapExceeded { caps, remaining } => quote_cap_problem(&caps, remaining),
            Error::QuoteUnknown(id) => Self {
                errors: vec![FieldError::new("quote", unknown_quote(id))],
                ..Self::new(Code::QuoteUnknown, format!("{} does not exist. Request a new quote.", named_quote(id)))
            },
            Error::QuoteTaken(id) => {
                let detail = format!("{} was used by another order. Request a new quote.", named_quote(id));
                Self::new(Code::QuoteTaken, detail)
            }
            Error::QuoteExpired(id) => {
                let detail = format!("{} has expired or was released. Request a new quote.", named_quote(id));
                Self::new(Code::QuoteExpired, detail)
            }
            Error::Wallet(refusal) => refusal.into(),
            Error::PaymentForbidden(denied) => denied.into(),
            Error::QuoteNotFound(id) => {
                let detail = format!("Quote {id} does not exist. Quotes are deleted some time after they expire.");
                Self::new(Code::NotFound, detail)
            }
            Error::ReleaseTaken { quote, order } => {
                let detail = match order {
                    Some(order) => format!("Order {order} took quote {quote}, so its reservation cannot be released."),
                    None => format!(
                        "An order took quote {quote}, so its reservation cannot be released. The quote contains the id of the order."
                    ),
                };
                Self::new(Code::QuoteTaken, detail)
            }
            Error::Dispatch(error) => dispatch_problem(error),
            Error::Call(error) => {
                tracing::warn!(error = %error.chain(), "a quote could not be created");
                with_denial(problem_of_change(&error, UNKNOWN_RESERVATION), RequestKind::Quote.denial())
            }
            Error::ReadQuote(error) => {
                tracing::warn!(error = %error.chain(), "a quote could not be read");
                error.to_problem(Code::UpstreamUnavailable)
            }
            Error::ReleaseQuote(error) => {
                tracing::warn!(error = %error.chain(), "a quote could not be released");
                problem_of_change(&error, UNKNOWN_RELEASE)
            }
            Error::ReadLimit(error) => {
                tracing::warn!(error = %error.chain(), "the limit of all orders could not be read");
                error.to_problem(Code::UpstreamUnavailable)
            }
            Error::SetLimit(error) => {
                tracing::warn!(error = %error.chain(), "the limit of all orders could not be set");
                problem_of_change(&error, UNKNOWN_LIMIT)
            }
        }
    }
}

fn with_retry_after(problem: Problem, retry_after: Option<Duration>) -> Problem {
    match retry_after {
        Some(wait) => problem.retry_after(wait),
        None => problem,
    }
}

fn other_origin_problem(database: OrderOrigin, requested: RequestKind) -> Problem {
    let error = Error::PriceOfOtherOrigin { database };
    tracing::error!(%error, "a request was refused; correct SIMULATED or DATABASE_URL of the services");
    let detail = format!(
        "The current price is {}, and the stored orders are {database}. {} The operator must correct the settings of the services.",
        database.opposite(),
        requested.denial()
    );
    Problem::new(Code::PriceUnavailable, detail)
}

fn limit_problem(remaining: Option<Sats>, largest_quote: Option<Sats>, requested: RequestKind) -> Problem {
    let name = requested.name();
    let hint = remaining.map(|left| match largest_quote {
        _ if left == Sats::ZERO => format!(" Nothing remains of it, so no {name} fits now."),
        Some(largest) if largest < left => {
            format!(" {left} BTC remain, of which a quote may reserve {largest} BTC now.")
        }
        _ => format!(" {left} BTC remain; a smaller {name} may still fit."),
    });
    let detail = format!("The {name} exceeds the limit of all orders.{}", hint.unwrap_or_default());
    Problem { remaining_bitcoin: remaining, ..Problem::new(Code::LimitExceeded, detail) }
}

fn quote_cap_problem(caps: &[QuoteCap], remaining: Option<Sats>) -> Problem {
    let reserved = caps.iter().map(|cap| match cap {
        QuoteCap::Quote => "The amount exceeds what one quote may reserve. ",
        QuoteCap::Client => "The open quotes of one client may not reserve so much. ",
        QuoteCap::AllQuotes => "The open quotes of all clients may not reserve so much. ",
    });
    let reserved: String = reserved.collect();
    let hint = match remaining {
        None => String::new(),
        Some(Sats::ZERO) => {
            "A quote may reserve nothing now, until open quotes are taken, released or expired. ".to_owned()
        }
        Some(left) => format!("A quote may reserve {left} BTC now. "),
    };
    let detail = format!("{reserved}{hint}An order at the current price has no such cap.");
    Problem { remaining_bitcoin: remaining, ..Problem::new(Code::QuoteLimitExceeded, detail) }
}

fn price_problem(error: PriceError, requested: RequestKind) -> Problem {
    let denial = requested.denial();
    match error {
        PriceError::NoRecord => {
            let reason = "price-cache-proxy has received no prices from price-updater";
            Problem::new(Code::PriceUnavailable, format!("There is no current price: {reason}. {denial}"))
        }
        PriceError::NotPriced { currency, last } => {
            let reason = last.map_or_else(|| "no earlier price is known".to_owned(), |last| last.to_string());
            let detail = format!("There is no current price in {currency}: {reason}. {denial}");
            Problem::new(Code::PriceUnavailable, detail)
        }
        PriceError::Refused => Problem::new(Code::PriceUnavailable, format!("There is no current price. {denial}")),
        PriceError::TooOld { age, max_age, .. } => {
            let detail = format!(
                "The last price is {} s old, and no newer price was accepted. Orders and quotes accept a price that is at \
                 most {} s old. {denial}",
                age.as_secs(),
                max_age.as_secs()
            );
            Problem::new(Code::PriceUnavailable, detail)
        }
        PriceError::Call(error) => {
            tracing::warn!(error = %error.chain(), "a request was refused because the price could not be read");
            with_denial(error.to_problem(Code::PriceUnavailable), denial)
        }
    }
}

fn dispatch_problem(error: DispatchError) -> Problem {
    match error {
        DispatchError::QueueFull => {
            Problem::new(Code::Overloaded, "Too many orders are waiting. No order was placed. Try again in a moment.")
        }
        DispatchError::ShuttingDown => {
            Problem::new(Code::ShuttingDown, "The service is shutting down. No order was placed.")
        }
        DispatchError::Call(error) => {
            with_denial(error.to_problem(Code::UpstreamUnavailable), RequestKind::Order.denial())
        }
        DispatchError::KeyNotLookedUp(error) => key_not_looked_up(dispatch_problem(*error), KEY_NOT_LOOKED_UP),
        DispatchError::OutcomeUnknown => unknown_outcome(
            "It is not known whether the order was placed. Send the order again with this idempotency_key in the \
             header Idempotency-Key. The order is placed only once.",
        ),
    }
}

/// The problem for a failed change of a quote or of the limit. `unknown` is the detail if the request has possibly
/// taken effect.
fn problem_of_change(error: &CallError, unknown: &'static str) -> Problem {
    match error.to_problem(Code::UpstreamUnavailable) {
        problem if problem.code == Code::OutcomeUnknown || error.may_have_taken_effect() => unknown_outcome(unknown),
        problem => problem,
    }
}

#[cfg(test)]
mod tests;
