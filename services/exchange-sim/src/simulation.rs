//! The state that all exchanges share, and the handle by which tests and the admin API change it.

use std::sync::Arc;

use common::{
    money::{CurrencyPair, Rate},
    time::{Clock, Timestamp},
};

use crate::{
    call_limits::{CallLimiter, ExchangeCalls},
    faults::{ActiveFault, Fault, FaultError, FaultStore, NewFault, TimedFault, TimelineError, resolve_timeline},
    market::Market,
};

/// A handle to the simulation: the market, the faults, the call counters and the clock. Clones share one state.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// The names of the exchanges.
    pub(crate) exchanges: &'static [&'static str],
    pub(crate) market: Arc<Market>,
    pub(crate) faults: Arc<FaultStore>,
    pub(crate) call_limiter: Arc<CallLimiter>,
    pub(crate) clock: Clock,
    /// Whether the exchanges refuse calls above their limits. Faults refuse calls regardless of this setting.
    pub(crate) enforce_call_limits: bool,
}

impl Simulation {
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The mid price of a pair at a time. Each exchange deviates from it by at most 0.02 %. `None` for an unknown asset.
    pub fn price(&self, pair: CurrencyPair, time: Timestamp) -> Option<Rate> {
        self.market.mid_price(pair, time).and_then(|price| Rate::from_hundred_millionths(price).ok())
    }

    /// Starts a fault now. It replaces the exchange's active fault and lifts its ban of callers.
    pub fn set_fault(&self, exchange: &str, fault: &NewFault) -> Result<ActiveFault, FaultError> {
        if !self.exchanges.contains(&exchange) {
            let reason = format!("must be one of {}, but is {exchange}", self.exchanges.join(", "));
            return Err(FaultError::new("exchange", reason));
        }
        let fault = Fault::new(fault, self.now())?;
        self.call_limiter.lift_ban(exchange);
        Ok(self.faults.set_fault(exchange, fault))
    }

    /// Ends the active fault of an exchange and lifts its ban of callers. Later faults of the timeline still start.
    pub fn end_fault(&self, exchange: &str) {
        self.faults.end_fault(exchange, self.now());
        self.call_limiter.lift_ban(exchange);
    }

    /// Replaces the timeline by one that begins now. An invalid fault leaves the old timeline in place.
    pub fn set_timeline(&self, timeline: &[TimedFault]) -> Result<Vec<ActiveFault>, TimelineError> {
        self.faults.set_timeline(resolve_timeline(timeline, self.exchanges, self.now())?);
        Ok(self.timeline())
    }

    /// The whole timeline: past, running and future faults.
    pub fn timeline(&self) -> Vec<ActiveFault> {
        self.faults.timeline()
    }

    /// The active faults.
    pub fn faults(&self) -> Vec<ActiveFault> {
        self.faults.active_faults(self.exchanges, self.now())
    }

    /// The call counters of every exchange since the start.
    pub fn calls(&self) -> Vec<ExchangeCalls> {
        self.call_limiter.counters(self.exchanges, self.now())
    }
}
