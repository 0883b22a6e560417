use proptest::prelude::*;

use super::*;

const CENT: Units = UNIT / 100;
const TENTH_OF_A_CENT: Units = UNIT / 1_000;

fn pair(text: &str) -> CurrencyPair {
    text.parse().unwrap()
}

fn time_at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

#[test]
fn price_is_determined_by_seed_and_time() {
    let time = time_at(1_767_323_045_678_901);
    let ticker = |seed, time| Market::new(seed).ticker("coinbase", pair("BTC-EUR"), CENT, time).unwrap();
    assert_eq!(ticker(1, time), ticker(1, time));
    assert_ne!(ticker(1, time).bid, ticker(2, time).bid);
    let later: std::collections::BTreeSet<_> =
        (0..60).map(|second| ticker(1, time_at(time.micros() + second * 1_000_000)).bid).collect();
    assert!(later.len() > 50, "{later:?}");
    assert_eq!(Market::new(1).ticker("coinbase", pair("XYZ-EUR"), CENT, time), None);
}

#[test]
fn fixing_changes_daily_and_stays_near_the_base_price() {
    let fixing_of = |market: Market, day: &str| market.fixing(pair("EUR-USD"), day.parse().unwrap()).unwrap();
    let fixing = |day: &str| fixing_of(Market::new(1), day);
    assert_ne!(fixing("2026-01-02"), fixing_of(Market::new(2), "2026-01-02"));
    assert_ne!(fixing("2026-01-02"), fixing("2026-01-05"));
    assert!((fixing("2026-01-02") - 91 * UNIT / 84).abs() < UNIT / 500);
}

proptest! {
    #[test]
    fn prices_stay_near_base_prices_and_exchanges_near_each_other(seed: u64, micros in 0_i64..4_000_000_000_000_000) {
        let market = Market::new(seed);
        for (name, base_price) in [
            ("BTC-USD", 91_000 * UNIT),
            ("BTC-EUR", 84_000 * UNIT),
            ("BTC-GBP", 72_000 * UNIT),
            ("BTC-USDT", 91_000 * UNIT),
            ("ETH-USD", 3_000 * UNIT),
            ("ETH-EUR", 3_000 * UNIT / 91 * 84),
            ("BTC-VND", 2_366_000_000 * UNIT),
        ] {
            let tickers = ["coinbase", "kraken"].map(|exchange| market.ticker(exchange, pair(name), CENT, time_at(micros)));
            let [one, other] = tickers.map(Option::unwrap);
            for ticker in [one, other] {
                prop_assert!(0 < ticker.bid && ticker.bid < ticker.ask);
                prop_assert!(ticker.last == ticker.bid || ticker.last == ticker.ask);
                prop_assert!((ticker.last - base_price).abs() <= base_price / 68, "{name}: {ticker:?}");
                prop_assert!(ticker.last % CENT == 0);
            }
            prop_assert!((one.last - other.last).abs() <= base_price / 10_000 * 6);
        }
        let pegged = market.ticker("kraken", pair("USDT-USD"), UNIT / 100_000, time_at(micros)).unwrap();
        prop_assert!((pegged.last - UNIT).abs() <= TENTH_OF_A_CENT, "{pegged:?}");
    }

    #[test]
    fn cross_rates_agree(seed: u64, micros in 0_i64..4_000_000_000_000_000) {
        let (market, time) = (Market::new(seed), time_at(micros));
        let price = |text| market.mid_price(pair(text), time).unwrap();
        let crossed = i128::from(price("BTC-USD")) * i128::from(price("USD-RUB")) / i128::from(UNIT);
        prop_assert!((crossed - i128::from(price("BTC-RUB"))).abs() < i128::from(UNIT));
        let through_tether = i128::from(price("BTC-USDT")) * i128::from(price("USDT-EUR")) / i128::from(UNIT);
        prop_assert!((through_tether - i128::from(price("BTC-EUR"))).abs() < i128::from(UNIT));
    }

    #[test]
    fn price_moves_at_most_half_a_permille_in_a_second(micros in 0_i64..4_000_000_000_000_000) {
        let market = Market::new(1);
        let [now, soon] = [micros, micros + 1_000_000]
            .map(|time| market.ticker("kraken", pair("BTC-EUR"), CENT, time_at(time)).unwrap());
        prop_assert!((now.bid - soon.bid).abs() <= now.bid / 2_000);
    }
}
