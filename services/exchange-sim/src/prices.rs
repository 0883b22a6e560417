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
    pub(crate) form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Null,
    Odd(NumberForm),
}

/// What stands in an answer: text, a JSON number with exactly these digits, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    Text(String),
    Number(String),
    Null,
}

impl Price {
    /// A price as JSON text with so many decimals, at most 8.
    pub(crate) fn text(self, decimals: u32) -> Shown {
        match self.form {
            Form::Plain => Shown::Text(shown(self.units, decimals)),
            Form::Null => Shown::Null,
            Form::Odd(form) => Shown::Text(odd(self.units, decimals, form)),
        }
    }

    /// A price as a JSON number, with no zeros at its end and no point where it is whole.
    pub(crate) fn number(self, decimals: u32) -> Shown {
        match self.form {
            Form::Plain => Shown::Number(without_zeros(&shown(self.units, decimals))),
            Form::Null => Shown::Null,
            // No JSON number has a comma in it.
            Form::Odd(form @ (NumberForm::Thousands | NumberForm::DecimalComma)) => {
                Shown::Text(odd(self.units, decimals, form))
            }
            Form::Odd(form) => Shown::Number(odd(self.units, decimals, form)),
        }
    }

    /// So many hundredths of it, such as a day's high.
    pub(crate) fn percent(self, percent: i64) -> Self {
        Self { units: self.units / 100 * percent, ..self }
    }
}

impl Shown {
    /// For formats that are no JSON; `null` is empty there.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Null => String::new(),
        }
    }
}

impl Serialize for Shown {
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
pub(crate) fn shown(price: Units, decimals: u32) -> String {
    let (sign, price) = (if price < 0 { "-" } else { "" }, price.unsigned_abs());
    let (unit, cut) = (UNIT.unsigned_abs(), 10_u64.pow(DECIMALS - decimals));
    let width = decimals as usize;
    let whole = price / unit;
    if decimals == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{:0width$}", price % unit / cut) }
}

fn without_zeros(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}

fn odd(units: Units, decimals: u32, form: NumberForm) -> String {
    let plain = shown(units, decimals);
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
            let significant = without_zeros(digits).replace('.', "");
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
pub(crate) fn stamp(time: Timestamp, form: TimeForm, quoted: bool) -> Option<Shown> {
    let number = |number: i64| if quoted { Shown::Text(number.to_string()) } else { Shown::Number(number.to_string()) };
    Some(match form {
        TimeForm::Seconds => number(time.micros().div_euclid(1_000_000)),
        TimeForm::Millis => number(time.micros().div_euclid(1_000)),
        TimeForm::Micros => number(time.micros()),
        TimeForm::Iso => Shown::Text(time.to_string()),
        TimeForm::Date => Shown::Text(time.to_datetime().date_naive().to_string()),
        TimeForm::Absent => return None,
    })
}

#[cfg(test)]
mod tests;
