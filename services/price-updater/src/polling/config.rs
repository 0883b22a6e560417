//! How sources are polled.

use std::time::Duration;

use common::time::Clock;

#[derive(Debug, Clone, Copy)]
pub(crate) struct PollConfig {
    pub(crate) clock: Clock,
    /// From the start of one poll to the start of the next.
    pub(crate) poll_interval: Duration,
    /// How long one source may take to answer.
    pub(crate) timeout: Duration,
    /// The age at which the ticker of an exchange counts no longer.
    pub(crate) max_trade_age: Duration,
    /// How long the numbers of a source may stay the same while the market moves.
    pub(crate) frozen_after: Duration,
    /// How many of the active sources must be allowed to vote.
    pub(crate) min_voters: usize,
    /// Whether every source counts as simulated, whatever it reports.
    pub(crate) simulated: bool,
}

impl PollConfig {
    /// How long a poll waits for answers. The rest of the interval is left for what follows the poll.
    pub(super) fn max_wait(&self) -> Duration {
        self.timeout.min(self.poll_interval * 4 / 5)
    }
}
