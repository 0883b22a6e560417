//! Requests that contain many pairs, for sources that reject a whole request if one of its pairs is unknown.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use common::money::CurrencyPair;

use super::{
    PollReply, PollRequest, SourceError, TickerResults, delisted_pairs::DelistedPairs, http_client::Fetched,
    requested_rows,
};

/// Splits the pairs of a source into requests. Normally one request has all pairs.
///
/// If a request is rejected because of an unknown pair, its pairs are split into halves until the unknown pair is
/// found. If the rate limiter interrupts the search, the next poll continues it. During the search, the pairs of
/// answered requests have prices. After the search, the unknown pair is one of the [`DelistedPairs`], which are not
/// requested for an hour.
#[derive(Default)]
pub(super) struct Batching {
    delisted: DelistedPairs,
    /// The groups that the next poll requests one by one. Empty if every group of the last poll was answered.
    next_groups: Mutex<Vec<Vec<CurrencyPair>>>,
}

/// The requests of one poll. `T` is the source's own name of a pair.
pub(super) struct BatchedPoll<'a, T> {
    batching: &'a Batching,
    queue: VecDeque<Vec<(CurrencyPair, T)>>,
    answered: Vec<CurrencyPair>,
    unanswered: Vec<Vec<CurrencyPair>>,
    last_error: Option<SourceError>,
    reply: PollReply,
}

impl Batching {
    /// Starts a poll of the requested pairs, without the delisted pairs.
    pub(super) fn start<T: Copy>(&self, request: &PollRequest<'_>, table: &[(CurrencyPair, T)]) -> BatchedPoll<'_, T> {
        let mut reply = PollReply::default();
        let mut pairs = self.delisted.exclude(requested_rows(request, table), &mut reply);
        let groups = std::mem::take(&mut *self.next_groups());
        let mut queue: VecDeque<Vec<_>> = VecDeque::new();
        for group in groups {
            queue.push_back(pairs.extract_if(.., |(pair, _)| group.contains(pair)).collect());
        }
        queue.push_back(pairs);
        queue.retain(|group| !group.is_empty());
        BatchedPoll { batching: self, queue, answered: Vec::new(), unanswered: Vec::new(), last_error: None, reply }
    }

    /// Locks the groups. A poisoned lock is accepted, because each change is complete in one call.
    fn next_groups(&self) -> MutexGuard<'_, Vec<Vec<CurrencyPair>>> {
        self.next_groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Copy> BatchedPoll<'_, T> {
    /// The pairs of the next request. `None` if the poll has no further request. The caller passes the result of the
    /// request to [`Self::record_result`].
    pub(super) fn next_group(&mut self) -> Option<Vec<(CurrencyPair, T)>> {
        self.queue.pop_front()
    }

    /// Stores the result of the request for `group`. A group of several pairs that was rejected because of an unknown
    /// pair is split into two further requests.
    pub(super) fn record_result(
        &mut self,
        mut group: Vec<(CurrencyPair, T)>,
        result: Result<Fetched<TickerResults>, SourceError>,
    ) {
        let pairs = |group: &[(CurrencyPair, T)]| group.iter().map(|(pair, _)| *pair).collect::<Vec<_>>();
        match result {
            Ok(Fetched { value, simulated }) => {
                self.answered.extend(pairs(&group));
                self.reply.simulated |= simulated;
                for (pair, ticker) in value {
                    self.batching.delisted.record_result(pair, &ticker);
                    self.reply.insert(pair, ticker);
                }
            }
            Err(SourceError::UnknownPair) if group.len() > 1 => {
                let second_half = group.split_off(group.len() / 2);
                self.queue.push_front(second_half);
                self.queue.push_front(group);
            }
            Err(error) => {
                for pair in pairs(&group) {
                    let result = Err(error.clone());
                    self.batching.delisted.record_result(pair, &result);
                    self.reply.insert(pair, result);
                }
                if error != SourceError::UnknownPair {
                    self.unanswered.push(pairs(&group));
                    self.last_error = Some(error);
                }
            }
        }
    }

    /// Returns the reply of the poll, or its last error if no request was answered.
    pub(super) fn finish(self) -> Result<PollReply, SourceError> {
        let Self { batching, answered, unanswered, last_error, reply, .. } = self;
        let none_answered = answered.is_empty();
        // The next poll begins with the unanswered groups. The answered pairs fit into one request.
        let groups = if unanswered.is_empty() { Vec::new() } else { [unanswered, vec![answered]].concat() };
        *batching.next_groups() = groups;
        match last_error {
            Some(error) if none_answered => Err(error),
            _ => Ok(reply),
        }
    }
}

#[cfg(test)]
mod tests;
