//! The limits and timeouts of this service.

use std::time::Duration;

/// Maximum number of concurrent readers of events at one instance. Each reader uses a connection and a task.
pub(crate) const MAX_EVENT_READERS: usize = 256;

/// Maximum wait for each response of Redis.
pub(crate) const REDIS_RESPONSE_TIMEOUT: Duration = Duration::from_millis(400);
/// Maximum wait for the result of a Redis command, including its second attempt.
pub(crate) const REDIS_COMMAND_TIMEOUT: Duration = Duration::from_millis(900);
/// Maximum wait until a connection for the subscription is open and Redis has confirmed the subscription. The search
/// for the master has its own timeout.
pub(crate) const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(1);
/// Interval between reads of all documents. These reads detect changes whose messages were lost.
pub(crate) const RECONCILE_INTERVAL: Duration = Duration::from_secs(5);
/// Minimum delay before the next attempt to subscribe, without jitter.
pub(crate) const MIN_RESUBSCRIBE_DELAY: Duration = Duration::from_millis(50);
/// Maximum delay before the next attempt to subscribe, without jitter.
pub(crate) const MAX_RESUBSCRIBE_DELAY: Duration = Duration::from_secs(1);
