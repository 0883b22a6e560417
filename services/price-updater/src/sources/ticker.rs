//! The ticker that a source reports for a pair at one time, in one form for all sources. A ticker becomes a *course*,
//! the last price of one pair at one source.

use std::time::Duration;

use common::{
    api::courses::CourseKind,
    money::{DecimalText, Rate, parse_decimal},
    time::{Day, Timestamp},
};
use rust_decimal::Decimal;

use super::SourceError;

/// Maximum difference between the best ask and the best bid, in percent of their mean. A pair with a larger difference is
/// hardly traded.
const MAX_SPREAD_PERCENT: i128 = 10;
/// How long an official rate is valid, counted from the start of its day. The Bank of Russia publishes no rate from the
/// first to the eighth of January. With the days off before and after, the gap is up to twelve days. A comparison of
/// several banks detects an outdated rate earlier.
pub(crate) const MAX_FIXING_AGE: Duration = Duration::from_hours(14 * 24);

/// The price that a source reports for a pair at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticker {
    pub(crate) kind: CourseKind,
    /// The last trade, the value of an index, or an official rate.
    pub(crate) last: Option<Rate>,
    pub(crate) bid_ask: Option<BidAsk>,
    /// The start of the poll, or the time when a stream last confirmed the ticker. An adapter can read an earlier time
    /// from the response.
    ///
    /// For an official rate, this is the start of the poll, even if the rate was published days earlier.
    pub(crate) observed_at: Timestamp,
    /// The day for which a bank publishes an official rate. `None` for other prices.
    pub(crate) official_day: Option<Day>,
}

/// The best bid and the best ask. The bid is at most the ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BidAsk {
    pub(crate) bid: Rate,
    pub(crate) ask: Rate,
}

/// The prices of a ticker, as the exchange wrote them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TradedPrices<'a> {
    pub(crate) last: Option<&'a DecimalText>,
    pub(crate) bid: Option<&'a DecimalText>,
    pub(crate) ask: Option<&'a DecimalText>,
}

impl Ticker {
    /// The ticker of an exchange. It has the last trade, or both sides of the book, or all three prices.
    ///
    /// # Errors
    /// [`SourceError::InvalidResponse`] if there is no price at all. [`SourceError::Implausible`] if a price is not a valid
    /// rate, or if the book has only one side, is crossed or is too wide. If the book is implausible, the last trade is
    /// not used either, because the exchange cannot be trusted.
    pub(crate) fn traded(prices: &TradedPrices<'_>, now: Timestamp) -> Result<Self, SourceError> {
        let last = prices.last.map(|last| parse_exact("last", last)).transpose()?;
        let bid = prices.bid.map(|bid| parse_exact("bid", bid)).transpose()?;
        let ask = prices.ask.map(|ask| parse_exact("ask", ask)).transpose()?;
        let bid_ask = match (bid, ask) {
            (Some(bid), Some(ask)) => Some(BidAsk { bid, ask }.check_plausible()?),
            (None, None) => None,
            _ => return Err(SourceError::implausible("one side of the book is empty")),
        };
        if last.is_none() && bid_ask.is_none() {
            return Err(SourceError::invalid_response("it has no price"));
        }
        Ok(Self { kind: CourseKind::Trade, last, bid_ask, observed_at: now, official_day: None })
    }

    /// The value of an index, rounded half to even to the precision of a [`Rate`].
    pub(crate) fn index(value: &DecimalText, now: Timestamp) -> Result<Self, SourceError> {
        let value = parse_rounded("index", value)?;
        Ok(Self { kind: CourseKind::Index, last: Some(value), bid_ask: None, observed_at: now, official_day: None })
    }

    /// The official rate of a day.
    pub(crate) fn fixing(value: Rate, day: Day, now: Timestamp) -> Self {
        let official_day = Some(day);
        Self { kind: CourseKind::Fixing, last: Some(value), bid_ask: None, observed_at: now, official_day }
    }

    /// The course: the price of the last trade, or the mean of bid and ask if there is no last trade.
    pub(crate) fn course(&self) -> Rate {
        self.last.or_else(|| self.mid_price()).unwrap_or_else(Self::no_price)
    }

    /// The price that the source votes for: the mean of bid and ask, or the last trade if there is no book. The book
    /// follows the market sooner than the last trade does.
    pub(crate) fn vote(&self) -> Rate {
        self.mid_price().or(self.last).unwrap_or_else(Self::no_price)
    }

    fn mid_price(&self) -> Option<Rate> {
        let BidAsk { bid, ask } = self.bid_ask?;
        let sum = bid.to_decimal().checked_add(ask.to_decimal())?;
        Rate::rounded_half_even(sum.checked_div(Decimal::TWO)?).ok()
    }

    fn no_price() -> Rate {
        unreachable!("every ticker has a last price or a book, and a rate is far from overflow")
    }
}

impl BidAsk {
    fn check_plausible(self) -> Result<Self, SourceError> {
        let Self { bid, ask } = self;
        if bid > ask {
            return Err(SourceError::implausible(format_args!("the book is crossed: bid {bid}, ask {ask}")));
        }
        // The arithmetic cannot overflow: a rate is below 2^60 hundred-millionths.
        let [low, high] = [bid, ask].map(|rate| i128::from(rate.hundred_millionths()));
        if (high - low) * 2 * 100 > (high + low) * MAX_SPREAD_PERCENT {
            return Err(SourceError::implausible(format_args!(
                "the book is wider than {MAX_SPREAD_PERCENT} %: bid {bid}, ask {ask}"
            )));
        }
        Ok(self)
    }
}

/// Parses the price of an exchange. Rejects a number with more digits than a [`Rate`] has, because exchanges do not
/// trade at such prices.
fn parse_exact(name: &'static str, text: &DecimalText) -> Result<Rate, SourceError> {
    text.as_str().parse().map_err(|error| SourceError::implausible(format_args!("the {name} price {error}")))
}

/// Parses a computed price, and rounds it half to even to the precision of a [`Rate`].
pub(super) fn parse_rounded(name: &'static str, text: &DecimalText) -> Result<Rate, SourceError> {
    let number = parse_decimal(text.as_str()).map_err(|error| error.to_string());
    let rate = number.and_then(|number| Rate::rounded_half_even(number).map_err(|error| error.to_string()));
    rate.map_err(|error| SourceError::implausible(format_args!("the {name} price {error}")))
}

#[cfg(test)]
mod tests;
