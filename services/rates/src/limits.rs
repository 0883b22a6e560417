//! The limits of this service's requests, caches, streams and charts.

use std::time::Duration;

/// Maximum number of filtered responses that are cached with a snapshot. Responses to further filters are not cached.
pub(crate) const MAX_FILTERED_RESPONSES: usize = 256;
/// Maximum number of names in each list of the catalogue. The lists contain exchanges, base assets and quote assets.
pub(crate) const MAX_CATALOGUE_NAMES: usize = 4096;
/// Maximum number of concurrent readers of the stream.
pub(crate) const MAX_STREAM_READERS: usize = 1024;
/// Interval between keep-alive comments on a stream without events.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The amount of a conversion must be less than this, in whole units.
pub(crate) const MAX_AMOUNT: u64 = 1_000_000_000_000;
/// Maximum number of snapshots that are kept for slow readers of the stream, the newest snapshot included. A reader
/// that is further behind receives all courses again.
pub(crate) const MAX_RECENT_SNAPSHOTS: usize = 4;
/// Maximum period of a chart, in hours.
pub(crate) const MAX_CHART_HOURS: u32 = 168;
/// Maximum number of pages of candles that are read for a chart. A day of twelve exchanges has eighteen pages.
pub(crate) const MAX_CHART_PAGES: u32 = 20;
/// Maximum number of charts that are drawn concurrently. Each needs several requests to db-proxy and a few milliseconds
/// of processor time.
pub(crate) const MAX_CONCURRENT_CHARTS: usize = 2;
/// Maximum time that a request waits until its chart can be drawn.
pub(crate) const CHART_QUEUE_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of cached charts. Each chart expires after the refresh interval.
pub(crate) const MAX_CACHED_CHARTS: usize = 64;
