//! The formats of prices and times: the usual formats of exchanges, and the formats that the faults `odd_numbers` and
//! `odd_times` select.
//!
//! To add a format, add a variant to [`NumberFormat`] or to [`TimeFormat`].

mod json_value;
mod numbers;
#[cfg(test)]
mod tests;
mod times;

pub(crate) use json_value::JsonValue;
pub use numbers::NumberFormat;
pub(crate) use numbers::{Price, PriceFormat, format_price};
pub use times::TimeFormat;
pub(crate) use times::{JsonType, format_time};
