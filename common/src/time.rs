//! Points in time, and the clock that a service reads.

mod database_time;

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use tokio::time::Instant;

pub use self::database_time::DatabaseTime;

/// Maximum difference that is accepted between the clocks of two machines. A time that is further in the future comes
/// from a wrong clock. Most values with such a time are refused or ignored.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5);

/// A point in time in UTC, in whole microseconds since 1970. PostgreSQL stores the same precision, so a stored time does
/// not change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// An age for people, in whole seconds, minutes, hours or days, such as `45 s` or `12 min`. Rounded down.
pub fn format_age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// A time for people, to the second, such as `2026-01-02 03:04:05 UTC`.
pub fn format_time(time: Timestamp) -> String {
    time.to_datetime().format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Why a text or a number is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    #[error("must be an RFC 3339 time, such as 2026-01-02T03:04:05Z")]
    Malformed,
    /// The text comes from a query in which the `+` of the offset is not encoded. Such a `+` means a space.
    #[error("must be an RFC 3339 time whose + is written as %2B in a query, because a + in a query means a space")]
    UnencodedPlus,
}

impl TimestampError {
    /// The error of a text that cannot be parsed.
    fn of(text: &str) -> Self {
        let with_plus = text.rsplit_once(' ').map(|(time, offset)| format!("{time}+{offset}"));
        match with_plus.map(|text| DateTime::parse_from_rfc3339(&text)) {
            Some(Ok(_)) => Self::UnencodedPlus,
            Some(Err(_)) | None => Self::Malformed,
        }
    }
}

impl Timestamp {
    pub fn now() -> Self {
        Self(Utc::now().timestamp_micros())
    }

    /// Fails for a year outside 0 to 9999, which RFC 3339 cannot represent.
    pub const fn from_micros(micros: i64) -> Result<Self, TimestampError> {
        const FIRST: i64 = -62_167_219_200_000_000;
        const LAST: i64 = 253_402_300_799_999_999;
        if FIRST <= micros && micros <= LAST { Ok(Self(micros)) } else { Err(TimestampError::Malformed) }
    }

    pub fn micros(self) -> i64 {
        self.0
    }

    pub fn to_datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).expect("every Timestamp is within the range of the calendar")
    }

    /// The time in RFC 3339 without the fraction of a second if it is zero, such as `2026-01-02T03:04:05Z`.
    pub fn shortest(self) -> String {
        self.to_datetime().to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }

    /// The time from `earlier` to `self`. Zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whether this time is later than `now` by more than [`MAX_CLOCK_SKEW`].
    pub fn is_beyond_skew(self, now: Self) -> bool {
        self > now.plus(MAX_CLOCK_SKEW)
    }

    /// `self - duration`. Returns `self` if the result is out of range.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros)).unwrap_or(self)
    }

    /// `self + duration`. Returns `self` if the result is out of range.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros)).unwrap_or(self)
    }
}

/// A day of the calendar, such as the day for which an official rate is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(NaiveDate);

/// Text that is not a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a day, such as 2026-01-02")]
pub struct DayError;

impl Day {
    /// The day of a time in UTC.
    pub fn of(time: Timestamp) -> Self {
        Self(time.to_datetime().date_naive())
    }

    /// The time from the start of the day, in UTC, to `time`. Zero if the day has not started.
    pub fn elapsed_at(self, time: Timestamp) -> Duration {
        let elapsed = time.to_datetime().naive_utc() - self.0.and_time(NaiveTime::MIN);
        elapsed.to_std().unwrap_or_default()
    }
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        text.parse().map(Self).map_err(|_| DayError)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

crate::text_type!(Day, "date", "A day of the calendar.", "2026-01-02");

/// A value that expires.
pub trait Expiring {
    /// When the newest part of the value was observed. The value with the later version is newer.
    fn version(&self) -> Timestamp;

    /// The first moment at which the value must no longer be used.
    fn expires_at(&self) -> Timestamp;

    /// Whether the value may be used at `now`: it has not expired, and its version is not in the future by more than
    /// [`MAX_CLOCK_SKEW`].
    fn is_current(&self, now: Timestamp) -> bool {
        !self.version().is_beyond_skew(now) && now < self.expires_at()
    }
}

/// The clock that a service reads: the system clock, or a virtual clock that follows the clock of tokio. Tests can pause and
/// advance the clock of tokio, and set the wall time of a virtual clock.
#[derive(Debug, Clone, Copy, Default)]
pub enum Clock {
    #[default]
    System,
    /// A clock of a test.
    Virtual(&'static VirtualClock),
}

/// A clock that starts at a given wall time and advances with the clock of tokio.
#[derive(Debug)]
pub struct VirtualClock {
    start: Instant,
    /// The wall time at `start`, in microseconds since 1970.
    wall_at_start: AtomicI64,
}

/// One moment on two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    pub wall: Timestamp,
    /// The time since an arbitrary origin. A change of the wall clock does not affect this time.
    pub monotonic: Duration,
}

impl ClockReading {
    /// The time from `earlier` to `self` by the monotonic clock. Zero if `earlier` is later.
    pub fn elapsed_since(self, earlier: Self) -> Duration {
        self.monotonic.saturating_sub(earlier.monotonic)
    }

    /// The expected wall time at `later`: the wall time of `self` plus the monotonic time since `self`. If the wall
    /// clock was set in between, the wall time of `later` differs from this time.
    pub fn expected_at(self, later: Self) -> Timestamp {
        self.wall.plus(later.elapsed_since(self))
    }
}

impl Clock {
    /// A clock that shows `now` and advances with the clock of tokio. Only for tests, because the memory of the clock
    /// is never freed.
    pub fn starting_at(now: Timestamp) -> Self {
        let clock = VirtualClock { start: Instant::now(), wall_at_start: AtomicI64::new(now.micros()) };
        Self::Virtual(Box::leak(Box::new(clock)))
    }

    pub fn now(self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Virtual(VirtualClock { start, wall_at_start }) => {
                Timestamp(wall_at_start.load(Ordering::Relaxed)).plus(start.elapsed())
            }
        }
    }

    /// Reads the wall clock and the monotonic clock.
    pub fn read(self) -> ClockReading {
        let monotonic = match self {
            Self::System => system_uptime(),
            Self::Virtual(VirtualClock { start, .. }) => start.elapsed(),
        };
        ClockReading { wall: self.now(), monotonic }
    }

    /// Sets the wall time of a virtual clock, as an operator sets the time of a machine. The monotonic time does not change.
    ///
    /// # Panics
    /// For the system clock.
    pub fn set(self, now: Timestamp) {
        let Self::Virtual(VirtualClock { start, wall_at_start }) = self else {
            panic!("only a virtual clock can be set")
        };
        wall_at_start.store(now.minus(start.elapsed()).micros(), Ordering::Relaxed);
    }
}

/// The time since the machine started, including the time of suspensions. So a suspension does not look like a change
/// of the wall clock.
#[cfg(target_os = "linux")]
fn system_uptime() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The time since the first call.
#[cfg(not(target_os = "linux"))]
fn system_uptime() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros())
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| TimestampError::of(text))?;
        Self::from_micros(time.timestamp_micros())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

crate::text_type!(Timestamp, "date-time", "A point in time, RFC 3339 in UTC.", "2026-01-02T03:04:05.678901Z");

#[cfg(test)]
mod tests;
