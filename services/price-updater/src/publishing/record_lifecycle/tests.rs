use common::{api::prices::Price, money::Currency};

use super::*;

mod every_sequence;

const TTL: Duration = Duration::from_mins(1);
const PROLONG: Duration = Duration::from_hours(1);
const REFRESH: Duration = Duration::from_secs(15);

fn start() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn at(seconds: u64) -> Timestamp {
    start().plus(Duration::from_secs(seconds))
}

fn record(as_of: Timestamp) -> NewPriceRecord {
    let price = Price { price: "84000.12".parse().unwrap(), sources: vec!["coinbase".to_owned()] };
    NewPriceRecord { state: PriceState::Fresh, as_of, simulated: false, prices: [(Currency::EUR, price)].into() }
}

fn rounds() -> RecordLifecycle {
    RecordLifecycle::new(RecordLifetimes { refresh: REFRESH, ttl: TTL, prolong: PROLONG })
}

/// A good round at the start, then failed ones at each of `seconds`: the steps of those.
fn fail(lifecycle: &mut RecordLifecycle, seconds: impl IntoIterator<Item = u64>) -> Vec<LifecycleStep> {
    seconds.into_iter().map(|second| lifecycle.fail(at(second))).collect()
}

fn changes(steps: &[LifecycleStep]) -> Vec<AvailabilityChange> {
    steps.iter().filter_map(|step| step.change).collect()
}

fn states(steps: &[LifecycleStep]) -> Vec<Option<PriceState>> {
    steps.iter().map(|step| step.write.as_ref().map(|write| write.record.state)).collect()
}

#[test]
fn a_good_round_is_written_with_the_time_to_live() {
    let step = rounds().succeed(record(start()));
    assert_eq!(step, LifecycleStep { write: Some(RecordWrite { record: record(start()), ttl: TTL }), change: None });
}

#[test]
fn three_failed_rounds_change_nothing_and_the_fourth_prolongs_once() {
    let mut lifecycle = rounds();
    let first = lifecycle.succeed(record(start()));
    // The same record with the same end: it is not a second younger.
    assert!(fail(&mut lifecycle, [15, 30, 45]).iter().all(|step| *step == first));

    let steps = fail(&mut lifecycle, [60, 75]);
    assert_eq!(steps.iter().map(|step| step.change).collect::<Vec<_>>(), [Some(AvailabilityChange::Prolonged), None]);
    for (step, now) in steps.iter().zip([at(60), at(75)]) {
        let write = step.write.clone().unwrap();
        assert_eq!((write.record.state, write.record.as_of), (PriceState::Prolonged, start()));
        // It lasts into the next lifecycle, and not an hour from now.
        let kept = write.record.into_record(write.ttl, now).unwrap();
        assert!(kept.expires_at > now.plus(TTL) && kept.expires_at <= now.plus(TTL * 2));
    }
}

#[test]
fn prolonging_ends_an_hour_after_the_prices_were_true() {
    let mut lifecycle = rounds();
    lifecycle.succeed(record(start()));
    let steps = fail(&mut lifecycle, (15..=3600 + 60).step_by(15));
    let ends = steps.iter().filter_map(|step| step.write.as_ref()).map(|write| write.record.as_of.plus(write.ttl));
    assert_eq!(ends.max(), Some(at(3600)));
    assert_eq!(changes(&steps), [AvailabilityChange::Prolonged, AvailabilityChange::Expired]);
    assert_eq!(steps.last(), Some(&LifecycleStep::default()));
}

#[test]
fn a_good_round_makes_the_record_fresh_again() {
    for failed_until in [60, 4000] {
        let mut lifecycle = rounds();
        lifecycle.succeed(record(start()));
        fail(&mut lifecycle, (15..=failed_until).step_by(15));
        let step = lifecycle.succeed(record(at(failed_until + 15)));
        assert_eq!(step.change, Some(AvailabilityChange::Recovered));
        assert_eq!(step.write.unwrap().record.state, PriceState::Fresh);
        assert_eq!((lifecycle.failures(), lifecycle.succeed(record(at(failed_until + 30))).change), (0, None));
    }
}

#[test]
fn a_short_failure_is_not_told() {
    let mut lifecycle = rounds();
    lifecycle.succeed(record(start()));
    fail(&mut lifecycle, [15, 30, 45]);
    assert_eq!(lifecycle.succeed(record(at(60))).change, None);
    // The count starts anew.
    assert_eq!(states(&fail(&mut lifecycle, [75, 90, 105])), [Some(PriceState::Fresh); 3]);
}

#[test]
fn with_no_price_ever_there_is_nothing_to_prolong() {
    let mut lifecycle = rounds();
    let steps = fail(&mut lifecycle, (0..=90).step_by(15));
    assert!(steps.iter().all(|step| step.write.is_none()));
    assert_eq!(changes(&steps), [AvailabilityChange::NeverGood]);
    assert_eq!(lifecycle.succeed(record(at(105))).change, Some(AvailabilityChange::Recovered));
}

#[test]
fn a_new_run_goes_on_with_the_record_in_the_cache() {
    let kept = record(start()).into_record(TTL, start()).unwrap();
    let mut fresh = rounds();
    fresh.resume(Some(kept.clone()), at(10));
    assert_eq!(changes(&fail(&mut fresh, [15, 30, 45])), []);
    assert_eq!(changes(&fail(&mut fresh, [60])), [AvailabilityChange::Prolonged]);

    // RecordLifecycle that nobody did have failed too: nobody waits for four more.
    let mut late = rounds();
    late.resume(Some(kept.clone()), at(50));
    assert_eq!(changes(&fail(&mut late, [51])), [AvailabilityChange::Prolonged]);

    let mut prolonged = rounds();
    prolonged.resume(Some(PriceRecord { state: PriceState::Prolonged, ..kept.clone() }), at(10));
    let step = prolonged.fail(at(15));
    assert!(step.change.is_none() && step.write.is_some());
    assert_eq!(prolonged.succeed(record(at(30))).change, Some(AvailabilityChange::Recovered));

    // Who led before has a newer one itself.
    let mut again = rounds();
    again.succeed(record(at(30)));
    again.resume(Some(kept), at(40));
    assert_eq!((again.last_good().unwrap().as_of, again.failures()), (at(30), 0));
    again.resume(None, at(100));
    assert_eq!((again.last_good().unwrap().as_of, again.failures()), (at(30), 4));
}
