//! Points in time, and the clock that a service reads.

use std::{fmt, str::FromStr, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::time::Instant;

/// A point in time in UTC, in whole microseconds since 1970. PostgreSQL stores the same precision, so a stored time does
/// not change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Text that is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 time, such as 2026-01-02T03:04:05Z")]
pub struct TimestampError;

impl Timestamp {
    pub fn now() -> Self {
        Self(Utc::now().timestamp_micros())
    }

    /// Fails for a year outside 0 to 9999, which RFC 3339 cannot represent.
    pub const fn from_micros(micros: i64) -> Result<Self, TimestampError> {
        const FIRST: i64 = -62_167_219_200_000_000;
        const LAST: i64 = 253_402_300_799_999_999;
        if FIRST <= micros && micros <= LAST { Ok(Self(micros)) } else { Err(TimestampError) }
    }

    pub fn micros(self) -> i64 {
        self.0
    }

    pub fn to_datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).expect("every Timestamp is within the range of the calendar")
    }

    /// The time from `earlier` to `self`. Zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
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

/// A value that is valid from one point in time until another.
pub trait Expiring {
    /// Orders values: of two values, the one with the later version is newer.
    fn version(&self) -> Timestamp;

    /// The first moment at which the value must no longer be used.
    fn expires_at(&self) -> Timestamp;
}

/// The clock that a service reads: the system clock, or a virtual clock that follows the clock of tokio. Tests can pause and
/// advance the clock of tokio.
#[derive(Debug, Clone, Copy, Default)]
pub enum Clock {
    /// The system clock.
    #[default]
    System,
    /// A clock that showed this timestamp at this instant of the clock of tokio. It advances with that clock.
    Virtual(Timestamp, Instant),
}

impl Clock {
    /// A clock that shows `now` and advances with the clock of tokio.
    pub fn starting_at(now: Timestamp) -> Self {
        Self::Virtual(now, Instant::now())
    }

    pub fn now(self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Virtual(origin, start) => origin.plus(start.elapsed()),
        }
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros())
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| TimestampError)?;
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
