use super::*;

const TTL: Duration = Duration::from_secs(60);

fn record(as_of: Timestamp, prices: &[(Currency, &str)]) -> NewPriceRecord {
    let prices = prices.iter().map(|(currency, price)| {
        (*currency, Price { price: price.parse().unwrap(), sources: vec!["coinbase".to_owned()] })
    });
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
