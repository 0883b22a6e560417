//! The decision whether the clock is right, without I/O.

use std::time::Duration;

use common::time::{ClockReading, MAX_CLOCK_SKEW, Timestamp};

/// How long nothing is written after the machine's clock was set, if the database has no clock. During this time, an operator
/// can correct a clock that was set by mistake, and no wrong time is stored. Afterwards the new time is accepted.
pub const SETTLING_TIME: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
pub struct ClockRules {
    pub database_has_clock: bool,
    /// How far the newest order may be in the future.
    pub max_order_ahead: Duration,
}

/// The times that a statement returned, and the clocks of this process before the statement.
#[derive(Debug, Clone, Copy)]
pub struct ClockEvidence {
    pub sent: ClockReading,
    /// The clock of the database. `None` if it has none.
    pub database: Option<Timestamp>,
    /// When the newest order was accepted.
    pub newest_order: Timestamp,
}

/// Why nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClockFault {
    #[error("the clock has not been compared with the clock of the database yet")]
    Unchecked,
    #[error("the clock of db-proxy is {} s ahead of the clock of the database", .0.as_secs())]
    AheadOfDatabase(Duration),
    #[error("the clock of db-proxy is {} s behind the clock of the database", .0.as_secs())]
    BehindDatabase(Duration),
    #[error(
        "the newest order was accepted {} s in the future: the clock is behind now, or it was ahead when that order was \
         accepted; set the clock, wait, or see MAX_ORDER_AHEAD_SECS",
        .0.as_secs()
    )]
    BehindNewestOrder(Duration),
    #[error(
        "the clock of this machine was set {} s forward; unless it is set back, the new time is accepted after {} s",
        .0.as_secs(),
        SETTLING_TIME.as_secs()
    )]
    SetForward(Duration),
    #[error(
        "the clock of this machine was set {} s back; unless it is set forward, the new time is accepted after {} s",
        .0.as_secs(),
        SETTLING_TIME.as_secs()
    )]
    SetBack(Duration),
}

/// A change of the result of the check, about which operators must be informed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockChange {
    Wrong(ClockFault),
    Accepted,
}

impl ClockChange {
    /// The change from one result to the next. [`ClockFault::Unchecked`] does not count as a fault, because nothing is
    /// known about the clock before the first comparison.
    pub fn of(before: Option<ClockFault>, after: Option<ClockFault>) -> Option<Self> {
        let known = |result: Option<ClockFault>| result.filter(|fault| *fault != ClockFault::Unchecked);
        match (known(before), known(after)) {
            (None, Some(fault)) => Some(Self::Wrong(fault)),
            (Some(_), None) => Some(Self::Accepted),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }
}

/// The results of earlier checks.
#[derive(Debug)]
pub struct ClockState {
    /// The first reading, or the newest later reading that agreed with the accepted reading before it or was accepted after
    /// [`SETTLING_TIME`].
    accepted: ClockReading,
    /// The monotonic time of the check that first found that the wall clock had been set.
    set_at: Option<Duration>,
    /// The newest time from the database, and the monotonic time of this process when that time was received.
    database: Option<ClockReading>,
    offset_micros: i64,
    fault: Option<ClockFault>,
}

impl ClockState {
    pub fn new(rules: ClockRules, reading: ClockReading) -> Self {
        let fault = rules.database_has_clock.then_some(ClockFault::Unchecked);
        Self { accepted: reading, set_at: None, database: None, offset_micros: 0, fault }
    }

    pub fn fault(&self) -> Option<ClockFault> {
        self.fault
    }

    pub fn offset_millis(&self) -> i64 {
        self.offset_micros / 1000
    }

    /// Compares the clocks. `received` was read after the statement. Returns the time at which the batch is decided.
    pub fn verify(
        &mut self,
        rules: ClockRules,
        evidence: ClockEvidence,
        received: ClockReading,
    ) -> Result<Timestamp, ClockFault> {
        let now = evidence.database.unwrap_or(received.wall);
        let clock_fault = match evidence.database {
            Some(database) => self.compare_with_database(database, evidence.sent, received),
            None => self.compare_with_monotonic_clock(received),
        };
        let ahead = evidence.newest_order.since(now);
        let order_fault =
            (ahead > rules.max_order_ahead.max(MAX_CLOCK_SKEW)).then_some(ClockFault::BehindNewestOrder(ahead));
        self.fault = clock_fault.or(order_fault);
        self.fault.map_or(Ok(now), Err)
    }

    /// `database` was read from its clock at a moment between `sent` and `received`.
    fn compare_with_database(
        &mut self,
        database: Timestamp,
        sent: ClockReading,
        received: ClockReading,
    ) -> Option<ClockFault> {
        self.database = Some(ClockReading { wall: database, monotonic: received.monotonic });
        // `sent.wall` is not used, because the wall clock was possibly set during the statement.
        let earliest = received.wall.minus(received.elapsed_since(sent));
        let (ahead, behind) = (earliest.since(database), database.since(received.wall));
        let signed = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        self.offset_micros = signed(ahead) - signed(behind);
        if ahead > MAX_CLOCK_SKEW {
            Some(ClockFault::AheadOfDatabase(ahead))
        } else if behind > MAX_CLOCK_SKEW {
            Some(ClockFault::BehindDatabase(behind))
        } else {
            None
        }
    }

    fn compare_with_monotonic_clock(&mut self, reading: ClockReading) -> Option<ClockFault> {
        let expected = self.accepted.expected_at(reading);
        let (forward, back) = (reading.wall.since(expected), expected.since(reading.wall));
        if forward.max(back) > MAX_CLOCK_SKEW {
            let set_at = *self.set_at.get_or_insert(reading.monotonic);
            if reading.monotonic.saturating_sub(set_at) < SETTLING_TIME {
                let fault = if back.is_zero() { ClockFault::SetForward(forward) } else { ClockFault::SetBack(back) };
                return Some(fault);
            }
        }
        (self.accepted, self.set_at) = (reading, None);
        None
    }

    /// See [`ClockCheck::write_time`](super::ClockCheck::write_time).
    pub fn write_time(&mut self, rules: ClockRules, reading: ClockReading) -> Result<Timestamp, ClockFault> {
        if !rules.database_has_clock && self.fault.is_none() {
            self.fault = self.compare_with_monotonic_clock(reading);
        }
        self.fault.map_or_else(|| Ok(self.database_time(rules, reading)), Err)
    }

    /// See [`ClockCheck::database_time`](super::ClockCheck::database_time).
    pub fn database_time(&self, rules: ClockRules, reading: ClockReading) -> Timestamp {
        match self.database {
            Some(database) => database.expected_at(reading),
            None if rules.database_has_clock => reading.wall.minus(MAX_CLOCK_SKEW),
            None => reading.wall,
        }
    }
}

#[cfg(test)]
mod tests;
