//! Tests that orders have a price in every second until the last good price reaches its maximum age, even if every
//! later publish interval fails.
//!
//! Covers every sequence of successes and failures, and prices of different ages at their publication. In each case,
//! one poll is slow because it waits for sources that do not answer.

use std::time::Duration;

use common::{
    api::prices::{PriceRecord, PriceState},
    money::Currency,
    time::Timestamp,
};

use super::super::{RecordLifecycle, RecordLifetimes};
use crate::pricing::{GoodPrice, PriceOutcome};

const INTERVALS: u64 = 7;
const PUBLISH_INTERVAL: u64 = 15;
const POLL_INTERVAL: u64 = 5;
const TTL: u64 = 60;
/// Shorter than a sequence, so that prices reach this age.
const MAX_PROLONGED_AGE: u64 = 100;
/// How long a poll waits for sources that do not answer.
const LONGEST_POLL: u64 = 4;
const POLLS: u64 = INTERVALS * PUBLISH_INTERVAL / POLL_INTERVAL;
const SECONDS: u64 = INTERVALS * PUBLISH_INTERVAL;
/// How old a price is at its publication. The price of an index can be nearly as old as [`TTL`].
const AGES: [u64; 4] = [0, 33, 54, 58];

#[derive(Debug, Clone, Copy)]
struct Case {
    /// Bit `n` is set if publish interval `n` succeeds.
    successes: u64,
    /// The age of prices at their publication.
    age: u64,
    /// The poll that waits for sources that do not answer. Later polls do not wait for them.
    slow_poll: u64,
}

fn time_at(second: u64) -> Timestamp {
    Timestamp::from_micros(1_000_000_000_000_000).unwrap().plus(Duration::from_secs(second))
}

impl Case {
    /// The outcome of the publish interval that ends at `second`. `None` if no publish interval ends at `second`.
    fn interval_outcome(self, second: u64) -> Option<PriceOutcome> {
        let interval = second.is_multiple_of(PUBLISH_INTERVAL).then_some(second / PUBLISH_INTERVAL)?;
        let price = GoodPrice {
            price: "84000.12".parse().unwrap(),
            sources: Vec::new(),
            legs: Vec::new(),
            as_of: time_at(second).minus(Duration::from_secs(self.age)),
            simulated: false,
        };
        let succeeds = self.successes >> interval & 1 == 1;
        Some(if succeeds { PriceOutcome::Agreed(price) } else { PriceOutcome::Missing(String::new()) })
    }

    /// The second in which the poll that is due at `second` ends. `None` if no poll is due at `second`.
    fn end_of_poll(self, second: u64) -> Option<u64> {
        let poll = second.is_multiple_of(POLL_INTERVAL).then_some(second / POLL_INTERVAL)?;
        Some(if poll == self.slow_poll { second + LONGEST_POLL } else { second })
    }
}

/// The state and the age of the price that can be read in each second.
fn readable(case: Case) -> Vec<Option<(PriceState, u64)>> {
    let seconds = Duration::from_secs;
    let lifetimes = RecordLifetimes {
        publish_interval: seconds(PUBLISH_INTERVAL),
        renewal_margin: seconds(POLL_INTERVAL + 1),
        write_margin: seconds(1),
        ttl: seconds(TTL),
        max_prolonged_age: seconds(MAX_PROLONGED_AGE),
        stop_while_withheld: false,
    };
    let mut lifecycle = RecordLifecycle::new(lifetimes, &[Currency::EUR]);
    let mut cache: Option<PriceRecord> = None;
    // When the poll in progress was due, and when it ends.
    let mut polling: Option<(u64, u64)> = None;
    let mut readable = Vec::new();
    for second in 0..SECONDS {
        let now = time_at(second);
        if let Some(end) = case.end_of_poll(second) {
            polling = Some((second, end));
        }
        let mut step = None;
        if let Some((due, _)) = polling.take_if(|(_, end)| *end == second) {
            step = match case.interval_outcome(due) {
                Some(outcome) => Some(lifecycle.publish(&[(Currency::EUR, outcome)].into(), now)),
                None => lifecycle.renew_expiring(&[(Currency::EUR, PriceOutcome::Missing(String::new()))].into(), now),
            };
        } else if lifecycle.prolong_at(now).is_some_and(|prolong_at| prolong_at <= now) {
            step = lifecycle.prolong_expiring(now);
        }
        if let Some(write) = step.and_then(|step| step.write) {
            cache = Some(write.record.into_record(write.ttl, now).expect("no expired record is written"));
        }
        let current = cache.as_ref().filter(|record| record.is_current(now));
        readable.push(current.map(|record| (record.state, now.since(record.as_of).as_secs())));
    }
    readable
}

#[test]
fn last_good_price_is_readable_in_every_second_until_its_maximum_age() {
    let mut prolonged = 0_u32;
    for successes in 0..1 << INTERVALS {
        for age in AGES {
            for slow_poll in 0..POLLS {
                let case = Case { successes, age, slow_poll };
                // The time of observation of the newest published price.
                let mut observed: Option<u64> = None;
                for (second, readable) in (0..SECONDS).zip(readable(case)) {
                    for due in [second, second.saturating_sub(LONGEST_POLL)] {
                        let is_published = case.end_of_poll(due) == Some(second);
                        if is_published && matches!(case.interval_outcome(due), Some(PriceOutcome::Agreed(_))) {
                            // An hour is added, because a price can be observed before second 0.
                            let as_of = 3600 + due - age;
                            let is_valid = as_of + TTL > 3600 + second;
                            observed = if is_valid { observed.max(Some(as_of)) } else { observed };
                        }
                    }
                    let expected = observed.map(|as_of| 3600 + second - as_of).filter(|age| *age < MAX_PROLONGED_AGE);
                    assert_eq!(readable.map(|(_, age)| age), expected, "{case:?}, second {second}");
                    prolonged += u32::from(matches!(readable, Some((PriceState::Prolonged, _))));
                }
            }
        }
    }
    assert!(prolonged > 0);
}
