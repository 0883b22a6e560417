//! How exchanges write prices and times, and the forms that the faults `odd_numbers` and `odd_times` select.
//!
//! To add a form, add a variant to [`NumberForm`] or to [`TimeForm`].

mod json_value;
mod numbers;
#[cfg(test)]
mod tests;
mod times;

pub(crate) use json_value::JsonValue;
pub use numbers::NumberForm;
pub(crate) use numbers::{Price, PriceForm, format_price};
pub use times::TimeForm;
pub(crate) use times::{JsonType, format_time};
