//! Wrong prices that most exchanges report, and currencies that lose their sources, in virtual time.

use std::time::Duration;

use common::{api::prices::PriceState, money::Currency};
use exchange_sim::{FaultKind, MarketMove, TimedFault};
use serde_json::{Value, json};
use tests::exchange_faults::{Plan, Report, run};

const MINUTE: Duration = Duration::from_mins(1);
/// Every exchange that trades bitcoin in pounds.
const EXCHANGES: [&str; 5] = ["coinbase", "kraken", "bitstamp", "bitfinex", "gemini"];
const INDICES: [&str; 2] = ["coingecko", "blockchain_info"];

fn fault(exchange: &str, at_seconds: u64, seconds: u64, fault: FaultKind, direction: Option<&str>) -> TimedFault {
    let direction = direction.map_or(json!({}), |direction| json!({ "direction": direction }));
    let mut fault =
        json!({ "exchange": exchange, "at_seconds": at_seconds, "seconds": seconds, "fault": fault.as_str() });
    fault.as_object_mut().unwrap().extend(direction.as_object().unwrap().clone());
    serde_json::from_value(fault).unwrap()
}

fn plan(timeline: Vec<TimedFault>, length: Duration) -> Plan {
    Plan { seed: 5, timeline, length, market: Vec::new(), websockets: true, max_failing: None, restart_every: None }
}

fn assert_no_violation(report: &Report) {
    println!("{}", report.summary());
    assert_eq!(report.violations, 0, "{}", report.messages.join("\n"));
}

/// The state of the price that an order in `currency` would use in a second of the run. `None` if it would be refused.
fn state_at(report: &Report, second: usize, currency: Currency) -> Option<PriceState> {
    let (at, record) = report.records[second].as_ref()?;
    record.price(currency).filter(|price| price.is_current(*at)).map(|price| price.state)
}

/// Runs a timeline file of exchange-sim.
async fn run_timeline(json: &str, minutes: u32, seed: u64) -> Report {
    let file: Value = serde_json::from_str(json).unwrap();
    let list = |name: &str| file.get(name).unwrap_or(&json!([])).to_string();
    // Decimal numbers can be deserialized from JSON text, but not from a `Value`.
    let timeline = serde_json::from_str(&list("timeline")).unwrap();
    let market: Vec<MarketMove> = serde_json::from_str(&list("market")).unwrap();
    run(&Plan { market, seed, ..plan(timeline, MINUTE * minutes) }).await
}

#[tokio::test(start_paused = true)]
async fn false_fall_at_a_majority_of_exchanges_determines_no_order_price() {
    let json = include_str!("../../../services/exchange-sim/timelines/false-fall.json");
    let report = run_timeline(json, 10, 5).await;
    // A used price that is far from the market is a violation.
    assert_no_violation(&report);
    assert!(report.prolonged_seconds >= 290 && report.unpriced_seconds == 0, "{}", report.summary());
}

/// The first second, from `from` on, in which the price of `currency` is fresh and below `limit`.
fn first_fresh_below(report: &Report, from: usize, currency: Currency, limit: i64) -> Option<usize> {
    (from..report.records.len()).find(|&second| {
        let price = report.records[second].as_ref().and_then(|(_, record)| record.price(currency));
        price.is_some_and(|price| {
            price.state == PriceState::Fresh && price.price.hundred_millionths() / 100_000_000 < limit
        })
    })
}

#[tokio::test(start_paused = true)]
async fn price_after_a_real_crash_is_used_within_three_minutes() {
    for (json, reached) in [
        (include_str!("../../../services/exchange-sim/timelines/real-crash.json"), 180),
        (include_str!("../../../services/exchange-sim/timelines/sudden-crash.json"), 125),
    ] {
        for seed in 1..=3 {
            let report = run_timeline(json, 8, seed).await;
            assert_no_violation(&report);
            // A bitcoin costs about 91,000 dollars before and 64,000 after the crash.
            let used = first_fresh_below(&report, 120, Currency::USD, 66_000)
                .expect("no order used the price after the crash");
            assert!(
                used <= reached + 180,
                "the market reached the price after {reached} s, and orders used it after {used} s"
            );
            // After the first record, an order always has a price. From one minute after `used`, the price in euros is
            // always fresh.
            assert_eq!(
                report.unpriced_seconds,
                report.records.iter().take_while(|record| record.is_none()).count() as u64
            );
            let late = (used + 60)..report.records.len();
            assert!(late.clone().all(|second| state_at(&report, second, Currency::EUR) == Some(PriceState::Fresh)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn frozen_exchange_is_detected_within_three_minutes() {
    for seed in 1..=5 {
        let frozen = fault("bitfinex", 60, 180, FaultKind::Frozen, None);
        let report = run(&Plan { seed, ..plan(vec![frozen], MINUTE * 5) }).await;
        assert_no_violation(&report);
        let detected = report.detected.contains(&("bitfinex".to_owned(), FaultKind::Frozen.as_str()));
        assert!(detected, "seed {seed}: {:?}", report.detected);
    }
}

#[tokio::test(start_paused = true)]
async fn price_is_prolonged_after_all_exchanges_but_one_have_frozen() {
    for seed in 1..=3 {
        let frozen = exchange_sim::EXCHANGES.iter().filter(|name| **name != "binance");
        let all = frozen.chain(&INDICES).map(|name| fault(name, 120, 600, FaultKind::Frozen, None));
        let report = run(&Plan { seed, ..plan(all.collect(), MINUTE * 15) }).await;
        // Until the freeze is detected, the frozen exchanges determine the price. So violations are expected.
        for second in 60..report.records.len() {
            let state = state_at(&report, second, Currency::EUR);
            // The freeze is detected when a minute has passed and the market has moved by 0.1 %. That takes at most
            // three minutes.
            let allowed = match second {
                ..120 | 780.. => state == Some(PriceState::Fresh),
                360..720 => state == Some(PriceState::Prolonged),
                _ => state.is_some(),
            };
            assert!(allowed, "seed {seed}: {state:?} in second {second}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn currency_without_sources_is_prolonged_and_other_currencies_stay_fresh() {
    let all = EXCHANGES.iter().chain(&INDICES);
    let timeline = all.map(|name| fault(name, 120, 600, FaultKind::NullPrice, Some("BTC-GBP"))).collect();
    let report = run(&plan(timeline, MINUTE * 14)).await;
    assert_no_violation(&report);
    for second in 60..report.records.len() {
        let state = |currency| state_at(&report, second, currency);
        let pounds = state(Currency::GBP).unwrap_or_else(|| panic!("no price in pounds in second {second}"));
        assert!(pounds == PriceState::Prolonged || !(200..720).contains(&second), "{second} s");
        assert!(pounds == PriceState::Fresh || (120..740).contains(&second), "{second} s");
        assert_eq!([Currency::EUR, Currency::USD].map(state), [Some(PriceState::Fresh); 2], "{second} s");
    }
}

#[tokio::test(start_paused = true)]
async fn every_currency_has_a_price_while_exchanges_return_without_some_pairs() {
    // All exchanges fail for five minutes. Two exchanges return first, but each of them reports no price in one
    // currency. All other exchanges return five minutes later.
    let down = |name: &&str| fault(name, 120, 300, FaultKind::Down, None);
    let mut timeline: Vec<_> = exchange_sim::EXCHANGES.iter().map(down).collect();
    let missing_pairs = ["BTC-EUR", "BTC-GBP"];
    let still_down = exchange_sim::EXCHANGES.iter().filter(|name| !["coinbase", "kraken"].contains(name));
    timeline.extend(still_down.map(|name| fault(name, 420, 300, FaultKind::Down, None)));
    let returning = ["coinbase", "kraken"].into_iter().zip(missing_pairs);
    timeline.extend(returning.map(|(name, pair)| fault(name, 420, 300, FaultKind::NullPrice, Some(pair))));
    let mut plan = plan(timeline, MINUTE * 15);
    plan.websockets = false;
    let report = run(&plan).await;
    assert_no_violation(&report);
    let all = [Currency::EUR, Currency::GBP, Currency::USD];
    for second in 60..report.records.len() {
        let states = all.map(|currency| state_at(&report, second, currency));
        assert!(states.iter().all(Option::is_some), "{states:?} in second {second}");
    }
    assert_eq!(state_at(&report, 700, Currency::USD), Some(PriceState::Fresh));
    assert_eq!(all.map(|currency| state_at(&report, 880, currency)), [Some(PriceState::Fresh); 3]);
}
