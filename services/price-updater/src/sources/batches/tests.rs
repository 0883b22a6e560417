use std::time::Duration;

use common::{money::DecimalText, time::Timestamp};
use tokio::time::Instant;

use super::*;
use crate::sources::Ticker;

const PAIRS: [&str; 9] = ["A1-X", "A2-X", "A3-X", "A4-X", "A5-X", "A6-X", "A7-X", "A8-X", "A9-X"];

fn pairs() -> Vec<(CurrencyPair, ())> {
    PAIRS.iter().map(|pair| (pair.replace("-X", "-XX").parse().unwrap(), ())).collect()
}

/// One ask of at most so many requests: how many there were, and what was told.
fn ask(batches: &Batches, bad: &[&str], most: usize) -> (usize, Result<PollReply, SourceError>) {
    let pairs = pairs();
    let wanted: Vec<_> = pairs.iter().map(|pair| pair.0).collect();
    let request = PollRequest { pairs: &wanted, now: Timestamp::now(), deadline: Instant::now() };
    let (mut batch, mut requests) = (batches.start(&request, &pairs), 0);
    while let Some(group) = batch.next() {
        requests += 1;
        let quote = || Ticker::traded(Some(&DecimalText::from("1")), None, None, request.now);
        let told = if requests > most {
            Err(SourceError::Paused(Duration::from_secs(1)))
        } else if group.iter().any(|(pair, ())| bad.contains(&pair.base.as_str())) {
            Err(SourceError::UnknownPair)
        } else {
            Ok(Fetched { value: group.iter().map(|(pair, ())| (*pair, quote())).collect(), simulated: false })
        };
        batch.took(group, told);
    }
    (requests, batch.finish())
}

#[tokio::test(start_paused = true)]
async fn pairs_that_are_not_known_are_found_and_left_out_and_asked_for_again_later() {
    for bad in [&["A1"][..], &["A9"], &["A3", "A4"], &["A1", "A5", "A9"]] {
        let batches = Batches::default();
        let told = (0..20).map(|_| ask(&batches, bad, 3)).find(|(requests, _)| *requests == 1);
        let answer = told.expect("it ends with one request").1.unwrap();
        assert_eq!((answer.tickers.len(), answer.errors.len()), (9 - bad.len(), bad.len()), "{bad:?}");
        assert!(answer.errors.values().all(|fault| *fault == SourceError::UnknownPair));
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(ask(&batches, &[], 3).1.unwrap().tickers.len(), 9);
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_permits_nothing_is_an_error_of_them_all() {
    let batches = Batches::default();
    assert!(matches!(ask(&batches, &[], 0), (1, Err(SourceError::Paused(_)))));
    assert_eq!(ask(&batches, &[], 1).1.unwrap().tickers.len(), 9);
}
