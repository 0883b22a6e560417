//! `PriceReader` against a price-cache-proxy that the test controls, in virtual time.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    api::prices::{BASE, Price},
    clients::price_cache::EventBytes,
    money::Currency,
    time::Timestamp,
};
use futures_util::{StreamExt, future::join_all};
use tokio::sync::{Notify, broadcast};

use super::*;

const TTL: Duration = Duration::from_secs(60);

/// A price-cache-proxy whose responses are set by the test.
struct FakePriceCache {
    /// The body of the response to a fetch. If it is `None`, the fetch fails.
    body: Mutex<Option<Bytes>>,
    fetches: AtomicUsize,
    /// The bytes of every open event stream.
    events: broadcast::Sender<Bytes>,
    stream_opened: Notify,
}

#[async_trait]
impl DocumentSource for FakePriceCache {
    async fn fetch_document(&self, _: Topic) -> Result<Bytes, CallError> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        // Lets other callers arrive during the fetch.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let failed_call = || CallError::InvalidResponse(PriceCacheClient::SERVICE, "not JSON".to_owned());
        self.body.lock().unwrap().clone().ok_or_else(failed_call)
    }

    async fn open_events(&self, _: &[Topic]) -> Result<EventBytes, CallError> {
        let stream = futures_util::stream::unfold(self.events.subscribe(), |mut events| async {
            events.recv().await.ok().map(|bytes| (Ok(bytes), events))
        });
        self.stream_opened.notify_one();
        Ok(stream.boxed())
    }
}

impl FakePriceCache {
    fn set_record(&self, record: &PriceRecord) {
        *self.body.lock().unwrap() = Some(serde_json::to_vec(record).unwrap().into());
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }
}

struct TestSetup {
    price_cache: Arc<FakePriceCache>,
    prices: PriceReader,
    clock: Clock,
}

/// A reader whose price-cache-proxy has no record.
fn test_setup(max_age: Option<Duration>) -> TestSetup {
    let clock = Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap());
    let price_cache = Arc::new(FakePriceCache {
        body: Mutex::new(Some(Bytes::new())),
        fetches: AtomicUsize::new(0),
        events: broadcast::Sender::new(16),
        stream_opened: Notify::new(),
    });
    TestSetup { price_cache: price_cache.clone(), prices: PriceReader::with_source(price_cache, max_age, clock), clock }
}

fn price_record(state: PriceState, as_of: Timestamp, ttl: Duration) -> PriceRecord {
    let price = Price::new("84000.12".parse().unwrap(), vec!["kraken".to_owned()]);
    PriceRecord {
        base: BASE.to_owned(),
        state,
        as_of,
        expires_at: as_of.plus(ttl),
        newest_as_of: None,
        simulated: false,
        prices: [(Currency::EUR, price)].into(),
    }
}

/// The event that pushes a record.
fn event_of(record: &PriceRecord) -> Bytes {
    format!("event: {}\ndata: {}\n\n", Topic::PriceRecord, serde_json::to_string(record).unwrap()).into()
}

#[tokio::test(start_paused = true)]
async fn pushed_record_is_used_without_a_fetch() {
    let TestSetup { price_cache, prices, clock } = test_setup(None);
    let stop = CancellationToken::new();
    let watching = tokio::spawn(prices.clone().receive_records(stop.clone()));
    price_cache.stream_opened.notified().await;
    let record = price_record(PriceState::Fresh, clock.now(), TTL);
    price_cache.events.send(event_of(&record)).unwrap();
    let mut records = prices.watch.subscribe_price_record();
    records.wait_for(Option::is_some).await.unwrap();
    let fetches = price_cache.fetches();
    for _ in 0..100 {
        assert_eq!(prices.current_record().await.unwrap().value(), &record);
    }
    assert_eq!(price_cache.fetches(), fetches);
    stop.cancel();
    watching.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn concurrent_callers_without_a_record_share_one_fetch() {
    let TestSetup { price_cache, prices, clock } = test_setup(None);
    let results = join_all((0..50).map(|_| prices.current_record())).await;
    assert!(results.iter().all(|result| matches!(result, Err(PriceError::NoRecord))));
    assert_eq!(price_cache.fetches(), 1);

    *price_cache.body.lock().unwrap() = None;
    assert!(matches!(prices.current_record().await, Err(PriceError::Call(_))));
    price_cache.set_record(&price_record(PriceState::Fresh, clock.now(), TTL));
    assert!(join_all((0..50).map(|_| prices.current_record())).await.iter().all(Result::is_ok));
    assert_eq!(price_cache.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn expired_record_is_never_used() {
    let TestSetup { price_cache, prices, clock } = test_setup(None);
    let record = price_record(PriceState::Fresh, clock.now(), TTL);
    price_cache.set_record(&record);
    prices.current_record().await.unwrap();
    // The fake price-cache-proxy also sends an expired record.
    tokio::time::advance(record.expires_at.since(clock.now()).saturating_sub(Duration::from_millis(1))).await;
    assert!(prices.current_record().await.is_ok());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(matches!(prices.current_record().await, Err(PriceError::NoRecord)));
}

#[tokio::test(start_paused = true)]
async fn max_age_limits_prolonged_prices_only() {
    let (five_minutes, hour) = (Duration::from_secs(300), Duration::from_secs(3600));
    for (max_age, state, usable_for) in [
        (Some(five_minutes), PriceState::Prolonged, five_minutes),
        (Some(five_minutes), PriceState::Fresh, hour),
        (None, PriceState::Prolonged, hour),
    ] {
        let TestSetup { price_cache, prices, clock } = test_setup(max_age);
        let record = price_record(state, clock.now(), hour);
        price_cache.set_record(&record);
        prices.current_price(Currency::EUR).await.unwrap();
        let remaining = usable_for.saturating_sub(clock.now().since(record.as_of));
        tokio::time::advance(remaining.saturating_sub(Duration::from_millis(1))).await;
        assert!(prices.current_price(Currency::EUR).await.is_ok(), "{max_age:?} {state:?}");
        tokio::time::advance(Duration::from_millis(2)).await;
        match prices.current_price(Currency::EUR).await {
            Err(PriceError::TooOld { age, max_age, .. }) if usable_for == five_minutes => {
                assert!(age > five_minutes && age < five_minutes + Duration::from_secs(1), "{age:?}");
                assert_eq!(max_age, five_minutes);
            }
            Err(PriceError::NoRecord) if usable_for == hour => {}
            other => panic!("{max_age:?} {state:?}: {other:?}"),
        }
    }
}

fn currency_price(state: PriceState, as_of: Timestamp, ttl: Duration) -> CurrencyPrice {
    let sources = vec!["kraken".to_owned()];
    let (price, expires_at) = ("84000.12".parse().unwrap(), as_of.plus(ttl));
    CurrencyPrice { price, sources, state, as_of, expires_at, prolongable_until: None, legs: Vec::new() }
}

#[tokio::test(start_paused = true)]
async fn each_currency_has_its_own_state_and_expiry() {
    let five_minutes = Duration::from_mins(5);
    let TestSetup { price_cache, prices, clock } = test_setup(Some(five_minutes));
    let now = clock.now();
    let by_currency = [
        (Currency::EUR, currency_price(PriceState::Fresh, now, TTL)),
        (Currency::GBP, currency_price(PriceState::Prolonged, now.minus(five_minutes / 2), five_minutes * 2)),
        (Currency::USD, currency_price(PriceState::Prolonged, now.minus(five_minutes * 2), five_minutes * 3)),
    ];
    price_cache.set_record(&PriceRecord::from_prices(by_currency.clone(), false).unwrap());
    for (currency, price) in &by_currency[..2] {
        assert_eq!(prices.current_price(*currency).await.unwrap().price, *price);
    }
    assert!(matches!(prices.current_price(Currency::USD).await, Err(PriceError::TooOld { .. })));
    let ready = |components: Vec<Component>| {
        components.into_iter().map(|component| (component.name, component.ready)).collect::<Vec<_>>()
    };
    let all = [Currency::EUR, Currency::GBP, Currency::USD];
    let expected = [("price", true), ("price:EUR", true), ("price:GBP", true), ("price:USD", false)];
    assert_eq!(ready(prices.components(&all).await), expected.map(|(name, ready)| (name.to_owned(), ready)));

    let marks = prices.components(&all).await.into_iter().map(|component| component.marks.join(" "));
    // The price in dollars is too old for orders, but it is shown.
    assert_eq!(marks.collect::<Vec<_>>(), ["", "", "prolonged", "prolonged"]);
    let dollars = prices.components(&all).await.pop().unwrap();
    assert_eq!(dollars.price.map(|status| status.as_of), Some(by_currency[2].1.as_of));
    let since = format_time(by_currency[2].1.as_of);
    let expected =
        format!("no newer price than that of {since} was accepted, and orders accept a prolonged price only up to");
    assert!(dollars.detail.as_ref().is_some_and(|detail| detail.starts_with(&expected)), "{:?}", dollars.detail);

    // The price in euros expires first. The other prices are not affected.
    tokio::time::advance(TTL).await;
    let Err(PriceError::NotPriced { currency: Currency::EUR, last: Some(last) }) =
        prices.current_price(Currency::EUR).await
    else {
        panic!("the price in euros has expired")
    };
    let [as_of, expires_at] = [by_currency[0].1.as_of, by_currency[0].1.expires_at].map(format_time);
    assert_eq!(last.to_string(), format!("the last price, of {as_of}, expired at {expires_at}"));
    assert!(prices.current_price(Currency::GBP).await.is_ok());
    let only_euros = ready(prices.components(&[Currency::EUR]).await);
    assert_eq!(only_euros, [("price".to_owned(), false), ("price:EUR".to_owned(), false)]);
}

#[tokio::test(start_paused = true)]
async fn without_a_valid_price_the_component_of_each_currency_states_the_reason() {
    let TestSetup { price_cache, prices, clock } = test_setup(None);
    let currencies = [Currency::EUR, Currency::USD];
    let details = async || {
        let components = prices.components(&currencies).await;
        assert!(components.iter().all(|component| !component.ready && component.price.is_none()), "{components:?}");
        components.into_iter().map(|component| (component.name, component.detail.unwrap())).collect::<Vec<_>>()
    };
    let of_all = |reason: &str| ["price", "price:EUR", "price:USD"].map(|name| (name.to_owned(), reason.to_owned()));
    assert_eq!(
        details().await,
        of_all("there is no price, because price-cache-proxy has received no prices from price-updater")
    );

    let price = currency_price(PriceState::Fresh, clock.now(), TTL);
    let by_currency = currencies.map(|currency| (currency, price.clone()));
    price_cache.set_record(&PriceRecord::from_prices(by_currency, false).unwrap());
    assert!(prices.components(&currencies).await.iter().all(|component| component.ready));
    tokio::time::advance(TTL * 2).await;
    let [as_of, expires_at] = [price.as_of, price.expires_at].map(format_time);
    assert_eq!(details().await, of_all(&format!("the last price, of {as_of}, expired at {expires_at}")));
}

#[tokio::test(start_paused = true)]
async fn price_that_is_withdrawn_before_it_expires_is_reported_as_withdrawn() {
    let TestSetup { price_cache, prices, clock } = test_setup(None);
    let stop = CancellationToken::new();
    let watching = tokio::spawn(prices.clone().receive_records(stop.clone()));
    price_cache.stream_opened.notified().await;
    let mut records = prices.watch.subscribe_price_record();
    let first = currency_price(PriceState::Fresh, clock.now(), TTL);
    let currencies = [Currency::EUR, Currency::USD];
    let mut component = None;
    for priced in [&currencies[..], &currencies[..1]] {
        tokio::time::advance(TTL / 4).await;
        let price = CurrencyPrice { as_of: clock.now(), ..first.clone() };
        let record = PriceRecord::from_prices(priced.iter().map(|&currency| (currency, price.clone())), false).unwrap();
        price_cache.events.send(event_of(&record)).unwrap();
        records.wait_for(|current| current.as_ref().is_some_and(|current| *current.value() == record)).await.unwrap();
        component = prices.components(&currencies).await.pop();
    }
    let as_of = format_time(first.as_of.plus(TTL / 4));
    let expected = format!("price-updater withdrew the last price, of {as_of}, before it expired");
    assert_eq!(component.unwrap().detail, Some(expected));
    stop.cancel();
    watching.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn status_of_a_prolonged_price_states_how_long_orders_use_it() {
    let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
    for (max_age, expected) in [(None, Some(hour)), (Some(minute * 5), Some(minute * 5)), (Some(minute), None)] {
        let TestSetup { price_cache, prices, clock } = test_setup(max_age);
        let as_of = clock.now().minus(minute * 2);
        let price = currency_price(PriceState::Prolonged, as_of, minute * 3);
        let price = CurrencyPrice { prolongable_until: Some(as_of.plus(hour)), ..price };
        price_cache.set_record(&PriceRecord::from_prices([(Currency::EUR, price)], false).unwrap());
        let status = prices.components(&[Currency::EUR]).await.pop().unwrap().price.unwrap();
        assert_eq!(status.usable_until, expected.map(|age| as_of.plus(age)), "{max_age:?}");
        assert_eq!(status.prolongable_until, Some(as_of.plus(hour)), "{max_age:?}");
    }
}
