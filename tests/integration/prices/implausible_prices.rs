//! Prices that most exchanges report and that are wrong, and currencies that lose their sources, in virtual time.

use std::time::Duration;

use common::{api::prices::PriceState, money::Currency};
use exchange_sim::{FaultKind, TimedFault};
use serde_json::json;
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
    Plan { seed: 5, timeline, length, websockets: true, max_failing: None, restart_every: None }
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

#[tokio::test(start_paused = true)]
async fn false_fall_at_most_exchanges_prices_no_order() {
    let timeline = EXCHANGES.iter().map(|name| fault(name, 120, 300, FaultKind::LieFactor, None)).collect();
    let report = run(&plan(timeline, MINUTE * 10)).await;
    assert_no_violation(&report);
}

#[tokio::test(start_paused = true)]
async fn currency_without_sources_is_prolonged_and_the_others_stay_fresh() {
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
async fn currencies_that_recover_later_are_prolonged_until_then() {
    // Everything fails. Two exchanges come back, and report dollars only.
    let down = |name: &&str| fault(name, 120, 300, FaultKind::Down, None);
    let mut timeline: Vec<_> = exchange_sim::EXCHANGES.iter().map(down).collect();
    let prices = ["BTC-EUR", "BTC-GBP"];
    let silent = exchange_sim::EXCHANGES.iter().filter(|name| !["coinbase", "kraken"].contains(name));
    timeline.extend(silent.map(|name| fault(name, 420, 300, FaultKind::Down, None)));
    let returning = ["coinbase", "kraken"].into_iter().zip(prices);
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
