//! Hours in which exchanges fail in every way there is: no order pays a wrong price or an expired one, and none goes without
//! a price while enough exchanges are sound. `tests/load/exchange-faults` goes on for longer.

use std::time::Duration;

use exchange_sim::{EXCHANGES, FaultKind};
use tests::exchange_faults::{Plan, Report, WARM_UP, run, scenarios};

const MINUTE: Duration = Duration::from_mins(1);

fn kept(report: &Report) {
    println!("{}", report.summary());
    assert_eq!(report.violations, 0, "{}", report.told.join("\n"));
}

/// Two at once, in one way after the other, and all others are sound.
async fn every_way(exchanges: [&str; 2], websockets: bool) {
    let (timeline, length) = scenarios::one_after_the_other(&exchanges, None);
    let report = run(&Plan { seed: 7, timeline, length, websockets, failing: Some(2), restart_every: None }).await;
    kept(&report);
    // Or what was to be tried was not tried. The other one may be asked too seldom to fall into every fault.
    let mut kinds = vec![FaultKind::Down, FaultKind::Truncated, FaultKind::LieFactor];
    // Nobody is told by a connection that stands that there are too many requests.
    kinds.extend((!websockets).then_some(FaultKind::RateLimited));
    for kind in kinds {
        let noticed = report.noticed.iter().any(|(name, noticed)| name == exchanges[0] && *noticed == kind.as_str());
        assert!(noticed, "{} is not seen: {:?}", kind.as_str(), report.noticed);
    }
}

#[tokio::test(start_paused = true)]
async fn binance_by_websocket_and_gemini_fail_in_every_way() {
    every_way(["binance", "gemini"], true).await;
}

#[tokio::test(start_paused = true)]
async fn coinbase_by_websocket_and_bitfinex_fail_in_every_way() {
    every_way(["coinbase", "bitfinex"], true).await;
}

#[tokio::test(start_paused = true)]
async fn kraken_by_websocket_and_bitstamp_fail_in_every_way() {
    every_way(["kraken", "bitstamp"], true).await;
}

#[tokio::test(start_paused = true)]
async fn okx_by_websocket_and_coingecko_fail_in_every_way() {
    every_way(["okx", "coingecko"], true).await;
}

#[tokio::test(start_paused = true)]
async fn binance_polled_and_ecb_fail_in_every_way() {
    every_way(["binance", "ecb"], false).await;
}

#[tokio::test(start_paused = true)]
async fn coinbase_polled_and_frankfurter_fail_in_every_way() {
    every_way(["coinbase", "frankfurter"], false).await;
}

#[tokio::test(start_paused = true)]
async fn kraken_polled_and_cbr_fail_in_every_way() {
    every_way(["kraken", "cbr"], false).await;
}

#[tokio::test(start_paused = true)]
async fn okx_polled_and_blockchain_info_fail_in_every_way() {
    every_way(["okx", "blockchain_info"], false).await;
}

#[tokio::test(start_paused = true)]
async fn two_failing_exchanges_cause_no_price_gap() {
    for (seed, websockets) in [(1, true), (2, false)] {
        let plan = Plan {
            seed,
            timeline: scenarios::by_lot(EXCHANGES, 2, 30, seed),
            length: MINUTE * 30,
            websockets,
            failing: Some(2),
            restart_every: Some(MINUTE * 7),
        };
        kept(&run(&plan).await);
    }
}

#[tokio::test(start_paused = true)]
async fn price_expires_one_hour_after_last_observation_and_recovers() {
    let down = scenarios::all().into_iter().find(|way| way.kind == FaultKind::Down).unwrap();
    let away = Duration::from_mins(70);
    let timeline: Vec<_> = EXCHANGES.iter().map(|exchange| down.at(exchange, 60, away)).collect();
    let length = MINUTE + away + MINUTE * 3;
    // Restarts meanwhile make no price younger.
    let restart_every = Some(MINUTE * 11);
    let report = run(&Plan { seed: 3, websockets: true, failing: None, length, restart_every, timeline }).await;
    kept(&report);
    // Prolonged until an hour after the last observation, then refused, and back within a round.
    let gap = away.as_secs() - 3_600;
    assert!((gap - 30..=gap + 90).contains(&report.unpriced), "{}", report.summary());
    assert!(report.prolonged > 3_500 && report.oldest.as_secs() == 3_599, "{}", report.summary());
    assert!(report.priced + report.unpriced == length.as_secs() && report.unpriced > WARM_UP.as_secs());
}
