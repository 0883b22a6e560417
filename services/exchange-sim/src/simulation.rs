//! The simulated world, and the handles by which tests and the admin endpoints change it.

use std::sync::Arc;

use common::{
    money::{CurrencyPair, Rate},
    time::{Clock, Timestamp},
};
use poem::{EndpointExt, Response, endpoint::BoxEndpoint, http::HeaderValue};

use common::{metrics::Metrics, server::OpsEndpoints, service::Service};

use crate::{
    ABOUT, App, Config, SIMULATED_HEADER, admin,
    call_limits::{CallLimiter, ExchangeCalls},
    exchanges::{self, NAMES},
    faults::{self, ActiveFault, Fault, FaultError, FaultStore, NewFault, TimedFault},
    market::Market,
    ws::with_websockets,
};

/// All that the exchanges share: the market, what is wrong, who called, and the time. Clones are handles of the same.
#[derive(Debug, Clone)]
pub struct Simulation {
    pub(crate) market: Arc<Market>,
    pub(crate) faults: Arc<FaultStore>,
    pub(crate) calls: Arc<CallLimiter>,
    pub(crate) clock: Clock,
    /// Whether the exchanges refuse who calls too often even where no fault makes them.
    pub(crate) limits: bool,
}

/// exchange-sim as an endpoint that can be called with no socket, and the handle of its world. The timeline of the
/// settings begins now.
pub fn endpoint(config: &Config) -> (BoxEndpoint<'static>, Simulation) {
    let simulation = Simulation::new(config);
    let standard = OpsEndpoints {
        service: App::NAME,
        about: ABOUT,
        metrics: Metrics::new(App::NAME),
        ready: crate::ready(),
        internal_token: Some(config.internal_token.clone()),
        rate_limit: common::server::RateLimit::default(),
    };
    let api = (admin::Admin::new(simulation.clone()), exchanges::all(&simulation));
    let marked = with_websockets(common::server::service_endpoint(api, standard), simulation.clone()).after(
        |result: poem::Result<Response>| async move {
            result.map(|mut response| {
                response.headers_mut().insert(SIMULATED_HEADER, HeaderValue::from_static("true"));
                response
            })
        },
    );
    (marked.boxed(), simulation)
}

impl Simulation {
    fn new(config: &Config) -> Self {
        let Config { seed, clock, ref timeline, limits, .. } = *config;
        let simulation =
            Self { market: Arc::new(Market::new(seed)), faults: Arc::default(), calls: Arc::default(), clock, limits };
        if let Err((index, error)) = simulation.set_timeline(timeline) {
            // The settings were checked when they were read.
            tracing::error!(index, field = error.field, %error, "the timeline is not used");
        }
        simulation
    }

    /// The names of the exchanges.
    pub fn exchanges(&self) -> &'static [&'static str] {
        NAMES
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What a direction costs at a time, before any exchange has its own way, which is at most 0.02 % to either side; nothing
    /// for what is not traded.
    pub fn price(&self, of: CurrencyPair, at: Timestamp) -> Option<Rate> {
        self.market.mid_price(of, at).and_then(|price| Rate::from_hundred_millionths(price).ok())
    }

    /// Lets an exchange fail from now on, in place of the way it fails already, and forgets whom it had banned.
    pub fn set_fault(&self, exchange: &str, fault: &NewFault) -> Result<ActiveFault, FaultError> {
        if !NAMES.contains(&exchange) {
            return Err(FaultError::new("exchange", format!("must be one of {}", NAMES.join(", "))));
        }
        let fault = Fault::new(fault, self.now())?;
        self.calls.lift_ban(exchange);
        Ok(self.faults.set(exchange, fault))
    }

    /// Mends an exchange, and forgets whom it had banned. What a timeline has for later still comes.
    pub fn end_fault(&self, exchange: &str) {
        self.faults.end(exchange, self.now());
        self.calls.lift_ban(exchange);
    }

    /// Puts a timeline, which begins now, in the place of the one that is there. Where one of its faults makes no sense,
    /// nothing is changed, and its number (from 0) is told.
    pub fn set_timeline(&self, timeline: &[TimedFault]) -> Result<Vec<ActiveFault>, (usize, FaultError)> {
        self.faults.set_timeline(faults::resolve_timeline(timeline, NAMES, self.now())?);
        Ok(self.timeline())
    }

    pub fn timeline(&self) -> Vec<ActiveFault> {
        self.faults.timeline()
    }

    /// What is wrong now.
    pub fn faults(&self) -> Vec<ActiveFault> {
        self.faults.active_faults(NAMES, self.now())
    }

    /// What each exchange counted since the start.
    pub fn calls(&self) -> Vec<ExchangeCalls> {
        self.calls.counts(NAMES, self.now())
    }
}
