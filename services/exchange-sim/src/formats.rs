//! Prices and times as an exchange writes them, and as it writes them while something is wrong with that.

use common::time::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{
    faults::{NumberForm, TimeForm},
    market::{DECIMALS, UNIT, Units},
};

/// A price, and what is wrong with how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) units: Units,
    pub(crate) form: PriceForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PriceForm {
    Plain,
    Null,
    Odd(NumberForm),
}

/// What stands in an answer: text, a JSON number with exactly these digits, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WireValue {
    Text(String),
    Number(String),
    Null,
}

impl Price {
    /// A price as JSON text with so many decimals, at most 8.
    pub(crate) fn text(self, decimals: u32) -> WireValue {
        match self.form {
            PriceForm::Plain => WireValue::Text(format_decimal(self.units, decimals)),
            PriceForm::Null => WireValue::Null,
            PriceForm::Odd(form) => WireValue::Text(format_odd(self.units, decimals, form)),
        }
    }

    /// A price as a JSON number, with no zeros at its end and no point where it is whole.
    pub(crate) fn number(self, decimals: u32) -> WireValue {
        match self.form {
            PriceForm::Plain => WireValue::Number(without_trailing_zeros(&format_decimal(self.units, decimals))),
            PriceForm::Null => WireValue::Null,
            // No JSON number has a comma in it.
            PriceForm::Odd(form @ (NumberForm::Thousands | NumberForm::DecimalComma)) => {
                WireValue::Text(format_odd(self.units, decimals, form))
            }
            PriceForm::Odd(form) => WireValue::Number(format_odd(self.units, decimals, form)),
        }
    }

    /// So many hundredths of it, such as a day's high.
    pub(crate) fn percent(self, percent: i64) -> Self {
        Self { units: self.units / 100 * percent, ..self }
    }
}

impl WireValue {
    /// For formats that are no JSON; `null` is empty there.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Null => String::new(),
        }
    }
}

impl Serialize for WireValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(digits) => {
                RawValue::from_string(digits.clone()).map_err(serde::ser::Error::custom)?.serialize(serializer)
            }
            Self::Null => serializer.serialize_unit(),
        }
    }
}

/// A price as text with `decimals` decimals, which is at most 8; what is finer is cut off.
pub(crate) fn format_decimal(price: Units, decimals: u32) -> String {
    let (sign, price) = (if price < 0 { "-" } else { "" }, price.unsigned_abs());
    let (unit, cut) = (UNIT.unsigned_abs(), 10_u64.pow(DECIMALS - decimals));
    let width = decimals as usize;
    let whole = price / unit;
    if decimals == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{:0width$}", price % unit / cut) }
}

fn without_trailing_zeros(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}

fn format_odd(units: Units, decimals: u32, form: NumberForm) -> String {
    let plain = format_decimal(units, decimals);
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    match form {
        NumberForm::Integer => whole.to_owned(),
        NumberForm::DecimalComma => format!("{whole},{fraction}"),
        NumberForm::Thousands => {
            let digits = whole.len();
            let place = |(at, digit): (usize, char)| {
                let comma = at > 0 && (digits - at).is_multiple_of(3) && !whole[..at].ends_with('-');
                [comma.then_some(','), Some(digit)].into_iter().flatten()
            };
            format!("{}.{fraction}", whole.char_indices().flat_map(place).collect::<String>())
        }
        NumberForm::Exponent => {
            let (sign, digits) = plain.strip_prefix('-').map_or(("", plain.as_str()), |digits| ("-", digits));
            let significant = without_trailing_zeros(digits).replace('.', "");
            let significant = significant.trim_start_matches('0');
            let Some((first, rest)) = significant.split_at_checked(1) else { return plain };
            let point = digits.find('.').unwrap_or(digits.len());
            let exponent = match digits.trim_start_matches(['0', '.']).len() {
                // Below one: as many places as there are zeros behind the point, and one.
                rest if digits.starts_with('0') => -i64::try_from(digits.len() - rest - 1).unwrap_or(0),
                _ => i64::try_from(point).unwrap_or(1) - 1,
            };
            let rest = rest.trim_end_matches('0');
            let dot = if rest.is_empty() { "" } else { "." };
            format!("{sign}{first}{dot}{rest}e{exponent}")
        }
    }
}

/// A time in one of the forms; `quoted` makes text of a number. Nothing where it is left out.
pub(crate) fn format_time(time: Timestamp, form: TimeForm, quoted: bool) -> Option<WireValue> {
    let number =
        |number: i64| if quoted { WireValue::Text(number.to_string()) } else { WireValue::Number(number.to_string()) };
    Some(match form {
        TimeForm::Seconds => number(time.micros().div_euclid(1_000_000)),
        TimeForm::Millis => number(time.micros().div_euclid(1_000)),
        TimeForm::Micros => number(time.micros()),
        TimeForm::Iso => WireValue::Text(time.to_string()),
        TimeForm::Date => WireValue::Text(time.to_datetime().date_naive().to_string()),
        TimeForm::Absent => return None,
    })
}

#[cfg(test)]
mod tests;
