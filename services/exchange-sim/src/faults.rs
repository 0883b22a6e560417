//! What is wrong with an exchange at the moment.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{money::DecimalText, time::Timestamp};
use poem_openapi::{Enum, Object};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Longest time a fault may last.
pub(crate) const MAX_SECONDS: u64 = 86_400;
const DEFAULT_SECONDS: u64 = 60;
/// What a lying exchange's prices are multiplied by where nothing else is said: seen in the wild where the price of
/// another currency was told.
const DEFAULT_FACTOR: &str = "0.4";

/// A way to fail. All of them were seen at real exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    /// The connection breaks off in the middle of the answer.
    Down,
    /// Status 500 in the exchange's own form.
    #[serde(rename = "error_500")]
    #[oai(rename = "error_500")]
    Error500,
    /// Status 520 with a page of HTML, as Cloudflare answers in front of an exchange that is overloaded.
    #[serde(rename = "html_520")]
    #[oai(rename = "html_520")]
    Html520,
    /// Too many requests, in the exchange's own form.
    RateLimited,
    /// The answer takes 20 seconds.
    Slow,
    /// Status 200, well-formed, but prices and times stand still.
    Frozen,
    /// Status 200 with half of the answer.
    Garbled,
    /// Status 200, well-formed, but every price is wrong by a factor.
    LieFactor,
    /// Status 200 with an error in it.
    #[serde(rename = "error_in_200")]
    #[oai(rename = "error_in_200")]
    ErrorIn200,
}

/// A fault as it is ordered.
#[derive(Debug, Clone, PartialEq, Eq, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub(crate) struct NewFault {
    pub(crate) fault: FaultKind,
    /// How long it lasts: 1 to 86400, 60 where nothing is said.
    #[serde(default)]
    #[oai(validator(minimum(value = "1"), maximum(value = "86400")))]
    pub(crate) seconds: Option<u64>,
    /// For `lie_factor`: what prices are multiplied by, above 0 and at most 1000. 0.4 where nothing is said.
    #[serde(default)]
    pub(crate) factor: Option<DecimalText>,
}

/// A fault that is there now.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize)]
pub(crate) struct ActiveFault {
    pub(crate) exchange: String,
    pub(crate) fault: FaultKind,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub(crate) factor: Option<DecimalText>,
}

/// A fault, every field checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    /// What prices are multiplied by; only lies have another factor than one.
    pub(crate) factor: Decimal,
}

/// Why a fault was not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FaultError {
    #[error("must be a whole number from 1 to {MAX_SECONDS}")]
    Seconds,
    #[error("must be a decimal number above 0 and at most 1000, and only lie_factor has one")]
    Factor,
}

impl FaultError {
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Factor => "factor",
        }
    }
}

impl Fault {
    pub(crate) fn new(new: &NewFault, now: Timestamp) -> Result<Self, FaultError> {
        let seconds = new.seconds.unwrap_or(DEFAULT_SECONDS);
        if !(1..=MAX_SECONDS).contains(&seconds) {
            return Err(FaultError::Seconds);
        }
        let factor = match (new.fault, &new.factor) {
            (FaultKind::LieFactor, factor) => {
                let text = factor.as_ref().map_or(DEFAULT_FACTOR, DecimalText::as_str);
                let factor = common::money::parse_decimal(text).map_err(|_| FaultError::Factor)?;
                let allowed = factor > Decimal::ZERO && factor <= Decimal::ONE_THOUSAND;
                if allowed { factor } else { return Err(FaultError::Factor) }
            }
            (_, None) => Decimal::ONE,
            (_, Some(_)) => return Err(FaultError::Factor),
        };
        Ok(Self { kind: new.fault, since: now, until: now.plus(Duration::from_secs(seconds)), factor })
    }

    fn shown(&self, exchange: &str) -> ActiveFault {
        let factor = (self.kind == FaultKind::LieFactor).then(|| DecimalText::from(self.factor.to_string()));
        ActiveFault { exchange: exchange.to_owned(), fault: self.kind, since: self.since, until: self.until, factor }
    }
}

/// The faults of all exchanges: at most one each.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<BTreeMap<&'static str, Fault>>);

impl Faults {
    /// Puts a fault in the place of the one that is there.
    pub(crate) fn set(&self, exchange: &'static str, fault: Fault) -> ActiveFault {
        self.lock().insert(exchange, fault);
        fault.shown(exchange)
    }

    pub(crate) fn end(&self, exchange: &'static str) {
        self.lock().remove(exchange);
    }

    pub(crate) fn of(&self, exchange: &'static str, now: Timestamp) -> Option<Fault> {
        self.lock().get(exchange).copied().filter(|fault| now < fault.until)
    }

    pub(crate) fn all(&self, now: Timestamp) -> Vec<ActiveFault> {
        let mut faults = self.lock();
        faults.retain(|_, fault| now < fault.until);
        faults.iter().map(|(exchange, fault)| fault.shown(exchange)).collect()
    }

    /// A map is whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(fault: FaultKind, seconds: Option<u64>, factor: Option<&str>) -> NewFault {
        NewFault { fault, seconds, factor: factor.map(DecimalText::from) }
    }

    #[test]
    fn a_fault_ends_by_itself_or_when_it_is_ended() {
        let (faults, now) = (Faults::default(), Timestamp::now());
        let fault = Fault::new(&new(FaultKind::Down, Some(10), None), now).unwrap();
        faults.set("kraken", fault);
        assert_eq!(faults.of("kraken", now), Some(fault));
        assert_eq!(faults.of("coinbase", now), None);
        assert_eq!(faults.all(now).len(), 1);
        assert_eq!(faults.of("kraken", fault.until), None);
        faults.end("kraken");
        assert!(faults.all(now).is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |new: NewFault| Fault::new(&new, Timestamp::now()).map(|fault| fault.factor.to_string());
        assert_eq!(check(new(FaultKind::LieFactor, None, None)).unwrap(), "0.4");
        assert_eq!(check(new(FaultKind::LieFactor, None, Some("1.1"))).unwrap(), "1.1");
        assert_eq!(check(new(FaultKind::Slow, None, None)).unwrap(), "1");
        for seconds in [0, MAX_SECONDS + 1] {
            assert_eq!(check(new(FaultKind::Down, Some(seconds), None)), Err(FaultError::Seconds));
        }
        for factor in ["0", "-1", "1001", "half"] {
            assert_eq!(check(new(FaultKind::LieFactor, None, Some(factor))), Err(FaultError::Factor), "{factor}");
        }
        assert_eq!(check(new(FaultKind::Down, None, Some("2"))), Err(FaultError::Factor));
    }
}
