//! The faults of the simulated exchanges: their kinds and parameters, and which of them is active.
//!
//! To add a fault, add a line to `kinds.rs`. Effects on whole answers are implemented in `fault_injector.rs`, refusals
//! of calls in `rate_limits.rs`, effects on prices and times in `exchange_view.rs`, refusals of WebSocket connections
//! in `ws.rs`, and effects on open WebSocket connections in `ws/session.rs`. Effects that depend on the format of an
//! exchange are implemented in its files in `exchanges` and `ws`.

mod kinds;
mod market_moves;
mod payloads;
mod store;
#[cfg(test)]
mod tests;
mod timeline;

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use common::{
    api::FieldError,
    money::{CurrencyPair, DecimalText, parse_decimal},
    text::describe_refused,
    time::Timestamp,
};
use rust_decimal::Decimal;

use crate::formats::{NumberFormat, TimeFormat};

pub use kinds::FaultKind;
pub use market_moves::MarketMove;
pub(crate) use market_moves::resolve_moves;
pub(crate) use payloads::Timeline;
pub use payloads::{FaultInfo, NewFault, TimedFault};
pub(crate) use store::FaultStore;
pub(crate) use timeline::{ScheduledFault, resolve_timeline};

use market_moves::check_moves;
use timeline::check_timeline;

/// Maximum duration of a fault or of a move of the market.
const MAX_SECONDS: u64 = 86_400;
const DEFAULT_SECONDS: u64 = 60;
/// The default factor of `lie_factor`. A real exchange once showed the price of another currency: 0.4 times the correct
/// price.
const DEFAULT_FACTOR: &str = "0.4";
/// Maximum `Retry-After`: three days, the longest ban of Binance.
pub(crate) const MAX_RETRY_AFTER_SECS: u64 = 259_200;
/// The default `Retry-After` of `ip_banned`: the shortest ban of Binance.
const DEFAULT_IP_BAN_SECS: u64 = 120;
/// Maximum delay of an answer. Shorter than the request timeout of a service (30 s), so that a delayed answer arrives.
const MAX_LATENCY_MILLIS: u64 = 25_000;
const DEFAULT_SLOW_MILLIS: u64 = 20_000;
const DEFAULT_THROTTLED_MILLIS: u64 = 1_000;
const DEFAULT_STATUS: u16 = 520;
/// Maximum difference between the clock of an exchange and the real time, in either direction: one year.
const MAX_SKEW_SECONDS: i64 = 31_536_000;
const DEFAULT_SKEW_SECONDS: i64 = -3_600;
const MAX_DAYS: u32 = 3_650;
const DEFAULT_DAYS: u32 = 5;

/// A fault whose parameters are checked, with its start and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    /// The factor of prices. It is 1 for every kind except `lie_factor`.
    pub(crate) factor: Decimal,
    request: NewFault,
}

impl Fault {
    /// Checks the parameters. The error names each parameter that is out of range or does not apply to the kind.
    pub(crate) fn new(request: &NewFault, since: Timestamp) -> Result<Self, Vec<FieldError>> {
        let errors = check_fault(request, "", &[]);
        if errors.is_empty() { Self::from_checked(request, since).map_err(|error| vec![error]) } else { Err(errors) }
    }

    /// The fault of a request that passed [`check_fault`]. Fails only if the factor is wrong, which is checked there.
    fn from_checked(request: &NewFault, since: Timestamp) -> Result<Self, FieldError> {
        let kind = request.fault;
        let factor = if kind == FaultKind::LieFactor { price_factor(request, "")? } else { Decimal::ONE };
        let until = since.plus(Duration::from_secs(request.seconds.unwrap_or(DEFAULT_SECONDS)));
        Ok(Self { kind, since, until, factor, request: request.clone() })
    }

    /// Whether the fault applies to this pair. A fault without the parameter `direction` applies to every pair.
    pub(crate) fn applies_to(&self, pair: CurrencyPair) -> bool {
        self.request.direction.is_none_or(|only| only == pair)
    }

    /// The `Retry-After` in seconds. `None` selects the exchange's usual value.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        let ip_ban = (self.kind == FaultKind::IpBanned).then_some(DEFAULT_IP_BAN_SECS);
        self.request.retry_after.or(ip_ban)
    }

    /// The delay of an answer under `slow`, and of the first answer under `throttled`.
    pub(crate) fn latency(&self) -> Duration {
        let throttled = self.kind == FaultKind::Throttled;
        let default = if throttled { DEFAULT_THROTTLED_MILLIS } else { DEFAULT_SLOW_MILLIS };
        Duration::from_millis(self.request.latency_millis.unwrap_or(default))
    }

    /// The delay of an answer under `throttled`, clamped to [`MAX_LATENCY_MILLIS`]. `calls` is the number of calls
    /// since the fault began, this call included.
    pub(crate) fn throttled_latency(&self, calls: u32) -> Duration {
        (self.latency() * calls).min(Duration::from_millis(MAX_LATENCY_MILLIS))
    }

    pub(crate) fn status(&self) -> u16 {
        self.request.status.unwrap_or(DEFAULT_STATUS)
    }

    pub(crate) fn skew_seconds(&self) -> i64 {
        self.request.skew_seconds.unwrap_or(DEFAULT_SKEW_SECONDS)
    }

    pub(crate) fn days(&self) -> u32 {
        self.request.days.unwrap_or(DEFAULT_DAYS)
    }

    pub(crate) fn number_format(&self) -> NumberFormat {
        self.request.number_form.unwrap_or(NumberFormat::Thousands)
    }

    pub(crate) fn time_format(&self) -> TimeFormat {
        self.request.time_form.unwrap_or(TimeFormat::Absent)
    }

    fn to_fault_info(&self, exchange: &str) -> FaultInfo {
        let info = self.request.to_fault_info(exchange, self.since, self.until);
        let factor = (self.kind == FaultKind::LieFactor).then(|| DecimalText::from(self.factor.to_string()));
        FaultInfo { factor, ..info }
    }
}

/// Returns every error of a fault. `path` is the prefix of the field names in errors, such as `timeline[3].`. `known`
/// contains the errors of parsing. If the field `fault` has such an error, `request.fault` is a placeholder, and the
/// check whether parameters apply to the kind is skipped.
pub(crate) fn check_fault(request: &NewFault, path: &str, known: &[FieldError]) -> Vec<FieldError> {
    let kind = request.fault;
    let is_kind_valid = known.iter().all(|error| error.field != format!("{path}fault"));
    let applies = |parameter: &&str| !is_kind_valid || kind.parameters().contains(parameter);
    let mut errors: Vec<_> = request
        .present_parameters()
        .filter(|parameter| !applies(parameter))
        .map(|parameter| FieldError::new(format!("{path}{parameter}"), not_applicable(kind)))
        .collect();
    let out_of_range = [
        check_range(path, "seconds", request.seconds, 1..=MAX_SECONDS),
        check_range(path, "retry_after", request.retry_after, 1..=MAX_RETRY_AFTER_SECS),
        check_range(path, "latency_millis", request.latency_millis, 1..=MAX_LATENCY_MILLIS),
        check_range(path, "status", request.status, 400..=599),
        check_range(path, "skew_seconds", request.skew_seconds, -MAX_SKEW_SECONDS..=MAX_SKEW_SECONDS),
        check_range(path, "days", request.days, 1..=MAX_DAYS),
        price_factor(request, path).err(),
    ];
    for error in out_of_range.into_iter().flatten() {
        // A parameter that does not apply has one error, even if its value is also out of range.
        if errors.iter().all(|known| known.field != error.field) {
            errors.push(error);
        }
    }
    errors
}

impl Timeline {
    /// The wrong fields of the faults and the moves. See [`check_fault`] for the `known` errors.
    pub(crate) fn check(&self, exchanges: &[&str], known: &[FieldError]) -> Vec<FieldError> {
        let mut errors = check_timeline(&self.timeline, exchanges, known);
        errors.extend(check_moves(&self.market));
        errors
    }
}

fn not_applicable(kind: FaultKind) -> String {
    let parameters = kind.parameters();
    let taken = if parameters.is_empty() {
        "only seconds".to_owned()
    } else {
        format!("{} and seconds", parameters.join(", "))
    };
    format!("does not apply to the fault {}, which takes {taken}", kind.as_str())
}

fn price_factor(request: &NewFault, path: &str) -> Result<Decimal, FieldError> {
    let text = request.factor.as_ref().map_or(DEFAULT_FACTOR, DecimalText::as_str);
    let factor = parse_decimal(text).ok();
    factor.filter(|factor| *factor > Decimal::ZERO && *factor <= Decimal::ONE_THOUSAND).ok_or_else(|| {
        let reason = describe_refused("must be a decimal number above 0 and at most 1000", text);
        FieldError::new(format!("{path}factor"), reason)
    })
}

/// Returns an error if the value is outside `allowed`. An absent value is valid.
fn check_range<T: PartialOrd + Display>(
    path: &str,
    field: &str,
    value: Option<T>,
    allowed: RangeInclusive<T>,
) -> Option<FieldError> {
    let value = value.filter(|value| !allowed.contains(value))?;
    let (least, most) = allowed.into_inner();
    let rule = format!("must be a whole number from {least} to {most}, but is {value}");
    Some(FieldError::new(format!("{path}{field}"), rule))
}
