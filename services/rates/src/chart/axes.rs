//! Scales in whole numbers: where a value is drawn, and which values are named.

use common::{money::Rate, time::Timestamp};

/// Hundred-millionths in one unit.
const UNIT: i64 = 100_000_000;
/// Steps between named times, in minutes: what a clock has.
const MINUTES: [i64; 13] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880];

/// Values along an axis of pixels; the pixel of the last one may be the smaller, as it is where the axis points upwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) pixels: (i32, i32),
}

impl Scale {
    /// The pixel of a value; one that is outside is drawn at the edge.
    pub(super) fn pixel(&self, value: i64) -> i32 {
        let (from, to) = self.pixels;
        let span = i128::from((self.last - self.first).max(1));
        let along = i128::from(value.clamp(self.first, self.last) - self.first);
        let offset = along * i128::from(to - from) / span;
        from + i32::try_from(offset).unwrap_or(0)
    }

    /// Multiples of `step` on the axis.
    pub(super) fn multiples(&self, step: i64) -> impl Iterator<Item = i64> {
        let last = self.last;
        let first = self.first.div_euclid(step) + i64::from(self.first.rem_euclid(step) > 0);
        (first..).map(move |n| n * step).take_while(move |&value| value <= last)
    }
}

/// Between named prices: one, two or five times a power of ten, so that there are at most `most` of them.
pub(super) fn price_step(range: i64, most: i64) -> i64 {
    let mut power = 1_i64;
    loop {
        for factor in [1, 2, 5] {
            let step = power.saturating_mul(factor);
            if range / step < most {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// Between named times, in seconds.
pub(super) fn time_step(seconds: i64, most: i64) -> i64 {
    let steps = MINUTES.iter().map(|minutes| minutes * 60);
    steps.into_iter().find(|step| seconds / step <= most).unwrap_or(seconds.max(1))
}

/// A price with a comma between thousands, and as many decimals as values that are `step` apart need.
pub(super) fn price_text(value: i64, step: i64) -> String {
    let (mut decimals, mut unit) = (0, UNIT);
    while unit > 1 && step % unit != 0 {
        unit /= 10;
        decimals += 1;
    }
    let shown = value / unit;
    let scale = UNIT / unit;
    let whole = with_thousands_separators(shown / scale);
    if decimals == 0 { whole } else { format!("{whole}.{:0decimals$}", shown % scale) }
}

/// A price as it is, with a comma between thousands.
pub(super) fn rate_text(rate: Rate) -> String {
    let text = rate.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, "00"));
    whole.parse().map_or_else(|_| text.clone(), |whole| format!("{}.{decimals}", with_thousands_separators(whole)))
}

fn with_thousands_separators(whole: i64) -> String {
    let digits = whole.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time of day, and the day at midnight and where only days are named.
pub(super) fn time_text(seconds: i64, step: i64) -> String {
    let day = 86_400;
    let format = if step >= day || seconds.rem_euclid(day) == 0 { "%-d %b" } else { "%H:%M" };
    let time = Timestamp::from_micros(seconds.saturating_mul(1_000_000));
    time.map_or_else(|_| String::new(), |time| time.to_datetime().format(format).to_string())
}

#[cfg(test)]
mod tests;
