//! The exchanges, the indexes and the banks: one file each, with the paths, the formats and the errors of the real one.
//!
//! A further one is a file with its name and its routes, and a line in the macro below.

use common::money::{Asset, CurrencyPair};

use crate::{
    Simulation,
    market::{DECIMALS, Units},
};

macro_rules! exchanges {
    ($($module:ident: $exchange:ident,)+) => {
        $(pub(crate) mod $module;)+

        /// The names of all exchanges, which are also the first part of their paths.
        pub(crate) const NAMES: &[&str] = &[$($module::NAME,)+];

        /// The routes of all exchanges.
        pub(crate) type All = ($($module::$exchange,)+);

        pub(crate) fn all(simulation: &Simulation) -> All {
            ($($module::$exchange::new(simulation),)+)
        }
    };
}

exchanges! {
    binance: Binance,
    bitfinex: Bitfinex,
    bitstamp: Bitstamp,
    blockchain_info: BlockchainInfo,
    cbr: Cbr,
    coinbase: Coinbase,
    coingecko: CoinGecko,
    ecb: Ecb,
    frankfurter: Frankfurter,
    gemini: Gemini,
    kraken: Kraken,
    okx: Okx,
}

/// What is traded at an exchange, by its name there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListedPair {
    pub(crate) name: &'static str,
    pub(crate) direction: CurrencyPair,
    /// The finest step of a price.
    pub(crate) tick: Units,
    /// How many decimals a price is told with.
    pub(crate) decimals: u32,
}

/// A pair whose prices are told in steps as fine as their decimals.
const fn pair(name: &'static str, base: &str, quote: &str, decimals: u32) -> ListedPair {
    let direction = CurrencyPair::new(Asset::from_code(base), Asset::from_code(quote));
    ListedPair { name, direction, tick: tick(decimals), decimals }
}

const fn tick(decimals: u32) -> Units {
    10_i64.pow(DECIMALS - decimals)
}

pub(crate) fn find(pairs: &'static [ListedPair], name: &str) -> Option<&'static ListedPair> {
    pairs.iter().find(|pair| pair.name == name)
}
