//! What things cost on average. Every price follows from these two lists, so that prices in different currencies, cross
//! rates and fixings agree with each other.

use common::money::Asset;

/// What a coin costs on average, in whole US dollars.
pub(crate) const COIN_USD_PRICES: [(Asset, i64); 3] =
    [(Asset::BTC, BITCOIN_USD), (Asset::ETH, 3_000), (Asset::USDT, 1)];
pub(crate) const BITCOIN_USD: i64 = 91_000;

/// What a bitcoin costs on average, in whole units of a currency.
const BITCOIN_PRICES: [(Asset, i64); 45] = [
    (Asset::EUR, 84_000),
    (Asset::GBP, 72_000),
    (Asset::USD, BITCOIN_USD),
    (Asset::of("AED"), 334_200),
    (Asset::of("AMD"), 34_800_000),
    (Asset::of("AUD"), 138_600),
    (Asset::of("AZN"), 154_700),
    (Asset::of("BRL"), 509_000),
    (Asset::of("BYN"), 291_000),
    (Asset::of("CAD"), 124_300),
    (Asset::of("CHF"), 78_900),
    (Asset::of("CNY"), 647_000),
    (Asset::of("CZK"), 2_066_000),
    (Asset::of("DKK"), 627_000),
    (Asset::of("EGP"), 4_410_000),
    (Asset::of("GEL"), 247_000),
    (Asset::of("HKD"), 709_000),
    (Asset::of("HUF"), 32_340_000),
    (Asset::of("IDR"), 1_484_000_000),
    (Asset::of("ILS"), 328_000),
    (Asset::of("INR"), 8_010_000),
    (Asset::of("ISK"), 11_840_000),
    (Asset::of("JPY"), 13_970_000),
    (Asset::of("KRW"), 129_400_000),
    (Asset::of("KZT"), 47_300_000),
    (Asset::of("MXN"), 1_692_000),
    (Asset::of("MYR"), 384_000),
    (Asset::of("NOK"), 983_000),
    (Asset::of("NZD"), 155_400),
    (Asset::of("PHP"), 5_320_000),
    (Asset::of("PLN"), 357_000),
    (Asset::of("QAR"), 331_200),
    (Asset::of("RON"), 427_600),
    (Asset::of("RSD"), 9_845_000),
    (Asset::RUB, 7_371_000),
    (Asset::of("SEK"), 927_000),
    (Asset::of("SGD"), 118_300),
    (Asset::of("THB"), 2_981_000),
    (Asset::of("TJS"), 864_000),
    (Asset::of("TMT"), 318_500),
    (Asset::of("TRY"), 3_822_000),
    (Asset::of("UAH"), 3_818_000),
    (Asset::of("UZS"), 1_105_000_000),
    (Asset::of("VND"), 2_366_000_000),
    (Asset::of("ZAR"), 1_601_000),
];

pub(crate) fn coin_usd(asset: Asset) -> Option<i64> {
    COIN_USD_PRICES.iter().find(|(coin, _)| *coin == asset).map(|(_, average)| *average)
}

pub(crate) fn bitcoin_price(asset: Asset) -> Option<i64> {
    BITCOIN_PRICES.iter().find(|(currency, _)| *currency == asset).map(|(_, average)| *average)
}
