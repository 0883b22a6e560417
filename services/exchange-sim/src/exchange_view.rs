//! The market as one exchange shows it at one moment, with the active fault's effect on prices and times.

use std::time::Duration;

use chrono::NaiveDate;
use common::{
    money::{Asset, CurrencyPair},
    time::Timestamp,
};
use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};

use crate::{
    faults::{Fault, FaultKind},
    formats::{JsonType, JsonValue, Price, PriceFormat, TimeFormat, format_time},
    market::{
        Market, MarketTicker,
        calendar::{Calendar, days_before},
        listed_pair::{ListedPair, find_listed_pair},
        units::{UNIT, Units},
    },
};

/// The prices that an exchange shows for one pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticker {
    pub(crate) last: Price,
    pub(crate) bid: Price,
    pub(crate) ask: Price,
    /// The time of the last trade.
    pub(crate) time: Timestamp,
}

/// The data that one exchange returns at one moment. Its methods apply the active fault.
#[derive(Clone, Copy)]
pub(crate) struct ExchangeView<'a> {
    pub(crate) market: &'a Market,
    pub(crate) exchange: &'static str,
    pub(crate) now: Timestamp,
    pub(crate) fault: Option<&'a Fault>,
    /// The age of the prices.
    delay: Duration,
    /// The time between two refreshes of the prices. Zero if every call gets new prices.
    refresh_interval: Duration,
}

impl<'a> ExchangeView<'a> {
    pub(crate) fn new(market: &'a Market, exchange: &'static str, now: Timestamp, fault: Option<&'a Fault>) -> Self {
        Self { market, exchange, now, fault, delay: Duration::ZERO, refresh_interval: Duration::ZERO }
    }

    /// The same view with prices that are `delay` old.
    pub(crate) fn delayed(&self, delay: Duration) -> Self {
        Self { delay, ..*self }
    }

    /// The same view at an exchange that refreshes its prices every `refresh_interval`.
    pub(crate) fn cached(&self, refresh_interval: Duration) -> Self {
        Self { refresh_interval, ..*self }
    }

    pub(crate) fn has_fault(&self, kind: FaultKind) -> bool {
        self.fault.is_some_and(|fault| fault.kind == kind)
    }

    /// Whether the active fault is of this kind and applies to the pair.
    pub(crate) fn has_fault_on(&self, kind: FaultKind, pair: CurrencyPair) -> bool {
        self.fault.is_some_and(|fault| fault.kind == kind && fault.applies_to(pair))
    }

    /// The time of the market prices that are shown for a pair. It is before `now` for delayed, cached, frozen and halted
    /// prices.
    pub(crate) fn price_time(&self, pair: CurrencyPair) -> Timestamp {
        let frozen = self.has_fault_on(FaultKind::Frozen, pair) || self.has_fault_on(FaultKind::Halted, pair);
        let time = self.fault.filter(|_| frozen).map_or(self.now, |fault| fault.since.min(self.now));
        let micros = time.minus(self.delay).micros();
        let interval = i64::try_from(self.refresh_interval.as_micros()).unwrap_or(i64::MAX).max(1);
        Timestamp::from_micros(micros - micros.rem_euclid(interval)).unwrap_or(time)
    }

    /// The listed pair of this symbol and its ticker. `None` for an unknown symbol and for a pair that a fault unlists.
    pub(crate) fn find_ticker(
        &self,
        pairs: &'static [ListedPair],
        symbol: &str,
    ) -> Option<(&'static ListedPair, Ticker)> {
        let listed = find_listed_pair(pairs, symbol)?;
        Some((listed, self.listed_ticker(listed)?))
    }

    /// The ticker of a listed pair. `None` if a fault unlists the pair.
    pub(crate) fn listed_ticker(&self, listed: &ListedPair) -> Option<Ticker> {
        self.ticker(listed.pair, listed.tick)
    }

    /// The ticker of a pair, with prices that are multiples of `tick`. `None` for an unknown asset and for a pair that a
    /// fault unlists.
    pub(crate) fn ticker(&self, pair: CurrencyPair, tick: Units) -> Option<Ticker> {
        let market_pair = self.market_pair(pair)?;
        let time = self.price_time(pair);
        let MarketTicker { last, bid, ask, time } = self.market.ticker(self.exchange, market_pair, tick, time)?;
        let [last, bid, ask] = [last, bid, ask].map(|units| self.faulty_price(units, pair, tick));
        let zero = Price { units: 0, ..bid };
        let fault = self.fault.filter(|fault| fault.applies_to(pair));
        let (bid, ask) = match fault.map(|fault| fault.kind) {
            Some(FaultKind::CrossedBook) => (ask, bid),
            Some(FaultKind::Halted) => (zero, zero),
            Some(FaultKind::ZeroBid) => (zero, ask),
            _ => (bid, ask),
        };
        Some(Ticker { last, bid, ask, time })
    }

    /// The ticker of a delisted pair that is still served. Its last price is constant: two fifths of the market price
    /// at a time in May 2023. Its order book is empty.
    pub(crate) fn delisted_ticker(&self, listed: &ListedPair) -> Option<Ticker> {
        let ListedPair { pair, tick, .. } = *listed;
        let last_traded = "2023-05-19T09:00:00Z".parse().ok()?;
        let ticker = self.market.ticker(self.exchange, pair, tick, last_traded)?;
        let price = Price { units: ticker.last / 5 * 2 / tick * tick, format: PriceFormat::Plain };
        let zero = Price { units: 0, ..price };
        Some(Ticker { last: price, bid: zero, ask: zero, time: last_traded })
    }

    /// The fixing of a pair on a day, rounded to a multiple of `tick`. `None` for an unknown asset and for a pair that a
    /// fault unlists.
    pub(crate) fn fixing(&self, day: NaiveDate, pair: CurrencyPair, tick: Units) -> Option<Price> {
        let units = self.market.fixing(self.market_pair(pair)?, day)?;
        let rounded = (units + tick / 2) / tick * tick;
        let price = self.faulty_price(rounded, pair, tick);
        let zero = self.has_fault_on(FaultKind::ZeroBid, pair);
        Some(if zero { Price { units: 0, ..price } } else { price })
    }

    /// The day of the newest fixing that the exchange shows.
    pub(crate) fn fixing_day(&self, calendar: Calendar) -> NaiveDate {
        let frozen = self.fault.filter(|fault| fault.kind == FaultKind::Frozen);
        let day = calendar.newest_fixing_day(frozen.map_or(self.now, |fault| fault.since.min(self.now)));
        match self.fault {
            Some(fault) if fault.kind == FaultKind::OldFixing => {
                calendar.working_day_on_or_before(days_before(day, u64::from(fault.days())))
            }
            _ => day,
        }
    }

    /// A time in the exchange's usual format, unless a fault changes the time or its format. `None` if a fault omits times.
    pub(crate) fn format_time(&self, time: Timestamp, usual_format: TimeFormat, json: JsonType) -> Option<JsonValue> {
        let time = match self.fault {
            Some(fault) if fault.kind == FaultKind::ClockSkew => {
                let skew = Duration::from_secs(fault.skew_seconds().unsigned_abs());
                if fault.skew_seconds() < 0 { time.minus(skew) } else { time.plus(skew) }
            }
            _ => time,
        };
        let odd_times = self.fault.filter(|fault| fault.kind == FaultKind::OddTimes);
        format_time(time, odd_times.map_or(usual_format, Fault::time_format), json)
    }

    /// The pair whose market price is shown as the price of `pair`. `None` if a fault unlists the pair.
    fn market_pair(&self, pair: CurrencyPair) -> Option<CurrencyPair> {
        if self.has_fault_on(FaultKind::Unlisted, pair) {
            return None;
        }
        Some(if self.has_fault_on(FaultKind::OtherCurrency, pair) { mistaken_pair(pair) } else { pair })
    }

    /// The price, after the effects of the active fault on its value and its format.
    fn faulty_price(&self, units: Units, pair: CurrencyPair, tick: Units) -> Price {
        let Some(fault) = self.fault.filter(|fault| fault.applies_to(pair)) else {
            return Price { units, format: PriceFormat::Plain };
        };
        let format = match fault.kind {
            FaultKind::NullPrice => PriceFormat::Null,
            FaultKind::OddNumbers => PriceFormat::Unusual(fault.number_format()),
            _ => PriceFormat::Plain,
        };
        let units =
            if fault.kind == FaultKind::NegativePrice { -units } else { scale_to_tick(units, fault.factor, tick) };
        Price { units, format }
    }
}

/// `price * factor`, rounded to a multiple of `tick`, and at least one tick. `price` itself if the factor is 1, or if
/// the product is too large.
fn scale_to_tick(price: Units, factor: Decimal, tick: Units) -> Units {
    if factor == Decimal::ONE {
        return price;
    }
    let ticks = Decimal::from(price / tick).checked_mul(factor);
    let ticks = ticks.map(|ticks| ticks.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero));
    ticks.and_then(|ticks| ticks.to_i64()?.max(1).checked_mul(tick)).unwrap_or(price)
}

/// The pair whose price the fault `other_currency` shows as the price of `pair`.
fn mistaken_pair(pair: CurrencyPair) -> CurrencyPair {
    // Prices in dollars and in USDT are almost equal. The fault must show a price that clearly differs.
    let mistaken = |asset| if matches!(asset, Asset::USD | Asset::USDT) { Asset::GBP } else { Asset::USD };
    let CurrencyPair { base, quote } = pair;
    if base == mistaken(quote) {
        // A pair needs two different assets.
        CurrencyPair::new(base, Asset::from_code("JPY"))
    } else {
        CurrencyPair::new(base, mistaken(quote))
    }
}

/// The number of decimals of a fixing of this size. Banks publish about five significant digits.
pub(crate) fn fixing_decimals(fixing: Units) -> u32 {
    match fixing / UNIT {
        100.. => 2,
        10.. => 3,
        1.. => 4,
        _ => 5,
    }
}
