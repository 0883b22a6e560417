use super::*;

const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// A detector that observes the price of bitcoin in dollars once each poll interval.
struct Market {
    detector: FreezeDetector,
    now: Instant,
}

impl Market {
    fn new() -> Self {
        Self { detector: FreezeDetector::default(), now: Instant::now() }
    }

    /// Observes a price of each source, in cents. Returns the frozen sources. A question mark follows a source whose
    /// freeze is only suspected.
    fn observe(&mut self, prices: &[(&'static str, i64)]) -> String {
        self.now += POLL_INTERVAL;
        let observations: Vec<_> =
            prices.iter().map(|&(source, cents)| observation(source, "BTC-USD", cents)).collect();
        self.detector.observe(&observations, self.now);
        let frozen = observations.iter().filter_map(|observation| match self.detector.freeze(observation.series) {
            Freeze::None => None,
            Freeze::Suspected => Some(format!("{}?", observation.series.source)),
            Freeze::Confirmed => Some(observation.series.source.to_owned()),
        });
        frozen.collect::<Vec<_>>().join(",")
    }

    /// Observes `times` times. `prices` receives the number of the observation, from 1. Returns the sources that are
    /// frozen at the end.
    fn observe_times(&mut self, times: i64, prices: impl Fn(i64) -> Vec<(&'static str, i64)>) -> String {
        (1..=times).map(|number| self.observe(&prices(number))).last().unwrap()
    }
}

fn rate(cents: i64) -> Rate {
    Rate::from_hundred_millionths(cents * 1_000_000).unwrap()
}

fn series(source: &'static str, pair: &str) -> Series {
    Series { source, pair: pair.parse().unwrap() }
}

fn observation(source: &'static str, pair: &str, cents: i64) -> Observation {
    Observation {
        series: series(source, pair),
        numbers: Numbers { last: Some(rate(cents)), bid_ask: None },
        value: rate(cents),
        is_exchange: true,
        freeze_after: Duration::from_mins(1),
    }
}

#[test]
fn source_without_changes_for_a_minute_while_others_move_is_frozen() {
    let mut market = Market::new();
    let prices = |time| vec![("a", 9_100_000), ("b", 9_100_000 + time * 5_000), ("c", 9_100_100 + time * 5_000)];
    assert_eq!(market.observe_times(12, prices), "", "before a minute is over");
    assert_eq!(market.observe_times(1, |time| prices(time + 12)), "a");
    // The source is frozen until its numbers change. A small change suffices.
    assert_eq!(market.observe_times(100, |_| prices(13)), "a");
    assert_eq!(market.observe(&[("a", 9_100_001), ("b", 9_165_000), ("c", 9_165_100)]), "");
}

#[test]
fn no_source_is_frozen_in_a_flat_market() {
    let mut market = Market::new();
    assert_eq!(market.observe_times(1000, |_| vec![("a", 9_100_000), ("b", 9_100_001), ("c", 9_100_002)]), "");
    // Prices that change by less than a thousandth do not show a move.
    let prices =
        |time| vec![("a", 9_100_000), ("b", 9_100_000 + time % 2 * 9_000), ("c", 9_100_000 + time % 3 * 3_000)];
    assert_eq!(market.observe_times(1000, prices), "");
    // A source that does not follow a move after a long flat period is frozen immediately: its prices have been the
    // same for more than a minute.
    assert_eq!(market.observe(&[("a", 9_100_000), ("b", 9_120_000), ("c", 9_120_000)]), "a");
}

#[test]
fn frozen_source_stays_frozen_when_the_market_returns_to_its_price() {
    let mut market = Market::new();
    let there_and_back = |time: i64| {
        let price = 9_100_000 + (10 - (time - 10).abs()).max(0) * 5_000;
        vec![("a", 9_100_000), ("b", price), ("c", price)]
    };
    assert_eq!(market.observe_times(30, there_and_back), "a");
    // The other sources now stay at the same price. Source a stays frozen because its numbers do not change.
    assert_eq!(market.observe_times(100, |_| there_and_back(30)), "a");
}

#[test]
fn moving_prices_of_a_faulty_minority_freeze_no_other_source() {
    let mut market = Market::new();
    let prices = |time| vec![("a", 9_100_000), ("b", 9_100_000), ("faulty", 9_100_000 + time)];
    assert_eq!(market.observe_times(100, prices), "");
    let two_faulty = |time: i64| {
        let (first, second) = (("faulty1", time * 1_000), ("faulty2", time * 7));
        vec![("a", 9_100_000), ("b", 9_100_010), ("c", 9_100_020), first, second]
    };
    assert_eq!(market.observe_times(100, two_faulty), "");
}

#[test]
fn freeze_is_suspected_while_a_minority_moves_clearly_and_repeatedly() {
    let mut market = Market::new();
    let prices =
        |time: i64| vec![("a", 9_100_000), ("b", 9_100_100), ("c", 9_100_200), ("d", 9_100_000 + time * 5_000)];
    assert_eq!(market.observe_times(12, prices), "", "before a minute is over");
    assert_eq!(market.observe_times(1, |time| prices(time + 12)), "a?,b?,c?");
    // A second exchange moves too, so more exchanges have moved than can be faulty.
    let two_move =
        |time: i64| vec![("a", 9_100_000), ("b", 9_100_100), ("c", 9_100_200 + time * 5_000), prices(time)[3]];
    assert_eq!(market.observe_times(20, |time| two_move(time + 13)), "a,b");
}

#[test]
fn one_wrong_price_of_a_minority_raises_no_suspicion() {
    let mut market = Market::new();
    let jump = |time: i64| vec![("a", 9_100_000), ("b", 9_100_000), ("c", 9_100_000 + time / 50 * 20_000)];
    assert_eq!(market.observe_times(99, jump), "");
}

#[test]
fn source_that_returns_with_the_same_numbers_is_frozen() {
    let mut market = Market::new();
    market.observe(&[("a", 9_100_000), ("b", 9_100_000), ("c", 9_100_000)]);
    market.observe_times(20, |time| vec![("b", 9_100_000 + time * 5_000), ("c", 9_100_000 + time * 5_000)]);
    assert_eq!(market.observe(&[("a", 9_100_000), ("b", 9_200_000), ("c", 9_200_000)]), "a");
}

#[test]
fn price_in_usdt_is_compared_with_the_price_in_dollars_and_other_coins_are_not() {
    let mut detector = FreezeDetector::default();
    let start = Instant::now();
    for time in 0_u32..20 {
        let moving = 9_100_000 + i64::from(time) * 5_000;
        let all = [
            observation("a", "BTC-USDT", 9_100_000),
            observation("a", "ETH-USD", 300_000),
            observation("b", "BTC-USD", moving),
        ];
        detector.observe(&all, start + POLL_INTERVAL * time);
    }
    assert_eq!(detector.freeze(series("a", "BTC-USDT")), Freeze::Confirmed);
    assert_eq!(detector.freeze(series("a", "ETH-USD")), Freeze::None);
    assert_eq!(detector.freeze(series("b", "BTC-USD")), Freeze::None);
}

#[test]
fn source_whose_bid_and_ask_move_without_trades_is_not_frozen() {
    let mut detector = FreezeDetector::default();
    let start = Instant::now();
    for time in 0_u32..20 {
        let bid = 9_100_000 + i64::from(time);
        let without_trades = observation("a", "BTC-USD", 9_100_000);
        let bid_ask = Some(BidAsk { bid: rate(bid), ask: rate(bid + 10) });
        let without_trades = Observation { numbers: Numbers { bid_ask, ..without_trades.numbers }, ..without_trades };
        let moving = observation("b", "BTC-USD", 9_100_000 + i64::from(time) * 5_000);
        detector.observe(&[without_trades, moving], start + POLL_INTERVAL * time);
    }
    assert_eq!(detector.freeze(series("a", "BTC-USD")), Freeze::None);
}
