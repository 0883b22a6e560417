use super::*;
use common::api::prices::PriceState;

mod every_sequence;
mod no_gap;

const TTL: Duration = Duration::from_mins(1);
const MAX_PROLONGED_AGE: Duration = Duration::from_hours(1);
const PUBLISH_INTERVAL: Duration = Duration::from_secs(15);
const RENEWAL_MARGIN: Duration = Duration::from_secs(6);
const WRITE_MARGIN: Duration = Duration::from_secs(1);

fn start() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn time_at(seconds: u64) -> Timestamp {
    start().plus(Duration::from_secs(seconds))
}

fn good(seconds: u64) -> PriceOutcome {
    PriceOutcome::Agreed(GoodPrice {
        price: "84000.12".parse().unwrap(),
        sources: vec!["coinbase".to_owned()],
        legs: Vec::new(),
        as_of: time_at(seconds),
        simulated: false,
    })
}

fn missing() -> PriceOutcome {
    PriceOutcome::Missing("no source reports a price".to_owned())
}

fn withheld() -> PriceOutcome {
    PriceOutcome::Withheld("the price has fallen by 60 %".to_owned())
}

fn lifetimes() -> RecordLifetimes {
    RecordLifetimes {
        publish_interval: PUBLISH_INTERVAL,
        renewal_margin: RENEWAL_MARGIN,
        write_margin: WRITE_MARGIN,
        ttl: TTL,
        max_prolonged_age: MAX_PROLONGED_AGE,
        stop_while_withheld: false,
    }
}

/// The lifecycle of a record with prices in euros.
fn lifecycle() -> RecordLifecycle {
    RecordLifecycle::new(lifetimes(), &[Currency::EUR])
}

/// How many consecutive publish intervals, up to the last one, have ended without a new price.
fn failures(lifecycle: &RecordLifecycle) -> u32 {
    lifecycle.statuses().map(|status| status.failures).min().unwrap()
}

fn publish(lifecycle: &mut RecordLifecycle, outcome: PriceOutcome, second: u64) -> LifecycleStep {
    lifecycle.publish(&[(Currency::EUR, outcome)].into(), time_at(second))
}

/// Ends one publish interval without a price at each of the times `seconds`, counted from `start`.
fn fail(lifecycle: &mut RecordLifecycle, seconds: impl IntoIterator<Item = u64>) -> Vec<LifecycleStep> {
    seconds.into_iter().map(|second| publish(lifecycle, missing(), second)).collect()
}

fn changes(steps: &[LifecycleStep]) -> Vec<AvailabilityChange> {
    steps.iter().flat_map(|step| step.changes.iter().map(|changed| changed.change)).collect()
}

fn written_states(steps: &[LifecycleStep]) -> Vec<Option<PriceState>> {
    steps.iter().map(|step| step.write.as_ref().map(|write| write.record.state)).collect()
}

/// The record that price-cache-proxy stores.
fn stored(step: &LifecycleStep, now: Timestamp) -> PriceRecord {
    let write = step.write.clone().unwrap();
    write.record.into_record(write.ttl, now).unwrap()
}

/// The clock was an hour ahead, and was set back.
#[test]
fn price_from_the_future_is_neither_resumed_nor_published() {
    let mut ahead = lifecycle();
    let written = publish(&mut ahead, good(3600), 3600);
    let stored = stored(&written, time_at(3600));
    let mut resumed = lifecycle();
    resumed.resume(Some(&stored), start());
    assert_eq!(resumed.last_good().count(), 0);
    assert_eq!(written_states(&fail(&mut ahead, [0, 15, 30, 45, 60])), [None; 5]);
    ahead.resume(None, start());
    assert_eq!(ahead.last_good().count(), 0);
    assert!(publish(&mut ahead, good(75), 75).write.is_some());
}

#[test]
fn success_writes_the_price_with_its_ttl() {
    let step = publish(&mut lifecycle(), good(0), 0);
    assert_eq!((step.write.as_ref().unwrap().ttl, &step.changes[..]), (TTL, &[][..]));
    let record = stored(&step, start());
    assert_eq!((record.state, record.as_of, record.expires_at), (PriceState::Fresh, start(), start().plus(TTL)));
}

#[test]
fn three_failures_change_nothing_and_the_fourth_prolongs_the_price() {
    let mut lifecycle = lifecycle();
    let first = publish(&mut lifecycle, good(0), 0);
    // The same price is written again, with the same expiry time.
    assert!(fail(&mut lifecycle, [15, 30, 45]).iter().all(|step| *step == first));
    let steps = fail(&mut lifecycle, [60, 75]);
    assert_eq!(changes(&steps), [AvailabilityChange::Prolonged]);
    for (step, now) in steps.iter().zip([time_at(60), time_at(75)]) {
        let stored = stored(step, now);
        assert_eq!((stored.state, stored.as_of), (PriceState::Prolonged, start()));
        let prolongable_until = stored.price(Currency::EUR).unwrap().prolongable_until;
        assert_eq!(prolongable_until, Some(start().plus(MAX_PROLONGED_AGE)));
        // The price expires soon if it is not prolonged again.
        assert!(stored.expires_at > now.plus(TTL) && stored.expires_at <= now.plus(TTL * 2));
    }
}

/// If the older price were written, price-cache-proxy would not accept it, and the published price would expire.
#[test]
fn older_price_does_not_replace_the_published_price() {
    let mut lifecycle = lifecycle();
    publish(&mut lifecycle, good(15), 15);
    let steps: Vec<_> = [30, 45].map(|second| publish(&mut lifecycle, good(0), second)).into();
    assert_eq!((changes(&steps), failures(&lifecycle)), (vec![], 2));
    let step = lifecycle.renew_expiring(&[(Currency::EUR, good(0))].into(), time_at(70)).unwrap();
    assert_eq!(changes(std::slice::from_ref(&step)), [AvailabilityChange::Prolonged]);
    assert_eq!(stored(&step, time_at(70)).as_of, time_at(15));
    assert_eq!(changes(&[publish(&mut lifecycle, good(60), 75)]), [AvailabilityChange::Recovered]);
}

#[test]
fn published_price_that_expires_before_the_next_poll_stays_prolonged() {
    let mut lifecycle = lifecycle();
    let outcome = [(Currency::EUR, good(2))].into();
    publish(&mut lifecycle, good(2), 15);
    let steps = [lifecycle.renew_expiring(&outcome, time_at(57)).unwrap(), lifecycle.publish(&outcome, time_at(60))];
    assert_eq!(changes(&steps), [AvailabilityChange::Prolonged]);
    assert_eq!(written_states(&steps), [Some(PriceState::Prolonged); 2]);
}

#[test]
fn price_that_would_expire_before_the_next_poll_is_prolonged_or_replaced_between_publications() {
    let mut lifecycle = lifecycle();
    publish(&mut lifecycle, good(0), 0);
    fail(&mut lifecycle, [15, 30, 45]);
    let mut renew =
        |outcome: PriceOutcome, second| lifecycle.renew_expiring(&[(Currency::EUR, outcome)].into(), time_at(second));
    assert_eq!(renew(missing(), 50), None);
    let step = renew(missing(), 55).unwrap();
    assert_eq!(
        (changes(std::slice::from_ref(&step)), stored(&step, time_at(55)).state),
        (vec![AvailabilityChange::Prolonged], PriceState::Prolonged)
    );
    assert_eq!(renew(missing(), 58), None, "a prolonged price does not expire before the next publication");

    let mut lifecycle = self::lifecycle();
    publish(&mut lifecycle, good(0), 0);
    fail(&mut lifecycle, [15, 30, 45]);
    let step = lifecycle.renew_expiring(&[(Currency::EUR, good(55))].into(), time_at(55)).unwrap();
    assert_eq!((changes(std::slice::from_ref(&step)), stored(&step, time_at(55)).as_of), (vec![], time_at(55)));
}

#[test]
fn prolonged_price_expires_an_hour_after_its_observation() {
    let mut lifecycle = lifecycle();
    publish(&mut lifecycle, good(0), 0);
    let steps = fail(&mut lifecycle, (15..=3600 + 60).step_by(15));
    let writes = steps.iter().filter_map(|step| step.write.as_ref());
    assert_eq!(writes.map(|write| write.record.as_of.plus(write.ttl)).max(), Some(time_at(3600)));
    assert_eq!(changes(&steps), [AvailabilityChange::Prolonged, AvailabilityChange::Expired]);
    assert_eq!(steps.last(), Some(&LifecycleStep::default()));
}

#[test]
fn success_makes_a_prolonged_or_expired_price_fresh() {
    for last_failure in [60, 4000] {
        let mut lifecycle = lifecycle();
        publish(&mut lifecycle, good(0), 0);
        fail(&mut lifecycle, (15..=last_failure).step_by(15));
        let step = publish(&mut lifecycle, good(last_failure + 15), last_failure + 15);
        assert_eq!(changes(std::slice::from_ref(&step)), [AvailabilityChange::Recovered]);
        assert_eq!(step.write.unwrap().record.state, PriceState::Fresh);
        assert_eq!(failures(&lifecycle), 0);
        assert_eq!(changes(&[publish(&mut lifecycle, good(last_failure + 30), last_failure + 30)]), []);
    }
}

#[test]
fn short_failure_is_not_reported() {
    let mut lifecycle = lifecycle();
    publish(&mut lifecycle, good(0), 0);
    fail(&mut lifecycle, [15, 30, 45]);
    assert_eq!(changes(&[publish(&mut lifecycle, good(60), 60)]), []);
    // The number of failures is counted from zero again.
    assert_eq!(written_states(&fail(&mut lifecycle, [75, 90, 105])), [Some(PriceState::Fresh); 3]);
}

#[test]
fn nothing_is_prolonged_before_the_first_price() {
    let mut lifecycle = lifecycle();
    let steps = fail(&mut lifecycle, (0..=90).step_by(15));
    assert!(steps.iter().all(|step| step.write.is_none()));
    assert_eq!(changes(&steps), [AvailabilityChange::NeverAvailable]);
    assert_eq!(changes(&[publish(&mut lifecycle, good(105), 105)]), [AvailabilityChange::Recovered]);
}

#[test]
fn new_run_continues_with_the_stored_record() {
    let stored = stored(&publish(&mut lifecycle(), good(0), 0), start());
    let mut early = lifecycle();
    early.resume(Some(&stored), time_at(10));
    assert_eq!(changes(&fail(&mut early, [15, 30, 45])), []);
    assert_eq!(changes(&fail(&mut early, [60])), [AvailabilityChange::Prolonged]);

    // Intervals without any instance count as failures: the first failure of the new run prolongs the price.
    let mut late = lifecycle();
    late.resume(Some(&stored), time_at(50));
    assert_eq!(changes(&fail(&mut late, [51])), [AvailabilityChange::Prolonged]);

    // A record of version 0.1.0 has one state for all prices. It is resumed too.
    let old = serde_json::json!({
        "base": "BTC", "state": "prolonged", "as_of": start(), "expires_at": time_at(300), "simulated": false,
        "prices": {"EUR": {"price": "84000.12", "sources": ["coinbase"]}},
    });
    let mut prolonged = lifecycle();
    prolonged.resume(Some(&serde_json::from_value(old).unwrap()), time_at(10));
    let step = publish(&mut prolonged, missing(), 15);
    assert!(step.changes.is_empty() && step.write.is_some());
    assert_eq!(changes(&[publish(&mut prolonged, good(30), 30)]), [AvailabilityChange::Recovered]);

    // An instance that was the leader before keeps its own price if that price is newer than the stored price.
    let mut again = lifecycle();
    publish(&mut again, good(30), 30);
    again.resume(Some(&stored), time_at(40));
    let as_of = |lifecycle: &RecordLifecycle| lifecycle.last_good().next().unwrap().1.as_of;
    assert_eq!((as_of(&again), failures(&again)), (time_at(30), 0));
    again.resume(None, time_at(100));
    assert_eq!((as_of(&again), failures(&again)), (time_at(30), 4));
}

#[test]
fn currencies_are_prolonged_and_recover_independently() {
    let mut lifecycle = RecordLifecycle::new(lifetimes(), &[Currency::EUR, Currency::GBP]);
    let mut both = |euros, pounds, second| {
        lifecycle.publish(&[(Currency::EUR, euros), (Currency::GBP, pounds)].into(), time_at(second))
    };
    both(good(0), good(0), 0);
    let steps: Vec<_> = (15..=90).step_by(15).map(|second| both(good(second), missing(), second)).collect();
    let only_pounds = [CurrencyChange { currency: Currency::GBP, change: AvailabilityChange::Prolonged }];
    assert_eq!(steps.iter().flat_map(|step| step.changes.clone()).collect::<Vec<_>>(), only_pounds);
    let record = stored(steps.last().unwrap(), time_at(90));
    let state_and_time = |currency| record.price(currency).map(|price| (price.state, price.as_of)).unwrap();
    assert_eq!(state_and_time(Currency::EUR), (PriceState::Fresh, time_at(90)));
    assert_eq!(state_and_time(Currency::GBP), (PriceState::Prolonged, start()));
    // Both currencies fail. Then the price in pounds recovers, and the price in euros stays prolonged.
    let all_failed: Vec<_> = (105..=150).step_by(15).map(|second| both(missing(), missing(), second)).collect();
    assert_eq!(changes(&all_failed), [AvailabilityChange::Prolonged]);
    let record = stored(&both(missing(), good(165), 165), time_at(165));
    let state_and_time = |currency| record.price(currency).map(|price| (price.state, price.as_of)).unwrap();
    assert_eq!(state_and_time(Currency::EUR), (PriceState::Prolonged, time_at(90)));
    assert_eq!(state_and_time(Currency::GBP), (PriceState::Fresh, time_at(165)));
}

#[test]
fn withheld_price_immediately_prolongs_the_last_good_price_or_stops_orders() {
    let mut prolonging = lifecycle();
    publish(&mut prolonging, good(0), 0);
    let step = publish(&mut prolonging, withheld(), 15);
    assert_eq!(changes(std::slice::from_ref(&step)), [AvailabilityChange::Prolonged]);
    assert_eq!(stored(&step, time_at(15)).state, PriceState::Prolonged);

    let mut stopping =
        RecordLifecycle::new(RecordLifetimes { stop_while_withheld: true, ..lifetimes() }, &[Currency::EUR]);
    publish(&mut stopping, good(0), 0);
    let step = publish(&mut stopping, withheld(), 15);
    assert_eq!(changes(std::slice::from_ref(&step)), [AvailabilityChange::Stopped]);
    assert_eq!(stored(&step, time_at(15)).expires_at, time_at(16));
    // Orders stay stopped while the sources agree on no plausible price. The next plausible price ends the stop.
    for (outcome, second) in [(withheld(), 30), (missing(), 45), (withheld(), 60)] {
        assert_eq!(publish(&mut stopping, outcome, second), LifecycleStep::default());
    }
    let step = publish(&mut stopping, good(75), 75);
    assert_eq!(changes(std::slice::from_ref(&step)), [AvailabilityChange::Recovered]);
    assert_eq!(stored(&step, time_at(75)).state, PriceState::Fresh);
}

#[test]
fn real_and_simulated_prices_are_never_in_one_record() {
    let simulated = |outcome| match outcome {
        PriceOutcome::Agreed(price) => PriceOutcome::Agreed(GoodPrice { simulated: true, ..price }),
        other => other,
    };
    let mut lifecycle = RecordLifecycle::new(lifetimes(), &[Currency::EUR, Currency::GBP]);
    lifecycle.publish(&[(Currency::EUR, good(0)), (Currency::GBP, good(0))].into(), start());
    let step =
        lifecycle.publish(&[(Currency::EUR, simulated(good(15))), (Currency::GBP, missing())].into(), time_at(15));
    let record = stored(&step, time_at(15));
    assert!(record.simulated);
    assert_eq!(record.prices.keys().collect::<Vec<_>>(), [&Currency::EUR]);
}

/// The exchanges have failed, and an index still reports its last price.
#[test]
fn expired_price_is_shown_instead_of_an_older_agreed_price() {
    let mut lifecycle = lifecycle();
    publish(&mut lifecycle, good(15), 15);
    let end = 15 + MAX_PROLONGED_AGE.as_secs();
    for second in (30..=end).step_by(15) {
        publish(&mut lifecycle, good(0), second);
    }
    let shown = |outcome| {
        let in_use = lifecycle.price_in_use(Currency::EUR, &outcome, time_at(end))?;
        Some((in_use.price.as_of, in_use.price.expires_at))
    };
    assert_eq!(shown(good(0)), Some((time_at(15), time_at(end))));
    // If no price is agreed, or the agreed price is newer, the expired price is not shown.
    assert_eq!((shown(missing()), shown(good(end - 1))), (None, None));
    let status = lifecycle.statuses().next().unwrap();
    let reason = "the sources have reported no newer price in time".to_owned();
    assert_eq!(
        (status.availability, status.as_of, status.reason),
        (PriceAvailability::Expired, Some(time_at(15)), Some(reason))
    );
}

#[test]
fn currencies_of_the_record_change_while_the_service_runs() {
    let mut lifecycle = lifecycle();
    publish(&mut lifecycle, good(0), 0);
    assert_eq!(lifecycle.apply_settings(&[Currency::EUR, Currency::GBP], false), []);
    let step = lifecycle.publish(&[(Currency::EUR, good(15)), (Currency::GBP, good(15))].into(), time_at(15));
    assert_eq!(
        changes(std::slice::from_ref(&step)),
        [],
        "the first price of a new currency is not reported as a recovery"
    );
    assert_eq!(stored(&step, time_at(15)).prices.len(), 2);
    assert_eq!(lifecycle.apply_settings(&[Currency::GBP], true), [Currency::EUR]);
    let step = lifecycle.publish(&[(Currency::EUR, good(30)), (Currency::GBP, good(30))].into(), time_at(30));
    assert!(stored(&step, time_at(30)).price(Currency::EUR).is_none());
    let step = lifecycle.publish(&[(Currency::GBP, withheld())].into(), time_at(45));
    assert_eq!(changes(&[step]), [AvailabilityChange::Stopped], "`stop_while_withheld` is now true");
}
