//! The errors of create-order, and the only place where they become HTTP statuses.

use std::time::Duration;

use common::{
    api::{
        Code, FieldError, Problem,
        orders::{OrderOrigin, RefusalReason, Refused},
        quotes::QuoteCap,
    },
    clients::CallError,
    ids::QuoteId,
    money::Sats,
};

use crate::{
    dispatcher::{DispatchError, may_have_taken_effect},
    price_reader::PriceError,
};

/// `Retry-After` when there is no price: price-updater publishes a price every 15 s by default.
const RETRY_AFTER_NO_PRICE: Duration = Duration::from_secs(15);
/// `Retry-After` when the outcome of a request is unknown.
const RETRY_AFTER_UNKNOWN_OUTCOME: Duration = Duration::from_secs(5);

/// Why a request for an order or a quote failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 422, with every invalid field.
    #[error("the order has invalid fields")]
    Invalid(Vec<FieldError>),
    /// 503: there is no price that may be used.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// 503: the price is simulated and the orders of the database are real, or the reverse.
    #[error("the price is {}, and the database is one of {database} orders", database.opposite())]
    PriceOfOtherOrigin { database: OrderOrigin },
    /// 422: the key belongs to a different order.
    #[error("the idempotency key was used for a different order")]
    KeyReused,
    /// 409: a smaller order may fit.
    #[error("the order exceeds the limit of all orders")]
    LimitExceeded { remaining: Option<Sats> },
    /// 409: a smaller quote may be possible, or one after others have expired.
    #[error("the quote exceeds what quotes may reserve")]
    QuoteCapExceeded { cap: QuoteCap, remaining: Option<Sats> },
    /// 422: quotes are deleted some time after they expire.
    #[error("the quote does not exist")]
    QuoteUnknown,
    /// 409: a quote can be used once.
    #[error("another order used the quote")]
    QuoteTaken,
    /// 409: a quote that expired or was released reserves nothing.
    #[error("the quote has expired or was released")]
    QuoteExpired,
    /// 404: no quote has this id.
    #[error("quote {0} does not exist")]
    QuoteNotFound(QuoteId),
    /// 409: the reservation has passed to the order that took the quote.
    #[error("the quote cannot be released, because an order took it")]
    ReleaseTaken,
    /// 503: the order was not placed, or its outcome is unknown. 500 if db-proxy reports an internal error.
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
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused.reason {
            RefusalReason::LimitExceeded => Self::LimitExceeded { remaining: refused.remaining },
            RefusalReason::KeyReused => Self::KeyReused,
            RefusalReason::PriceUnavailable => match refused.database_origin {
                Some(database) => Self::PriceOfOtherOrigin { database },
                None => Self::Price(PriceError::NoRecord),
            },
            RefusalReason::QuoteUnknown => Self::QuoteUnknown,
            RefusalReason::QuoteTaken => Self::QuoteTaken,
            RefusalReason::QuoteExpired => Self::QuoteExpired,
        }
    }
}

/// The detail if it is not known whether a quote was created.
const UNKNOWN_RESERVATION: &str = "It is not known whether the price was reserved. Request a new quote. If the price was \
    reserved, the reservation is released when the quote expires.";
/// The detail if it is not known whether a quote was released.
const UNKNOWN_RELEASE: &str = "It is not known whether the reservation was released. Send the request again; a repetition has \
    no effect.";

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(errors) => Self::validation(errors),
            Error::Price(error) => price_problem(error),
            Error::PriceOfOtherOrigin { database } => {
                tracing::error!(%error, "an order was refused; correct SIMULATED or DATABASE_URL of the services");
                let detail = format!(
                    "The current price is {}, and the stored orders are {database}. No order was placed. The operator must \
                     correct the settings of the services.",
                    database.opposite()
                );
                Self::new(Code::PriceUnavailable, detail).retry_after(RETRY_AFTER_NO_PRICE)
            }
            Error::KeyReused => Self {
                errors: vec![FieldError::new("Idempotency-Key", "was used for a different order")],
                ..Self::new(Code::KeyReused, "This Idempotency-Key was used for a different order. Send a new key.")
            },
            Error::LimitExceeded { remaining } => {
                let hint = remaining.map(|left| format!(" {left} BTC remain; a smaller order may still fit."));
                let detail = format!("The order exceeds the limit of all orders.{}", hint.unwrap_or_default());
                Self {
                    remaining_bitcoin: remaining.map(|left| left.to_string()),
                    ..Self::new(Code::LimitExceeded, detail)
                }
            }
            Error::QuoteCapExceeded { cap, remaining } => quote_cap_problem(cap, remaining),
            Error::QuoteUnknown => Self {
                errors: vec![FieldError::new(
                    "quote",
                    "does not exist; quotes are deleted some time after they expire",
                )],
                ..Self::new(Code::QuoteUnknown, "The quote does not exist. Request a new quote.")
            },
            Error::QuoteTaken => Self::new(Code::QuoteTaken, "Another order used this quote. Request a new quote."),
            Error::QuoteExpired => {
                Self::new(Code::QuoteExpired, "The quote has expired or was released. Request a new quote.")
            }
            Error::QuoteNotFound(id) => {
                let detail = format!("Quote {id} does not exist. Quotes are deleted some time after they expire.");
                Self::new(Code::NotFound, detail)
            }
            Error::ReleaseTaken => Self::new(
                Code::QuoteTaken,
                "An order took this quote, so its reservation cannot be released. The quote names the order.",
            ),
            Error::Dispatch(error) => dispatch_problem(error),
            Error::Call(error) => {
                tracing::warn!(error = %error.chain(), "a quote could not be created");
                quote_problem(&error, UNKNOWN_RESERVATION)
            }
            Error::ReadQuote(error) => {
                tracing::warn!(error = %error.chain(), "a quote could not be read");
                error.to_problem(Code::UpstreamUnavailable)
            }
            Error::ReleaseQuote(error) => {
                tracing::warn!(error = %error.chain(), "a quote could not be released");
                quote_problem(&error, UNKNOWN_RELEASE)
            }
        }
    }
}

fn quote_cap_problem(cap: QuoteCap, remaining: Option<Sats>) -> Problem {
    let reserved = match cap {
        QuoteCap::Quote => "The amount exceeds what one quote may reserve.",
        QuoteCap::Client => "The open quotes of one client may not reserve more.",
        QuoteCap::AllQuotes => "The open quotes of all clients may not reserve more.",
    };
    let hint = remaining.map(|left| format!(" A quote may reserve {left} BTC now.")).unwrap_or_default();
    let detail = format!("{reserved}{hint} An order at the current price has no such cap.");
    Problem {
        remaining_bitcoin: remaining.map(|left| left.to_string()),
        ..Problem::new(Code::QuoteLimitExceeded, detail)
    }
}

fn price_problem(error: PriceError) -> Problem {
    match error {
        PriceError::NoRecord => Problem::new(Code::PriceUnavailable, "There is no current price. No order was placed.")
            .retry_after(RETRY_AFTER_NO_PRICE),
        PriceError::NotPriced(currency) => {
            let detail = format!("There is no current price in {currency}. No order was placed.");
            Problem::new(Code::PriceUnavailable, detail).retry_after(RETRY_AFTER_NO_PRICE)
        }
        PriceError::TooOld { age, max_age } => {
            let detail = format!(
                "The current price is {} s old, because the exchanges have not agreed on a newer one. Orders accept a \
                 price of at most {} s. No order was placed.",
                age.as_secs(),
                max_age.as_secs()
            );
            Problem::new(Code::PriceUnavailable, detail).retry_after(RETRY_AFTER_NO_PRICE)
        }
        PriceError::Call(error) => {
            tracing::warn!(error = %error.chain(), "an order was refused because the price could not be read");
            error.to_problem(Code::PriceUnavailable)
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
            tracing::warn!(%error, "db-proxy did not place an order");
            error.to_problem(Code::UpstreamUnavailable)
        }
        DispatchError::OutcomeUnknown => Problem::new(
            Code::OutcomeUnknown,
            "It is not known whether the order was placed. Send the order again with this idempotency_key in the \
             header Idempotency-Key. The order is placed only once.",
        )
        .retry_after(RETRY_AFTER_UNKNOWN_OUTCOME),
    }
}

/// The problem of a request about a quote that failed. `unknown` is the detail if the request may have taken effect.
fn quote_problem(error: &CallError, unknown: &'static str) -> Problem {
    match error.to_problem(Code::UpstreamUnavailable) {
        problem if problem.code == Code::OutcomeUnknown || may_have_taken_effect(error) => {
            Problem::new(Code::OutcomeUnknown, unknown).retry_after(RETRY_AFTER_UNKNOWN_OUTCOME)
        }
        problem => problem,
    }
}

#[cfg(test)]
mod tests;
