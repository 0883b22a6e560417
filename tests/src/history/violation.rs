//! The invariants that a run can violate, and their messages. `tests/README.md` explains each kind.

use std::fmt;

use common::{
    api::Code,
    ids::{OrderId, QuoteId},
};

use super::ReadKind;

/// One violated invariant. Sequence numbers are values of `orders.seq`. Amounts are in satoshi.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// An order was acknowledged with 201 and is not stored.
    OrderMissing { key: String, id: String },
    /// A field of an order was acknowledged with one value and is stored with another value.
    OrderDiffers { key: String, id: OrderId, field: String, acknowledged: String, stored: String },
    /// One key has more than one order.
    DuplicateOrder { key: String, first: i64, second: i64 },
    /// An order is stored that no client requested.
    OrderNotRequested { seq: i64, key: String },
    /// A response stated that an order was not placed, but the order is stored.
    DeniedButPlaced { key: String, seq: i64, code: String },
    /// Two acknowledgements with the same key are not byte for byte the same.
    ReplayDiffers { key: String },
    /// Two responses with the same key acknowledged a new order.
    CreatedTwice { key: String },
    /// The reason given for a refusal was not true.
    FalseRefusal { key: String, code: String, why: String },
    /// A response that the API does not allow.
    UnexpectedResponse { key: String, status: u16, body: String },
    /// The last attempt with a key had no final outcome.
    Undecided { key: String },
    /// `order_totals` does not contain the sum of the orders.
    WrongSum { orders: i64, totals: i64 },
    /// `order_totals` does not contain the number of orders.
    WrongCount { orders: i64, totals: i64 },
    /// The sum up to this order exceeds the limit.
    LimitExceeded { seq: i64, sum: i64, limit: i64 },
    /// A sequence number is missing or used twice.
    SequenceGap { after: i64, next: i64 },
    /// An order was not created later than the previous order.
    TimeNotIncreasing { seq: i64 },
    /// Two orders took one quote.
    QuoteTakenTwice { quote: QuoteId, first: i64, second: i64 },
    /// A client received a quote that is not stored, or that is stored with another value in a field.
    QuoteDiffers { quote: QuoteId, field: String },
    /// An order and its quote differ in their terms or their user, or the quote is not stored or not marked as taken.
    OrderDiffersFromQuote { quote: QuoteId, seq: i64, field: String },
    /// A quote is marked as taken, and no order took it.
    QuoteTakenWithoutOrder { quote: QuoteId },
    /// A client saw an order that its user did not place.
    SeenByAnother { client: String, read: ReadKind, id: OrderId, owner: String },
    /// A complete list of a client contains an order twice.
    ListedTwice { client: String, read: ReadKind, id: OrderId },
    /// A complete list of a client lacks an order of its user.
    NotListed { client: String, read: ReadKind, id: OrderId },
    /// A reservation of a quote was not released.
    ReservationNotReleased { satoshi: i64 },
    /// An order that fits under the limit was refused.
    LimitNotFilled { left: i64 },
    /// No order of one satoshi was refused at the end of the run, so the limit was not tested.
    LimitNotProbed,
}

impl Violation {
    /// The idempotency key that the violation concerns. The attempts with this key explain the violation.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::OrderMissing { key, .. }
            | Self::OrderDiffers { key, .. }
            | Self::DuplicateOrder { key, .. }
            | Self::OrderNotRequested { key, .. }
            | Self::DeniedButPlaced { key, .. }
            | Self::ReplayDiffers { key }
            | Self::CreatedTwice { key }
            | Self::FalseRefusal { key, .. }
            | Self::UnexpectedResponse { key, .. }
            | Self::Undecided { key } => Some(key),
            _ => None,
        }
    }

    pub(super) fn denied_but_placed(key: &str, seq: i64, code: Code) -> Self {
        Self::DeniedButPlaced { key: key.to_owned(), seq, code: code.to_string() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OrderMissing { key, id } => {
                write!(f, "MISSING ORDER: {key} was acknowledged with 201, and its order {id} is not stored")
            }
            Self::OrderDiffers { key, id, field, acknowledged, stored } => {
                write!(
                    f,
                    "CHANGED ORDER: {key}: {field} of order {id} was acknowledged as {acknowledged}, and {stored} is stored"
                )
            }
            Self::DuplicateOrder { key, first, second } => {
                write!(f, "DUPLICATE ORDER: {key} has the orders {first} and {second}")
            }
            Self::OrderNotRequested { seq, key } => {
                write!(f, "UNREQUESTED ORDER: no client requested order {seq} with key {key:?}")
            }
            Self::DeniedButPlaced { key, seq, code } => {
                write!(f, "DENIED ORDER: {key} was denied with {code}, and its order {seq} is stored")
            }
            Self::ReplayDiffers { key } => {
                write!(f, "CHANGED REPLAY: {key} was acknowledged with two different bodies")
            }
            Self::CreatedTwice { key } => write!(f, "CREATED TWICE: {key} was acknowledged twice as a new order"),
            Self::FalseRefusal { key, code, why } => {
                write!(f, "FALSE REFUSAL: {key} was refused with {code}, but {why}")
            }
            Self::UnexpectedResponse { key, status, body } => {
                write!(f, "UNEXPECTED RESPONSE: {key} was answered with {status}: {body}")
            }
            Self::Undecided { key } => write!(f, "UNDECIDED: {key} has no final outcome"),
            Self::WrongSum { orders, totals } => {
                write!(f, "WRONG SUM: the orders sum to {orders} satoshi, and order_totals holds {totals}")
            }
            Self::WrongCount { orders, totals } => {
                write!(f, "WRONG COUNT: {orders} orders are stored, and order_totals holds {totals}")
            }
            Self::LimitExceeded { seq, sum, limit } => {
                write!(f, "LIMIT EXCEEDED: the sum up to order {seq} is {sum} satoshi, and {limit} are allowed")
            }
            Self::SequenceGap { after, next } => {
                write!(f, "SEQUENCE GAP: the order after {after} has the sequence number {next}")
            }
            Self::TimeNotIncreasing { seq } => {
                write!(f, "TIME NOT INCREASING: order {seq} was not created later than the previous order")
            }
            Self::QuoteTakenTwice { quote, first, second } => {
                write!(f, "QUOTE TAKEN TWICE: the orders {first} and {second} took quote {quote}")
            }
            Self::QuoteDiffers { quote, field } => {
                write!(f, "CHANGED QUOTE: {field} of quote {quote} was stored differently")
            }
            Self::OrderDiffersFromQuote { quote, seq, field } => {
                write!(f, "ORDER DIFFERS FROM QUOTE: {field} of order {seq} does not match quote {quote}")
            }
            Self::QuoteTakenWithoutOrder { quote } => {
                write!(f, "QUOTE WITHOUT ORDER: quote {quote} is marked as taken, and no order took it")
            }
            Self::SeenByAnother { client, read, id, owner } => {
                write!(f, "SEEN BY ANOTHER: {client} saw order {id} in {read}, and it belongs to {owner}")
            }
            Self::ListedTwice { client, read, id } => {
                write!(f, "LISTED TWICE: {read} of {client} contains order {id} twice")
            }
            Self::NotListed { client, read, id } => {
                write!(f, "NOT LISTED: {read} of {client} lacks order {id}")
            }
            Self::ReservationNotReleased { satoshi } => {
                write!(
                    f,
                    "RESERVATION NOT RELEASED: {satoshi} satoshi are reserved, or a quote is held, after every quote has expired"
                )
            }
            Self::LimitNotFilled { left } => {
                write!(f, "LIMIT NOT FILLED: an order was refused that fits into the remaining {left} satoshi")
            }
            Self::LimitNotProbed => {
                write!(f, "LIMIT NOT PROBED: no order of one satoshi was refused because of the limit")
            }
        }
    }
}
