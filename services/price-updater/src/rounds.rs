//! What the outcome of each round means for the record: a state machine, with no clock and no network in it.
//!
//! ```text
//! Empty ──good──▶ Fresh ──more than 3 failed in a row──▶ Prolonged ──prices too old──▶ Expired
//!                   ▲                                        │                            │
//!                   └────────────────good────────────────────┴──────────good──────────────┘
//! ```

use std::time::Duration;

use common::{
    api::prices::{NewPriceRecord, PriceRecord, PriceState},
    time::Timestamp,
};

/// Failed rounds in a row that change nothing: the record is within its time to live.
pub(crate) const PATIENCE: u32 = 3;

/// How long records last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    /// Time to live of a record.
    pub(crate) ttl: Duration,
    /// Longest time after it was observed that a record is used while rounds fail.
    pub(crate) prolong: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There was no good round yet.
    Empty,
    Fresh,
    Prolonged,
    Expired,
}

/// A record to be written; it lasts `ttl` from its own `as_of`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) record: NewPriceRecord,
    pub(crate) ttl: Duration,
}

/// What an operator is told, once when it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Rounds fail and there never was a price.
    NeverGood,
    Prolonged,
    /// The last good prices are too old: there is no price now.
    Expired,
    Recovered,
}

/// What is to be done after a round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) write: Option<Write>,
    pub(crate) change: Option<Change>,
}

/// Where the rounds stand.
///
/// A round is good when at least one currency has a price that was agreed in it. A currency that fails alone is left out
/// of the record, and the others stay fresh: a record has one `as_of` for all its prices, so a price of an earlier round
/// in it would be stamped as younger than it is. Orders in that currency are refused until it has a price again, which is
/// rare (every source fails in one currency and not in the others: it is no longer traded) and never wrong.
#[derive(Debug)]
pub(crate) struct Rounds {
    lifetimes: Lifetimes,
    state: State,
    failed: u32,
    last_good: Option<NewPriceRecord>,
}

impl Rounds {
    pub(crate) fn new(lifetimes: Lifetimes) -> Self {
        Self { lifetimes, state: State::Empty, failed: 0, last_good: None }
    }

    /// Goes on where an earlier run of the service left off: with the record that is still in the cache.
    pub(crate) fn resume(&mut self, kept: PriceRecord) {
        let PriceRecord { state, as_of, simulated, prices, .. } = kept;
        (self.state, self.failed) = match state {
            PriceState::Fresh => (State::Fresh, 0),
            // It was told and is not told again; and the next failed round has to prolong it, not the fourth.
            PriceState::Prolonged => (State::Prolonged, PATIENCE),
        };
        self.last_good = Some(NewPriceRecord { state: PriceState::Fresh, as_of, simulated, prices });
    }

    /// Rounds in a row that have failed.
    pub(crate) fn failed(&self) -> u32 {
        self.failed
    }

    /// The last prices that were agreed, where they are young enough to mean something at `now`.
    pub(crate) fn last_good(&self, now: Timestamp) -> Option<&NewPriceRecord> {
        self.last_good.as_ref().filter(|record| now.since(record.as_of) < self.lifetimes.prolong)
    }

    /// Ends a round that agreed on a record.
    pub(crate) fn good(&mut self, record: NewPriceRecord) -> Step {
        let told = matches!(self.state, State::Prolonged | State::Expired) || self.failed > PATIENCE;
        (self.state, self.failed) = (State::Fresh, 0);
        self.last_good = Some(record.clone());
        Step { write: Some(Write { record, ttl: self.lifetimes.ttl }), change: told.then_some(Change::Recovered) }
    }

    /// Ends a round that agreed on nothing.
    pub(crate) fn failed_at(&mut self, now: Timestamp) -> Step {
        self.failed = self.failed.saturating_add(1);
        if self.failed <= PATIENCE {
            return Step::default();
        }
        let Some(record) = self.last_good.clone() else {
            return Step { change: (self.failed == PATIENCE + 1).then_some(Change::NeverGood), write: None };
        };
        let before = self.state;
        let age = now.since(record.as_of);
        if age >= self.lifetimes.prolong {
            self.state = State::Expired;
            return Step { change: (before != State::Expired).then_some(Change::Expired), write: None };
        }
        self.state = State::Prolonged;
        // Round by round, not an hour at once: when this service dies too, nobody vouches for the price any more.
        let ttl = Duration::from_secs(age.as_secs() + 1) + self.lifetimes.ttl;
        let write = Write {
            record: NewPriceRecord { state: PriceState::Prolonged, ..record },
            ttl: ttl.min(self.lifetimes.prolong),
        };
        Step { write: Some(write), change: (before != State::Prolonged).then_some(Change::Prolonged) }
    }
}

#[cfg(test)]
mod tests {
    use common::{api::prices::Price, money::Currency};

    use super::*;

    const TTL: Duration = Duration::from_mins(1);
    const PROLONG: Duration = Duration::from_hours(1);

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

    fn rounds() -> Rounds {
        Rounds::new(Lifetimes { ttl: TTL, prolong: PROLONG })
    }

    /// A good round at the start, then failed ones at each of `seconds`: the steps of those.
    fn fail(rounds: &mut Rounds, seconds: impl IntoIterator<Item = u64>) -> Vec<Step> {
        seconds.into_iter().map(|second| rounds.failed_at(at(second))).collect()
    }

    #[test]
    fn a_good_round_is_written_with_the_time_to_live() {
        let step = rounds().good(record(start()));
        assert_eq!(step, Step { write: Some(Write { record: record(start()), ttl: TTL }), change: None });
    }

    #[test]
    fn three_failed_rounds_change_nothing_and_the_fourth_prolongs_once() {
        let mut rounds = rounds();
        rounds.good(record(start()));
        assert!(fail(&mut rounds, [15, 30, 45]).iter().all(|step| *step == Step::default()));

        let steps = fail(&mut rounds, [60, 75]);
        assert_eq!(steps.iter().map(|step| step.change).collect::<Vec<_>>(), [Some(Change::Prolonged), None]);
        for (step, now) in steps.iter().zip([at(60), at(75)]) {
            let write = step.write.clone().unwrap();
            assert_eq!((write.record.state, write.record.as_of), (PriceState::Prolonged, start()));
            // It lasts into the next rounds, and not an hour from now.
            let kept = write.record.lasting(write.ttl, now).unwrap();
            assert!(kept.expires_at > now.plus(TTL) && kept.expires_at <= now.plus(TTL * 2));
        }
    }

    #[test]
    fn prolonging_ends_an_hour_after_the_prices_were_true() {
        let mut rounds = rounds();
        rounds.good(record(start()));
        let steps = fail(&mut rounds, (15..=3600 + 60).step_by(15));
        let ends = steps.iter().filter_map(|step| step.write.as_ref()).map(|write| write.record.as_of.plus(write.ttl));
        assert_eq!(ends.max(), Some(at(3600)));
        let changes: Vec<_> = steps.iter().filter_map(|step| step.change).collect();
        assert_eq!(changes, [Change::Prolonged, Change::Expired]);
        assert_eq!(steps.last(), Some(&Step::default()));
        assert_eq!(rounds.last_good(at(3600)), None);
    }

    #[test]
    fn a_good_round_makes_the_record_fresh_again() {
        for failed_until in [60, 4000] {
            let mut rounds = rounds();
            rounds.good(record(start()));
            fail(&mut rounds, (15..=failed_until).step_by(15));
            let step = rounds.good(record(at(failed_until + 15)));
            assert_eq!(step.change, Some(Change::Recovered));
            assert_eq!(step.write.unwrap().record.state, PriceState::Fresh);
            assert_eq!((rounds.failed(), rounds.good(record(at(failed_until + 30))).change), (0, None));
        }
    }

    #[test]
    fn a_short_failure_is_not_told() {
        let mut rounds = rounds();
        rounds.good(record(start()));
        fail(&mut rounds, [15, 30, 45]);
        assert_eq!(rounds.good(record(at(60))).change, None);
        // The count starts anew.
        assert!(fail(&mut rounds, [75, 90, 105]).iter().all(|step| step.write.is_none()));
    }

    #[test]
    fn with_no_price_ever_there_is_nothing_to_prolong() {
        let mut rounds = rounds();
        let steps = fail(&mut rounds, (0..=90).step_by(15));
        assert!(steps.iter().all(|step| step.write.is_none()));
        assert_eq!(steps.iter().filter_map(|step| step.change).collect::<Vec<_>>(), [Change::NeverGood]);
        assert_eq!(rounds.good(record(at(105))).change, Some(Change::Recovered));
    }

    #[test]
    fn a_new_run_goes_on_with_the_record_in_the_cache() {
        let kept = record(start()).lasting(TTL, start()).unwrap();
        let mut fresh = rounds();
        fresh.resume(kept.clone());
        let steps = fail(&mut fresh, [15, 30, 45, 60]);
        assert_eq!(steps.last().unwrap().change, Some(Change::Prolonged));
        assert_eq!(steps.iter().filter(|step| step.write.is_some()).count(), 1);

        let mut prolonged = rounds();
        prolonged.resume(PriceRecord { state: PriceState::Prolonged, ..kept });
        let step = prolonged.failed_at(at(100));
        assert!(step.change.is_none() && step.write.is_some());
        assert_eq!(prolonged.good(record(at(115))).change, Some(Change::Recovered));
    }
}
