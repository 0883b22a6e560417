//! Checks that prices are current, complete, and close to the simulated market.

use std::{collections::BTreeMap, time::Duration};

use common::{
    api::{
        courses::{AgreedPrice, MarketSnapshot, Method},
        prices::{PriceRecord, PriceState},
    },
    money::{Asset, Currency, CurrencyPair, Rate},
    time::Timestamp,
};
use exchange_sim::Simulation;

use super::Report;

const CURRENCIES: [Currency; 3] = [Currency::EUR, Currency::GBP, Currency::USD];
/// The default poll interval.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// Maximum time that a poll waits for sources that do not respond.
const POLL_TIMEOUT: Duration = Duration::from_secs(4);
/// Maximum age of a fresh price while enough exchanges work. Prices are published every 15 s, and a price may need two
/// polls.
const MAX_FRESH_AGE: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(60);
const PROLONG_LIMIT: Duration = Duration::from_hours(1);
/// The allowed deviation from the market, in millionths.
const TOLERANCE: i128 = 1_000;
/// The allowed deviation of a price that contains an official daily rate, in millionths. Such rates may differ from
/// each other by up to 2 %, and may be of an earlier day.
const DAILY_RATE_TOLERANCE: i128 = 30_000;
/// A price may be based on a ticker that is older than `as_of` by at most this duration. Heartbeats of a WebSocket
/// stream can keep a ticker current for this duration after its last update.
const MAX_OBSERVATION_LAG: Duration = Duration::from_secs(30);

/// A price, and the data to compare it with the market.
struct CheckedPrice {
    /// Where the price was found, for messages.
    origin: &'static str,
    pair: CurrencyPair,
    price: Rate,
    as_of: Timestamp,
    /// The allowed deviation from the market, in millionths.
    tolerance: i128,
}

pub struct PriceChecks {
    simulation: Simulation,
    /// See [`super::Plan::max_failing`].
    max_failing: Option<usize>,
    /// The time of the snapshot that was checked last.
    checked_snapshot: Option<Timestamp>,
    /// When a snapshot last had a price, for each pair that orders use.
    last_priced: BTreeMap<CurrencyPair, Timestamp>,
}

impl PriceChecks {
    pub fn new(simulation: Simulation, max_failing: Option<usize>) -> Self {
        Self { simulation, max_failing, checked_snapshot: None, last_priced: BTreeMap::new() }
    }

    /// Whether a fresh price of every currency is required.
    fn requires_fresh_prices(&self, is_warm: bool) -> bool {
        is_warm && self.max_failing.is_some()
    }

    pub fn check_missing_record(&self, report: &mut Report, error: &str, now: Timestamp, is_warm: bool) {
        report.unpriced_seconds += 1;
        if self.requires_fresh_prices(is_warm) {
            report.record_violation(now, || format!("no order can be priced: {error}"));
        }
    }

    /// Checks the record that an order would use. An expired price of a record is not used.
    pub fn check_record(&self, report: &mut Report, record: &PriceRecord, now: Timestamp, is_warm: bool) {
        let current: Vec<_> = record.currency_prices().filter(|(_, price)| price.is_current(now)).collect();
        report.priced_seconds += 1;
        report.prolonged_seconds += u64::from(current.iter().any(|(_, price)| price.state != PriceState::Fresh));
        if !record.simulated {
            report.record_violation(now, || "the record is not marked as simulated".to_owned());
        }
        for (currency, price) in &current {
            let (age, state) = (now.since(price.as_of), price.state);
            report.max_age = report.max_age.max(age);
            let max_age = if state == PriceState::Fresh { TTL } else { PROLONG_LIMIT };
            if price.as_of > now || age >= max_age {
                report.record_violation(now, || {
                    format!("an order uses a {state:?} price in {currency} that is {age:?} old")
                });
            }
            let pair = CurrencyPair::new(Asset::BTC, (*currency).into());
            let (price, as_of) = (price.price, price.as_of);
            let checked = CheckedPrice { origin: "an order", pair, price, as_of, tolerance: TOLERANCE };
            self.check_against_market(report, &checked, now);
        }
        if self.requires_fresh_prices(is_warm) {
            let is_good = |currency: &Currency| {
                let price = current.iter().find(|(priced, _)| priced == currency);
                price.is_some_and(|(_, price)| {
                    price.state == PriceState::Fresh && now.since(price.as_of) <= MAX_FRESH_AGE
                })
            };
            for currency in CURRENCIES.iter().filter(|currency| !is_good(currency)) {
                let price = record.price(*currency);
                report.record_violation(now, || format!("there is no fresh price in {currency}: {price:?}"));
            }
        }
    }

    /// Checks the market snapshot. While fresh prices are required, at least one of two consecutive snapshots must have
    /// a price for each pair that orders use.
    pub fn check_snapshot(
        &mut self,
        report: &mut Report,
        snapshot: Option<&MarketSnapshot>,
        now: Timestamp,
        is_warm: bool,
    ) {
        if let Some(snapshot) = snapshot.filter(|snapshot| self.checked_snapshot != Some(snapshot.as_of)) {
            self.checked_snapshot = Some(snapshot.as_of);
            for price in &snapshot.prices {
                self.check_agreed_price(report, price, snapshot.as_of, now);
            }
        }
        if !self.requires_fresh_prices(is_warm) {
            return;
        }
        // One snapshot without a price is allowed. The next snapshot can be late by the timeout of its poll.
        let max_gap = POLL_INTERVAL * 2 + POLL_TIMEOUT + Duration::from_secs(1);
        for (pair, &last) in &self.last_priced {
            if now.since(last) > max_gap {
                report
                    .record_violation(now, || format!("the market snapshot has had no price for {pair} since {last}"));
            }
        }
        if self.last_priced.len() < CURRENCIES.len() {
            report.record_violation(now, || "a pair that orders use never had a price".to_owned());
        }
    }

    fn check_agreed_price(
        &mut self,
        report: &mut Report,
        agreed: &AgreedPrice,
        snapshot_at: Timestamp,
        now: Timestamp,
    ) {
        let (Some(price), Some(as_of)) = (agreed.price, agreed.as_of) else { return };
        let pair = agreed.direction;
        let is_used_by_orders =
            CURRENCIES.iter().any(|&currency| pair == CurrencyPair::new(Asset::BTC, currency.into()));
        // `expires_at` is present only in a price that was agreed for an earlier snapshot.
        if is_used_by_orders && agreed.expires_at.is_none() {
            self.last_priced.insert(pair, snapshot_at);
        }
        let is_cross = agreed.method == Method::Cross;
        // Other prices are compared only if fewer than half of their voters can be wrong.
        let votes = agreed.votes.iter().filter(|vote| vote.vote.is_some()).count();
        if is_used_by_orders || is_cross || votes > 2 * self.max_failing.unwrap_or(votes) {
            let tolerance = if is_cross { DAILY_RATE_TOLERANCE } else { TOLERANCE };
            let checked = CheckedPrice { origin: "the market snapshot", pair, price, as_of, tolerance };
            self.check_against_market(report, &checked, now);
        }
    }

    /// Compares a price with the range of the market around its time.
    fn check_against_market(&self, report: &mut Report, checked: &CheckedPrice, now: Timestamp) {
        let &CheckedPrice { origin, pair, price, as_of, tolerance } = checked;
        let first = as_of.minus(MAX_OBSERVATION_LAG);
        let seconds = (MAX_OBSERVATION_LAG + POLL_INTERVAL).as_secs();
        let times = (0..=seconds).step_by(5).map(|second| first.plus(Duration::from_secs(second)));
        let market: Vec<_> = times.filter_map(|at| self.simulation.price(pair, at)).collect();
        let (Some(low), Some(high)) = (market.iter().min(), market.iter().max()) else {
            report.record_violation(now, || format!("{origin} uses {price} for {pair}, which has no market price"));
            return;
        };
        let scaled = |price: Rate, millionths: i128| i128::from(price.hundred_millionths()) * millionths;
        let allowed = scaled(*low, 1_000_000 - tolerance)..=scaled(*high, 1_000_000 + tolerance);
        if !allowed.contains(&scaled(price, 1_000_000)) {
            report.record_violation(now, || {
                format!("{origin} uses {price} for {pair} as of {as_of}, where the market price is {low} to {high}")
            });
        }
    }
}
