use super::*;
use crate::time::MAX_CLOCK_SKEW;

const TTL: Duration = Duration::from_secs(60);

fn record(as_of: Timestamp, prices: &[(Currency, &str)]) -> NewPriceRecord {
    let prices = prices
        .iter()
        .map(|(currency, price)| (*currency, Price::new(price.parse().unwrap(), vec!["coinbase".to_owned()])));
    NewPriceRecord { state: PriceState::Fresh, as_of, simulated: false, prices: prices.collect() }
}

#[test]
fn record_expires_one_ttl_after_as_of() {
    let as_of = "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
    let new = record(as_of, &[(Currency::EUR, "84000.12")]);
    for sent in [as_of, as_of.plus(Duration::from_secs(59))] {
        let record = new.clone().into_record(TTL, sent).unwrap();
        assert_eq!(record.expires_at, as_of.plus(TTL));
        assert!(record.is_current(sent));
    }
}

#[test]
fn every_invalid_field_is_named() {
    let as_of = "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
    let fields = |new: NewPriceRecord, now: Timestamp| {
        let errors = new.into_record(TTL, now).unwrap_err();
        errors.into_iter().map(|e| e.field).collect::<Vec<_>>()
    };
    let good = record(as_of, &[(Currency::EUR, "84000.12")]);
    assert_eq!(fields(good.clone(), as_of.plus(TTL)), ["as_of"]);
    let record_ahead_by = |skew: Duration| record(as_of.plus(skew), &[(Currency::EUR, "1")]);
    assert!(record_ahead_by(MAX_CLOCK_SKEW).into_record(TTL, as_of).is_ok());
    assert_eq!(fields(record_ahead_by(MAX_CLOCK_SKEW + Duration::from_micros(1)), as_of), ["as_of"]);
    assert_eq!(fields(record(as_of, &[]), as_of), ["prices"]);
}

fn parse(json: &str) -> PriceRecord {
    serde_json::from_str(json).unwrap()
}

/// A record as version 0.1.0 writes it.
const OLD_RECORD: &str = r#"{"base":"BTC","state":"prolonged","as_of":"2026-01-02T03:04:05.000000Z",
    "expires_at":"2026-01-02T03:10:05.000000Z","simulated":false,"prices":{"EUR":{"price":"84000.12","sources":["kraken"]}}}"#;

#[test]
fn price_of_an_older_record_has_the_state_and_times_of_the_record() {
    let record = parse(OLD_RECORD);
    let price = record.price(Currency::EUR).unwrap();
    assert_eq!((price.state, price.as_of, price.expires_at), (record.state, record.as_of, record.expires_at));
    assert_eq!((record.version(), Expiring::expires_at(&record)), (record.as_of, record.expires_at));
}

#[test]
fn record_has_the_worst_state_and_the_earliest_times_of_its_prices() {
    let now = "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
    let seconds = |ago| now.minus(Duration::from_secs(ago));
    let price = |state, as_of: Timestamp, valid| {
        let expires_at = Some(now.plus(Duration::from_secs(valid)));
        Price { state: Some(state), as_of: Some(as_of), expires_at, ..Price::new("1".parse().unwrap(), Vec::new()) }
    };
    let prices = [
        (Currency::EUR, price(PriceState::Fresh, seconds(5), 55)),
        (Currency::GBP, price(PriceState::Prolonged, seconds(600), 61)),
    ];
    let new =
        NewPriceRecord { state: PriceState::Prolonged, as_of: seconds(600), simulated: false, prices: prices.into() };
    let record = new.into_record(Duration::from_secs(655), now).unwrap();
    // A reader of version 0.1.0 applies this state and these times to all prices.
    let expires_at = now.plus(Duration::from_secs(55));
    assert_eq!((record.state, record.as_of, record.expires_at), (PriceState::Prolonged, seconds(600), expires_at));
    // The fields of each price, and the version of the record.
    let price = |currency| record.price(currency).unwrap();
    assert_eq!((price(Currency::EUR).state, price(Currency::EUR).as_of), (PriceState::Fresh, seconds(5)));
    assert_eq!((price(Currency::GBP).state, price(Currency::GBP).as_of), (PriceState::Prolonged, seconds(600)));
    assert_eq!(record.version(), seconds(5));
    assert!(
        record.is_current(now.plus(Duration::from_secs(60))) && !record.is_current(now.plus(Duration::from_secs(61)))
    );
    assert_eq!(parse(&serde_json::to_string(&record).unwrap()), record);
}

#[test]
fn times_of_each_price_are_checked_and_expired_price_is_omitted() {
    let now = "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
    let price = |as_of: Timestamp, expires_at: Timestamp| Price {
        as_of: Some(as_of),
        expires_at: Some(expires_at),
        ..Price::new("1".parse().unwrap(), Vec::new())
    };
    let good = price(now, now.plus(TTL));
    let with_gbp = |gbp: Price| NewPriceRecord {
        prices: [(Currency::EUR, good.clone()), (Currency::GBP, gbp)].into(),
        ..record(now, &[])
    };
    let fields = |gbp| {
        let errors = with_gbp(gbp).into_record(TTL, now).unwrap_err();
        errors.into_iter().map(|error| error.field).collect::<Vec<_>>()
    };
    let ahead = now.plus(MAX_CLOCK_SKEW * 2);
    assert_eq!(fields(price(ahead, ahead.plus(TTL))), ["prices.GBP.as_of"]);
    let too_long = now.plus(Duration::from_secs(MAX_TTL_SECS + 1));
    assert_eq!(fields(price(now, too_long)), ["prices.GBP.expires_at"]);
    let stored = with_gbp(price(now.minus(TTL), now)).into_record(TTL, now).unwrap();
    assert_eq!(stored.prices.keys().collect::<Vec<_>>(), [&Currency::EUR]);
}
