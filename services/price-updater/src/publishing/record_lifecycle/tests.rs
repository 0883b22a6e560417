use common::{api::prices::Price, money::Currency};

use super::*;

mod every_sequence;

const TTL: Duration = Duration::from_mins(1);
const MAX_PROLONGED_AGE: Duration = Duration::from_hours(1);
const PUBLISH_INTERVAL: Duration = Duration::from_secs(15);

fn start() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn time_at(seconds: u64) -> Timestamp {
    start().plus(Duration::from_secs(seconds))
}

fn record(as_of: Timestamp) -> NewPriceRecord {
    let price = Price { price: "84000.12".parse().unwrap(), sources: vec!["coinbase".to_owned()] };
    NewPriceRecord { state: PriceState::Fresh, as_of, simulated: false, prices: [(Currency::EUR, price)].into() }
}

fn lifecycle() -> RecordLifecycle {
    RecordLifecycle::new(RecordLifetimes {
        publish_interval: PUBLISH_INTERVAL,
        ttl: TTL,
        max_prolonged_age: MAX_PROLONGED_AGE,
    })
}

/// Fails at each of `seconds` after the start.
fn fail(lifecycle: &mut RecordLifecycle, seconds: impl IntoIterator<Item = u64>) -> Vec<LifecycleStep> {
    seconds.into_iter().map(|second| lifecycle.fail(time_at(second))).collect()
}

fn changes(steps: &[LifecycleStep]) -> Vec<AvailabilityChange> {
    steps.iter().filter_map(|step| step.change).collect()
}

fn written_states(steps: &[LifecycleStep]) -> Vec<Option<PriceState>> {
    steps.iter().map(|step| step.write.as_ref().map(|write| write.record.state)).collect()
}

#[test]
fn success_writes_the_record_with_its_ttl() {
    let step = lifecycle().succeed(record(start()));
    let write = Some(RecordWrite { record: record(start()), ttl: TTL });
    assert_eq!(step, LifecycleStep { write, change: None });
}

#[test]
fn three_failures_change_nothing_and_the_fourth_prolongs_the_record() {
    let mut lifecycle = lifecycle();
    let first = lifecycle.succeed(record(start()));
    // The same record with the same expiry is written: it does not become younger.
    assert!(fail(&mut lifecycle, [15, 30, 45]).iter().all(|step| *step == first));

    let steps = fail(&mut lifecycle, [60, 75]);
    let expected = [Some(AvailabilityChange::Prolonged), None];
    assert_eq!(steps.iter().map(|step| step.change).collect::<Vec<_>>(), expected);
    for (step, now) in steps.iter().zip([time_at(60), time_at(75)]) {
        let write = step.write.clone().unwrap();
        assert_eq!((write.record.state, write.record.as_of), (PriceState::Prolonged, start()));
        // The record is valid for a few intervals only, and not for an hour from now.
        let stored = write.record.into_record(write.ttl, now).unwrap();
        assert!(stored.expires_at > now.plus(TTL) && stored.expires_at <= now.plus(TTL * 2));
    }
}

#[test]
fn prolonged_record_expires_an_hour_after_its_observation() {
    let mut lifecycle = lifecycle();
    lifecycle.succeed(record(start()));
    let steps = fail(&mut lifecycle, (15..=3600 + 60).step_by(15));
    let writes = steps.iter().filter_map(|step| step.write.as_ref());
    assert_eq!(writes.map(|write| write.record.as_of.plus(write.ttl)).max(), Some(time_at(3600)));
    assert_eq!(changes(&steps), [AvailabilityChange::Prolonged, AvailabilityChange::Expired]);
    assert_eq!(steps.last(), Some(&LifecycleStep::default()));
}

#[test]
fn success_makes_a_prolonged_or_expired_record_fresh() {
    for last_failure in [60, 4000] {
        let mut lifecycle = lifecycle();
        lifecycle.succeed(record(start()));
        fail(&mut lifecycle, (15..=last_failure).step_by(15));
        let step = lifecycle.succeed(record(time_at(last_failure + 15)));
        assert_eq!(step.change, Some(AvailabilityChange::Recovered));
        assert_eq!(step.write.unwrap().record.state, PriceState::Fresh);
        assert_eq!((lifecycle.failures(), lifecycle.succeed(record(time_at(last_failure + 30))).change), (0, None));
    }
}

#[test]
fn short_failure_is_not_reported() {
    let mut lifecycle = lifecycle();
    lifecycle.succeed(record(start()));
    fail(&mut lifecycle, [15, 30, 45]);
    assert_eq!(lifecycle.succeed(record(time_at(60))).change, None);
    // The count starts again.
    assert_eq!(written_states(&fail(&mut lifecycle, [75, 90, 105])), [Some(PriceState::Fresh); 3]);
}

#[test]
fn nothing_is_prolonged_before_the_first_price() {
    let mut lifecycle = lifecycle();
    let steps = fail(&mut lifecycle, (0..=90).step_by(15));
    assert!(steps.iter().all(|step| step.write.is_none()));
    assert_eq!(changes(&steps), [AvailabilityChange::NeverAvailable]);
    assert_eq!(lifecycle.succeed(record(time_at(105))).change, Some(AvailabilityChange::Recovered));
}

#[test]
fn new_run_continues_with_the_stored_record() {
    let stored = record(start()).into_record(TTL, start()).unwrap();
    let mut fresh = lifecycle();
    fresh.resume(Some(stored.clone()), time_at(10));
    assert_eq!(changes(&fail(&mut fresh, [15, 30, 45])), []);
    assert_eq!(changes(&fail(&mut fresh, [60])), [AvailabilityChange::Prolonged]);

    // Intervals without any instance count as failures: the first own failure prolongs the record.
    let mut late = lifecycle();
    late.resume(Some(stored.clone()), time_at(50));
    assert_eq!(changes(&fail(&mut late, [51])), [AvailabilityChange::Prolonged]);

    let mut prolonged = lifecycle();
    prolonged.resume(Some(PriceRecord { state: PriceState::Prolonged, ..stored.clone() }), time_at(10));
    let step = prolonged.fail(time_at(15));
    assert!(step.change.is_none() && step.write.is_some());
    assert_eq!(prolonged.succeed(record(time_at(30))).change, Some(AvailabilityChange::Recovered));

    // An instance that was the leader before can have a newer record itself.
    let mut again = lifecycle();
    again.succeed(record(time_at(30)));
    again.resume(Some(stored), time_at(40));
    assert_eq!((again.last_good().unwrap().as_of, again.failures()), (time_at(30), 0));
    again.resume(None, time_at(100));
    assert_eq!((again.last_good().unwrap().as_of, again.failures()), (time_at(30), 4));
}
