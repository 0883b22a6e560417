//! What one source says of one direction: the form that everything is brought into before it is compared.

use std::time::Duration;

use common::{
    api::courses::CourseKind,
    money::{DecimalText, Rate, parse_decimal},
    time::Timestamp,
};
use rust_decimal::Decimal;

use super::SourceError;

/// The widest book that is believed, in percent of its middle: a wider one has nobody in it who trades.
const MAX_WIDTH_PERCENT: i128 = 10;
/// How long after its day an official rate is believed. The Bank of Russia publishes none from the first to the eighth of
/// January, with the days off around it for up to twelve days, so two weeks raise no false alarm. What other banks tell
/// meanwhile is compared with it.
pub(crate) const MAX_FIXING_AGE: Duration = Duration::from_hours(14 * 24);

/// What one source says of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticker {
    pub(crate) kind: CourseKind,
    /// The last trade, the value of an index, or an official rate.
    pub(crate) last: Option<Rate>,
    /// The best bid and the best ask; a bid is never above its ask.
    pub(crate) book: Option<(Rate, Rate)>,
    /// When it was asked for, or when a feed last proved it; earlier where the source says so, and never later.
    ///
    /// A fixing holds until the next one, so it is as if its source had just said it, which is asked once an hour: what
    /// counts is its own day, and the source stops telling it [`MAX_FIXING_AGE`] after that.
    pub(crate) observed_at: Timestamp,
}

impl Ticker {
    /// What an order book says: its last trade, its two sides, or both.
    ///
    /// A side that is zero, negative, empty or alone, a book that is crossed, and one that is wider than a tenth of its
    /// middle take the last trade with them: who answers that is not to be believed.
    pub(crate) fn traded(
        last: Option<&DecimalText>,
        bid: Option<&DecimalText>,
        ask: Option<&DecimalText>,
        now: Timestamp,
    ) -> Result<Self, SourceError> {
        let last = last.map(|last| exactly("last", last)).transpose()?;
        let bid = bid.map(|bid| exactly("bid", bid)).transpose()?;
        let ask = ask.map(|ask| exactly("ask", ask)).transpose()?;
        let book = match (bid, ask) {
            (Some(bid), Some(ask)) => Some(checked(bid, ask)?),
            (None, None) => None,
            _ => return Err(SourceError::Implausible("one side of the book is empty".to_owned())),
        };
        if last.is_none() && book.is_none() {
            return Err(SourceError::invalid_response("it has no price"));
        }
        Ok(Self { kind: CourseKind::Trade, last, book, observed_at: now })
    }

    /// What a source computed from several markets. It may have more digits than are kept, and is rounded to those.
    pub(crate) fn index(value: &DecimalText, now: Timestamp) -> Result<Self, SourceError> {
        let value = rounded("index", value)?;
        Ok(Self { kind: CourseKind::Index, last: Some(value), book: None, observed_at: now })
    }

    /// An official rate of the day.
    pub(crate) fn fixing(value: Rate, now: Timestamp) -> Self {
        Self { kind: CourseKind::Fixing, last: Some(value), book: None, observed_at: now }
    }

    /// What is shown: the last trade, or the middle of the book where none is told.
    pub(crate) fn course(&self) -> Rate {
        self.last.or_else(|| self.middle()).unwrap_or_else(Self::impossible)
    }

    /// What counts: the middle of the book, which moves before anybody trades, or the last trade where there is none.
    pub(crate) fn vote(&self) -> Rate {
        self.middle().or(self.last).unwrap_or_else(Self::impossible)
    }

    fn middle(&self) -> Option<Rate> {
        let (bid, ask) = self.book?;
        let sum = bid.to_decimal().checked_add(ask.to_decimal())?;
        Rate::rounded_half_even(sum.checked_div(Decimal::TWO)?).ok()
    }

    fn impossible() -> Rate {
        unreachable!("every quote is made with a last price or a book, and a rate is far from overflow")
    }
}

/// A price as an exchange wrote it: a number that cannot be held exactly is not one of its prices.
fn exactly(name: &'static str, text: &DecimalText) -> Result<Rate, SourceError> {
    text.as_str().parse().map_err(|error| SourceError::Implausible(format!("the {name} price {error}")))
}

/// A number that somebody computed, half to even at the last decimal that is kept.
pub(crate) fn rounded(name: &'static str, text: &DecimalText) -> Result<Rate, SourceError> {
    let number = parse_decimal(text.as_str()).map_err(|error| error.to_string());
    let rate = number.and_then(|number| Rate::rounded_half_even(number).map_err(|error| error.to_string()));
    rate.map_err(|error| SourceError::Implausible(format!("the {name} price {error}")))
}

fn checked(bid: Rate, ask: Rate) -> Result<(Rate, Rate), SourceError> {
    if bid > ask {
        return Err(SourceError::Implausible(format!("the book is crossed: bid {bid}, ask {ask}")));
    }
    // Far from overflow: a rate is below 2^60.
    let [low, high] = [bid, ask].map(|rate| i128::from(rate.hundred_millionths()));
    if (high - low) * 2 * 100 > (high + low) * MAX_WIDTH_PERCENT {
        return Err(SourceError::Implausible(format!("the book is too wide: bid {bid}, ask {ask}")));
    }
    Ok((bid, ask))
}

#[cfg(test)]
mod tests;
