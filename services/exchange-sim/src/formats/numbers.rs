//! Prices as text and as JSON numbers.

use poem_openapi::Enum;
use serde::{Deserialize, Serialize};

use super::json_value::JsonValue;
use crate::market::units::{DECIMALS, UNIT, Units};

/// How the fault `odd_numbers` writes prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "NumberForm", rename_all = "snake_case")]
pub enum NumberFormat {
    /// Commas between thousands: `84,000.12`.
    Thousands,
    /// A comma before the fraction: `84000,12`.
    DecimalComma,
    /// Scientific notation: `8.400012e4`.
    Exponent,
    /// No fraction: `84000`.
    Integer,
}

/// A price and the format in which it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) units: Units,
    pub(crate) format: PriceFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PriceFormat {
    /// The exchange's usual format.
    Plain,
    /// `null` instead of the price.
    Null,
    /// A format that the fault `odd_numbers` selects.
    Unusual(NumberFormat),
}

impl Price {
    /// The price as a JSON string with `decimals` decimals, at most 8. The format can change the number of decimals, or
    /// require `null`.
    pub(crate) fn text(self, decimals: u32) -> JsonValue {
        match self.format {
            PriceFormat::Plain => JsonValue::Text(format_price(self.units, decimals)),
            PriceFormat::Null => JsonValue::Null,
            PriceFormat::Unusual(format) => JsonValue::Text(format_unusual(self.units, decimals, format)),
        }
    }

    /// The price as a JSON number with at most `decimals` decimals, without trailing zeros. The format can require a
    /// string or `null` instead.
    pub(crate) fn number(self, decimals: u32) -> JsonValue {
        match self.format {
            PriceFormat::Plain => JsonValue::Number(without_trailing_zeros(&format_price(self.units, decimals))),
            PriceFormat::Null => JsonValue::Null,
            // A JSON number cannot contain a comma.
            PriceFormat::Unusual(format @ (NumberFormat::Thousands | NumberFormat::DecimalComma)) => {
                JsonValue::Text(format_unusual(self.units, decimals, format))
            }
            PriceFormat::Unusual(format) => JsonValue::Number(format_unusual(self.units, decimals, format)),
        }
    }

    /// This percentage of the price. Used for the open, high and low of the last day.
    pub(crate) fn percent(self, percent: i64) -> Self {
        Self { units: self.units / 100 * percent, ..self }
    }
}

/// A price with `decimals` decimals, at most 8. Further digits are cut off.
pub(crate) fn format_price(price: Units, decimals: u32) -> String {
    let (sign, price) = (if price < 0 { "-" } else { "" }, price.unsigned_abs());
    let (unit, divisor) = (UNIT.unsigned_abs(), 10_u64.pow(DECIMALS - decimals));
    let width = decimals as usize;
    let whole = price / unit;
    if decimals == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{:0width$}", price % unit / divisor) }
}

pub(super) fn format_unusual(units: Units, decimals: u32, format: NumberFormat) -> String {
    let plain = format_price(units, decimals);
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    match format {
        NumberFormat::Integer => whole.to_owned(),
        NumberFormat::DecimalComma => format!("{whole},{fraction}"),
        NumberFormat::Thousands => format!("{}.{fraction}", with_thousands_separators(whole)),
        NumberFormat::Exponent => with_exponent(&plain),
    }
}

fn with_thousands_separators(whole: &str) -> String {
    let grouped = |(index, digit): (usize, char)| {
        let separated = index > 0 && (whole.len() - index).is_multiple_of(3) && !whole[..index].ends_with('-');
        [separated.then_some(','), Some(digit)].into_iter().flatten()
    };
    whole.char_indices().flat_map(grouped).collect()
}

/// `84000.12` as `8.400012e4`. Zero stays as it is.
fn with_exponent(plain: &str) -> String {
    let (sign, digits) = plain.strip_prefix('-').map_or(("", plain), |digits| ("-", digits));
    let significant = without_trailing_zeros(digits).replace('.', "");
    let significant = significant.trim_start_matches('0');
    let Some((first, rest)) = significant.split_at_checked(1) else { return plain.to_owned() };
    let exponent = if digits.starts_with('0') {
        // The price is below one. For `0.0012`, the exponent is -3: two zeros after the point, plus one.
        let from_first_digit = digits.trim_start_matches(['0', '.']).len();
        -i64::try_from(digits.len() - from_first_digit - 1).unwrap_or(0)
    } else {
        let whole_digits = digits.find('.').unwrap_or(digits.len());
        i64::try_from(whole_digits).unwrap_or(1) - 1
    };
    let rest = rest.trim_end_matches('0');
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{point}{rest}e{exponent}")
}

fn without_trailing_zeros(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}
