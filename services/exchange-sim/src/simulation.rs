//! The state that all exchanges share, and the handle by which tests and the admin API change it.

use std::sync::Arc;

use common::{
    api::FieldError,
    money::{CurrencyPair, Rate},
    spelling::must_be_one_of,
    time::{Clock, Timestamp},
};

use crate::{
    faults::{Fault, FaultInfo, FaultStore, MarketMove, NewFault, TimedFault, resolve_moves, resolve_timeline},
    market::Market,
    rate_limits::{CallCounters, RateLimiter},
};

/// A handle to the simulation: the market, the faults, the call counters and the clock. Clones share one state.
#[derive(Debug, Clone)]
pub struct Simulation {
    pub(crate) exchanges: &'static [&'static str],
    pub(crate) market: Arc<Market>,
    pub(crate) faults: Arc<FaultStore>,
    pub(crate) rate_limiter: Arc<RateLimiter>,
    pub(crate) clock: Clock,
    /// Whether the exchanges refuse calls above their limits. Faults refuse calls regardless of this setting.
    pub(crate) enforce_rate_limits: bool,
}

impl Simulation {
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The mid price of `pair` at `time`. The mid price of each exchange differs from this price by at most 0.02 %.
    /// `None` if an asset is unknown.
    pub fn price(&self, pair: CurrencyPair, time: Timestamp) -> Option<Rate> {
        self.market.mid_price(pair, time).and_then(|price| Rate::from_hundred_millionths(price).ok())
    }

    /// Starts a fault now, and unbans the callers of the exchange. The fault takes precedence over the timeline, and
    /// replaces a fault that this method started earlier. When the new fault ends, the timeline applies again.
    pub fn start_fault(&self, exchange: &str, fault: &NewFault) -> Result<FaultInfo, Vec<FieldError>> {
        if !self.exchanges.contains(&exchange) {
            return Err(vec![FieldError::new("exchange", must_be_one_of(exchange, self.exchanges))]);
        }
        let fault = Fault::new(fault, self.now())?;
        self.rate_limiter.unban_callers(exchange);
        Ok(self.faults.start_fault(exchange, fault))
    }

    /// Ends all running faults of an exchange, and unbans its callers. Later faults of the timeline still start.
    pub fn end_fault(&self, exchange: &str) {
        self.faults.end_fault(exchange, self.now());
        self.rate_limiter.unban_callers(exchange);
    }

    /// Replaces the faults of the timeline, and the moves of the market that have not started. The new timeline starts
    /// now. If a fault or a move is invalid, nothing is changed, and the error names the wrong fields.
    pub fn set_timeline(&self, faults: &[TimedFault], moves: &[MarketMove]) -> Result<(), Vec<FieldError>> {
        let now = self.now();
        let (moves, faults) = match (resolve_moves(moves, now), resolve_timeline(faults, self.exchanges, now)) {
            (Ok(moves), Ok(faults)) => (moves, faults),
            (moves, faults) => return Err([faults.err(), moves.err()].into_iter().flatten().flatten().collect()),
        };
        self.faults.set_timeline(faults);
        self.market.moves.replace(moves, now);
        Ok(())
    }

    /// The whole timeline: past, running and future faults.
    pub fn timeline(&self) -> Vec<FaultInfo> {
        self.faults.timeline()
    }

    pub fn active_faults(&self) -> Vec<FaultInfo> {
        self.faults.active_faults(self.exchanges, self.now())
    }

    /// The call counters of every exchange since the start of the service.
    pub fn call_counters(&self) -> Vec<CallCounters> {
        self.rate_limiter.counters(self.exchanges, self.now())
    }
}
