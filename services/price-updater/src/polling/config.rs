//! The settings of polling.

use std::time::Duration;

use common::time::Clock;

#[derive(Debug, Clone, Copy)]
pub(crate) struct PollConfig {
    pub(crate) clock: Clock,
    /// Time from the start of one poll to the start of the next.
    pub(crate) poll_interval: Duration,
    /// How long one source may take to answer.
    pub(crate) timeout: Duration,
    /// Largest age of an exchange's ticker. An exchange with an older ticker does not vote.
    pub(crate) max_trade_age: Duration,
    /// How long the prices of a source may stay the same while the market moves, before the source counts as frozen.
    pub(crate) frozen_after: Duration,
    /// Smallest number of active sources that vote. Exchanges and indices vote, banks do not.
    pub(crate) min_voters: usize,
    /// Whether every price is marked as simulated, regardless of its source.
    pub(crate) simulated: bool,
}

impl PollConfig {
    /// How long a poll waits for answers: at most four fifths of the poll interval. The rest is reserved for pricing and
    /// publishing.
    pub(super) fn max_wait(&self) -> Duration {
        self.timeout.min(self.poll_interval * 4 / 5)
    }
}
