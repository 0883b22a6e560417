//! Compares the record that orders can read with the result of an independent calculation. A case is a sequence of
//! publish intervals that succeed or fail, and at most one incident between them. Every case is covered.
//!
//! The calculation uses neither states nor counters. It derives each result from the whole past: the last success, the
//! number of failures since then, and whether the written record was lost.

use std::time::Duration;

use common::{
    api::prices::{PriceRecord, PriceState},
    money::Currency,
    time::Timestamp,
};

use super::super::{LifecycleStep, RecordLifecycle, RecordLifetimes, currency::TOLERATED_FAILURES};
use crate::pricing::{GoodPrice, PriceOutcome};

/// Publish intervals in a sequence: enough for a record to be prolonged and to expire.
const INTERVALS: u32 = 12;
const PUBLISH_INTERVAL: u64 = 15;
const TTL: u64 = 60;
/// Shorter than a sequence, so that records expire within a sequence.
const MAX_PROLONGED_AGE: u64 = 130;
/// Seconds between two polls. Between publications, a poll renews a price that would expire before the next poll.
const POLL_INTERVAL: u64 = 5;
const RENEWAL_MARGIN: u64 = POLL_INTERVAL + 1;
/// Seconds from the start of a publish interval to its last poll. After [`TOLERATED_FAILURES`] failures, this poll
/// prolongs the price, because the price would expire at the next publication.
const LAST_POLL: u64 = PUBLISH_INTERVAL - POLL_INTERVAL;
/// Seconds from the observation of a price to its expiry, if the poll at [`LAST_POLL`] prolonged the price.
const EARLY_LIFETIME: u64 = 3 * PUBLISH_INTERVAL + LAST_POLL + 1 + TTL;
/// When the record is read, in seconds after each publish interval begins: just after and just before each poll.
const READ_AFTER: [u64; 6] = [0, 4, 5, 9, 10, PUBLISH_INTERVAL - 1];

/// A restart or a loss of data right before a publish interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Incident {
    UpdaterRestarts,
    /// price-cache-proxy or Redis restarts without its data.
    CacheLost,
    UpdaterRestartsAndCacheLost,
}

/// An incident and the publish interval that it precedes.
type IncidentAt = Option<(u32, Incident)>;

/// The state of a record that can be read, and the second of its observation.
type Readable = Option<(PriceState, u64)>;

fn time_at(second: u64) -> Timestamp {
    Timestamp::from_micros(1_000_000_000_000_000).unwrap().plus(Duration::from_secs(second))
}

fn agreed(second: u64) -> PriceOutcome {
    let price = "84000.12".parse().unwrap();
    PriceOutcome::Agreed(GoodPrice {
        price,
        sources: Vec::new(),
        legs: Vec::new(),
        as_of: time_at(second),
        simulated: false,
    })
}

/// Whether `interval` succeeds. Each bit of `sequence` is one interval, with the first interval in the lowest bit.
fn succeeds(sequence: u32, interval: u32) -> bool {
    sequence & (1 << interval) != 0
}

/// Drives the lifecycle through a sequence. Returns the record that can be read at each of [`READ_AFTER`] in each
/// interval.
fn drive(sequence: u32, incident: IncidentAt) -> Vec<Readable> {
    let lifetimes = RecordLifetimes {
        publish_interval: Duration::from_secs(PUBLISH_INTERVAL),
        renewal_margin: Duration::from_secs(RENEWAL_MARGIN),
        write_margin: Duration::from_secs(1),
        ttl: Duration::from_secs(TTL),
        max_prolonged_age: Duration::from_secs(MAX_PROLONGED_AGE),
        stop_while_withheld: false,
    };
    let new = || RecordLifecycle::new(lifetimes, &[Currency::EUR]);
    let mut lifecycle = new();
    let mut cache: Option<PriceRecord> = None;
    let mut readable = Vec::new();
    for interval in 0..INTERVALS {
        let start = u64::from(interval) * PUBLISH_INTERVAL;
        match incident.filter(|(before, _)| *before == interval).map(|(_, incident)| incident) {
            Some(Incident::UpdaterRestarts) => {
                lifecycle = new();
                let current = cache.as_ref().filter(|record| record.is_current(time_at(start)));
                lifecycle.resume(current, time_at(start));
            }
            Some(Incident::CacheLost) => cache = None,
            Some(Incident::UpdaterRestartsAndCacheLost) => {
                cache = None;
                lifecycle = new();
            }
            None => {}
        }
        let succeeds = succeeds(sequence, interval);
        for seconds in READ_AFTER {
            let (second, now) = (start + seconds, time_at(start + seconds));
            // A price that is agreed only between publications is not tested here.
            let missing = || PriceOutcome::Missing(String::new());
            let step = match seconds {
                0 => {
                    let outcome = if succeeds { agreed(second) } else { missing() };
                    lifecycle.publish(&[(Currency::EUR, outcome)].into(), now)
                }
                poll if poll.is_multiple_of(POLL_INTERVAL) => {
                    lifecycle.renew_expiring(&[(Currency::EUR, missing())].into(), now).unwrap_or_default()
                }
                _ => LifecycleStep::default(),
            };
            if let Some(write) = step.write {
                cache = Some(write.record.into_record(write.ttl, now).expect("no expired record is written"));
            }
            readable.push(
                cache
                    .as_ref()
                    .filter(|record| record.is_current(now))
                    .map(|record| (record.state, record.as_of.since(time_at(0)).as_secs())),
            );
        }
    }
    readable
}

/// Calculates the record that can be read `seconds` after the start of `interval`.
fn expected(sequence: u32, incident: IncidentAt, interval: u32, seconds: u64) -> Readable {
    let last_success = (0..=interval).rev().find(|&interval| succeeds(sequence, interval))?;
    let failures = interval - last_success;
    let as_of = u64::from(last_success) * PUBLISH_INTERVAL;
    let start = u64::from(interval) * PUBLISH_INTERVAL;
    let age = start - as_of;
    // The record is lost if price-updater and the cache lose it at the same time, or if price-updater restarts after
    // the stored record has expired.
    let lost = incident.is_some_and(|(before, incident)| {
        let is_after_success = last_success < before && before <= interval;
        let age_at_incident = (u64::from(before) * PUBLISH_INTERVAL).saturating_sub(as_of);
        let expired = is_after_success && age_at_incident >= stored_lifetime(before - last_success - 1);
        let updater_restarts = incident == Incident::UpdaterRestarts;
        is_after_success && (incident == Incident::UpdaterRestartsAndCacheLost || (updater_restarts && expired))
    });
    let (state, lifetime) = if failures > TOLERATED_FAILURES {
        (PriceState::Prolonged, (age + 1 + TTL).min(MAX_PROLONGED_AGE))
    } else if failures == TOLERATED_FAILURES && seconds >= LAST_POLL {
        (PriceState::Prolonged, EARLY_LIFETIME)
    } else {
        (PriceState::Fresh, TTL)
    };
    // A price that has reached its maximum age is not written again, and the record that was written before has
    // expired.
    (!lost && age < MAX_PROLONGED_AGE && start + seconds < as_of + lifetime).then_some((state, as_of))
}

/// Seconds from the observation of a price to the expiry of its record, written after `failures` failures. Prolonging
/// adds a second, because ages are truncated to whole seconds.
fn stored_lifetime(failures: u32) -> u64 {
    let prolonged = u64::from(failures) * PUBLISH_INTERVAL + 1 + TTL;
    match failures {
        ..TOLERATED_FAILURES => TTL,
        TOLERATED_FAILURES => EARLY_LIFETIME,
        _ => prolonged.min(MAX_PROLONGED_AGE),
    }
}

#[test]
fn readable_record_matches_the_calculation_in_every_sequence_with_every_incident() {
    let kinds = [Incident::UpdaterRestarts, Incident::CacheLost, Incident::UpdaterRestartsAndCacheLost];
    let incidents = (0..INTERVALS).flat_map(|before| kinds.map(|incident| Some((before, incident))));
    let incidents: Vec<_> = std::iter::once(None).chain(incidents).collect();
    for sequence in 0..1 << INTERVALS {
        for &incident in &incidents {
            let readable = drive(sequence, incident);
            for (interval, readable) in (0..INTERVALS).zip(readable.chunks(READ_AFTER.len())) {
                let expected = READ_AFTER.map(|seconds| expected(sequence, incident, interval, seconds));
                assert_eq!(
                    readable, expected,
                    "sequence {sequence:012b} (first interval on the right), {incident:?}, interval {interval}"
                );
            }
        }
    }
}
