use super::*;
use crate::pricing::{AgreementRules, PriceHistory, PriceOutcome, PricingConfig};
use common::api::courses::{CourseKind, Rejection};
use std::time::Duration;

const INTERVALS: u64 = 4;

fn time_at(seconds: u64) -> Timestamp {
    "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(seconds))
}

fn rate(value: i64) -> Rate {
    Rate::from_hundred_millionths(value * 100_000_000).unwrap()
}

/// A guard, and the market that it checks.
struct Market {
    guard: BandGuard,
    config: BandConfig,
    seconds: u64,
    /// How many exchanges report a wrong price.
    faulty: usize,
    /// The correct price in dollars.
    correct: i64,
    /// The price that faulty exchanges report, in dollars.
    wrong: i64,
    indices: Vec<i64>,
    /// Whether only prices in euros are wrong.
    only_euros: bool,
    /// How many exchanges report prices.
    exchanges: usize,
    /// An exchange whose price is stale.
    stale_exchange: Option<&'static str>,
    /// Why the prices of the indices are not eligible.
    ineligible_indices: Option<Rejection>,
}

const EXCHANGES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
const INDICES: [&str; 2] = ["index1", "index2"];
const CURRENCIES: [Currency; 2] = [Currency::EUR, Currency::USD];

impl Market {
    fn new() -> Self {
        let config = BandConfig { percent: 10, percent_by_currency: BTreeMap::new(), intervals: INTERVALS };
        Self {
            guard: BandGuard::default(),
            config,
            seconds: 0,
            faulty: 0,
            correct: 90_000,
            wrong: 36_000,
            indices: vec![90_000; 2],
            only_euros: false,
            exchanges: EXCHANGES.len(),
            stale_exchange: None,
            ineligible_indices: None,
        }
    }

    fn votes(&self) -> Vec<Vote> {
        let vote = |source, pair: &str, value, kind| Vote {
            source,
            kind,
            pair: pair.parse().unwrap(),
            value: rate(value),
            bid_ask: None,
            observed_at: time_at(self.seconds),
            simulated: false,
            ineligible: None,
            freeze_suspected: false,
            official_day: None,
        };
        // The official price of a euro is one dollar, so that a price is the same number in both currencies.
        let mut votes = vec![vote("bank", "EUR-USD", 1, CourseKind::Fixing)];
        for pair in ["BTC-EUR", "BTC-USD"] {
            for (index, source) in EXCHANGES.into_iter().take(self.exchanges).enumerate() {
                let is_wrong = index < self.faulty && (pair == "BTC-EUR" || !self.only_euros);
                let value = if is_wrong { self.wrong } else { self.correct };
                let ineligible = self.stale_exchange.filter(|stale| *stale == source).map(|_| Rejection::Stale);
                votes.push(Vote { ineligible, ..vote(source, pair, value, CourseKind::Trade) });
            }
            let indices = INDICES.into_iter().zip(&self.indices);
            let ineligible = self.ineligible_indices;
            votes.extend(
                indices.map(|(source, &value)| Vote { ineligible, ..vote(source, pair, value, CourseKind::Index) }),
            );
        }
        votes
    }

    /// Checks the next poll.
    fn poll(&mut self, publishes: bool) -> Vec<GuardEvent> {
        self.seconds += 15;
        self.check_votes(&self.votes(), publishes).1
    }

    fn check_votes(&mut self, votes: &[Vote], publishes: bool) -> (MarketPrices, Vec<GuardEvent>) {
        let config = PricingConfig {
            currencies: CURRENCIES.to_vec(),
            rules: AgreementRules { min_sources: 2, max_spread_percent: 5 },
            traded: ["BTC-EUR", "BTC-USD"].map(|pair| pair.parse().unwrap()).into(),
        };
        let since = time_at(self.seconds).minus(Duration::from_hours(1));
        let mut market = MarketPrices::compute(votes, &config, &PriceHistory::default(), since);
        let poll = GuardPoll { now: time_at(self.seconds), since, publishes };
        let events = self.guard.check(&mut market, votes, &CURRENCIES, &self.config, poll);
        (market, events)
    }

    /// The price in euros after the next publish interval. `None` while it is withheld.
    fn publish(&mut self) -> Option<i64> {
        self.seconds += 15;
        let votes = self.votes();
        let (market, _) = self.check_votes(&votes, true);
        match &market.outcomes(&CURRENCIES, Duration::from_secs(35))[&Currency::EUR] {
            PriceOutcome::Agreed(price) => Some(price.price.hundred_millionths() / 100_000_000),
            PriceOutcome::Withheld(_) => None,
            PriceOutcome::Missing(reason) => panic!("{reason}"),
        }
    }

    fn publish_times(&mut self, times: usize) -> Vec<Option<i64>> {
        (0..times).map(|_| self.publish()).collect()
    }
}

#[test]
fn false_fall_at_a_majority_of_exchanges_is_not_accepted_while_the_indices_contradict_it() {
    for faulty in [4, 5, 7] {
        let mut market = Market::new();
        assert_eq!(market.publish(), Some(90_000));
        market.faulty = faulty;
        assert_eq!(market.publish_times(1000), vec![None; 1000], "{faulty} faulty");
        market.faulty = 0;
        assert_eq!(market.publish(), Some(90_000));
    }
}

#[test]
fn real_crash_is_accepted_after_it_has_lasted_and_an_index_confirms_it() {
    let mut market = Market::new();
    market.publish();
    market.correct = 63_000;
    // The first index follows after a minute.
    assert_eq!(market.publish_times(4), [None; 4]);
    market.indices = vec![63_000, 90_000];
    assert_eq!(market.publish(), Some(63_000));
    market.indices = vec![63_000; 2];
    assert_eq!(market.publish(), Some(63_000));

    // The price must last even if the indices follow immediately.
    market.correct = 90_000;
    market.indices = vec![90_000; 2];
    assert_eq!(market.publish_times(4), [None, None, None, Some(90_000)]);
}

#[test]
fn fall_in_steps_counts_from_its_first_step() {
    let mut market = Market::new();
    market.publish();
    let mut fall = |price| {
        (market.correct, market.indices) = (price, vec![price; 2]);
        market.publish()
    };
    assert_eq!([80_000, 74_000, 68_000, 63_000].map(&mut fall), [None, None, None, Some(63_000)]);
    // A second jump in the other direction restarts the count.
    assert_eq!([90_000, 50_000, 50_000, 50_000, 50_000].map(&mut fall), [None, None, None, None, Some(50_000)]);
}

#[test]
fn change_within_the_band_is_accepted_immediately() {
    let mut market = Market::new();
    market.publish();
    for price in [99_000, 90_000, 82_000, 74_000] {
        (market.correct, market.indices) = (price, vec![price; 2]);
        assert_eq!(market.publish(), Some(price));
    }
    market.config.percent_by_currency.insert(Currency::EUR, 2);
    market.correct = 72_000;
    assert_eq!(market.publish(), None);
}

#[test]
fn without_an_index_no_source_may_contradict_the_price() {
    let mut market = Market::new();
    market.indices = Vec::new();
    market.publish();
    market.faulty = 4;
    assert_eq!(market.publish_times(100), vec![None; 100], "three exchanges contradict");
    market.faulty = 7;
    assert_eq!(market.publish(), Some(36_000), "the price has lasted, and no source contradicts it");
    market.faulty = 0;
    assert_eq!(market.publish_times(4), [None, None, None, Some(90_000)]);
    // A fall in only one currency contradicts the official rates.
    (market.faulty, market.only_euros) = (7, true);
    assert_eq!(market.publish_times(100), vec![None; 100]);
}

#[test]
fn two_exchanges_confirm_each_other_while_the_indices_are_unavailable() {
    for ineligible in [Rejection::Stale, Rejection::Frozen] {
        let mut market = Market { exchanges: 2, ..Market::new() };
        market.publish();
        market.correct = 63_000;
        market.ineligible_indices = Some(ineligible);
        assert_eq!(market.publish_times(4), [None, None, None, Some(63_000)], "{ineligible:?}");
    }
}

#[test]
fn two_exchanges_do_not_confirm_each_other_if_a_third_reports_the_pair() {
    let mut market = Market { exchanges: 3, indices: Vec::new(), ..Market::new() };
    market.publish();
    (market.correct, market.stale_exchange) = (63_000, Some("c"));
    assert_eq!(market.publish_times(100), vec![None; 100]);
    market.stale_exchange = None;
    assert_eq!(market.publish(), Some(63_000), "three exchanges agree");
}

#[test]
fn drift_within_the_band_is_withheld_as_soon_as_more_sources_contradict_than_support_it() {
    let mut market = Market::new();
    market.publish();
    market.faulty = 4;
    let drift: Vec<_> = [86_000, 78_500, 72_000]
        .map(|wrong| {
            market.wrong = wrong;
            market.publish()
        })
        .into();
    // Three exchanges and both indices contradict four exchanges.
    assert_eq!(drift, [Some(86_000), None, None]);
    // Two faulty indices do not suffice to withhold a price on which all exchanges agree.
    let mut market = Market::new();
    market.publish();
    market.indices = vec![36_000; 2];
    assert_eq!(market.publish_times(10), vec![Some(90_000); 10]);
}

#[test]
fn first_price_is_withheld_if_more_sources_contradict_than_support_it() {
    let mut market = Market::new();
    market.faulty = 4;
    assert_eq!(market.publish_times(10), vec![None; 10]);
    market.faulty = 3;
    assert_eq!(market.publish(), Some(90_000));
}

#[test]
fn each_change_is_reported_once_and_polls_between_publications_do_not_count() {
    let mut market = Market::new();
    assert_eq!(market.poll(true), []);
    (market.faulty, market.only_euros) = (4, true);
    let events = market.poll(false);
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!((event.pair, event.change), ("BTC-EUR".parse().unwrap(), GuardChange::Withheld));
    assert_eq!((event.price, event.accepted), (rate(36_000), Some(rate(90_000))));
    assert_eq!(event.supporting.join(","), "a,b,c,d");
    assert_eq!(event.contradicting.join(","), "e,f,g,index1,index2,official rates");
    for _ in 0..10 {
        assert_eq!(market.poll(false), []);
    }
    market.faulty = 0;
    let events = market.poll(false);
    assert_eq!(events.iter().map(|event| event.change).collect::<Vec<_>>(), [GuardChange::PlausibleAgain]);
    market.indices = vec![36_000; 2];
    (market.faulty, market.only_euros) = (7, false);
    for _ in 0..10 {
        market.poll(false);
    }
    let changes: Vec<_> = (0..INTERVALS).flat_map(|_| market.poll(true)).map(|event| event.change).collect();
    assert_eq!(changes, [GuardChange::Accepted; 2], "one for each pair");
}

#[test]
fn withholding_a_price_marks_no_vote_as_outlier_and_removes_converted_prices() {
    let mut market = Market::new();
    market.publish();
    market.faulty = 4;
    market.seconds += 15;
    let mut votes = market.votes();
    let rouble = Vote { pair: "USD-RUB".parse().unwrap(), value: rate(90), ..votes[0] };
    votes.push(rouble);
    let (withheld, _) = market.check_votes(&votes, true);
    for pair in ["BTC-EUR", "BTC-USD", "BTC-RUB"] {
        let agreed = &withheld.prices[&pair.parse().unwrap()];
        assert!(agreed.price.is_none() && agreed.refused.as_ref().unwrap().contains("-60 %"), "{agreed:?}");
        assert!(agreed.votes.iter().all(|vote| !vote.used && vote.rejected != Some(Rejection::Outlier)), "{agreed:?}");
    }
}

#[test]
fn message_about_a_withheld_price_states_every_reason() {
    let refusal = |market: &mut Market| {
        market.seconds += 15;
        let votes = market.votes();
        let (withheld, _) = market.check_votes(&votes, true);
        withheld.prices[&"BTC-USD".parse().unwrap()].refused.clone().unwrap()
    };
    let contradicted = "more sources contradict 36000.00 than support it";
    let mut market = Market::new();
    market.faulty = 4;
    let first = refusal(&mut market);
    assert!(first.starts_with(&format!("implausible: {contradicted}; supported by a,")), "{first}");

    let mut market = Market::new();
    market.publish();
    market.faulty = 4;
    let fallen = refusal(&mut market);
    let difference = "36000.00 differs from the last accepted price 90000.00 by -60 %";
    assert!(fallen.starts_with(&format!("implausible: {difference}, and {contradicted}; supported by a,")), "{fallen}");
}

#[test]
fn new_leader_compares_with_the_published_price() {
    let mut market = Market::new();
    let price =
        GoodPrice { price: rate(90_000), sources: Vec::new(), legs: Vec::new(), as_of: time_at(0), simulated: false };
    market.guard.resume_from([(Currency::EUR, &price), (Currency::USD, &price)]);
    (market.correct, market.indices) = (70_000, Vec::new());
    assert_eq!(market.publish_times(4), [None, None, None, Some(70_000)]);
    // An accepted price that is too old for orders is not compared.
    let mut market = Market::new();
    market.guard.resume_from([(Currency::EUR, &price), (Currency::USD, &price)]);
    (market.correct, market.indices, market.seconds) = (70_000, Vec::new(), 3600);
    assert_eq!(market.publish(), Some(70_000));
}
