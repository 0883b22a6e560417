use super::*;

#[tokio::test(start_paused = true)]
async fn a_pair_that_is_not_known_is_asked_for_again_an_hour_later() {
    let (delisted, pair) = (Delisted::default(), "BTC-USD".parse().unwrap());
    assert!(!delisted.has(pair));
    delisted.note(pair);
    assert!(delisted.has(pair) && !delisted.has("BTC-EUR".parse().unwrap()));
    tokio::time::advance(FORGOTTEN_AFTER).await;
    assert!(!delisted.has(pair));
}
