//! Compares the record that can be read with an independent calculation. Covers every sequence of successes and failures,
//! without an incident and with each incident before each publish interval.
//!
//! The calculation uses neither states nor counters. It always starts from the whole past: the last success, the number of
//! failures since then, and whether the written record was lost.

use std::time::Duration;

use common::{
    api::prices::{NewPriceRecord, Price, PriceRecord, PriceState},
    money::Currency,
    time::Timestamp,
};

use super::super::{RecordLifecycle, RecordLifetimes, TOLERATED_FAILURES};

/// Publish intervals in a sequence. Four failures prolong the record, and twelve are long enough for it to expire.
const INTERVALS: u32 = 12;
const PUBLISH_INTERVAL: u64 = 15;
const TTL: u64 = 60;
/// Shorter than a sequence, so that records expire in it.
const MAX_PROLONGED_AGE: u64 = 130;
/// When the record is read, in seconds after each publish interval begins: at its start, in its middle, and just before the
/// next.
const READ_AFTER: [u64; 3] = [0, 7, PUBLISH_INTERVAL - 1];

/// What goes wrong right before a publish interval.
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

fn record(second: u64) -> NewPriceRecord {
    let price = Price { price: "84000.12".parse().unwrap(), sources: Vec::new() };
    let prices = [(Currency::EUR, price)].into();
    NewPriceRecord { state: PriceState::Fresh, as_of: time_at(second), simulated: false, prices }
}

/// Whether the interval succeeds in the sequence.
fn succeeds(sequence: u32, interval: u32) -> bool {
    sequence & (1 << interval) != 0
}

/// Drives the lifecycle through a sequence. Returns the record that can be read at each of [`READ_AFTER`] in each interval.
fn drive(sequence: u32, incident: IncidentAt) -> Vec<Readable> {
    let lifetimes = RecordLifetimes {
        publish_interval: Duration::from_secs(PUBLISH_INTERVAL),
        ttl: Duration::from_secs(TTL),
        max_prolonged_age: Duration::from_secs(MAX_PROLONGED_AGE),
    };
    let mut lifecycle = RecordLifecycle::new(lifetimes);
    let mut cache: Option<PriceRecord> = None;
    let mut readable = Vec::new();
    for interval in 0..INTERVALS {
        let start = u64::from(interval) * PUBLISH_INTERVAL;
        match incident.filter(|(before, _)| *before == interval).map(|(_, incident)| incident) {
            Some(Incident::UpdaterRestarts) => {
                lifecycle = RecordLifecycle::new(lifetimes);
                lifecycle.resume(cache.clone().filter(|record| record.is_current(time_at(start))), time_at(start));
            }
            Some(Incident::CacheLost) => cache = None,
            Some(Incident::UpdaterRestartsAndCacheLost) => {
                cache = None;
                lifecycle = RecordLifecycle::new(lifetimes);
            }
            None => {}
        }
        let step = if succeeds(sequence, interval) {
            lifecycle.succeed(record(start))
        } else {
            lifecycle.fail(time_at(start))
        };
        if let Some(write) = step.write {
            cache = Some(write.record.into_record(write.ttl, time_at(start)).expect("no expired record is written"));
        }
        readable.extend(READ_AFTER.map(|seconds| {
            let record = cache.as_ref().filter(|record| record.is_current(time_at(start + seconds)))?;
            Some((record.state, record.as_of.since(time_at(0)).as_secs()))
        }));
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
    // The record is lost if price-updater and the cache lose it together. It is also lost if price-updater restarts after
    // the stored record has expired.
    let lost = incident.is_some_and(|(before, incident)| {
        let is_since = last_success < before && before <= interval;
        let age_then = (u64::from(before) * PUBLISH_INTERVAL).saturating_sub(as_of);
        let expired = is_since && age_then >= stored_lifetime(before - last_success - 1);
        let updater_restarts = incident == Incident::UpdaterRestarts;
        is_since && (incident == Incident::UpdaterRestartsAndCacheLost || (updater_restarts && expired))
    });
    let (state, lifetime) = if failures > TOLERATED_FAILURES {
        (PriceState::Prolonged, (age + 1 + TTL).min(MAX_PROLONGED_AGE))
    } else {
        (PriceState::Fresh, TTL)
    };
    // A record that is too old is not written, and a record that was written before has expired by then.
    (!lost && age < MAX_PROLONGED_AGE && start + seconds < as_of + lifetime).then_some((state, as_of))
}

/// How long a record is valid that was written after `failures` failures. Prolonging adds a second, because ages are
/// truncated to whole seconds.
fn stored_lifetime(failures: u32) -> u64 {
    let prolonged = u64::from(failures) * PUBLISH_INTERVAL + 1 + TTL;
    if failures > TOLERATED_FAILURES { prolonged.min(MAX_PROLONGED_AGE) } else { TTL }
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
                assert_eq!(readable, expected, "{sequence:012b} from the right, {incident:?}, interval {interval}");
            }
        }
    }
}
