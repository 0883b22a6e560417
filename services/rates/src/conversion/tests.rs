//! Tests of conversions. A course is the last price of one pair at one exchange. The API calls the pair `direction` and
//! the exchange `exchanger`.

use std::time::Duration;

use common::{
    api::{
        courses::{AgreedPrice, CastVote, MarketSnapshot, Method, OfficialLeg, OfficialRate, SourcePairs},
        prices::PriceState,
        rates::{ConversionLeg, StepKind},
    },
    money::{CurrencyPair, Rate, parse_decimal},
};
use proptest::prelude::*;

use super::*;
use crate::{
    snapshot::{MarketSnapshotView, SnapshotOrigin},
    tests::fixtures::{agreed_price, course, snapshot, time_at},
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
    let (from, to) = pair.split_once('-').unwrap();
    let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
    let request = ConversionParams { from, to, amount: amount.to_owned() }.validate(view)?;
    convert(&CurrentPrices { view, now: time_at(now), ttl: TTL }, &request)
}

/// Unlike `CurrencyPair::from_str`, accepts a pair of equal assets.
fn parse_pair(pair: &str) -> CurrencyPair {
    let (base, quote) = pair.split_once('-').unwrap();
    CurrencyPair { base: base.parse().unwrap(), quote: quote.parse().unwrap() }
}

#[test]
fn price_of_the_pair_is_used_first_and_the_result_is_rounded_once() {
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
fn conversion_reports_steps_oldest_price_time_and_simulation() {
    let conversion = convert_at(&market(), "EUR-USD", "1", 10).unwrap();
    let steps: Vec<_> = conversion.steps.iter().map(|s| (s.direction.to_string(), s.inverse, s.as_of)).collect();
    assert_eq!(steps, [("BTC-EUR".to_owned(), true, time_at(2)), ("BTC-USD".to_owned(), false, time_at(0))]);
    assert_eq!((conversion.as_of, conversion.simulated), (time_at(0), true));
}

#[test]
fn every_invalid_field_is_reported() {
    let fields = |pair, amount| match convert_at(&market(), pair, amount, 10) {
        Err(ConversionError::InvalidFields(errors)) => errors.into_iter().map(|error| error.field).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(fields("DOGE-EUR", "1"), ["from"]);
    assert_eq!(fields("BTC-BTC", "0"), ["to", "amount"]);
    assert_eq!(fields("XXX-YYY", "many"), ["from", "to", "amount"]);
    for amount in ["", "-1", "0", "1.123456789", "1000000000000", "NaN", "1,5", "1e400", "1e3"] {
        assert_eq!(fields("BTC-EUR", amount), ["amount"], "{amount}");
    }
    assert!(convert_at(&market(), "BTC-EUR", "999999999999.99999999", 10).is_ok());
}

#[test]
fn expired_and_refused_prices_are_not_used() {
    let expired = convert_at(&market(), "BTC-USD", "1", 60);
    let error = PriceError::Expired { pair: parse_pair("BTC-USD"), as_of: time_at(0), without_official_rate: None };
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
fn asset_without_a_price_at_the_moment_is_known_and_not_converted() {
    let refused =
        AgreedPrice { price: None, as_of: None, refused: Some("no source".to_owned()), ..agreed_price("BTC-USD", "1") };
    let sources = vec![
        SourcePairs { exchanger: "cbr".to_owned(), directions: vec![parse_pair("USD-RUB"), parse_pair("CHF-RUB")] },
        SourcePairs { exchanger: "kraken".to_owned(), directions: vec![parse_pair("BTC-USD")] },
    ];
    let snapshot = MarketSnapshot { sources, ..snapshot(time_at(0), vec![], vec![refused]) };
    let view = MarketSnapshotView::new(snapshot, SnapshotOrigin::PriceCache, None);
    let rouble = Asset::RUB;
    for (pair, missing) in [("BTC-RUB", vec![rouble]), ("CHF-RUB", vec!["CHF".parse().unwrap(), rouble])] {
        let expected = Err(ConversionError::NoPrice(PriceError::NotReported(missing)));
        assert_eq!(convert_at(&view, pair, "1", 0), expected);
    }
    let invalid = convert_at(&view, "BTC-XYZ", "1", 0).unwrap_err();
    assert!(matches!(invalid, ConversionError::InvalidFields(_)), "{invalid:?}");
}

#[test]
fn conversion_that_lacks_a_bridge_asset_fails_for_now() {
    let sources = vec![SourcePairs { exchanger: "kraken".to_owned(), directions: vec![parse_pair("USDT-EUR")] }];
    let prices = vec![agreed_price("BTC-EUR", "84000"), agreed_price("ETH-GBP", "2500")];
    let snapshot = MarketSnapshot { sources, ..snapshot(time_at(0), vec![], prices) };
    let view = MarketSnapshotView::new(snapshot, SnapshotOrigin::PriceCache, None);
    let error = convert_at(&view, "EUR-GBP", "1", 0).unwrap_err().to_string();
    let expected = "EUR cannot be converted to GBP at the moment, because the price sources report neither";
    assert!(error.starts_with(expected), "{error}");
}

/// A price with the votes of two exchanges. The votes differ by `millionths` of the price.
fn price_with_votes(pair: &str, price: &str, millionths: i64) -> AgreedPrice {
    let rate: Rate = price.parse().unwrap();
    let distance = rate.hundred_millionths() * millionths / 1_000_000;
    let vote = |exchanger: &str, rate: Rate| CastVote {
        exchanger: exchanger.to_owned(),
        pair: parse_pair(pair),
        value: rate,
        vote: Some(rate),
        observed_at: time_at(0),
        used: true,
        rejected: None,
    };
    let high = Rate::from_hundred_millionths(rate.hundred_millionths() + distance).unwrap();
    let votes = vec![vote("kraken", rate), vote("okx", high)];
    AgreedPrice { low: Some(rate), high: Some(high), votes, ..agreed_price(pair, price) }
}

/// The day of every official rate.
const OFFICIAL_DAY: &str = "2025-12-31";

fn official(currency: &str, legs: &[(&str, &str, bool)], spread_millionths: Option<u32>) -> OfficialRate {
    let leg = |&(pair, price, inverse): &(&str, &str, bool)| OfficialLeg {
        exchanger: "ecb".to_owned(),
        direction: parse_pair(pair),
        price: price.parse().unwrap(),
        inverse,
        observed_at: time_at(0),
        official_day: OFFICIAL_DAY.parse().ok(),
    };
    let legs = legs.iter().map(leg).collect();
    OfficialRate { currency: currency.parse().unwrap(), legs, spread_millionths, simulated: false }
}

/// A market in which USDT is traded in euros and dollars, with official rates of the euro and the pound.
fn market_with_official_rates(usdt_error: i64, official_error: Option<u32>) -> MarketSnapshotView {
    let prices =
        vec![price_with_votes("USDT-EUR", "0.9231", usdt_error), price_with_votes("USDT-USD", "1.0002", usdt_error)];
    let dollars_per_euro = ("EUR-USD", "1.0833", true);
    let official = vec![
        official("EUR", &[dollars_per_euro], official_error),
        official("GBP", &[dollars_per_euro, ("EUR-GBP", "0.85", false)], official_error),
    ];
    let courses = vec![course("ecb", "EUR-GBP", "0.85")];
    let snapshot = MarketSnapshot { official, ..snapshot(time_at(0), courses, prices) };
    MarketSnapshotView::new(snapshot, SnapshotOrigin::PriceCache, None)
}

/// The steps of a conversion as text: `*` before the pair of a multiplication, `/` before the pair of a division.
fn steps(conversion: &Conversion) -> String {
    let step = |step: &ConversionStep| format!("{}{}", if step.inverse { '/' } else { '*' }, step.direction);
    conversion.steps.iter().map(step).collect::<Vec<_>>().join(" ")
}

#[test]
fn path_with_the_smallest_known_error_is_chosen() {
    for (usdt_error, official_error, expected) in [
        (200, Some(100), "*EUR-USD"),
        (30, Some(100), "/USDT-EUR *USDT-USD"),
        // The errors are equal, and the official rate is one price instead of two.
        (50, Some(100), "*EUR-USD"),
        // The error of a rate that only one bank publishes is not known. It counts as 2 %.
        (9_000, None, "/USDT-EUR *USDT-USD"),
        (11_000, None, "*EUR-USD"),
    ] {
        let view = market_with_official_rates(usdt_error, official_error);
        let conversion = convert_at(&view, "EUR-USD", "1", 0).unwrap();
        assert_eq!(steps(&conversion), expected, "{usdt_error} {official_error:?}");
    }
}

#[test]
fn official_rate_is_used_as_the_bank_publishes_it() {
    let view = market_with_official_rates(200, Some(100));
    let euros = convert_at(&view, "EUR-USD", "1000000", 0).unwrap();
    assert_eq!((euros.result.as_str(), euros.path), ("1083300.00", PathKind::Direct));
    assert_eq!(euros.known_error_percent, Some("0.0100".into()));
    assert_eq!((euros.steps[0].kind, &euros.steps[0].sources[..]), (StepKind::Official, &["ecb".to_owned()][..]));
    assert_eq!(euros.steps[0].official_day, OFFICIAL_DAY.parse().ok());
    assert_eq!(convert_at(&view, "USD-EUR", "1", 0).unwrap().path, PathKind::Inverse);
    // The path avoids the dollar if the bank publishes a rate of the pair.
    let pounds = convert_at(&view, "GBP-EUR", "0.85", 0).unwrap();
    assert_eq!((steps(&pounds).as_str(), pounds.result.as_str()), ("/EUR-GBP", "1.00"));
    let pounds = convert_at(&view, "USD-GBP", "1.0833", 0).unwrap();
    assert_eq!((steps(&pounds).as_str(), pounds.path), ("/EUR-USD *EUR-GBP", PathKind::Cross));
    // A coin that is not traded in pounds is converted through another currency.
    assert_eq!(steps(&convert_at(&view, "USDT-GBP", "1", 0).unwrap()), "*USDT-EUR *EUR-GBP");
}

#[test]
fn official_rate_of_one_bank_is_not_led_to_dollars_and_back_through_another_bank() {
    let mut tenge = official("KZT", &[("USD-RUB", "81.0286", false), ("KZT-RUB", "0.155918", true)], None);
    for leg in &mut tenge.legs {
        leg.exchanger = "cbr".to_owned();
    }
    let roubles = official("RUB", &[("USD-RUB", "81.0230", false)], Some(69));
    let courses = vec![course("cbr", "KZT-RUB", "0.155918")];
    let snapshot = MarketSnapshot { official: vec![tenge, roubles], ..snapshot(time_at(0), courses, Vec::new()) };
    let view = MarketSnapshotView::new(snapshot, SnapshotOrigin::PriceCache, None);
    let conversion = convert_at(&view, "KZT-RUB", "1000", 0).unwrap();
    assert_eq!((steps(&conversion).as_str(), conversion.result.as_str()), ("*KZT-RUB", "155.92"));
    assert_eq!(steps(&convert_at(&view, "RUB-KZT", "1000", 0).unwrap()), "/KZT-RUB");
}

#[test]
fn computed_price_is_a_cross_rate_that_names_its_legs() {
    let legs = vec![parse_pair("BTC-USD"), parse_pair("USD-RUB")];
    let official_day = OFFICIAL_DAY.parse().ok();
    let computed =
        AgreedPrice { method: Method::Cross, legs: legs.clone(), official_day, ..agreed_price("BTC-RUB", "8190045") };
    let dollars = price_with_votes("BTC-USD", "91000.5", 300);
    let official = vec![official("RUB", &[("USD-RUB", "90", false)], Some(100))];
    let snapshot = MarketSnapshot { official, ..snapshot(time_at(0), vec![], vec![computed, dollars]) };
    let view = MarketSnapshotView::new(snapshot, SnapshotOrigin::PriceCache, None);
    for pair in ["BTC-RUB", "RUB-BTC"] {
        let conversion = convert_at(&view, pair, "1", 0).unwrap();
        assert_eq!(conversion.path, PathKind::Cross, "{pair}");
        let [step] = &conversion.steps[..] else { panic!("{conversion:?}") };
        assert_eq!((step.kind, &step.legs), (StepKind::Computed, &legs));
        assert_eq!(step.sources, ["kraken", "okx", "ecb"]);
        let days: Vec<_> = step.leg_prices.iter().map(|leg| leg.official_day).collect();
        assert_eq!((step.official_day, days), (official_day, vec![None, official_day]));
        let leg =
            |leg: &ConversionLeg| (leg.direction.to_string(), leg.price.to_string(), leg.kind, leg.sources.join(","));
        let expected = [
            ("BTC-USD".to_owned(), "91000.50".to_owned(), StepKind::Agreed, "kraken,okx".to_owned()),
            ("USD-RUB".to_owned(), "90.00".to_owned(), StepKind::Official, "ecb".to_owned()),
        ];
        assert_eq!(step.leg_prices.iter().map(leg).collect::<Vec<_>>(), expected);
        assert_eq!(conversion.known_error_percent, Some("0.0400".into()));
    }
}

#[test]
fn prolonged_price_is_avoided_unless_it_is_the_price_of_the_pair() {
    let prolonged = |pair, price, error| AgreedPrice {
        state: Some(PriceState::Prolonged),
        expires_at: Some(time_at(700)),
        ..price_with_votes(pair, price, error)
    };
    let fresh = |pair, price| AgreedPrice { as_of: Some(time_at(600)), ..price_with_votes(pair, price, 900) };
    let prices = vec![
        prolonged("BTC-EUR", "84000", 1),
        prolonged("BTC-USD", "91000", 1),
        fresh("USDT-EUR", "0.9231"),
        fresh("USDT-USD", "1.0002"),
    ];
    let view = view(prices);
    // The price of the pair itself is used, because orders use it too.
    let conversion = convert_at(&view, "BTC-EUR", "1", 600).unwrap();
    assert_eq!((conversion.state, conversion.age_secs), (PriceState::Prolonged, 600));
    assert_eq!(conversion.steps[0].state, PriceState::Prolonged);
    let conversion = convert_at(&view, "EUR-USD", "1", 600).unwrap();
    assert_eq!((steps(&conversion).as_str(), conversion.state), ("/USDT-EUR *USDT-USD", PriceState::Fresh));
}

#[test]
fn prolonged_computed_price_names_no_sources() {
    let prolonged = AgreedPrice {
        method: Method::Cross,
        legs: vec![parse_pair("BTC-USD"), parse_pair("USD-RUB")],
        state: Some(PriceState::Prolonged),
        expires_at: Some(time_at(700)),
        ..agreed_price("BTC-RUB", "8190045")
    };
    // The computed price does not come from this newer price in dollars.
    let dollars = AgreedPrice { as_of: Some(time_at(600)), ..price_with_votes("BTC-USD", "95000", 300) };
    let official = vec![official("RUB", &[("USD-RUB", "90", false)], Some(100))];
    let snapshot = MarketSnapshot { official, ..snapshot(time_at(600), vec![], vec![prolonged, dollars]) };
    let view = MarketSnapshotView::new(snapshot, SnapshotOrigin::PriceCache, None);
    let conversion = convert_at(&view, "BTC-RUB", "1", 600).unwrap();
    let step = &conversion.steps[0];
    assert_eq!((step.state, &step.sources[..], &step.leg_prices[..]), (PriceState::Prolonged, &[][..], &[][..]));
}

#[test]
fn age_of_a_conversion_is_the_age_of_its_agreed_price() {
    let later = AgreedPrice { as_of: Some(time_at(20)), ..price_with_votes("BTC-USD", "91000.5", 300) };
    let official = vec![official("RUB", &[("USD-RUB", "90", false)], Some(100))];
    let courses = vec![course("ecb", "USD-RUB", "90")];
    let snapshot = MarketSnapshot { official, ..snapshot(time_at(20), courses, vec![later]) };
    let view = MarketSnapshotView::new(snapshot, SnapshotOrigin::PriceCache, None);
    let conversion = convert_at(&view, "BTC-RUB", "1", 30).unwrap();
    assert_eq!(steps(&conversion), "*BTC-USD *USD-RUB");
    assert_eq!((conversion.as_of, conversion.age_secs), (time_at(20), 10));
    let official_only = convert_at(&view, "USD-RUB", "1", 30).unwrap();
    assert_eq!((official_only.as_of, official_only.age_secs), (time_at(0), 30));
}

#[test]
fn unconnected_assets_have_no_path() {
    let view = view(vec![agreed_price("BTC-EUR", "84000"), agreed_price("XMR-CHF", "200")]);
    let error = convert_at(&view, "EUR-CHF", "1", 0).unwrap_err();
    assert_eq!(error, ConversionError::NoPath { from: Asset::EUR, to: "CHF".parse().unwrap() });
}

proptest! {
    /// A round trip changes the amount by at most half a cent plus the value of half a satoshi.
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
        prop_assert!(difference <= allowed, "the difference {} exceeds {}", difference, allowed);
    }

    /// Compares with `rust_decimal`, which rounds half to even as well.
    #[test]
    fn direct_conversion_is_the_rounded_product(units in 1..1_000_000_000_000_u64, rate in 1..10_000_000_000_000_i64) {
        let rate = Rate::from_hundred_millionths(rate).unwrap();
        let view = view(vec![AgreedPrice { price: Some(rate), ..agreed_price("BTC-EUR", "1") }]);
        let amount = format_fixed_point(units.into(), 8);
        let result = convert_at(&view, "BTC-EUR", &amount, 0).unwrap().result;
        // The product of numbers with 12 and 13 digits fits into a Decimal.
        let product = parse_decimal(&amount).unwrap() * rate.to_decimal();
        prop_assert_eq!(parse_decimal(result.as_str()).unwrap(), product.round_dp(2));
    }
}
