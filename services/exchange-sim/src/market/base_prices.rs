//! The prices around which the market moves. Every price follows from these two tables, so prices in different
//! currencies, cross rates and fixings agree with each other.

use common::money::Asset;

pub(crate) const BITCOIN_USD: i64 = 91_000;

/// The base price of a coin, in whole US dollars.
const COINS_IN_USD: [(Asset, i64); 3] = [(Asset::BTC, BITCOIN_USD), (Asset::ETH, 3_000), (Asset::USDT, 1)];

/// The base price of one bitcoin, in whole units of a currency.
const BITCOIN_IN_FIAT: [(Asset, i64); 45] = [
    (Asset::EUR, 84_000),
    (Asset::GBP, 72_000),
    (Asset::USD, BITCOIN_USD),
    (Asset::from_code("AED"), 334_200),
    (Asset::from_code("AMD"), 34_800_000),
    (Asset::from_code("AUD"), 138_600),
    (Asset::from_code("AZN"), 154_700),
    (Asset::from_code("BRL"), 509_000),
    (Asset::from_code("BYN"), 291_000),
    (Asset::from_code("CAD"), 124_300),
    (Asset::from_code("CHF"), 78_900),
    (Asset::from_code("CNY"), 647_000),
    (Asset::from_code("CZK"), 2_066_000),
    (Asset::from_code("DKK"), 627_000),
    (Asset::from_code("EGP"), 4_410_000),
    (Asset::from_code("GEL"), 247_000),
    (Asset::from_code("HKD"), 709_000),
    (Asset::from_code("HUF"), 32_340_000),
    (Asset::from_code("IDR"), 1_484_000_000),
    (Asset::from_code("ILS"), 328_000),
    (Asset::from_code("INR"), 8_010_000),
    (Asset::from_code("ISK"), 11_840_000),
    (Asset::from_code("JPY"), 13_970_000),
    (Asset::from_code("KRW"), 129_400_000),
    (Asset::from_code("KZT"), 47_300_000),
    (Asset::from_code("MXN"), 1_692_000),
    (Asset::from_code("MYR"), 384_000),
    (Asset::from_code("NOK"), 983_000),
    (Asset::from_code("NZD"), 155_400),
    (Asset::from_code("PHP"), 5_320_000),
    (Asset::from_code("PLN"), 357_000),
    (Asset::from_code("QAR"), 331_200),
    (Asset::from_code("RON"), 427_600),
    (Asset::from_code("RSD"), 9_845_000),
    (Asset::RUB, 7_371_000),
    (Asset::from_code("SEK"), 927_000),
    (Asset::from_code("SGD"), 118_300),
    (Asset::from_code("THB"), 2_981_000),
    (Asset::from_code("TJS"), 864_000),
    (Asset::from_code("TMT"), 318_500),
    (Asset::from_code("TRY"), 3_822_000),
    (Asset::from_code("UAH"), 3_818_000),
    (Asset::from_code("UZS"), 1_105_000_000),
    (Asset::from_code("VND"), 2_366_000_000),
    (Asset::from_code("ZAR"), 1_601_000),
];

/// The base price of a coin, in whole US dollars.
pub(crate) fn coin_in_usd(coin: Asset) -> Option<i64> {
    COINS_IN_USD.iter().find(|(asset, _)| *asset == coin).map(|(_, price)| *price)
}

/// The base price of one bitcoin, in whole units of a currency.
pub(crate) fn bitcoin_in(currency: Asset) -> Option<i64> {
    BITCOIN_IN_FIAT.iter().find(|(asset, _)| *asset == currency).map(|(_, price)| *price)
}
