//! The market as one exchange shows it at one moment, with whatever is wrong with its prices.

use std::time::Duration;

use chrono::NaiveDate;
use common::{
    money::{Asset, CurrencyPair},
    time::Timestamp,
};
use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};

use crate::{
    faults::{Fault, FaultKind, TimeForm},
    formats::{Price, PriceForm, WireValue, format_time},
    market::calendar::{Calendar, days_before},
    market::{Market, MarketTicker, UNIT, Units},
};

/// What an exchange tells of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticker {
    pub(crate) last: Price,
    pub(crate) bid: Price,
    pub(crate) ask: Price,
    /// When the last trade was.
    pub(crate) time: Timestamp,
}

#[derive(Clone, Copy)]
pub(crate) struct ExchangeView<'a> {
    pub(crate) market: &'a Market,
    pub(crate) exchange: &'static str,
    pub(crate) now: Timestamp,
    pub(crate) fault: Option<&'a Fault>,
    /// How far back it looks.
    back: Duration,
    /// How often what it shows is made anew; all the time where it is zero.
    step: Duration,
}

impl<'a> ExchangeView<'a> {
    pub(crate) fn new(market: &'a Market, exchange: &'static str, now: Timestamp, fault: Option<&'a Fault>) -> Self {
        Self { market, exchange, now, fault, back: Duration::ZERO, step: Duration::ZERO }
    }

    /// The moment of the market that is shown of a direction.
    pub(crate) fn shown_at(&self, direction: CurrencyPair) -> Timestamp {
        let stands = self.has(FaultKind::Frozen, direction) || self.has(FaultKind::Halted, direction);
        let time = self.fault.filter(|_| stands).map_or(self.now, |fault| fault.since.min(self.now));
        let micros = time.minus(self.back).micros();
        let step = i64::try_from(self.step.as_micros()).unwrap_or(i64::MAX).max(1);
        Timestamp::from_micros(micros - micros.rem_euclid(step)).unwrap_or(time)
    }

    pub(crate) fn is(&self, kind: FaultKind) -> bool {
        self.fault.is_some_and(|fault| fault.kind == kind)
    }

    /// Whether this is wrong with a direction.
    pub(crate) fn has(&self, kind: FaultKind, direction: CurrencyPair) -> bool {
        self.fault.is_some_and(|fault| fault.kind == kind && fault.applies_to(direction))
    }

    /// The quote for a direction, in whole ticks; nothing for what is not traded, or not any more.
    pub(crate) fn ticker(&self, direction: CurrencyPair, tick: Units) -> Option<Ticker> {
        if self.has(FaultKind::Unlisted, direction) {
            return None;
        }
        let asked = if self.has(FaultKind::OtherCurrency, direction) { other(direction) } else { direction };
        let time = self.shown_at(direction);
        let MarketTicker { last, bid, ask, time } = self.market.ticker(self.exchange, asked, tick, time)?;
        let [last, bid, ask] = [last, bid, ask].map(|units| self.wrong(units, direction, tick));
        let (bid, ask) = if self.has(FaultKind::CrossedBook, direction) { (ask, bid) } else { (bid, ask) };
        let zero = Price { units: 0, ..bid };
        let (bid, ask) = match self.fault.filter(|fault| fault.applies_to(direction)).map(|fault| fault.kind) {
            Some(FaultKind::Halted) => (zero, zero),
            Some(FaultKind::ZeroBid) => (zero, ask),
            _ => (bid, ask),
        };
        Some(Ticker { last, bid, ask, time })
    }

    /// What is told of a pair that was taken off long ago and is still answered for: a price that stands still, far from
    /// the market.
    pub(crate) fn delisted(&self, direction: CurrencyPair, tick: Units) -> Option<Ticker> {
        let last_traded = "2023-05-19T09:00:00Z".parse().ok()?;
        let quote = self.market.ticker(self.exchange, direction, tick, last_traded)?;
        let price = Price { units: quote.last / 5 * 2 / tick * tick, form: PriceForm::Plain };
        let none = Price { units: 0, ..price };
        Some(Ticker { last: price, bid: none, ask: none, time: last_traded })
    }

    /// A day's fixing of a direction, in whole ticks.
    pub(crate) fn fixing(&self, day: NaiveDate, direction: CurrencyPair, tick: Units) -> Option<Price> {
        if self.has(FaultKind::Unlisted, direction) {
            return None;
        }
        let asked = if self.has(FaultKind::OtherCurrency, direction) { other(direction) } else { direction };
        let units = self.market.fixing(asked, day)?;
        let rounded = (units + tick / 2) / tick * tick;
        let price = self.wrong(rounded, direction, tick);
        let zero = self.has(FaultKind::ZeroBid, direction);
        Some(if zero { Price { units: 0, ..price } } else { price })
    }

    /// The newest day that there are rates of.
    pub(crate) fn fixing_day(&self, calendar: Calendar) -> NaiveDate {
        let stands = self.fault.filter(|fault| fault.kind == FaultKind::Frozen);
        let day = calendar.newest_fixing_day(stands.map_or(self.now, |fault| fault.since.min(self.now)));
        match self.fault {
            Some(fault) if fault.kind == FaultKind::OldFixing => {
                calendar.working_day_on_or_before(days_before(day, u64::from(fault.days())))
            }
            _ => day,
        }
    }

    /// The same view, some time ago.
    pub(crate) fn delayed(&self, back: Duration) -> Self {
        Self { back, ..*self }
    }

    /// The same view when it was last made anew, at an exchange that does so every `step`.
    pub(crate) fn cached(&self, step: Duration) -> Self {
        Self { step, ..*self }
    }

    /// A time of the exchange's, in the form it is usually told; nothing where times are left out.
    pub(crate) fn time(&self, time: Timestamp, usual: TimeForm, quoted: bool) -> Option<WireValue> {
        let time = match self.fault {
            Some(fault) if fault.kind == FaultKind::ClockSkew => {
                let skew = Duration::from_secs(fault.skew().unsigned_abs());
                if fault.skew() < 0 { time.minus(skew) } else { time.plus(skew) }
            }
            _ => time,
        };
        let odd = self.fault.filter(|fault| fault.kind == FaultKind::OddTimes);
        format_time(time, odd.map_or(usual, Fault::time_form), quoted)
    }

    /// A price, as wrong as it is told.
    fn wrong(&self, units: Units, direction: CurrencyPair, tick: Units) -> Price {
        let Some(fault) = self.fault.filter(|fault| fault.applies_to(direction)) else {
            return Price { units, form: PriceForm::Plain };
        };
        let form = match fault.kind {
            FaultKind::NullPrice => PriceForm::Null,
            FaultKind::OddNumbers => PriceForm::Odd(fault.number_form()),
            _ => PriceForm::Plain,
        };
        let units = if fault.kind == FaultKind::NegativePrice { -units } else { times(units, fault.factor, tick) };
        Price { units, form }
    }
}

/// A price times the factor of a lie, in whole ticks and never below one.
fn times(price: Units, factor: Decimal, tick: Units) -> Units {
    if factor == Decimal::ONE {
        return price;
    }
    let ticks = Decimal::from(price / tick).checked_mul(factor);
    let ticks = ticks.map(|ticks| ticks.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero));
    ticks.and_then(|ticks| ticks.to_i64()?.max(1).checked_mul(tick)).unwrap_or(price)
}

/// What a direction is mistaken for.
fn other(direction: CurrencyPair) -> CurrencyPair {
    let mistaken = |asset| if matches!(asset, Asset::USD | Asset::USDT) { Asset::GBP } else { Asset::USD };
    match (direction.base, direction.quote) {
        // A dollar coin in dollars for one in pounds: the other way round it would not show.
        (base, quote) if base != mistaken(quote) => CurrencyPair::new(base, mistaken(quote)),
        (base, _) => CurrencyPair::new(base, Asset::from_code("JPY")),
    }
}

/// The finest step of a price of this size that a bank tells: five digits or so.
pub(crate) fn fixing_decimals(units: Units) -> u32 {
    match units / UNIT {
        100.. => 2,
        10.. => 3,
        1.. => 4,
        _ => 5,
    }
}
