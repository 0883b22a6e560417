//! The pairs that an exchange lists, with its own symbols.

use common::money::{Asset, CurrencyPair};

use super::units::{Units, tick_size};

/// A pair that an exchange lists.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListedPair {
    /// The exchange's own symbol, such as `BTCUSDT`.
    pub(crate) symbol: &'static str,
    pub(crate) pair: CurrencyPair,
    /// The smallest step between two prices.
    pub(crate) tick: Units,
    /// Decimals of the tick. Some exchanges write prices with more decimals.
    pub(crate) decimals: u32,
}

/// A pair with `decimals` decimals and a tick of one unit of the last decimal.
pub(crate) const fn listed(symbol: &'static str, base: &str, quote: &str, decimals: u32) -> ListedPair {
    let pair = CurrencyPair::new(Asset::from_code(base), Asset::from_code(quote));
    ListedPair { symbol, pair, tick: tick_size(decimals), decimals }
}

pub(crate) fn find_listed_pair(pairs: &'static [ListedPair], symbol: &str) -> Option<&'static ListedPair> {
    pairs.iter().find(|listed| listed.symbol == symbol)
}
