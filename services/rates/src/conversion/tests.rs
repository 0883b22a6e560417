use common::api::courses::AgreedPrice;
use proptest::prelude::*;

use super::*;
use crate::{
    snapshot::SnapshotOrigin,
    tests::fixtures::{at, price, snapshot},
};

const TTL: Duration = Duration::from_secs(60);

fn view(prices: Vec<AgreedPrice>) -> MarketSnapshotView {
    MarketSnapshotView::new(snapshot(at(0), vec![], prices), SnapshotOrigin::PriceCacheClient, None)
}

fn market() -> MarketSnapshotView {
    let eth = AgreedPrice { as_of: Some(at(1)), ..price("ETH-USD", "3000.30") };
    let eur = AgreedPrice { simulated: true, as_of: Some(at(2)), ..price("BTC-EUR", "84000.12") };
    view(vec![price("BTC-USD", "91000.50"), eur, eth, price("BTC-JPY", "14000000.5"), price("USDT-USD", "1.0002")])
}

fn try_convert(
    view: &MarketSnapshotView,
    from: &str,
    to: &str,
    amount: &str,
    secs: u64,
) -> Result<Conversion, ConvertError> {
    let request = ConversionRequest::check(view, from.parse().unwrap(), to.parse().unwrap(), amount)?;
    convert(view, &request, at(secs), TTL)
}

fn told(from: &str, to: &str, amount: &str) -> (String, String, PathKind) {
    let Conversion { result, rate, path, .. } = try_convert(&market(), from, to, amount, 10).unwrap();
    (result.as_str().to_owned(), rate.as_str().to_owned(), path)
}

#[test]
fn amounts_go_the_shortest_way_and_are_rounded_once() {
    let is = |result: &str, rate: &str, path| (result.to_owned(), rate.to_owned(), path);
    assert_eq!(told("BTC", "EUR", "1.5"), is("126000.18", "84000.12", PathKind::Direct));
    assert_eq!(told("EUR", "BTC", "84000.12"), is("1.00000000", "0.000011904744898", PathKind::Inverse));
    assert_eq!(told("EUR", "BTC", "1"), is("0.00001190", "0.000011904744898", PathKind::Inverse));
    // 3000.30 / 91000.50
    assert_eq!(told("ETH", "BTC", "10"), is("0.32970149", "0.0329701485156675", PathKind::Cross));
    // By way of bitcoin: 91000.50 / 84000.12, and no rounding in between.
    assert_eq!(told("EUR", "USD", "84000.12"), is("91000.50", "1.0833377380889456", PathKind::Cross));
    assert_eq!(told("USD", "USDT", "1"), is("0.999800", "0.9998000399920016", PathKind::Inverse));
    // No smaller yen than one; half a yen goes to the even one.
    assert_eq!(told("BTC", "JPY", "1"), is("14000000", "14000000.50", PathKind::Direct));
    assert_eq!(told("BTC", "JPY", "3"), is("42000002", "14000000.50", PathKind::Direct));
}

#[test]
fn the_way_is_told_with_its_oldest_price_and_whether_any_is_simulated() {
    let conversion = try_convert(&market(), "EUR", "USD", "1", 10).unwrap();
    let steps: Vec<_> = conversion.steps.iter().map(|s| (s.direction.to_string(), s.inverse, s.as_of)).collect();
    assert_eq!(steps, [("BTC-EUR".to_owned(), true, at(2)), ("BTC-USD".to_owned(), false, at(0))]);
    assert_eq!((conversion.as_of, conversion.simulated), (at(0), true));
}

#[test]
fn every_wrong_field_is_named() {
    let fields = |from, to, amount| match try_convert(&market(), from, to, amount, 10) {
        Err(ConvertError::Fields(errors)) => errors.into_iter().map(|error| error.field).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(fields("DOGE", "EUR", "1"), ["from"]);
    assert_eq!(fields("BTC", "BTC", "0"), ["to", "amount"]);
    assert_eq!(fields("XXX", "YYY", "many"), ["from", "to", "amount"]);
    for amount in ["", "-1", "0", "1.123456789", "1000000000000", "NaN", "1,5", "1e400"] {
        assert_eq!(fields("BTC", "EUR", amount), ["amount"], "{amount}");
    }
    assert!(try_convert(&market(), "BTC", "EUR", "999999999999.99999999", 10).is_ok());
    assert_eq!(try_convert(&market(), "BTC", "EUR", "1e0", 10).unwrap().amount.as_str(), "1");
}

#[test]
fn a_price_that_is_too_old_or_refused_is_never_converted_by() {
    let old = try_convert(&market(), "BTC", "USD", "1", 60);
    assert_eq!(old, Err(ConvertError::PriceError(PriceError::TooOld("BTC-USD".parse().unwrap(), at(0)))));
    let refused =
        AgreedPrice { price: None, as_of: None, refused: Some("all differ".to_owned()), ..price("BTC-USD", "1") };
    let view = view(vec![refused, price("BTC-EUR", "84000")]);
    let error = try_convert(&view, "USD", "BTC", "1", 0).unwrap_err();
    assert!(matches!(error, ConvertError::PriceError(PriceError::Refused(..))), "{error:?}");
    assert!(matches!(try_convert(&view, "USD", "EUR", "1", 0), Err(ConvertError::PriceError(PriceError::Refused(..)))));
}

#[test]
fn where_no_way_leads_is_told() {
    let view = view(vec![price("BTC-EUR", "84000"), price("XMR-CHF", "200")]);
    let error = try_convert(&view, "EUR", "CHF", "1", 0).unwrap_err();
    assert_eq!(error, ConvertError::NoPath(Asset::EUR, "CHF".parse().unwrap()));
}

proptest! {
    /// There and back again: no more is lost than half a unit of each side, taken through the rate.
    #[test]
    fn there_and_back_is_the_same_but_for_the_rounding(cents in 1..10_000_000_000_u64, rate in 100_000_000..10_000_000_000_000_i64) {
        let rate = common::money::Rate::from_hundred_millionths(rate).unwrap();
        let view = view(vec![AgreedPrice { price: Some(rate), ..price("BTC-EUR", "1") }]);
        let amount = format_fixed_point(cents.into(), 2);
        let there = try_convert(&view, "EUR", "BTC", &amount, 0).unwrap();
        prop_assume!(there.result.as_str().bytes().any(|digit| (b'1'..=b'9').contains(&digit)));
        let back = try_convert(&view, "BTC", "EUR", there.result.as_str(), 0).unwrap();
        prop_assert_eq!((there.path, back.path), (PathKind::Inverse, PathKind::Direct));
        let back = parse_decimal(back.result.as_str()).unwrap();
        let off = (back - parse_decimal(&amount).unwrap()).abs();
        // Half a satoshi at this rate, and half a cent.
        let allowed = rate.to_decimal() * parse_decimal("0.000000005").unwrap() + parse_decimal("0.005").unwrap();
        prop_assert!(off <= allowed, "{} {}", off, allowed);
    }

    /// A direct conversion is the product, rounded by the same rule in another arithmetic.
    #[test]
    fn a_direct_conversion_is_the_rounded_product(units in 1..1_000_000_000_000_u64, rate in 1..10_000_000_000_000_i64) {
        let rate = common::money::Rate::from_hundred_millionths(rate).unwrap();
        let view = view(vec![AgreedPrice { price: Some(rate), ..price("BTC-EUR", "1") }]);
        let amount = format_fixed_point(units.into(), 8);
        let result = try_convert(&view, "BTC", "EUR", &amount, 0).unwrap().result;
        // 12 digits times 13 fit into the decimals.
        let product = parse_decimal(&amount).unwrap() * rate.to_decimal();
        prop_assert_eq!(parse_decimal(result.as_str()).unwrap(), product.round_dp(2));
    }
}
