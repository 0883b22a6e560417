//! What every client did and was told, to be compared with what is kept when all is over.

pub mod checker;
pub mod stored_state;
#[cfg(test)]
mod tests;
mod violation;

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use common::{
    api::{Code, quotes::Quote},
    ids::QuoteId,
    money::{Currency, FiatAmount, Sats},
    time::Timestamp,
};
use serde_json::{Value, json};

pub use self::{checker::check, stored_state::StoredState, violation::Violation};
use crate::Response;

/// What a client asks for under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedOrder {
    Market { currency: Currency, amount: FiatAmount },
    Quoted(QuoteId),
}

impl RequestedOrder {
    /// The body of the order.
    pub fn body(&self) -> String {
        match self {
            Self::Market { currency, amount } => json!({ "currency": currency, "amount": amount }).to_string(),
            Self::Quoted(id) => json!({ "quote": id }).to_string(),
        }
    }
}

/// One request and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub key: String,
    pub requested: RequestedOrder,
    /// The bitcoin that it comes to, where the client knows that for certain.
    pub bitcoin: Option<Sats>,
    pub start: Timestamp,
    pub end: Timestamp,
    pub outcome: Outcome,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// 201, with the whole body.
    Placed { body: Bytes, replayed: bool },
    /// 409 or 422: the order was decided, and not placed.
    Refused { code: Code, remaining: Option<Sats> },
    /// 503.
    Unavailable(Code),
    /// The connection broke, or no answer came in time.
    NoResponse,
    /// An answer that no client should see.
    Unexpected { status: u16, body: String },
}

impl Outcome {
    /// Reads what came back.
    pub fn from_response(response: reqwest::Result<Response>) -> Self {
        let Ok(response) = response else { return Self::NoResponse };
        if response.status == 201 {
            let replayed = response.header("idempotency-replayed") == Some("true");
            return Self::Placed { body: response.body, replayed };
        }
        let problem: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let remaining = problem["remaining_bitcoin"].as_str().and_then(|text| text.parse().ok());
        match (response.status, problem["code"].as_str().and_then(Code::from_text)) {
            (409 | 422, Some(code)) => Self::Refused { code, remaining },
            (503, Some(code)) => Self::Unavailable(code),
            (status, _) => Self::Unexpected { status, body: response.text() },
        }
    }

    /// Whether the client has its answer and need not ask again.
    pub fn is_definite(&self) -> bool {
        matches!(self, Self::Placed { .. } | Self::Refused { .. })
    }

    /// What the client was told where it was told that this order was not placed.
    pub fn denial(&self) -> Option<Code> {
        match self {
            Self::Refused { code, .. }
            | Self::Unavailable(
                code @ (Code::DatabaseUnavailable
                | Code::PriceUnavailable
                | Code::CacheUnavailable
                | Code::UpstreamUnavailable
                | Code::Overloaded
                | Code::ShuttingDown),
            ) => Some(*code),
            Self::Placed { .. } | Self::Unavailable(_) | Self::NoResponse | Self::Unexpected { .. } => None,
        }
    }
}

/// The whole story of a run.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub attempts: Vec<Attempt>,
    /// The quotes that clients were told of.
    pub quotes: Vec<Quote>,
    /// From when on nothing was held by quotes, and clients asked for orders of one satoshi until each was refused.
    pub fill_started_at: Option<Timestamp>,
}

/// Takes down what happens, from many clients at once.
#[derive(Debug, Default)]
pub struct HistoryRecorder {
    record: Mutex<History>,
}

impl HistoryRecorder {
    pub fn attempt(&self, attempt: Attempt) {
        self.with(|record| record.attempts.push(attempt));
    }

    pub fn quote(&self, quote: Quote) {
        self.with(|record| record.quotes.push(quote));
    }

    /// Begins the last part.
    pub fn close(&self) {
        self.with(|record| record.fill_started_at = Some(Timestamp::now()));
    }

    pub fn take(&self) -> History {
        self.with(std::mem::take)
    }

    fn with<T>(&self, change: impl FnOnce(&mut History) -> T) -> T {
        // A client that panicked has written a whole entry or none.
        change(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl History {
    /// Every attempt under a key, in the order in which they began: what one needs to see to understand a violation.
    pub fn trace(&self, key: &str) -> String {
        let mut attempts: Vec<_> = self.attempts.iter().filter(|attempt| attempt.key == key).collect();
        attempts.sort_by_key(|attempt| attempt.start);
        let line = |attempt: &Attempt| {
            let Attempt { requested, start, end, outcome, .. } = attempt;
            let outcome = match outcome {
                Outcome::Placed { body, replayed } => {
                    format!("201, replayed {replayed}: {}", String::from_utf8_lossy(body))
                }
                other => format!("{other:?}"),
            };
            format!("  {start} to {end}  {}  {outcome}\n", requested.body())
        };
        format!("{key}\n{}", attempts.into_iter().map(line).collect::<String>())
    }
}
