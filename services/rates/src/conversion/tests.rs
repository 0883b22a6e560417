use std::time::Duration;

use common::{
    api::courses::AgreedPrice,
    money::{CurrencyPair, Rate, parse_decimal},
};
use proptest::prelude::*;

use super::*;
use crate::{
    snapshot::{MarketSnapshotView, SnapshotOrigin},
    tests::fixtures::{agreed_price, snapshot, time_at},
};

const TTL: Duration = Duration::from_secs(60);

fn view(prices: Vec<AgreedPrice>) -> MarketSnapshotView {
    MarketSnapshotView::new(snapshot(time_at(0), vec![], prices), SnapshotOrigin::PriceCache, None)
}

fn market() -> MarketSnapshotView {
    let eth = AgreedPrice { as_of: Some(time_at(1)), ..agreed_price("ETH-USD", "3000.30") };
    let eur = AgreedPrice { simulated: true, as_of: Some(time_at(2)), ..agreed_price("BTC-EUR", "84000.12") };
    let usd = agreed_price("BTC-USD", "91000.50");
    view(vec![usd, eur, eth, agreed_price("BTC-JPY", "14000000.5"), agreed_price("USDT-USD", "1.0002")])
}

/// Converts from the base to the quote asset of `pair`, `now` seconds after the start.
fn convert_at(view: &MarketSnapshotView, pair: &str, amount: &str, now: u64) -> Result<Conversion, ConversionError> {
    let CurrencyPair { base: from, quote: to } = parse_pair(pair);
    let request = ConversionParams { from, to, amount: amount.to_owned() }.validate(view)?;
    convert(&CurrentPrices { view, now: time_at(now), ttl: TTL }, &request)
}

/// Unlike `CurrencyPair::from_str`, accepts a pair of equal assets.
fn parse_pair(pair: &str) -> CurrencyPair {
    let (base, quote) = pair.split_once('-').unwrap();
    CurrencyPair { base: base.parse().unwrap(), quote: quote.parse().unwrap() }
}

#[test]
fn shortest_path_is_used_and_the_result_rounded_once() {
    let converted = |pair, amount| {
        let Conversion { result, rate, path, .. } = convert_at(&market(), pair, amount, 10).unwrap();
        (result.as_str().to_owned(), rate.as_str().to_owned(), path)
    };
    let is = |result: &str, rate: &str, path| (result.to_owned(), rate.to_owned(), path);
    assert_eq!(converted("BTC-EUR", "1.5"), is("126000.18", "84000.12", PathKind::Direct));
    assert_eq!(converted("EUR-BTC", "84000.12"), is("1.00000000", "0.000011904744898", PathKind::Inverse));
    assert_eq!(converted("EUR-BTC", "1"), is("0.00001190", "0.000011904744898", PathKind::Inverse));
    // 3000.30 / 91000.50
    assert_eq!(converted("ETH-BTC", "10"), is("0.32970149", "0.0329701485156675", PathKind::Cross));
    // Through bitcoin: 91000.50 / 84000.12, without rounding in between.
    assert_eq!(converted("EUR-USD", "84000.12"), is("91000.50", "1.0833377380889456", PathKind::Cross));
    assert_eq!(converted("USD-USDT", "1"), is("0.999800", "0.9998000399920016", PathKind::Inverse));
    // The yen has no smaller unit. Half a yen is rounded to the even neighbour.
    assert_eq!(converted("BTC-JPY", "1"), is("14000000", "14000000.50", PathKind::Direct));
    assert_eq!(converted("BTC-JPY", "3"), is("42000002", "14000000.50", PathKind::Direct));
}

#[test]
fn conversion_reports_its_steps_its_oldest_price_and_simulation() {
    let conversion = convert_at(&market(), "EUR-USD", "1", 10).unwrap();
    let steps: Vec<_> = conversion.steps.iter().map(|s| (s.direction.to_string(), s.inverse, s.as_of)).collect();
    assert_eq!(steps, [("BTC-EUR".to_owned(), true, time_at(2)), ("BTC-USD".to_owned(), false, time_at(0))]);
    assert_eq!((conversion.as_of, conversion.simulated), (time_at(0), true));
}

#[test]
fn every_wrong_field_is_reported() {
    let fields = |pair, amount| match convert_at(&market(), pair, amount, 10) {
        Err(ConversionError::InvalidFields(errors)) => errors.into_iter().map(|error| error.field).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(fields("DOGE-EUR", "1"), ["from"]);
    assert_eq!(fields("BTC-BTC", "0"), ["to", "amount"]);
    assert_eq!(fields("XXX-YYY", "many"), ["from", "to", "amount"]);
    for amount in ["", "-1", "0", "1.123456789", "1000000000000", "NaN", "1,5", "1e400"] {
        assert_eq!(fields("BTC-EUR", amount), ["amount"], "{amount}");
    }
    assert!(convert_at(&market(), "BTC-EUR", "999999999999.99999999", 10).is_ok());
    assert_eq!(convert_at(&market(), "BTC-EUR", "1e0", 10).unwrap().amount.as_str(), "1");
}

#[test]
fn expired_and_refused_prices_are_not_used() {
    let expired = convert_at(&market(), "BTC-USD", "1", 60);
    let error = PriceError::Expired { pair: parse_pair("BTC-USD"), as_of: time_at(0) };
    assert_eq!(expired, Err(ConversionError::NoPrice(error)));
    let refused = AgreedPrice {
        price: None,
        as_of: None,
        refused: Some("all differ".to_owned()),
        ..agreed_price("BTC-USD", "1")
    };
    let view = view(vec![refused, agreed_price("BTC-EUR", "84000")]);
    for pair in ["USD-BTC", "USD-EUR"] {
        let error = convert_at(&view, pair, "1", 0).unwrap_err();
        assert!(matches!(error, ConversionError::NoPrice(PriceError::Refused { .. })), "{pair}: {error:?}");
    }
}

#[test]
fn unconnected_assets_have_no_path() {
    let view = view(vec![agreed_price("BTC-EUR", "84000"), agreed_price("XMR-CHF", "200")]);
    let error = convert_at(&view, "EUR-CHF", "1", 0).unwrap_err();
    assert_eq!(error, ConversionError::NoPath { from: Asset::EUR, to: "CHF".parse().unwrap() });
}

proptest! {
    /// A round trip loses at most half a unit of each side, taken through the rate.
    #[test]
    fn round_trip_differs_by_rounding_only(cents in 1..10_000_000_000_u64, rate in 100_000_000..10_000_000_000_000_i64) {
        let rate = Rate::from_hundred_millionths(rate).unwrap();
        let view = view(vec![AgreedPrice { price: Some(rate), ..agreed_price("BTC-EUR", "1") }]);
        let amount = format_fixed_point(cents.into(), 2);
        let there = convert_at(&view, "EUR-BTC", &amount, 0).unwrap();
        prop_assume!(there.result.as_str().bytes().any(|digit| (b'1'..=b'9').contains(&digit)));
        let back = convert_at(&view, "BTC-EUR", there.result.as_str(), 0).unwrap();
        prop_assert_eq!((there.path, back.path), (PathKind::Inverse, PathKind::Direct));
        let back = parse_decimal(back.result.as_str()).unwrap();
        let difference = (back - parse_decimal(&amount).unwrap()).abs();
        // Half a satoshi at this rate, and half a cent.
        let allowed = rate.to_decimal() * parse_decimal("0.000000005").unwrap() + parse_decimal("0.005").unwrap();
        prop_assert!(difference <= allowed, "{} {}", difference, allowed);
    }

    /// Compares with `rust_decimal`, which rounds half to even as well.
    #[test]
    fn direct_conversion_is_the_rounded_product(units in 1..1_000_000_000_000_u64, rate in 1..10_000_000_000_000_i64) {
        let rate = Rate::from_hundred_millionths(rate).unwrap();
        let view = view(vec![AgreedPrice { price: Some(rate), ..agreed_price("BTC-EUR", "1") }]);
        let amount = format_fixed_point(units.into(), 8);
        let result = convert_at(&view, "BTC-EUR", &amount, 0).unwrap().result;
        // The product of 12 and 13 digits fits into a Decimal.
        let product = parse_decimal(&amount).unwrap() * rate.to_decimal();
        prop_assert_eq!(parse_decimal(result.as_str()).unwrap(), product.round_dp(2));
    }
}
