//! The number of decimals of each asset.

use common::money::Asset;

/// Currencies without a smaller unit (ISO 4217, list one).
const ZERO_DECIMAL_CURRENCIES: [&str; 15] =
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF"];
/// Currencies whose smallest unit is a thousandth (ISO 4217, list one).
const THREE_DECIMAL_CURRENCIES: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// Decimals of an amount of the asset. Three-letter codes other than BTC and ETH count as currencies.
pub(super) fn result_decimals(asset: Asset) -> u32 {
    match asset.as_str() {
        "BTC" | "ETH" => 8,
        "USDT" | "USDC" => 6,
        code if ZERO_DECIMAL_CURRENCIES.contains(&code) => 0,
        code if THREE_DECIMAL_CURRENCIES.contains(&code) => 3,
        code if code.len() == 3 => 2,
        _ => 8,
    }
}
