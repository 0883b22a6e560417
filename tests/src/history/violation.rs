//! What can be wrong, and how it is told.

use std::fmt;

use common::{
    api::Code,
    ids::{OrderId, QuoteId},
};

/// One promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// Answered with 201, and not kept.
    OrderMissing { key: String, id: String },
    /// Answered with 201, and kept otherwise.
    OrderDiffers { key: String, id: OrderId, field: String, outcome: String, kept: String },
    /// One key, more than one order.
    DuplicateOrder { key: String, first: i64, second: i64 },
    /// An order that no client asked for.
    OrderNotRequested { seq: i64, key: String },
    /// A client was told that its order was not placed, and it is there.
    DeniedButPlaced { key: String, seq: i64, code: String },
    /// Two answers to one key that are not the same to the byte.
    ReplayDiffers { key: String },
    /// Two clients were told of one key that its order is new.
    CreatedTwice { key: String },
    /// A refusal whose reason is not true.
    FalseRefusal { key: String, code: String, why: String },
    /// An answer that no client should see.
    UnexpectedResponse { key: String, status: u16, body: String },
    /// No client got a definite answer, however long it asked.
    Undecided { key: String },
    /// The totals are not what the orders come to.
    WrongSum { orders: i64, totals: i64 },
    /// The totals do not count the orders.
    WrongCount { orders: i64, totals: i64 },
    /// With this order the limit was passed.
    LimitExceeded { seq: i64, sum: i64, limit: i64 },
    /// A number that is missing, or that is there twice.
    SequenceGap { after: i64, next: i64 },
    /// An order that is not later than the one before it.
    TimeNotIncreasing { seq: i64 },
    /// Two orders took one quote.
    QuoteTakenTwice { quote: QuoteId, first: i64, second: i64 },
    /// A client was told of a quote that is not kept, or kept otherwise.
    QuoteDiffers { quote: QuoteId, field: String },
    /// An order that took a quote has other terms than the quote, or the quote does not say that it was taken.
    OrderDiffersFromQuote { quote: QuoteId, seq: i64, field: String },
    /// A quote says that it was taken, and no order took it.
    QuoteTakenWithoutOrder { quote: QuoteId },
    /// What quotes held was not given back.
    ReservationNotReleased { satoshi: i64 },
    /// Orders of one satoshi were refused while there was room.
    LimitNotFilled { left: i64 },
    /// Nobody asked for the last satoshi, so that nothing is known of the limit.
    LimitNotProbed,
}

impl Violation {
    /// The key whose story tells more.
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

    pub(super) fn denied(key: &str, seq: i64, code: Code) -> Self {
        Self::DeniedButPlaced { key: key.to_owned(), seq, code: code.to_string() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OrderMissing { key, id } => {
                write!(f, "LOST: {key} was answered with 201, and its order {id} is not kept")
            }
            Self::OrderDiffers { key, id, field, outcome, kept } => {
                write!(f, "CHANGED: {key} was told {field} {outcome} of order {id}, and {kept} is kept")
            }
            Self::DuplicateOrder { key, first, second } => {
                write!(f, "DOUBLED: {key} has the orders {first} and {second}")
            }
            Self::OrderNotRequested { seq, key } => {
                write!(f, "UNASKED: order {seq} (key {key:?}) is what no client asked for")
            }
            Self::DeniedButPlaced { key, seq, code } => {
                write!(f, "DENIED: {key} was told {code}, and its order is kept with the number {seq}")
            }
            Self::ReplayDiffers { key } => write!(f, "OTHER ANSWER: {key} was answered with 201 in two ways"),
            Self::CreatedTwice { key } => write!(f, "NEW TWICE: {key} was told twice that its order is new"),
            Self::FalseRefusal { key, code, why } => write!(f, "NO REASON: {key} was told {code}, but {why}"),
            Self::UnexpectedResponse { key, status, body } => {
                write!(f, "UNEXPECTED: {key} was answered with {status}: {body}")
            }
            Self::Undecided { key } => write!(f, "UNDECIDED: {key} never got a definite answer"),
            Self::WrongSum { orders, totals } => {
                write!(f, "SUM: orders come to {orders} satoshi, the totals say {totals}")
            }
            Self::WrongCount { orders, totals } => {
                write!(f, "COUNT: there are {orders} orders, the totals say {totals}")
            }
            Self::LimitExceeded { seq, sum, limit } => {
                write!(f, "LIMIT: with order {seq} there are {sum} satoshi, and {limit} are allowed")
            }
            Self::SequenceGap { after, next } => write!(f, "GAP: the order after {after} has the number {next}"),
            Self::TimeNotIncreasing { seq } => write!(f, "NOT LATER: order {seq} is not later than the one before it"),
            Self::QuoteTakenTwice { quote, first, second } => {
                write!(f, "QUOTE TWICE: the orders {first} and {second} took quote {quote}")
            }
            Self::QuoteDiffers { quote, field } => {
                write!(f, "QUOTE CHANGED: {field} of quote {quote} is not kept as it was told")
            }
            Self::OrderDiffersFromQuote { quote, seq, field } => {
                write!(f, "NOT ITS QUOTE: {field} of order {seq} does not fit quote {quote}")
            }
            Self::QuoteTakenWithoutOrder { quote } => write!(f, "TAKEN BY NOBODY: quote {quote} is marked as taken"),
            Self::ReservationNotReleased { satoshi } => {
                write!(f, "STILL RESERVED: {satoshi} satoshi are held though every quote was taken or has run out")
            }
            Self::LimitNotFilled { left } => write!(f, "NOT FILLED: one satoshi was refused, and {left} are left"),
            Self::LimitNotProbed => write!(f, "NOT ASKED: the run ended before the limit was full"),
        }
    }
}
