//! Pairs that a source said it does not know: not asked for again for a while, so that they cost the others nothing.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::money::CurrencyPair;
use tokio::time::Instant;

use super::{PollReply, SourceError};

/// How long a pair is not asked for: exchanges take pairs off their lists and put them back within hours at best.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);

/// Pairs that are not asked for, and until when.
#[derive(Default)]
pub(super) struct Delisted(Mutex<BTreeMap<CurrencyPair, Instant>>);

impl Delisted {
    /// The pairs that may be asked for; the others have their fault in the answer.
    pub(super) fn without<T>(
        &self,
        mut pairs: Vec<(CurrencyPair, T)>,
        answer: &mut PollReply,
    ) -> Vec<(CurrencyPair, T)> {
        pairs.retain(|&(pair, _)| {
            let delisted = self.has(pair);
            if delisted {
                answer.put(pair, Err(SourceError::UnknownPair));
            }
            !delisted
        });
        pairs
    }

    /// Notes a pair of which the source says that it does not know it.
    pub(super) fn heed<T>(&self, pair: CurrencyPair, told: &Result<T, SourceError>) {
        if matches!(told, Err(SourceError::UnknownPair)) {
            self.note(pair);
        }
    }

    fn note(&self, pair: CurrencyPair) {
        tracing::debug!(%pair, "a source does not know a pair");
        self.lock().insert(pair, Instant::now() + FORGOTTEN_AFTER);
    }

    fn has(&self, pair: CurrencyPair) -> bool {
        let mut all = self.lock();
        let has = all.get(&pair).is_some_and(|&until| Instant::now() < until);
        if !has {
            all.remove(&pair);
        }
        has
    }

    /// Every change is one call, so what is there after a panic is still true.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<CurrencyPair, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
