//! The history of a load test: the requests of each client and their responses. After the run, [`check_history`]
//! compares the history with the database.

pub mod checker;
mod owners;
pub mod stored_state;
#[cfg(test)]
mod tests;
mod violation;

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use common::{
    api::{
        Code,
        orders::{ClientReference, OrderWallets},
        quotes::Quote,
    },
    ids::{OrderId, QuoteId},
    money::{Currency, FiatAmount, Money, Sats},
    time::Timestamp,
};
use serde_json::{Value, json};

pub use self::{
    checker::{SequenceChecker, check_history, check_keys},
    owners::{ClientUser, CompleteList, ReadKind, Sighting},
    stored_state::{StoredOrder, StoredState},
    violation::Violation,
};
use crate::Response;

/// The order that a client requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedOrder {
    AtMarketPrice {
        currency: Currency,
        amount: FiatAmount,
    },
    FromQuote(QuoteId),
    /// An amount in US dollars at the market price, from a wallet.
    Paid {
        amount: FiatAmount,
        wallets: OrderWallets,
    },
}

impl RequestedOrder {
    /// The JSON body of the request.
    pub fn body(&self) -> String {
        let mut body = self.order_fields();
        if let Some(reference) = self.client_reference() {
            body["client_reference"] = reference.as_str().into();
            body["metadata"] = json!({ "reference": reference });
        }
        body.to_string()
    }

    /// The JSON body of a request for a quote of this order. A quote has no reference.
    pub fn quote_body(&self) -> String {
        self.order_fields().to_string()
    }

    fn order_fields(&self) -> Value {
        match self {
            Self::AtMarketPrice { currency, amount } => json!({ "currency": currency, "amount": amount }),
            Self::FromQuote(id) => json!({ "quote": id }),
            Self::Paid { amount, wallets: OrderWallets { paying, credited } } => json!({
                "currency": Currency::USD, "amount": amount, "wallet_id": paying, "credit_wallet_id": credited,
            }),
        }
    }

    /// The reference in the body. The amount determines whether a request has a reference, and the text of the
    /// reference.
    pub fn client_reference(&self) -> Option<ClientReference> {
        let Self::AtMarketPrice { amount, .. } = self else { return None };
        let has_reference = amount.ten_thousandths() / 10_000 % 3 == 0;
        has_reference.then(|| format!("amount {amount}").parse().expect("a reference"))
    }
}

/// One request and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The user of the client.
    pub user: ClientUser,
    pub idempotency_key: String,
    pub requested: RequestedOrder,
    /// The bitcoin amount of the order, if the client can compute it.
    pub bitcoin_amount: Option<Sats>,
    pub start: Timestamp,
    pub end: Timestamp,
    pub outcome: Outcome,
}

/// The outcome of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// 201, with the complete body.
    Placed { body: Bytes, replayed: bool },
    /// 409 or 422: the request was refused and placed no order.
    Refused { code: Code, remaining: Option<Sats>, balance: Option<Money> },
    /// 503.
    Unavailable(Code),
    /// The connection broke, or the request timed out.
    NoResponse,
    /// A response that the API does not allow here.
    Unexpected { status: u16, body: String },
}

impl Outcome {
    pub fn from_response(response: reqwest::Result<Response>) -> Self {
        let Ok(response) = response else { return Self::NoResponse };
        if response.status == 201 {
            let replayed = response.header("idempotency-replayed") == Some("true");
            return Self::Placed { body: response.body, replayed };
        }
        let problem: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let remaining = problem["remaining_bitcoin"].as_str().and_then(|text| text.parse().ok());
        let balance = problem["balance"].as_str().and_then(|text| text.parse().ok());
        match (response.status, problem["code"].as_str().and_then(Code::from_text)) {
            (409 | 422, Some(code)) => Self::Refused { code, remaining, balance },
            (503, Some(code)) => Self::Unavailable(code),
            (status, _) => Self::Unexpected { status, body: response.text() },
        }
    }

    /// Whether the outcome is final, so that the client stops retrying.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Placed { .. } | Self::Refused { .. })
    }

    /// The code of a response that states that the order was not placed.
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

/// The requests of the clients of a run, and the orders and quotes that they received.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub attempts: Vec<Attempt>,
    /// The quotes that clients received.
    pub quotes: Vec<Quote>,
    /// The orders that reads showed.
    pub sightings: BTreeSet<Sighting>,
    /// Complete lists after the last order.
    pub lists: Vec<CompleteList>,
    /// When the clients began to fill the limit. At that time no quote reserved anything. The clients placed smaller
    /// and smaller orders until an order of one satoshi was refused.
    pub fill_started_at: Option<Timestamp>,
}

/// Records a [`History`] of concurrent clients.
#[derive(Debug, Default)]
pub struct HistoryRecorder {
    history: Mutex<History>,
}

impl HistoryRecorder {
    pub fn record_attempt(&self, attempt: Attempt) {
        self.with_history(|history| history.attempts.push(attempt));
    }

    pub fn record_quote(&self, quote: Quote) {
        self.with_history(|history| history.quotes.push(quote));
    }

    /// Records the orders that a response showed.
    pub fn record_sightings(&self, user: ClientUser, read: ReadKind, orders: &[OrderId]) {
        let sightings = orders.iter().map(|order| Sighting { user, read, order: *order });
        self.with_history(|history| history.sightings.extend(sightings));
    }

    pub fn record_list(&self, list: CompleteList) {
        self.with_history(|history| history.lists.push(list));
    }

    pub fn record_fill_start(&self) {
        self.with_history(|history| history.fill_started_at = Some(Timestamp::now()));
    }

    /// Takes the history out of the recorder.
    pub fn take_history(&self) -> History {
        self.with_history(std::mem::take)
    }

    fn with_history<T>(&self, change: impl FnOnce(&mut History) -> T) -> T {
        // Each change is a single assignment, push or extension, so the history is consistent after a panic.
        change(&mut self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl History {
    /// A violation, followed by the attempts with the idempotency key that it names.
    pub fn describe(&self, violation: &Violation) -> String {
        let attempts = violation.key().map(|key| self.format_attempts(key)).unwrap_or_default();
        format!("{violation}\n{attempts}")
    }

    /// Formats the attempts with this idempotency key, one per line, sorted by start time.
    fn format_attempts(&self, key: &str) -> String {
        let mut attempts: Vec<_> = self.attempts.iter().filter(|attempt| attempt.idempotency_key == key).collect();
        attempts.sort_by_key(|attempt| attempt.start);
        let line = |attempt: &Attempt| {
            let Attempt { user, requested, start, end, outcome, .. } = attempt;
            let outcome = match outcome {
                Outcome::Placed { body, replayed } => {
                    format!("201, replayed {replayed}: {}", String::from_utf8_lossy(body))
                }
                other => format!("{other:?}"),
            };
            let sender = owners::name_of(*user);
            format!("  {start} to {end}  {sender}  {}  {outcome}\n", requested.body())
        };
        format!("{key}\n{}", attempts.into_iter().map(line).collect::<String>())
    }
}
