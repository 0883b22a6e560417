//! The settings of polling.

use std::time::Duration;

use common::time::Clock;

#[derive(Debug, Clone, Copy)]
pub(crate) struct PollConfig {
    pub(crate) clock: Clock,
    /// Time from the start of one poll to the start of the next.
    pub(crate) poll_interval: Duration,
    /// Time limit for all requests of one poll of a source.
    pub(crate) timeout: Duration,
    /// Maximum age of a ticker with which an exchange votes. The pool also computes a maximum age from the poll
    /// intervals, which is usually lower.
    pub(crate) max_trade_age: Duration,
    /// The prices of a source must stay the same for at least this time, while the market moves, before the source counts as
    /// frozen.
    pub(crate) frozen_after: Duration,
    /// Minimum number of voting sources that must remain active. Exchanges and indices vote; banks do not.
    pub(crate) min_voters: usize,
    /// Whether every price is marked as simulated, regardless of its source.
    pub(crate) simulated: bool,
}

impl PollConfig {
    /// How long a poll waits for answers: `timeout`, but at most four fifths of the poll interval. The rest of the
    /// interval is reserved for pricing and publishing.
    pub(super) fn max_wait(&self) -> Duration {
        self.timeout.min(self.poll_interval * 4 / 5)
    }
}
