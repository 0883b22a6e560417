//! Prices as integers.

/// Decimal places of [`Units`].
pub(crate) const DECIMALS: u32 = 8;
/// A price in hundred-millionths of the quote asset.
pub(crate) type Units = i64;
/// One whole unit of the quote asset.
pub(crate) const UNIT: Units = 10_i64.pow(DECIMALS);

/// The price step of an exchange whose prices have `decimals` decimals, at most 8.
pub(crate) const fn tick_size(decimals: u32) -> Units {
    10_i64.pow(DECIMALS - decimals)
}
