//! How sources are polled.

use std::time::Duration;

use common::time::Clock;

/// How the pool asks and listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PollConfig {
    pub(crate) clock: Clock,
    /// From the start of one slot to the start of the next.
    pub(crate) poll_interval: Duration,
    /// How long a source may take.
    pub(crate) timeout: Duration,
    /// How old the quote of an exchange is at which it counts no more, whatever else is said of it.
    pub(crate) max_trade_age: Duration,
    /// How long the numbers of a source may stand still while others move.
    pub(crate) frozen_after: Duration,
    /// How many of the sources that are asked have to vote on prices, at least.
    pub(crate) min_voters: usize,
    /// Whether every source counts as simulated, whatever it says.
    pub(crate) simulated: bool,
}

impl PollConfig {
    /// How long a slot waits for answers.
    pub(super) fn max_wait(&self) -> Duration {
        self.timeout.min(self.poll_interval * 4 / 5)
    }
}
