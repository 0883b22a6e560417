//! The exchanges: one file each, with the paths, the formats and the errors of the real one.
//!
//! A further exchange is a file with its name and its routes, and a line in each of the three items below.

mod coinbase;
mod kraken;

use std::sync::Arc;

use crate::{
    faults::Faults,
    market::{DECIMALS, Market, Units},
};

/// The names of all exchanges, which are also the first part of their paths.
pub(crate) const NAMES: &[&str] = &[coinbase::NAME, kraken::NAME];

/// The routes of all exchanges.
pub(crate) type All = (coinbase::Coinbase, kraken::Kraken);

pub(crate) fn all(market: &Arc<Market>, faults: &Arc<Faults>) -> All {
    (coinbase::Coinbase::new(market, faults), kraken::Kraken::new(market, faults))
}

/// A price as text with `decimals` decimals, which is at most 8. The price has to be in whole ticks of that size.
fn shown(price: Units, decimals: u32) -> String {
    let (unit, cut) = (10_i64.pow(DECIMALS), 10_i64.pow(DECIMALS - decimals));
    let width = decimals as usize;
    format!("{}.{:0width$}", price / unit, price % unit / cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_have_the_decimals_of_the_exchange() {
        assert_eq!(shown(8_400_012_000_000, 2), "84000.12");
        assert_eq!(shown(8_400_010_000_000, 5), "84000.10000");
        assert_eq!(shown(5_000_000, 2), "0.05");
    }
}
