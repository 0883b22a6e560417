//! Computes rates, and formats rates, latencies and counts. Latencies are whole microseconds.
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "measurements, not money")]

use std::time::Duration;

/// Events per second, with three decimals. Zero if no time has passed.
pub fn per_second(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() {
        return 0.0;
    }
    (count as f64 / elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Formats a rate, such as `4,980` or `12.5`.
pub fn format_rate(rate: f64) -> String {
    if rate >= 100.0 { format_count(whole(rate)) } else { format!("{rate:.1}") }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "measurements are not negative, and far below the maximum of u64"
)]
pub fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// Formats a latency, such as `850 µs`, `2.13 ms` or `1.20 s`.
pub fn format_latency(micros: u64) -> String {
    match micros {
        0..1000 => format!("{micros} µs"),
        1000..1_000_000 => format!("{:.2} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

/// Like [`format_latency`], but without trailing zeros, such as `2.1 ms` or `10 ms`.
pub fn short_latency(micros: u64) -> String {
    let text = format_latency(micros);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// Formats a duration, such as `30 s` or `0.5 s`.
pub fn format_duration(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{:.1} s", time.as_secs_f64()) }
}

/// Formats a number with separators, such as `12,345`.
pub fn format_count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
