//! Tests in which one currency has no price, or an implausible price.

use super::*;

impl Instance {
    fn set_no_euros(&self, value: bool) {
        self.sources.no_euros.store(value, Ordering::SeqCst);
    }

    /// The name and the detail of each price component that is not ready.
    fn unready_prices(&self) -> Vec<String> {
        let components = self.updater.components().into_iter();
        let prices = components.filter(|component| component.name.starts_with(Component::PRICE) && !component.ready);
        prices.map(|component| format!("{} {}", component.name, component.detail.unwrap_or_default())).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn price_of_one_currency_is_prolonged_expires_and_recovers_independently() {
    let upstreams = FakeUpstreams::new();
    let instance = upstreams.start_instance("coinbase", "EUR,USD");
    sleep(20 * SECOND).await;
    assert_eq!((upstreams.fresh_currencies().as_str(), instance.unready_prices().len()), ("EUR USD", 0));
    instance.set_no_euros(true);
    for second in 0..3_500 {
        sleep(SECOND).await;
        let (fresh, prolonged) = (upstreams.fresh_currencies(), upstreams.currencies(PriceState::Prolonged));
        let expected = if second < 30 { ("EUR USD", "") } else { ("USD", "EUR") };
        if !(30..75).contains(&second) {
            assert_eq!((fresh.as_str(), prolonged.as_str()), expected, "{second} s");
        }
        assert!(fresh.contains("USD") && (fresh.contains("EUR") || prolonged.contains("EUR")), "{second} s");
        assert!(upstreams.record_age() <= 16 * SECOND, "{second} s");
    }
    let unready = instance.unready_prices();
    assert!(
        unready.len() == 1 && unready[0].starts_with("price:EUR the last price is prolonged: 0 sources agree"),
        "{unready:?}"
    );
    // After an hour the price in euros expires. The price in dollars stays fresh.
    sleep(3 * MINUTE).await;
    assert_eq!(
        (upstreams.fresh_currencies().as_str(), upstreams.currencies(PriceState::Prolonged).as_str()),
        ("USD", "")
    );
    assert!(
        instance.unready_prices()[0].starts_with("price:EUR the last price has expired: "),
        "{:?}",
        instance.unready_prices()
    );
    instance.set_no_euros(false);
    sleep(20 * SECOND).await;
    assert_eq!((upstreams.fresh_currencies().as_str(), instance.unready_prices().len()), ("EUR USD", 0));
}

#[tokio::test(start_paused = true)]
async fn implausible_price_prolongs_the_last_good_price_or_stops_orders_as_configured() {
    for (action, prolonged) in [("prolong", "EUR"), ("stop", "")] {
        let upstreams = FakeUpstreams::new();
        let settings = [("PRICE_BAND_ACTION", action), ("PRICE_BAND_INTERVALS", "8")];
        let instance = upstreams.start_instance_with("coinbase", "EUR,USD", &settings);
        sleep(20 * SECOND).await;
        instance.sources.fallen.store(true, Ordering::SeqCst);
        sleep(30 * SECOND).await;
        let state = |state| upstreams.currencies(state);
        assert_eq!((state(PriceState::Fresh).as_str(), state(PriceState::Prolonged).as_str()), ("USD", prolonged));
        let unready = instance.unready_prices();
        assert!(unready.len() == 1 && unready[0].contains("by -60 %"), "{unready:?}");
        instance.sources.fallen.store(false, Ordering::SeqCst);
        sleep(20 * SECOND).await;
        assert_eq!(upstreams.fresh_currencies(), "EUR USD");
        // The new price is accepted: it has lasted, and the only exchange that trades the pair still reports it.
        instance.sources.fallen.store(true, Ordering::SeqCst);
        sleep(150 * SECOND).await;
        assert_eq!(upstreams.fresh_currencies(), "EUR USD");
        let record = upstreams.record.lock().unwrap().clone().unwrap();
        assert_eq!(record.price(Currency::EUR).unwrap().price.to_string(), "33600.00");
    }
}
