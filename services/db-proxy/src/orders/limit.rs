//! The limit over all orders. It is the setting `BTC_LIMIT` until an operator sets a limit, which the database stores.
//!
//! Batches do not use this module. They read the stored limit with the statement that locks the totals.

use std::sync::{Arc, Mutex, PoisonError};

use common::{
    api::limit::{LimitSource, OrderLimit, SetLimitCommand},
    money::Sats,
};

use super::{
    policy,
    records::TimedTotals,
    store::{NewLimit, OrderStore},
};
use crate::{clock_check::ClockCheck, error::Error};

/// Shows and sets the limit. Clones share their state.
#[derive(Clone)]
pub struct OrderLimits {
    pub store: OrderStore,
    /// `BTC_LIMIT`.
    pub setting: Sats,
    pub clock_check: ClockCheck,
    pub log: LimitLog,
}

impl OrderLimits {
    /// The limit that applies now: the stored limit, or `BTC_LIMIT` if no operator has set a limit.
    pub fn in_force(&self, TimedTotals { limit, .. }: &TimedTotals) -> Sats {
        limit.unwrap_or(self.setting)
    }

    pub async fn show(&self) -> Result<OrderLimit, Error> {
        let current = self.store.totals_and_limit().await?;
        let limit = self.in_force(&current);
        Ok(OrderLimit {
            limit,
            source: current.limit.map_or(LimitSource::Setting, |_| LimitSource::Operator),
            setting: self.setting,
            bitcoin_amount: current.totals.bitcoin,
            reserved: current.totals.reserved,
            remaining: policy::remaining(limit, &current.totals),
            changes: self.store.limit_changes().await?,
        })
    }

    /// Sets the limit, and returns it. Repeating the call has no effect.
    pub async fn set(&self, command: SetLimitCommand) -> Result<OrderLimit, Error> {
        let new = NewLimit::new(command, self.setting, self.clock_check.write_time()?);
        self.store.set_limit(&new).await?;
        self.show().await
    }
}

/// Logs the changes of the stored limit, also changes that other instances made.
#[derive(Clone)]
pub struct LimitLog {
    /// `BTC_LIMIT`, if it is set.
    setting: Option<Sats>,
    last: Arc<Mutex<LastObserved>>,
}

/// The result of the last observation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum LastObserved {
    #[default]
    Nothing,
    /// The stored limit, if an operator has set one.
    Stored(Option<Sats>),
}

/// The difference between a stored limit and the last observation. Each variant except [`Self::Unchanged`] is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Observation {
    Unchanged,
    /// `BTC_LIMIT` is set, and the first observation found a different stored limit.
    SettingHasNoEffect {
        setting: Sats,
        limit: Sats,
    },
    /// `old` is `None` if no operator had set the limit.
    Changed {
        old: Option<Sats>,
        limit: Sats,
    },
}

impl LimitLog {
    /// `setting` is `BTC_LIMIT`, if it is set.
    pub fn new(setting: Option<Sats>) -> Self {
        Self { setting, last: Arc::default() }
    }

    /// Logs the stored limit if it changed. Logs the first observation if `BTC_LIMIT` is set to another limit.
    pub fn observe(&self, stored: Option<Sats>) {
        match self.compare(stored) {
            Observation::Unchanged => {}
            Observation::SettingHasNoEffect { setting, limit } => tracing::warn!(
                %setting, %limit,
                "BTC_LIMIT has no effect, because an operator has set the limit of all orders; `buydesk limit set` changes it"
            ),
            Observation::Changed { old: None, limit } => {
                tracing::info!(
                    reported = true, %limit,
                    "an operator has set the limit of all orders; BTC_LIMIT has no effect any more"
                );
            }
            Observation::Changed { old: Some(old), limit } => {
                tracing::info!(reported = true, %old, %limit, "an operator has changed the limit of all orders");
            }
        }
    }

    fn compare(&self, stored: Option<Sats>) -> Observation {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match (std::mem::replace(&mut *last, LastObserved::Stored(stored)), stored) {
            (LastObserved::Nothing, Some(limit)) => match self.setting.filter(|setting| *setting != limit) {
                Some(setting) => Observation::SettingHasNoEffect { setting, limit },
                None => Observation::Unchanged,
            },
            (LastObserved::Stored(old), Some(limit)) if old != Some(limit) => Observation::Changed { old, limit },
            _ => Observation::Unchanged,
        }
    }
}

#[cfg(test)]
mod tests;
