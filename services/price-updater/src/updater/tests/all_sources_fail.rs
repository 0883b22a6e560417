//! Every source fails: the last price is prolonged before it expires, whether the sources send errors or do not answer.

use super::*;

impl Instance {
    fn set_down(&self, down: bool) {
        self.sources.down.store(down, Ordering::SeqCst);
    }

    fn set_hanging(&self, hangs: bool) {
        self.sources.hangs.store(hangs, Ordering::SeqCst);
    }
}

/// Checks every tenth of a second for `period` that there is a current price.
async fn assert_priced_for(upstreams: &FakeUpstreams, period: Duration, case: &str) {
    let end = Instant::now() + period;
    while Instant::now() < end {
        sleep(Duration::from_millis(100)).await;
        let is_current = |state| upstreams.currencies(state) == "EUR";
        let priced = is_current(PriceState::Fresh) || is_current(PriceState::Prolonged);
        assert!(priced, "{case}: no current price; the newest price is {:?} old", upstreams.record_age());
    }
}

/// The sources answer with errors, and stop answering shortly before the price expires. The poll then waits for the
/// sources.
#[tokio::test(start_paused = true)]
async fn price_is_prolonged_before_it_expires_while_a_poll_waits_for_sources() {
    for ttl in 54..=66_u32 {
        let upstreams = FakeUpstreams::new();
        let instance = upstreams.start_instance_with("coinbase", "EUR", &[("PRICE_TTL_SECS", &ttl.to_string())]);
        sleep(SECOND * 2).await;
        instance.set_down(true);
        let case = format!("TTL of {ttl} s");
        assert_priced_for(&upstreams, SECOND * (ttl - 10), &case).await;
        assert_eq!(upstreams.fresh_currencies(), "EUR", "{case}: the price was prolonged too early");
        instance.set_hanging(true);
        assert_priced_for(&upstreams, MINUTE * 3, &case).await;
        assert_eq!(upstreams.currencies(PriceState::Prolonged), "EUR", "{case}");
        instance.set_down(false);
        instance.set_hanging(false);
        assert_priced_for(&upstreams, MINUTE * 2, &case).await;
        assert_eq!(upstreams.fresh_currencies(), "EUR", "{case}");
    }
}

/// After both sources have failed, the vote of the exchange becomes stale first. The price is then agreed from the vote
/// of the index alone, and is older than the published price, which comes from the exchange.
#[tokio::test(start_paused = true)]
async fn price_is_prolonged_before_it_expires_while_an_older_price_is_agreed() {
    for seconds in (47..=92).step_by(5) {
        let upstreams = FakeUpstreams::new();
        let instance = upstreams.start_instance("coinbase,blockchain_info", "EUR");
        sleep(SECOND * seconds).await;
        instance.set_down(true);
        assert_priced_for(&upstreams, MINUTE * 3, &format!("failure after {seconds} s")).await;
    }
}

/// The service `rates` shows the market snapshot, and create-order uses the price record. Both must contain the same
/// price.
#[tokio::test(start_paused = true)]
async fn market_snapshot_shows_the_price_that_orders_use() {
    assert_snapshot_shows_the_record("coinbase", 20, "EUR").await;
    // The index is polled every 45 s, so its price is older than the other prices. The index price is agreed after the
    // other prices have become too old.
    for seconds in (47..=92).step_by(10) {
        assert_snapshot_shows_the_record("blockchain_info", seconds, "EUR").await;
        assert_snapshot_shows_the_record("coinbase,blockchain_info", seconds, "EUR").await;
        assert_snapshot_shows_the_record("coinbase,blockchain_info,frankfurter", seconds, "RUB").await;
    }
}

/// All sources fail after `seconds`.
async fn assert_snapshot_shows_the_record(sources: &str, seconds: u32, currency: &str) {
    let (upstreams, pair) = (FakeUpstreams::new(), format!("BTC-{currency}"));
    let instance = upstreams.start_instance(sources, currency);
    sleep(seconds * SECOND).await;
    instance.set_down(true);
    let (mut prolonged, mut unpriced) = (0, 0);
    for second in 0..3_700 {
        let case = format!("{sources}, {pair}, {second} s after a failure at {seconds} s");
        sleep(SECOND).await;
        let now = upstreams.clock.now();
        let record = upstreams.record.lock().unwrap().clone().unwrap().price(currency.parse().unwrap()).unwrap();
        let record = Some(record).filter(|price| price.is_current(now));
        let snapshot = upstreams.snapshot.lock().unwrap().clone().unwrap();
        let shown = snapshot.prices.into_iter().find(|price| price.direction.to_string() == pair).unwrap();
        let expires_at = shown.expires_at.or(shown.as_of.map(|as_of| as_of.plus(MINUTE)));
        let shown_price = shown.price.filter(|_| expires_at.is_some_and(|expires_at| now < expires_at));
        assert_eq!(shown_price, record.as_ref().map(|price| price.price), "{case}");
        match record.filter(|price| price.state == PriceState::Prolonged) {
            Some(price) => {
                assert_eq!((shown.state, shown.as_of), (Some(PriceState::Prolonged), Some(price.as_of)), "{case}");
                let age = shown.age_secs.unwrap();
                assert!((age..=age + 6).contains(&now.since(price.as_of).as_secs()), "{case}: {age} s");
                assert!(shown.votes.iter().all(|vote| !vote.used), "{case}");
                prolonged += 1;
            }
            None => assert!(shown.state != Some(PriceState::Prolonged) || shown_price.is_none(), "{case}"),
        }
        unpriced += u32::from(shown_price.is_none());
    }
    assert!(
        prolonged > 3_500 && unpriced > 50,
        "{sources}, {pair}, {seconds} s: {prolonged} prolonged, {unpriced} unpriced"
    );
}

#[tokio::test(start_paused = true)]
async fn converted_price_stays_converted_while_it_is_prolonged_and_after_a_restart() {
    let upstreams = FakeUpstreams::new();
    let first = upstreams.start_instance("coinbase,frankfurter", "EUR,RUB");
    sleep(20 * SECOND).await;
    assert_eq!((upstreams.method("EUR"), upstreams.method("RUB")), (Some(Method::Median), Some(Method::Cross)));
    first.set_down(true);
    sleep(2 * MINUTE).await;
    assert_eq!(upstreams.currencies(PriceState::Prolonged), "EUR RUB");
    assert_eq!((upstreams.method("EUR"), upstreams.method("RUB")), (Some(Method::Median), Some(Method::Cross)));
    drop(first);
    let second = upstreams.start_instance("coinbase,frankfurter", "EUR,RUB");
    second.set_down(true);
    sleep(30 * SECOND).await;
    assert!(second.leads() && upstreams.currencies(PriceState::Prolonged) == "EUR RUB");
    assert_eq!((upstreams.method("EUR"), upstreams.method("RUB")), (Some(Method::Median), Some(Method::Cross)));
}
