//! Faults of exchange-sim, for hours of virtual time. No order uses a wrong or an expired price. Orders have a price
//! when enough exchanges work. `tests/load/exchange-faults` runs longer.

use std::time::Duration;

use exchange_sim::{EXCHANGES, FaultKind};
use tests::exchange_faults::{
    Plan, Report, WARM_UP, run,
    scenarios::{self, Scenario},
};

const MINUTE: Duration = Duration::from_mins(1);

fn assert_no_violation(report: &Report) {
    println!("{}", report.summary());
    assert_eq!(report.violations, 0, "{}", report.messages.join("\n"));
}

/// Runs each fault in sequence at two exchanges. All other exchanges work.
async fn run_every_fault(exchanges: [&str; 2], websockets: bool) {
    let Scenario { timeline, length } = scenarios::every_fault_in_sequence(&exchanges);
    let report = run(&Plan {
        seed: 7,
        timeline,
        length,
        market: Vec::new(),
        websockets,
        max_failing: Some(2),
        restart_every: None,
    })
    .await;
    assert_no_violation(&report);
    // Only faults of the first exchange must be detected. The second exchange is possibly polled too rarely to show
    // every fault.
    let mut kinds = vec![FaultKind::Down, FaultKind::Truncated, FaultKind::LieFactor];
    // A rate limit does not affect an open WebSocket.
    kinds.extend((!websockets).then_some(FaultKind::RateLimited));
    for kind in kinds {
        let detected = report.detected.iter().any(|(name, fault)| name == exchanges[0] && *fault == kind.as_str());
        assert!(detected, "{} was not detected: {:?}", kind.as_str(), report.detected);
    }
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_binance_by_websocket_and_of_gemini_violates_no_invariant() {
    run_every_fault(["binance", "gemini"], true).await;
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_coinbase_by_websocket_and_of_bitfinex_violates_no_invariant() {
    run_every_fault(["coinbase", "bitfinex"], true).await;
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_kraken_by_websocket_and_of_bitstamp_violates_no_invariant() {
    run_every_fault(["kraken", "bitstamp"], true).await;
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_okx_by_websocket_and_of_coingecko_violates_no_invariant() {
    run_every_fault(["okx", "coingecko"], true).await;
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_polled_binance_and_of_ecb_violates_no_invariant() {
    run_every_fault(["binance", "ecb"], false).await;
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_polled_coinbase_and_of_frankfurter_violates_no_invariant() {
    run_every_fault(["coinbase", "frankfurter"], false).await;
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_polled_kraken_and_of_cbr_violates_no_invariant() {
    run_every_fault(["kraken", "cbr"], false).await;
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_polled_okx_and_of_blockchain_info_violates_no_invariant() {
    run_every_fault(["okx", "blockchain_info"], false).await;
}

#[tokio::test(start_paused = true)]
async fn two_failing_exchanges_cause_no_price_gap() {
    for (seed, websockets) in [(1, true), (2, false)] {
        let plan = Plan {
            seed,
            timeline: scenarios::random_faults(EXCHANGES, 2, 30, seed),
            length: MINUTE * 30,
            market: Vec::new(),
            websockets,
            max_failing: Some(2),
            restart_every: Some(MINUTE * 7),
        };
        assert_no_violation(&run(&plan).await);
    }
}

#[tokio::test(start_paused = true)]
async fn price_expires_one_hour_after_last_observation_and_returns_after_the_outage() {
    let down = scenarios::all_faults().into_iter().find(|fault| fault.kind == FaultKind::Down).unwrap();
    let outage = Duration::from_mins(70);
    let timeline: Vec<_> = EXCHANGES.iter().map(|exchange| down.scheduled_at(exchange, 60, outage)).collect();
    let length = MINUTE + outage + MINUTE * 3;
    // Restarts of price-updater do not extend the validity of the price.
    let restart_every = Some(MINUTE * 11);
    let report = run(&Plan {
        seed: 3,
        market: Vec::new(),
        websockets: true,
        max_failing: None,
        length,
        restart_every,
        timeline,
    })
    .await;
    assert_no_violation(&report);
    let gap = outage.as_secs() - 3_600;
    assert!((gap - 30..=gap + 90).contains(&report.unpriced_seconds), "{}", report.summary());
    assert!(report.prolonged_seconds > 3_500 && report.max_age.as_secs() == 3_599, "{}", report.summary());
    assert!(
        report.priced_seconds + report.unpriced_seconds == length.as_secs()
            && report.unpriced_seconds > WARM_UP.as_secs()
    );
}
