//! Asking for many pairs in one request, at sources where one that is not known fails it for all.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use common::money::CurrencyPair;

use super::{PollReply, PollRequest, SourceError, Tickers, delisted::Delisted, http_client::Fetched, requested};

/// How the pairs of a source are asked for: all in one request, but while the one is looked for that is not known.
///
/// It is found by halves, within what is permitted and over several asks if need be. Meanwhile, and afterwards without it,
/// the others have their prices.
#[derive(Default)]
pub(super) struct Batches {
    delisted: Delisted,
    /// Groups to ask for one by one; empty while all is well.
    kept: Mutex<Vec<Vec<CurrencyPair>>>,
}

/// One ask, group after group.
pub(super) struct Batch<'a, T> {
    batches: &'a Batches,
    queue: VecDeque<Vec<(CurrencyPair, T)>>,
    whole: Vec<CurrencyPair>,
    unanswered: Vec<Vec<CurrencyPair>>,
    last_error: Option<SourceError>,
    answer: PollReply,
}

impl Batches {
    pub(super) fn start<T: Copy>(&self, request: &PollRequest<'_>, pairs: &[(CurrencyPair, T)]) -> Batch<'_, T> {
        let mut answer = PollReply::default();
        let mut pairs = self.delisted.without(requested(request, pairs), &mut answer);
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        let mut queue: VecDeque<Vec<_>> = VecDeque::new();
        for group in kept {
            queue.push_back(pairs.extract_if(.., |(pair, _)| group.contains(pair)).collect());
        }
        queue.push_back(pairs);
        queue.retain(|group| !group.is_empty());
        Batch { batches: self, queue, whole: Vec::new(), unanswered: Vec::new(), last_error: None, answer }
    }
}

impl<T: Copy> Batch<'_, T> {
    /// The pairs to ask for in the next request; its outcome is to be told to [`Self::took`].
    pub(super) fn next(&mut self) -> Option<Vec<(CurrencyPair, T)>> {
        self.queue.pop_front()
    }

    pub(super) fn took(&mut self, mut group: Vec<(CurrencyPair, T)>, told: Result<Fetched<Tickers>, SourceError>) {
        let names = |group: &[(CurrencyPair, T)]| group.iter().map(|(pair, _)| *pair).collect::<Vec<_>>();
        match told {
            Ok(Fetched { value, simulated }) => {
                self.whole.extend(names(&group));
                self.answer.simulated |= simulated;
                for (pair, quote) in value {
                    self.batches.delisted.heed(pair, &quote);
                    self.answer.put(pair, quote);
                }
            }
            Err(SourceError::UnknownPair) if group.len() > 1 => {
                let other = group.split_off(group.len() / 2);
                self.queue.push_front(other);
                self.queue.push_front(group);
            }
            Err(error) => {
                for pair in names(&group) {
                    let fault = Err(error.clone());
                    self.batches.delisted.heed(pair, &fault);
                    self.answer.put(pair, fault);
                }
                if error != SourceError::UnknownPair {
                    self.unanswered.push(names(&group));
                    self.last_error = Some(error);
                }
            }
        }
    }

    /// What was said in all; an error where there was nothing but that.
    pub(super) fn finish(self) -> Result<PollReply, SourceError> {
        let Self { batches, whole, unanswered, last_error, answer, .. } = self;
        let nothing = whole.is_empty();
        // Those that had no answer are the first next time; those that had one can be asked for together.
        let next = if unanswered.is_empty() { Vec::new() } else { [unanswered, vec![whole]].concat() };
        *batches.kept.lock().unwrap_or_else(PoisonError::into_inner) = next;
        match last_error {
            Some(error) if nothing => Err(error),
            _ => Ok(answer),
        }
    }
}

#[cfg(test)]
mod tests;
