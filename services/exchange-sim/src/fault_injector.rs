//! Answers every HTTP call to a simulated exchange: counts the call, computes the reply, and applies the active fault.

use poem::http::StatusCode;

use crate::{
    exchange_view::ExchangeView,
    faults::{Fault, FaultKind},
    rate_limits::{CallDecision, IncomingCall, RateLimit, Refusal},
    response::{Reply, SimulatedResponse},
    simulation::Simulation,
};

/// The formats of one exchange that the injector needs.
pub(crate) struct ErrorFormats {
    /// The reply "too many requests" to a refused call. The injector adds the header `Retry-After` if the refusal
    /// announces a waiting time.
    pub(crate) rate_limited: fn(Refusal) -> Reply,
    /// The reply of the fault `error_500`.
    pub(crate) error_500: fn() -> Reply,
    /// The reply of the fault `error_in_200`: an error with status 200.
    pub(crate) error_in_200: fn() -> Reply,
    /// The reply of the fault `odd_error`: an error whose format differs from the exchange's other errors.
    pub(crate) unusual_error: fn() -> Reply,
    /// The pairs of old and new key for the fault `renamed`.
    pub(crate) renamed_keys: &'static [(&'static str, &'static str)],
    /// The header that reports the used weight, if the exchange has such a header.
    pub(crate) usage_header: Option<&'static str>,
}

/// Answers the calls to one exchange.
pub(crate) struct FaultInjector {
    exchange: &'static str,
    formats: ErrorFormats,
    limit: RateLimit,
    simulation: Simulation,
}

impl FaultInjector {
    pub(crate) fn new(
        exchange: &'static str,
        formats: ErrorFormats,
        limit: RateLimit,
        simulation: &Simulation,
    ) -> Self {
        Self { exchange, formats, limit, simulation: simulation.clone() }
    }

    /// Answers one call. `answer` computes the usual reply. `weight` is the weight of the call in the rate limit.
    pub(crate) async fn respond(
        &self,
        weight: u32,
        answer: impl FnOnce(&ExchangeView<'_>) -> Reply,
    ) -> SimulatedResponse {
        let Simulation { market, faults, rate_limiter, clock, enforce_rate_limits, .. } = &self.simulation;
        let now = clock.now();
        let fault = faults.active(self.exchange, now);
        let kind = fault.as_ref().map(|fault| fault.kind);
        let call = IncomingCall {
            limit: &self.limit,
            enforce_limit: *enforce_rate_limits,
            weight,
            fault: fault.as_ref(),
            time: now,
        };
        let (used_weight, throttled_calls) = match rate_limiter.record_call(self.exchange, &call) {
            CallDecision::Served { used_weight, throttled_calls } => (used_weight, throttled_calls),
            // The fault `down` breaks the connection, so no refusal can be sent.
            CallDecision::Refused(_) if kind == Some(FaultKind::Down) => return SimulatedResponse::Aborted,
            CallDecision::Refused(refusal) => {
                let reply = self.with_usage(self.refusal_reply(refusal), refusal.used_weight);
                return SimulatedResponse::Complete(reply);
            }
        };
        let view = ExchangeView::new(market, self.exchange, now, fault.as_ref());
        let usual_reply = || self.with_usage(answer(&view), used_weight);
        let Some(fault) = &fault else { return SimulatedResponse::Complete(usual_reply()) };
        let reply = match fault.kind {
            FaultKind::Down => return SimulatedResponse::Aborted,
            FaultKind::SlowLoris => return SimulatedResponse::Trickled(usual_reply()),
            FaultKind::Endless => return SimulatedResponse::Padded(usual_reply()),
            FaultKind::Slow => {
                tokio::time::sleep(fault.latency()).await;
                usual_reply()
            }
            FaultKind::Throttled => {
                tokio::time::sleep(fault.throttled_latency(throttled_calls)).await;
                usual_reply()
            }
            _ => self.faulty_reply(fault, usual_reply),
        };
        SimulatedResponse::Complete(reply)
    }

    /// The reply under a fault that changes its content. A fault of prices or times has already changed the usual reply.
    fn faulty_reply(&self, fault: &Fault, usual_reply: impl FnOnce() -> Reply) -> Reply {
        match fault.kind {
            FaultKind::Truncated => usual_reply().first_half(),
            FaultKind::Empty => usual_reply().empty(),
            FaultKind::Html520 => Reply::html(fault.status()),
            FaultKind::Error500 => (self.formats.error_500)(),
            FaultKind::ErrorIn200 => (self.formats.error_in_200)(),
            FaultKind::OddError => (self.formats.unusual_error)(),
            FaultKind::Renamed => usual_reply().renamed(self.formats.renamed_keys),
            _ => usual_reply(),
        }
    }

    fn refusal_reply(&self, refusal: Refusal) -> Reply {
        let reply = (self.formats.rate_limited)(refusal);
        match refusal.retry_after {
            // An exchange that refuses calls with status 200 sends no `Retry-After`. A refusal with this header
            // simulates a gateway in front of the exchange, which sends 429.
            Some(seconds) if reply.status.is_success() => {
                reply.with_status(StatusCode::TOO_MANY_REQUESTS).with_header("retry-after", &seconds)
            }
            Some(seconds) => reply.with_header("retry-after", &seconds),
            None => reply,
        }
    }

    fn with_usage(&self, reply: Reply, used_weight: u32) -> Reply {
        match self.formats.usage_header {
            Some(name) => reply.with_header(name, &used_weight),
            None => reply,
        }
    }
}
