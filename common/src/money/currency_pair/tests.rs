use super::*;

#[test]
fn pairs_are_parsed_in_any_case_and_displayed_in_upper_case() {
    assert_eq!("btc-usdt".parse::<CurrencyPair>().unwrap(), CurrencyPair::new(Asset::BTC, Asset::USDT));
    assert_eq!(CurrencyPair::new(Asset::BTC, Asset::USDT).to_string(), "BTC-USDT");
    assert_eq!("1inch".parse::<Asset>().unwrap().to_string(), "1INCH");
}

#[test]
fn shortest_and_longest_codes_are_accepted() {
    for length in [MIN_LENGTH, MAX_LENGTH] {
        let code = "A".repeat(length);
        assert_eq!(code.parse::<Asset>().unwrap().as_str(), code);
    }
}

#[test]
fn debug_output_is_the_code() {
    assert_eq!(format!("{:?}", CurrencyPair::new(Asset::BTC, Asset::USDT)), "BTC-USDT");
    assert_eq!(format!("{:?}", Asset::BTC), "BTC");
}

#[test]
fn malformed_codes_and_pairs_are_rejected() {
    for text in ["", "B", "BITCOINCASH", "BT C", "€UR", "BTC-"] {
        assert_eq!(text.parse::<Asset>(), Err(AssetError), "{text:?}");
    }
    for text in ["", "BTC", "BTCUSD", "BTC-", "-USD", "BTC-BTC", "BTC-USD-EUR", "BTC/USD"] {
        assert_eq!(text.parse::<CurrencyPair>(), Err(CurrencyPairError), "{text:?}");
    }
}

#[test]
fn currency_converts_to_asset_and_back() {
    assert_eq!(Asset::from(Currency::EUR), Asset::EUR);
    assert_eq!(Asset::EUR.to_currency(), Some(Currency::EUR));
    assert_eq!(Asset::USDT.to_currency(), None);
}
