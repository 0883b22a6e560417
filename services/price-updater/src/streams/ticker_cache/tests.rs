use super::*;

const MAX_AGE: Duration = Duration::from_secs(5);

fn btc_usd() -> CurrencyPair {
    "BTC-USD".parse().unwrap()
}

fn connected_cache(book_validity: Option<Duration>) -> TickerCache {
    let mut cache = TickerCache::new([("BTC-USD".to_owned(), btc_usd())].into(), book_validity);
    cache.start_connection(true);
    cache
}

fn time_at(seconds: u64) -> Timestamp {
    "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(seconds))
}

fn update(last: &str, sequence: u64, trade_id: Option<u64>) -> StreamEvent {
    let price = DecimalText::from(last);
    let bid_ask = Some(BidAskText { bid: price.clone(), ask: price.clone() });
    let (symbol, sequence) = ("BTC-USD".to_owned(), Some(Sequence::Number(sequence)));
    StreamEvent::TickerUpdate(TickerUpdate { symbol, last: Some(price), bid_ask, sequence, trade_id })
}

fn heartbeat(sequence: u64, last_trade_id: u64) -> StreamEvent {
    StreamEvent::PairHeartbeat(PairHeartbeat {
        symbol: "BTC-USD".to_owned(),
        sequence: Sequence::Number(sequence),
        last_trade_id,
    })
}

fn latest(cache: &TickerCache, now: Timestamp) -> Option<(String, Timestamp)> {
    let reply = cache.tickers(now, MAX_AGE);
    reply.tickers.get(&btc_usd()).map(|ticker| (ticker.course().to_string(), ticker.observed_at))
}

#[test]
fn heartbeats_confirm_tickers() {
    let mut cache = connected_cache(None);
    assert_eq!(cache.apply_event(&update("84000", 1, None), time_at(0)), ApplyResult::Updated);
    assert_eq!(cache.apply_event(&StreamEvent::ConnectionHeartbeat, time_at(8)), ApplyResult::Confirmed);
    assert_eq!(latest(&cache, time_at(9)), Some(("84000.00".to_owned(), time_at(8))));
    assert_eq!(latest(&cache, time_at(13)).unwrap().1, time_at(8));
    assert_eq!(latest(&cache, time_at(14)), None);
    assert!(cache.tickers(time_at(9), MAX_AGE).simulated);
}

#[test]
fn ticker_confirmed_before_the_clock_was_set_back_is_not_current() {
    let mut cache = connected_cache(Some(MAX_AGE));
    cache.apply_event(&update("84000", 1, None), time_at(3600));
    cache.apply_event(&heartbeat(2, 0), time_at(3601));
    assert_eq!(latest(&cache, time_at(3601)).unwrap().0, "84000.00");
    assert_eq!(latest(&cache, time_at(1)), None);
    cache.apply_event(&update("84001", 3, None), time_at(2));
    assert_eq!(latest(&cache, time_at(3)), Some(("84001.00".to_owned(), time_at(2))));
}

#[test]
fn old_or_duplicate_update_is_ignored() {
    let mut cache = connected_cache(None);
    cache.apply_event(&update("84000", 5, None), time_at(0));
    for sequence in [5, 4] {
        assert_eq!(cache.apply_event(&update("1", sequence, None), time_at(3)), ApplyResult::Outdated);
    }
    assert_eq!(latest(&cache, time_at(3)), Some(("84000.00".to_owned(), time_at(0))));
    // A gap in the sequence is normal, because not every number is sent.
    assert_eq!(cache.apply_event(&update("84001", 50, None), time_at(4)), ApplyResult::Updated);
}

#[test]
fn new_connection_restarts_sequence_and_confirms_only_its_own_tickers() {
    let mut cache = connected_cache(None);
    cache.apply_event(&update("84000", 50, None), time_at(0));
    cache.apply_event(&StreamEvent::ConnectionHeartbeat, time_at(2));
    cache.start_connection(true);
    cache.apply_event(&StreamEvent::ConnectionHeartbeat, time_at(4));
    assert_eq!(latest(&cache, time_at(4)), Some(("84000.00".to_owned(), time_at(2))));
    assert_eq!(cache.apply_event(&update("84002", 1, None), time_at(5)), ApplyResult::Updated);
    assert_eq!(latest(&cache, time_at(5)), Some(("84002.00".to_owned(), time_at(5))));
}

#[test]
fn missing_trade_is_detected_at_the_second_heartbeat() {
    let mut cache = connected_cache(Some(Duration::from_secs(30)));
    assert_eq!(cache.apply_event(&heartbeat(1, 7), time_at(0)), ApplyResult::Ignored);
    cache.apply_event(&update("84000", 2, Some(7)), time_at(1));
    assert_eq!(cache.apply_event(&heartbeat(3, 7), time_at(2)), ApplyResult::Confirmed);
    // The ticker of trade 8 is possibly late.
    assert_eq!(cache.apply_event(&heartbeat(4, 8), time_at(3)), ApplyResult::Ignored);
    assert_eq!(latest(&cache, time_at(3)).unwrap().1, time_at(2));
    assert_eq!(cache.apply_event(&update("84001", 5, Some(8)), time_at(4)), ApplyResult::Updated);
    assert_eq!(cache.apply_event(&heartbeat(6, 9), time_at(5)), ApplyResult::Ignored);
    assert_eq!(cache.apply_event(&heartbeat(7, 9), time_at(6)), ApplyResult::MessageLost);
}

#[test]
fn heartbeats_confirm_bid_and_ask_for_a_limited_time() {
    let mut cache = connected_cache(Some(Duration::from_secs(30)));
    cache.apply_event(&update("84000", 1, Some(7)), time_at(0));
    for second in 1..=36 {
        assert_eq!(cache.apply_event(&heartbeat(1 + second, 7), time_at(second)), ApplyResult::Confirmed);
    }
    assert_eq!(latest(&cache, time_at(35)).unwrap().1, time_at(30));
    assert_eq!(latest(&cache, time_at(36)), None);
}

#[test]
fn implausible_bid_and_ask_remove_the_ticker() {
    let mut cache = connected_cache(None);
    cache.apply_event(&update("84000", 1, None), time_at(0));
    let crossed = TickerUpdate {
        symbol: "BTC-USD".to_owned(),
        last: None,
        bid_ask: Some(BidAskText { bid: "84001".into(), ask: "84000".into() }),
        sequence: None,
        trade_id: None,
    };
    assert_eq!(cache.apply_event(&StreamEvent::TickerUpdate(crossed), time_at(1)), ApplyResult::Updated);
    assert_eq!(latest(&cache, time_at(1)), None);
    assert_eq!(cache.apply_event(&update("84000", 2, None), time_at(2)), ApplyResult::Updated);
    assert!(latest(&cache, time_at(2)).is_some());
}

#[test]
fn unknown_symbol_is_ignored() {
    let mut cache = connected_cache(None);
    let other =
        TickerUpdate { symbol: "BTC-XYZ".to_owned(), last: None, bid_ask: None, sequence: None, trade_id: None };
    assert_eq!(cache.apply_event(&StreamEvent::TickerUpdate(other), time_at(0)), ApplyResult::Ignored);
}
