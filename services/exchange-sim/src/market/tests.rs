use proptest::prelude::*;

use super::*;

const CENT: Units = UNIT / 100;
const TENTH_OF_A_CENT: Units = UNIT / 1_000;

fn of(text: &str) -> CurrencyPair {
    text.parse().unwrap()
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

#[test]
fn the_same_seed_and_time_give_the_same_price_and_others_do_not() {
    let time = at(1_767_323_045_678_901);
    let quote = |seed, time| Market::new(seed).ticker("coinbase", of("BTC-EUR"), CENT, time).unwrap();
    assert_eq!(quote(1, time), quote(1, time));
    assert_ne!(quote(1, time).bid, quote(2, time).bid);
    let later: std::collections::BTreeSet<_> =
        (0..60).map(|second| quote(1, at(time.micros() + second * 1_000_000)).bid).collect();
    assert!(later.len() > 50, "{later:?}");
    assert_eq!(Market::new(1).ticker("coinbase", of("XYZ-EUR"), CENT, time), None);
}

#[test]
fn a_fixing_is_one_number_a_day() {
    let market = Market::new(1);
    let fixing = |day: &str| market.fixing(of("EUR-USD"), day.parse().unwrap()).unwrap();
    assert_eq!(fixing("2026-01-02"), fixing("2026-01-02"));
    assert_ne!(fixing("2026-01-02"), fixing("2026-01-05"));
    assert!((fixing("2026-01-02") - 91 * UNIT / 84).abs() < UNIT / 500);
}

proptest! {
    #[test]
    fn prices_are_plausible_and_exchanges_are_close(seed: u64, micros in 0_i64..4_000_000_000_000_000) {
        let market = Market::new(seed);
        for (direction, average) in [
            ("BTC-USD", 91_000 * UNIT),
            ("BTC-EUR", 84_000 * UNIT),
            ("BTC-GBP", 72_000 * UNIT),
            ("BTC-USDT", 91_000 * UNIT),
            ("ETH-USD", 3_000 * UNIT),
            ("ETH-EUR", 3_000 * UNIT / 91 * 84),
            ("BTC-VND", 2_366_000_000 * UNIT),
        ] {
            let quotes = ["coinbase", "kraken"].map(|name| market.ticker(name, of(direction), CENT, at(micros)));
            let [one, other] = quotes.map(Option::unwrap);
            for quote in [one, other] {
                prop_assert!(0 < quote.bid && quote.bid < quote.ask);
                prop_assert!(quote.last == quote.bid || quote.last == quote.ask);
                prop_assert!((quote.last - average).abs() <= average / 68, "{direction}: {quote:?}");
                prop_assert!(quote.last % CENT == 0);
            }
            prop_assert!((one.last - other.last).abs() <= average / 10_000 * 6);
        }
        let pegged = market.ticker("kraken", of("USDT-USD"), UNIT / 100_000, at(micros)).unwrap();
        prop_assert!((pegged.last - UNIT).abs() <= TENTH_OF_A_CENT, "{pegged:?}");
    }

    #[test]
    fn currencies_agree_with_each_other(seed: u64, micros in 0_i64..4_000_000_000_000_000) {
        let (market, time) = (Market::new(seed), at(micros));
        let price = |text| market.mid_price(of(text), time).unwrap();
        let crossed = i128::from(price("BTC-USD")) * i128::from(price("USD-RUB")) / i128::from(UNIT);
        prop_assert!((crossed - i128::from(price("BTC-RUB"))).abs() < i128::from(UNIT));
        let through_tether = i128::from(price("BTC-USDT")) * i128::from(price("USDT-EUR")) / i128::from(UNIT);
        prop_assert!((through_tether - i128::from(price("BTC-EUR"))).abs() < i128::from(UNIT));
    }

    #[test]
    fn a_price_walks_and_does_not_jump(micros in 0_i64..4_000_000_000_000_000) {
        let market = Market::new(1);
        let [now, soon] = [micros, micros + 1_000_000]
            .map(|time| market.ticker("kraken", of("BTC-EUR"), CENT, at(time)).unwrap());
        prop_assert!((now.bid - soon.bid).abs() <= now.bid / 2_000);
    }
}
