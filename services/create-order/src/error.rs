//! The failures of create-order, and the only place where they become statuses.

use std::time::Duration;

use common::{
    api::{
        Code, FieldError, Problem,
        orders::{RefusalReason, Refused},
    },
    clients::CallError,
    money::{Currency, Sats},
};

use crate::{dispatcher::DispatchError, price_reader::PriceError};

/// How long a client waits for the next price when there is none: a round of price-updater.
const NEXT_PRICE: Duration = Duration::from_secs(15);
/// How long a client waits before it asks what became of an order.
const NEXT_LOOK: Duration = Duration::from_secs(5);

/// Why an order was not placed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a field is wrong")]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Price(#[from] PriceError),
    #[error("there is no price for {0}")]
    CurrencyNotPriced(Currency),
    #[error("the key was used for another order")]
    KeyReused,
    #[error("the order does not fit under the limit")]
    LimitExceeded { remaining: Option<Sats> },
    #[error("there is no such quote")]
    QuoteUnknown,
    #[error("another order took the quote")]
    QuoteTaken,
    #[error("the quote was not taken in time")]
    QuoteExpired,
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    #[error(transparent)]
    Call(#[from] CallError),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused.reason {
            RefusalReason::LimitExceeded => Self::LimitExceeded { remaining: refused.remaining },
            RefusalReason::KeyReused => Self::KeyReused,
            RefusalReason::PriceUnavailable => Self::Price(PriceError::NoRecord),
            RefusalReason::QuoteUnknown => Self::QuoteUnknown,
            RefusalReason::QuoteTaken => Self::QuoteTaken,
            RefusalReason::QuoteExpired => Self::QuoteExpired,
        }
    }
}

impl Error {
    /// Whether only a price is missing.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Price(_) | Self::CurrencyNotPriced(_))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(errors) => Self::validation(errors),
            Error::Price(PriceError::NoRecord) => {
                Self::new(Code::PriceUnavailable, "There is no current price; nothing was ordered.").retry_after(NEXT_PRICE)
            }
            Error::Price(PriceError::TooOld { age, bound }) => {
                let detail = format!(
                    "The current price is {} s old, for there is no newer one that exchanges agree on, and orders are taken \
                     at prices of at most {} s; nothing was ordered.",
                    age.as_secs(),
                    bound.as_secs()
                );
                Self::new(Code::PriceUnavailable, detail).retry_after(NEXT_PRICE)
            }
            Error::Price(PriceError::Call(error)) => {
                tracing::warn!(error = %error.chain(), "there is no price for an order");
                error.to_problem(Code::PriceUnavailable)
            }
            Error::CurrencyNotPriced(currency) => {
                let detail = format!("There is no current price in {currency}; nothing was ordered.");
                Self::new(Code::PriceUnavailable, detail).retry_after(NEXT_PRICE)
            }
            Error::KeyReused => Self {
                errors: vec![FieldError::new("Idempotency-Key", "was used before, for another order")],
                ..Self::new(Code::KeyReused, "This Idempotency-Key was used for another order; take a new one.")
            },
            Error::LimitExceeded { remaining } => {
                let left = remaining.map(|left| format!("; {left} BTC are left, and a smaller order may still fit"));
                let detail = format!("The order does not fit under the limit of all orders{}.", left.unwrap_or_default());
                Self { remaining_bitcoin: remaining.map(|left| left.to_string()), ..Self::new(Code::LimitExceeded, detail) }
            }
            Error::QuoteUnknown => Self {
                errors: vec![FieldError::new("quote", "is not known; quotes are forgotten after a while")],
                ..Self::new(Code::QuoteUnknown, "There is no such quote; ask for a new one.")
            },
            Error::QuoteTaken => Self::new(Code::QuoteTaken, "Another order took this quote; ask for a new one."),
            Error::QuoteExpired => Self::new(Code::QuoteExpired, "The quote has run out; ask for a new one."),
            Error::Call(error) => {
                tracing::warn!(error = %error.chain(), "a quote could not be held");
                match error.to_problem(Code::UpstreamUnavailable) {
                    problem if problem.code == Code::OutcomeUnknown => Self::new(
                        Code::OutcomeUnknown,
                        "It is not known whether the price is held. Ask for a new quote; what this one may hold is free again \
                         when it has run out.",
                    )
                    .retry_after(NEXT_LOOK),
                    problem => problem,
                }
            }
            Error::Dispatch(DispatchError::QueueFull) => {
                Self::new(Code::Overloaded, "Too many orders wait already; nothing was ordered.")
            }
            Error::Dispatch(DispatchError::Stopped) => {
                Self::new(Code::ShuttingDown, "The service is going down; nothing was ordered.")
            }
            Error::Dispatch(DispatchError::Call(error)) => {
                tracing::warn!(%error, "an order could not be handed to db-proxy");
                error.to_problem(Code::UpstreamUnavailable)
            }
            Error::Dispatch(DispatchError::Unknown) => Self::new(
                Code::OutcomeUnknown,
                "It is not known yet whether the order was placed. Send it again with this idempotency_key in the header \
                 Idempotency-Key: it will be placed once, whatever happened now.",
            )
            .retry_after(NEXT_LOOK),
        }
    }
}
