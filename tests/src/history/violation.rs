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
    Missing { key: String, id: String },
    /// Answered with 201, and kept otherwise.
    Differs { key: String, id: OrderId, field: String, told: String, kept: String },
    /// One key, more than one order.
    TwoOrders { key: String, first: i64, second: i64 },
    /// An order that no client asked for.
    Unasked { seq: i64, key: String },
    /// A client was told that its order was not placed, and it is there.
    Denied { key: String, seq: i64, code: String },
    /// Two answers to one key that are not the same to the byte.
    OtherBytes { key: String },
    /// Two clients were told of one key that its order is new.
    NewTwice { key: String },
    /// A refusal whose reason is not true.
    NoReason { key: String, code: String, why: String },
    /// An answer that no client should see.
    Unexpected { key: String, status: u16, body: String },
    /// No client got a definite answer, however long it asked.
    Undecided { key: String },
    /// The totals are not what the orders come to.
    Sum { orders: i64, totals: i64 },
    /// The totals do not count the orders.
    Count { orders: i64, totals: i64 },
    /// With this order the limit was passed.
    AboveLimit { seq: i64, sum: i64, limit: i64 },
    /// A number that is missing, or that is there twice.
    Gap { after: i64, next: i64 },
    /// An order that is not later than the one before it.
    NotLater { seq: i64 },
    /// Two orders took one quote.
    QuoteTwice { quote: QuoteId, first: i64, second: i64 },
    /// A client was told of a quote that is not kept, or kept otherwise.
    QuoteDiffers { quote: QuoteId, field: String },
    /// An order that took a quote has other terms than the quote, or the quote does not say that it was taken.
    NotItsQuote { quote: QuoteId, seq: i64, field: String },
    /// A quote says that it was taken, and no order took it.
    TakenByNobody { quote: QuoteId },
    /// What quotes held was not given back.
    StillReserved { satoshi: i64 },
    /// Orders of one satoshi were refused while there was room.
    NotFilled { left: i64 },
    /// Nobody asked for the last satoshi, so that nothing is known of the limit.
    NotAsked,
}

impl Violation {
    /// The key whose story tells more.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Missing { key, .. }
            | Self::Differs { key, .. }
            | Self::TwoOrders { key, .. }
            | Self::Unasked { key, .. }
            | Self::Denied { key, .. }
            | Self::OtherBytes { key }
            | Self::NewTwice { key }
            | Self::NoReason { key, .. }
            | Self::Unexpected { key, .. }
            | Self::Undecided { key } => Some(key),
            _ => None,
        }
    }

    pub(super) fn denied(key: &str, seq: i64, code: Code) -> Self {
        Self::Denied { key: key.to_owned(), seq, code: code.to_string() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key, id } => write!(f, "LOST: {key} was answered with 201, and its order {id} is not kept"),
            Self::Differs { key, id, field, told, kept } => {
                write!(f, "CHANGED: {key} was told {field} {told} of order {id}, and {kept} is kept")
            }
            Self::TwoOrders { key, first, second } => write!(f, "DOUBLED: {key} has the orders {first} and {second}"),
            Self::Unasked { seq, key } => write!(f, "UNASKED: order {seq} (key {key:?}) is what no client asked for"),
            Self::Denied { key, seq, code } => {
                write!(f, "DENIED: {key} was told {code}, and its order is kept with the number {seq}")
            }
            Self::OtherBytes { key } => write!(f, "OTHER ANSWER: {key} was answered with 201 in two ways"),
            Self::NewTwice { key } => write!(f, "NEW TWICE: {key} was told twice that its order is new"),
            Self::NoReason { key, code, why } => write!(f, "NO REASON: {key} was told {code}, but {why}"),
            Self::Unexpected { key, status, body } => write!(f, "UNEXPECTED: {key} was answered with {status}: {body}"),
            Self::Undecided { key } => write!(f, "UNDECIDED: {key} never got a definite answer"),
            Self::Sum { orders, totals } => write!(f, "SUM: orders come to {orders} satoshi, the totals say {totals}"),
            Self::Count { orders, totals } => write!(f, "COUNT: there are {orders} orders, the totals say {totals}"),
            Self::AboveLimit { seq, sum, limit } => {
                write!(f, "LIMIT: with order {seq} there are {sum} satoshi, and {limit} are allowed")
            }
            Self::Gap { after, next } => write!(f, "GAP: the order after {after} has the number {next}"),
            Self::NotLater { seq } => write!(f, "NOT LATER: order {seq} is not later than the one before it"),
            Self::QuoteTwice { quote, first, second } => {
                write!(f, "QUOTE TWICE: the orders {first} and {second} took quote {quote}")
            }
            Self::QuoteDiffers { quote, field } => {
                write!(f, "QUOTE CHANGED: {field} of quote {quote} is not kept as it was told")
            }
            Self::NotItsQuote { quote, seq, field } => {
                write!(f, "NOT ITS QUOTE: {field} of order {seq} does not fit quote {quote}")
            }
            Self::TakenByNobody { quote } => write!(f, "TAKEN BY NOBODY: quote {quote} is marked as taken"),
            Self::StillReserved { satoshi } => {
                write!(f, "STILL RESERVED: {satoshi} satoshi are held though every quote was taken or has run out")
            }
            Self::NotFilled { left } => write!(f, "NOT FILLED: one satoshi was refused, and {left} are left"),
            Self::NotAsked => write!(f, "NOT ASKED: the run ended before the limit was full"),
        }
    }
}
