use super::*;

#[test]
fn any_case_is_read_and_upper_case_is_shown() {
    assert_eq!("btc-usdt".parse::<CurrencyPair>().unwrap(), CurrencyPair::new(Asset::BTC, Asset::USDT));
    assert_eq!(CurrencyPair::new(Asset::BTC, Asset::USDT).to_string(), "BTC-USDT");
    assert_eq!("1inch".parse::<Asset>().unwrap().to_string(), "1INCH");
}

#[test]
fn anything_else_is_refused() {
    for text in ["", "B", "BITCOINCASH", "BT C", "€UR", "BTC-"] {
        assert_eq!(text.parse::<Asset>(), Err(AssetError), "{text:?}");
    }
    for text in ["", "BTC", "BTCUSD", "BTC-", "-USD", "BTC-BTC", "BTC-USD-EUR", "BTC/USD"] {
        assert_eq!(text.parse::<CurrencyPair>(), Err(CurrencyPairError), "{text:?}");
    }
}

#[test]
fn a_currency_is_an_asset_and_back() {
    assert_eq!(Asset::from(Currency::EUR), Asset::EUR);
    assert_eq!(Asset::EUR.to_currency(), Some(Currency::EUR));
    assert_eq!(Asset::USDT.to_currency(), None);
}
