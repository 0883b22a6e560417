use super::*;

#[tokio::test(start_paused = true)]
async fn delisted_pair_is_rechecked_after_an_hour() {
    let (delisted, pair) = (DelistedPairs::default(), "BTC-USD".parse().unwrap());
    assert!(!delisted.contains(pair));
    delisted.insert(pair);
    assert!(delisted.contains(pair) && !delisted.contains("BTC-EUR".parse().unwrap()));
    tokio::time::advance(RECHECK_AFTER).await;
    assert!(!delisted.contains(pair));
}
