use std::time::Duration;

use common::{money::DecimalText, time::Timestamp};
use tokio::time::Instant;

use super::*;
use crate::sources::{Ticker, TradedPrices};

const PAIRS: [&str; 9] = ["A1-XX", "A2-XX", "A3-XX", "A4-XX", "A5-XX", "A6-XX", "A7-XX", "A8-XX", "A9-XX"];

fn table() -> Vec<(CurrencyPair, ())> {
    PAIRS.iter().map(|pair| (pair.parse().unwrap(), ())).collect()
}

/// Polls a source that permits `limit` requests, and trades no pair with a base asset in `unknown`. Returns the number
/// of requests, and the result.
fn poll(batching: &Batching, unknown: &[&str], limit: usize) -> (usize, Result<PollReply, SourceError>) {
    let table = table();
    let pairs: Vec<_> = table.iter().map(|pair| pair.0).collect();
    let request = PollRequest { pairs: &pairs, now: Timestamp::now(), deadline: Instant::now() };
    let (mut poll, mut requests) = (batching.start(&request, &table), 0);
    while let Some(group) = poll.next_group() {
        requests += 1;
        let ticker =
            || Ticker::traded(&TradedPrices { last: Some(&DecimalText::from("1")), bid: None, ask: None }, request.now);
        let result = if requests > limit {
            Err(SourceError::Paused(Duration::from_secs(1)))
        } else if group.iter().any(|(pair, ())| unknown.contains(&pair.base.as_str())) {
            Err(SourceError::UnknownPair)
        } else {
            Ok(Fetched { value: group.iter().map(|(pair, ())| (*pair, ticker())).collect(), simulated: false })
        };
        poll.record_result(group, result);
    }
    (requests, poll.finish())
}

#[tokio::test(start_paused = true)]
async fn unknown_pairs_are_found_by_bisection_and_rechecked_after_an_hour() {
    for unknown in [&["A1"][..], &["A9"], &["A3", "A4"], &["A1", "A5", "A9"]] {
        let batching = Batching::default();
        let result = (0..20).map(|_| poll(&batching, unknown, 3)).find(|(requests, _)| *requests == 1);
        let reply = result.expect("the search ends").1.unwrap();
        assert_eq!((reply.tickers.len(), reply.errors.len()), (9 - unknown.len(), unknown.len()), "{unknown:?}");
        assert!(reply.errors.values().all(|error| *error == SourceError::UnknownPair));
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(poll(&batching, &[], 3).1.unwrap().tickers.len(), 9);
    }
}

#[tokio::test(start_paused = true)]
async fn poll_without_any_answer_fails() {
    let batching = Batching::default();
    assert!(matches!(poll(&batching, &[], 0), (1, Err(SourceError::Paused(_)))));
    assert_eq!(poll(&batching, &[], 1).1.unwrap().tickers.len(), 9);
}
