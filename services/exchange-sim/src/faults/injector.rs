//! Where an exchange plays its part: what it would answer, and what becomes of that while something is wrong with it.

use std::time::Duration;

use poem::http::StatusCode;

use crate::{
    Simulation,
    call_limits::{CallDecision, CallLimit, Refusal},
    faults::FaultKind,
    market::exchange_view::ExchangeView,
    response::{Reply, SimulatedResponse},
};

/// How an exchange says that something is wrong, and how much it grants.
pub(crate) struct ErrorFormats {
    /// Too many requests: its own form, to which `Retry-After` is added where one is announced.
    pub(crate) refused: fn(Refusal) -> Reply,
    pub(crate) error_500: fn() -> Reply,
    pub(crate) error_in_200: fn() -> Reply,
    /// An error in another form than the usual one.
    pub(crate) odd_error: fn() -> Reply,
    /// What is put in the place of what while keys have other names.
    pub(crate) renamed_keys: &'static [(&'static str, &'static str)],
    /// The header that tells how much was used, where there is one.
    pub(crate) usage_header: Option<&'static str>,
    pub(crate) limit: CallLimit,
}

/// One exchange's place in the market.
pub(crate) struct FaultInjector {
    name: &'static str,
    shapes: ErrorFormats,
    simulation: Simulation,
}

impl FaultInjector {
    pub(crate) fn new(name: &'static str, shapes: ErrorFormats, simulation: &Simulation) -> Self {
        Self { name, shapes, simulation: simulation.clone() }
    }

    /// What a client gets in place of `answer`, which is what it would get if nothing were wrong. `weight` is what the
    /// exchange counts for such a call.
    pub(crate) async fn respond(
        &self,
        weight: u32,
        answer: impl FnOnce(&ExchangeView<'_>) -> Reply,
    ) -> SimulatedResponse {
        let Simulation { market, faults, calls, clock, limits } = &self.simulation;
        let now = clock.now();
        let fault = faults.active(self.name, now);
        let kind = fault.as_ref().map(|fault| fault.kind);
        let counted = calls.record(self.name, (&self.shapes.limit, *limits), weight, fault.as_ref(), now);
        let (used, queued) = match counted {
            CallDecision::Served { used, queued } => (used, queued),
            // Where there is no connection, there is no word of a limit either.
            CallDecision::Refused(_) if kind == Some(FaultKind::Down) => return SimulatedResponse::Aborted,
            CallDecision::Refused(refusal) => {
                return SimulatedResponse::Complete(self.with_usage(self.refusal(refusal), refusal.used));
            }
        };
        let view = ExchangeView::new(market, self.name, now, fault.as_ref());
        let honest = || self.with_usage(answer(&view), used);
        let latency = fault.as_ref().map_or(Duration::ZERO, crate::faults::Fault::latency);
        let reply = match kind {
            Some(FaultKind::Down) => return SimulatedResponse::Aborted,
            Some(FaultKind::SlowLoris) => return SimulatedResponse::Trickled(honest()),
            Some(FaultKind::Endless) => return SimulatedResponse::Padded(honest()),
            Some(FaultKind::Slow) => {
                tokio::time::sleep(latency).await;
                honest()
            }
            Some(FaultKind::Throttled) => {
                tokio::time::sleep(latency * queued).await;
                honest()
            }
            Some(FaultKind::Truncated) => honest().first_half(),
            Some(FaultKind::Empty) => honest().empty(),
            Some(FaultKind::Html520) => Reply::html(fault.as_ref().map_or(520, crate::faults::Fault::status)),
            Some(FaultKind::Error500) => (self.shapes.error_500)(),
            Some(FaultKind::ErrorIn200) => (self.shapes.error_in_200)(),
            Some(FaultKind::OddError) => (self.shapes.odd_error)(),
            Some(FaultKind::Renamed) => honest().renamed(self.shapes.renamed_keys),
            _ => honest(),
        };
        SimulatedResponse::Complete(reply)
    }

    fn refusal(&self, refusal: Refusal) -> Reply {
        let reply = (self.shapes.refused)(refusal);
        match refusal.retry_after {
            // One that says it with status 200 has no word for when to come back; what stands before it has.
            Some(seconds) if reply.status.is_success() => {
                reply.with_status(StatusCode::TOO_MANY_REQUESTS).with("retry-after", &seconds)
            }
            Some(seconds) => reply.with("retry-after", &seconds),
            None => reply,
        }
    }

    fn with_usage(&self, reply: Reply, used: u32) -> Reply {
        match self.shapes.usage_header {
            Some(name) => reply.with(name, &used),
            None => reply,
        }
    }
}
