//! UUIDs of version 7 that sort by the time of creation, to the microsecond.
//!
//! RFC 9562, section 6.2, method 3, allows a more precise time in the 12 bits after the milliseconds. These bits contain the
//! fraction of the millisecond in units of 1/4096. The other 62 bits are random.

use common::time::Timestamp;
use uuid::{Builder, Uuid};

/// A new id for an event at `time`.
pub fn new_uuid_at(time: Timestamp) -> Uuid {
    let mut random = [0; 10];
    // A UUID of version 4 has random bits here. Its version and variant bits are overwritten below.
    random.copy_from_slice(&Uuid::new_v4().as_bytes()[6..]);
    build_uuid(time, random)
}

/// The lowest id that an event at `time` or later can have.
pub fn first_uuid_at(time: Timestamp) -> Uuid {
    build_uuid(time, [0; 10])
}

fn build_uuid(time: Timestamp, mut tail: [u8; 10]) -> Uuid {
    let micros = u64::try_from(time.micros()).unwrap_or(0);
    // Spreads 1000 microseconds over the 4096 values of 12 bits.
    let fraction = u16::try_from(micros % 1000 * 4096 / 1000).unwrap_or(u16::MAX);
    tail[..2].copy_from_slice(&fraction.to_be_bytes());
    Builder::from_unix_timestamp_millis(micros / 1000, &tail).into_uuid()
}

#[cfg(test)]
mod tests;
