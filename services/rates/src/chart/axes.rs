//! Axes in integer arithmetic: the pixel of a value, and the values that have a label.

use common::{money::Rate, time::Timestamp};

/// Hundred-millionths in one unit.
const UNIT: i64 = 100_000_000;
/// The possible steps between time labels, in minutes.
const TIME_STEPS_MINUTES: [i64; 13] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880];
const DAY_SECS: i64 = 86_400;

/// Maps the values from `first` to `last` linearly to pixels. The vertical axis points upwards, so the pixel of its
/// last value is smaller than the pixel of its first value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale {
    pub(super) first: i64,
    pub(super) last: i64,
    /// The pixels of `first` and `last`.
    pub(super) pixels: (i32, i32),
}

impl Scale {
    /// The pixel of a value. Values outside of the scale are mapped to its ends.
    pub(super) fn pixel(&self, value: i64) -> i32 {
        let (from, to) = self.pixels;
        let span = i128::from((self.last - self.first).max(1));
        let distance = i128::from(value.clamp(self.first, self.last) - self.first);
        let offset = distance * i128::from(to - from) / span;
        from + i32::try_from(offset).unwrap_or(0)
    }

    /// The multiples of `step` within the scale.
    pub(super) fn multiples_of(&self, step: i64) -> impl Iterator<Item = i64> {
        let last = self.last;
        let first = self.first.div_euclid(step) + i64::from(self.first.rem_euclid(step) > 0);
        (first..).map(move |n| n * step).take_while(move |&value| value <= last)
    }
}

/// The step between price labels: one, two or five times a power of ten, with at most `max_labels` labels.
pub(super) fn price_step(range: i64, max_labels: i64) -> i64 {
    let mut power = 1_i64;
    loop {
        for factor in [1, 2, 5] {
            let step = power.saturating_mul(factor);
            if range / step < max_labels {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// The step between time labels, in seconds, with at most `max_labels + 1` labels.
pub(super) fn time_step(range_secs: i64, max_labels: i64) -> i64 {
    let steps = TIME_STEPS_MINUTES.iter().map(|minutes| minutes * 60);
    steps.into_iter().find(|step| range_secs / step <= max_labels).unwrap_or(range_secs.max(1))
}

/// Formats a price in hundred-millionths, with thousands separators and with as many decimals as `step` has.
pub(super) fn format_price_label(value: i64, step: i64) -> String {
    let (mut decimals, mut unit) = (0, UNIT);
    while unit > 1 && step % unit != 0 {
        unit /= 10;
        decimals += 1;
    }
    let rounded = value / unit;
    let scale = UNIT / unit;
    let whole = with_thousands_separators(rounded / scale);
    if decimals == 0 { whole } else { format!("{whole}.{:0decimals$}", rounded % scale) }
}

/// Formats a rate with all its decimals and with thousands separators.
pub(super) fn format_rate(rate: Rate) -> String {
    let text = rate.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, "00"));
    whole.parse().map_or_else(|_| text.clone(), |whole| format!("{}.{decimals}", with_thousands_separators(whole)))
}

fn with_thousands_separators(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a time, in seconds since 1970. The label is a date if the time is midnight or labels are at least a day
/// apart. Otherwise the label is the time of day.
pub(super) fn format_time_label(seconds: i64, step: i64) -> String {
    let format = if step >= DAY_SECS || seconds.rem_euclid(DAY_SECS) == 0 { "%-d %b" } else { "%H:%M" };
    let time = Timestamp::from_micros(seconds.saturating_mul(1_000_000));
    time.map_or_else(|_| String::new(), |time| time.to_datetime().format(format).to_string())
}

#[cfg(test)]
mod tests;
