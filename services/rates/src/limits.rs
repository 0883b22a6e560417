//! Every limit of this service, in one place.

use std::time::Duration;

/// Answers to filters that are kept with one board; further ones are made anew for each request.
pub(crate) const MAX_FILTERED_RESPONSES: usize = 256;
/// Names of exchanges and coins that are remembered as known.
pub(crate) const MAX_CATALOGUE_NAMES: usize = 4096;
/// Readers of the stream at once.
pub(crate) const MAX_STREAM_READERS: usize = 1024;
/// How often a stream that has nothing to tell says that it is there.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Largest amount that is converted is below this, in whole units.
pub(crate) const MAX_AMOUNT: u64 = 1_000_000_000_000;
/// Boards that are kept for readers of the stream who are behind; who is farther behind is told everything.
pub(crate) const MAX_RECENT_SNAPSHOTS: usize = 4;
/// Longest time that a chart shows, in hours.
pub(crate) const MAX_CHART_HOURS: u32 = 168;
/// Pages of candles that a chart is drawn from; a day of twelve exchanges has eighteen.
pub(crate) const MAX_CHART_PAGES: u32 = 20;
/// Charts that are drawn at once: each asks db-proxy several times and takes some milliseconds of a processor.
pub(crate) const MAX_CONCURRENT_CHARTS: usize = 2;
/// How long a chart waits for its turn.
pub(crate) const CHART_QUEUE_TIMEOUT: Duration = Duration::from_secs(5);
/// Charts that are kept while they are the newest.
pub(crate) const MAX_CACHED_CHARTS: usize = 64;
