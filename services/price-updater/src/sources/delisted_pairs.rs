//! Pairs that a source does not list. They are not requested for an hour, because each request counts towards the rate
//! limit of the source.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::money::CurrencyPair;
use tokio::time::Instant;

use super::{PollReply, SourceError};

/// Time until a delisted pair is requested again. Exchanges take hours to list a pair again.
const RECHECK_AFTER: Duration = Duration::from_hours(1);

/// The delisted pairs, and when each is requested again.
#[derive(Default)]
pub(super) struct DelistedPairs(Mutex<BTreeMap<CurrencyPair, Instant>>);

impl DelistedPairs {
    /// Returns `pairs` without the delisted pairs. Adds an error to `reply` for each delisted pair.
    pub(super) fn exclude<T>(
        &self,
        mut pairs: Vec<(CurrencyPair, T)>,
        reply: &mut PollReply,
    ) -> Vec<(CurrencyPair, T)> {
        pairs.retain(|&(pair, _)| {
            let delisted = self.contains(pair);
            if delisted {
                reply.insert(pair, Err(SourceError::UnknownPair));
            }
            !delisted
        });
        pairs
    }

    /// Adds the pair if the source reported it as unknown.
    pub(super) fn record_result<T>(&self, pair: CurrencyPair, result: &Result<T, SourceError>) {
        if matches!(result, Err(SourceError::UnknownPair)) {
            self.insert(pair);
        }
    }

    fn insert(&self, pair: CurrencyPair) {
        tracing::debug!(%pair, "a source does not list a pair");
        self.lock().insert(pair, Instant::now() + RECHECK_AFTER);
    }

    fn contains(&self, pair: CurrencyPair) -> bool {
        let mut delisted = self.lock();
        let contained = delisted.get(&pair).is_some_and(|&until| Instant::now() < until);
        if !contained {
            delisted.remove(&pair);
        }
        contained
    }

    /// Locks the map. A poisoned lock is accepted, because each change is complete in one call.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<CurrencyPair, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
