//! What is wrong with an exchange at the moment: the ways to fail, what is ordered, and what is there now.

pub(crate) mod injector;
mod kinds;
mod store;

use std::time::Duration;

use common::{
    money::{CurrencyPair, DecimalText, parse_decimal},
    time::Timestamp,
};
use poem_openapi::Object;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub use kinds::{FaultKind, NumberForm, TimeForm};
pub use store::FaultStore;
pub(crate) use store::resolve_timeline;

/// Longest time a fault may last.
pub(crate) const MAX_SECONDS: u64 = 86_400;
const DEFAULT_SECONDS: u64 = 60;
/// What a lying exchange's prices are multiplied by where nothing else is said: seen in the wild where the price of
/// another currency was told.
const DEFAULT_FACTOR: &str = "0.4";
/// The longest ban of Binance: three days.
pub(crate) const MAX_RETRY_AFTER: u64 = 259_200;
/// Below what the edge of a service gives any request, so that the fault is told and not the edge.
const MAX_LATENCY: u64 = 25_000;
const SLOW: u64 = 20_000;
const THROTTLED: u64 = 1_000;
/// The ban of Binance at its shortest, in seconds.
const IP_BAN: u64 = 120;
const MAX_SKEW: i64 = 31_536_000;
const MAX_DAYS: u32 = 3_650;
/// The last second of a timeline in which a fault may begin: that of a year.
const MAX_AT: u64 = 31_536_000;
/// Most faults in one timeline.
pub(crate) const MAX_TIMELINE: usize = 10_000;

/// What every form of a fault can carry beside its kind, so that the forms cannot differ.
macro_rules! fault_forms {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)+) => {
        /// A fault as it is ordered.
        #[derive(Debug, Clone, PartialEq, Eq, Object, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[oai(deny_unknown_fields)]
        pub struct NewFault {
            pub fault: FaultKind,
            /// How long it lasts: 1 to 86400, 60 where nothing is said.
            #[serde(default)]
            #[oai(validator(minimum(value = "1"), maximum(value = "86400")))]
            pub seconds: Option<u64>,
            $($(#[$doc])* #[serde(default)] pub $field: Option<$type>,)+
        }

        /// A fault that comes at its time.
        #[derive(Debug, Clone, PartialEq, Eq, Object, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[oai(deny_unknown_fields)]
        pub struct TimedFault {
            pub exchange: String,
            /// Seconds from the start of the timeline, at most a year.
            #[oai(validator(maximum(value = "31536000")))]
            pub at_seconds: u64,
            pub fault: FaultKind,
            /// How long it lasts: 1 to 86400, 60 where nothing is said.
            #[serde(default)]
            #[oai(validator(minimum(value = "1"), maximum(value = "86400")))]
            pub seconds: Option<u64>,
            $($(#[$doc])* #[serde(default)] pub $field: Option<$type>,)+
        }

        /// A fault that is there now, or that is going to be.
        #[derive(Debug, Clone, PartialEq, Eq, Object, Serialize)]
        pub struct ActiveFault {
            pub exchange: String,
            pub fault: FaultKind,
            pub since: Timestamp,
            pub until: Timestamp,
            $($(#[$doc])*
            #[serde(skip_serializing_if = "Option::is_none")]
            #[oai(skip_serializing_if_is_none)]
            pub $field: Option<$type>,)+
        }

        impl NewFault {
            /// A fault with nothing said beside its kind.
            pub fn of(fault: FaultKind) -> Self {
                Self { fault, seconds: None, $($field: None,)+ }
            }

            /// The names of the parameters that are given.
            fn given_parameters(&self) -> impl Iterator<Item = &'static str> {
                [$(self.$field.is_some().then_some(stringify!($field)),)+].into_iter().flatten()
            }

            fn active_fault(&self, exchange: &str, since: Timestamp, until: Timestamp) -> ActiveFault {
                let exchange = exchange.to_owned();
                ActiveFault { exchange, fault: self.fault, since, until, $($field: self.$field.clone(),)+ }
            }
        }

        impl TimedFault {
            pub(crate) fn to_new_fault(&self) -> NewFault {
                NewFault { fault: self.fault, seconds: self.seconds, $($field: self.$field.clone(),)+ }
            }
        }
    };
}

fault_forms! {
    /// For `lie_factor`: what prices are multiplied by, above 0 and at most 1000. 0.4 where nothing is said.
    factor: DecimalText,
    /// For faults of prices: the only direction that is concerned, such as `BTC-USD`. All of them where nothing is said.
    direction: CurrencyPair,
    /// For `rate_limited` and `ip_banned`: the `Retry-After` in seconds, 1 to 259200. What the exchange itself would say
    /// where nothing is said.
    retry_after: u64,
    /// For `slow` and `throttled`: how much later an answer comes, 1 to 25000 ms. 20000 and 1000 where nothing is said.
    latency_millis: u64,
    /// For `html_520`: another status than 520, 400 to 599.
    status: u16,
    /// For `clock_skew`: how far the exchange's clock is ahead in seconds, negative where it is behind; -3600 where nothing is
    /// said.
    skew_seconds: i64,
    /// For `old_fixing`: how many days old the fixing is, 1 to 3650; 5 where nothing is said.
    days: u32,
    /// For `odd_numbers`: how prices are written; with commas between thousands where nothing is said.
    number_form: NumberForm,
    /// For `odd_times`: how times are written; not at all where nothing is said.
    time_form: TimeForm,
}

/// Faults and when they come.
#[derive(Debug, Clone, PartialEq, Eq, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub(crate) struct Timeline {
    pub(crate) timeline: Vec<TimedFault>,
}

/// A fault, every field checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    pub since: Timestamp,
    pub until: Timestamp,
    /// What prices are multiplied by; only lies have another factor than one.
    pub factor: Decimal,
    request: NewFault,
}

/// Why a fault was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FaultError {
    /// The field that is wrong.
    pub field: &'static str,
    reason: String,
}

impl FaultError {
    pub(crate) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }
}

impl Fault {
    /// Fails for a parameter out of its range, and for one that means nothing to a fault of this kind.
    pub(crate) fn new(request: &NewFault, since: Timestamp) -> Result<Self, FaultError> {
        let kind = request.fault;
        if let Some(field) = request.given_parameters().find(|field| !kind.parameters().contains(field)) {
            return Err(FaultError::new(field, format!("means nothing to the fault {}", kind.as_str())));
        }
        let seconds = request.seconds.unwrap_or(DEFAULT_SECONDS);
        within("seconds", &seconds, 1..=MAX_SECONDS)?;
        within("retry_after", &request.retry_after.unwrap_or(1), 1..=MAX_RETRY_AFTER)?;
        within("latency_millis", &request.latency_millis.unwrap_or(1), 1..=MAX_LATENCY)?;
        within("status", &request.status.unwrap_or(520), 400..=599)?;
        within("skew_seconds", &request.skew_seconds.unwrap_or(1), -MAX_SKEW..=MAX_SKEW)?;
        within("days", &request.days.unwrap_or(1), 1..=MAX_DAYS)?;
        let factor = match kind {
            FaultKind::LieFactor => {
                let text = request.factor.as_ref().map_or(DEFAULT_FACTOR, DecimalText::as_str);
                let factor = parse_decimal(text).ok().filter(|f| *f > Decimal::ZERO && *f <= Decimal::ONE_THOUSAND);
                let wrong = || FaultError::new("factor", "must be a decimal number above 0 and at most 1000");
                factor.ok_or_else(wrong)?
            }
            _ => Decimal::ONE,
        };
        let until = since.plus(Duration::from_secs(seconds));
        Ok(Self { kind, since, until, factor, request: request.clone() })
    }

    /// Whether prices of this direction are concerned.
    pub(crate) fn applies_to(&self, direction: CurrencyPair) -> bool {
        self.request.direction.is_none_or(|only| only == direction)
    }

    pub(crate) fn retry_after(&self) -> Option<u64> {
        let banned = (self.kind == FaultKind::IpBanned).then_some(IP_BAN);
        self.request.retry_after.or(banned)
    }

    pub(crate) fn latency(&self) -> Duration {
        let default = if self.kind == FaultKind::Throttled { THROTTLED } else { SLOW };
        Duration::from_millis(self.request.latency_millis.unwrap_or(default))
    }

    pub(crate) fn status(&self) -> u16 {
        self.request.status.unwrap_or(520)
    }

    /// In seconds.
    pub(crate) fn skew(&self) -> i64 {
        self.request.skew_seconds.unwrap_or(-3_600)
    }

    pub(crate) fn days(&self) -> u32 {
        self.request.days.unwrap_or(5)
    }

    pub(crate) fn number_form(&self) -> NumberForm {
        self.request.number_form.unwrap_or(NumberForm::Thousands)
    }

    pub(crate) fn time_form(&self) -> TimeForm {
        self.request.time_form.unwrap_or(TimeForm::Absent)
    }

    fn active_fault(&self, exchange: &str) -> ActiveFault {
        let active_fault = self.request.active_fault(exchange, self.since, self.until);
        let factor = (self.kind == FaultKind::LieFactor).then(|| DecimalText::from(self.factor.to_string()));
        ActiveFault { factor, ..active_fault }
    }
}

fn within<T>(field: &'static str, value: &T, allowed: std::ops::RangeInclusive<T>) -> Result<(), FaultError>
where
    T: PartialOrd + std::fmt::Display,
{
    let wrong =
        || FaultError::new(field, format!("must be a whole number from {} to {}", allowed.start(), allowed.end()));
    if allowed.contains(value) { Ok(()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests;
