//! `buydesk load compare`: the ratios of two reports, and whether the differences are more than noise.
//!
//! Each second of a load gives at most one value of each measure. A difference is noise if the means of the two loads differ by
//! at most [`CRITICAL_STANDARD_ERRORS`] standard errors of the difference, as in Welch's test.
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "statistics of measurements, not money")]

use std::{fmt, fs, path::Path};

use common::io_errors::describe_file_error;
use serde::Serialize;

use super::{
    measures::Second,
    report::{FORMAT, LoadReport},
    statistics::{format_latency, format_rate, whole},
};
use crate::{client::ClientError, table::Table};

/// The critical value of the test, for long loads and a significance level of about 1 %.
const CRITICAL_STANDARD_ERRORS: f64 = 2.6;
/// A measure that has a value in fewer seconds cannot be compared.
const MIN_SECONDS: usize = 5;

/// The comparison of two reports.
#[derive(Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub measures: Vec<Measure>,
    /// Reasons why the results may not be comparable: different kinds or models of load, or an interrupted load.
    pub warnings: Vec<String>,
}

/// One measure in both reports.
#[derive(Debug, PartialEq, Serialize)]
pub struct Measure {
    pub name: &'static str,
    /// The value in the first report: a rate per second, a latency in microseconds, or a count.
    pub a: f64,
    pub b: f64,
    /// `b / a`. Absent if `a` is zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    pub difference: Difference,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// The difference is not significant.
    WithinNoise,
    /// The value of B is significantly lower.
    Lower,
    /// The value of B is significantly higher.
    Higher,
    /// In at least one of the loads, too few seconds have a value.
    TooShort,
}

struct Definition {
    name: &'static str,
    /// The value of the whole load.
    total: fn(&LoadReport) -> f64,
    /// The value of one second. `None` for the latency of a second without responses.
    in_second: fn(&Second) -> Option<u64>,
}

const MEASURES: [Definition; 5] = [
    Definition {
        name: "responses per second",
        total: |report| report.rate_per_second,
        in_second: |second| Some(second.responses),
    },
    Definition {
        name: "p50",
        total: |report| report.latency_us.p50 as f64,
        in_second: |second| latency(second, second.latency_us.p50),
    },
    Definition {
        name: "p90",
        total: |report| report.latency_us.p90 as f64,
        in_second: |second| latency(second, second.latency_us.p90),
    },
    Definition {
        name: "p99",
        total: |report| report.latency_us.p99 as f64,
        in_second: |second| latency(second, second.latency_us.p99),
    },
    Definition {
        name: "unexpected responses",
        total: |report| report.failed as f64,
        in_second: |second| Some(second.failed),
    },
];

fn latency(second: &Second, micros: u64) -> Option<u64> {
    (second.responses > 0).then_some(micros)
}

/// Reads a report that `buydesk load --json` or `--report` wrote.
pub fn read_report(file: &Path) -> anyhow::Result<LoadReport> {
    let shown = file.display();
    let not_readable = |message| {
        ClientError::new("report_not_readable", message, "Name a file that `buydesk load … --report FILE.json` wrote.")
    };
    let text = fs::read(file).map_err(|error| {
        not_readable(format!("The report {shown} cannot be read: {}.", describe_file_error(file, &error)))
    })?;
    let report: LoadReport = serde_json::from_slice(&text)
        .map_err(|_| not_readable(format!("{shown} is not a report of `buydesk load` in JSON.")))?;
    match report.format {
        FORMAT => Ok(report),
        format => {
            let message =
                format!("{shown} is a report in the format {format}, and this version reads the format {FORMAT}.");
            Err(not_readable(message).into())
        }
    }
}

impl Comparison {
    pub fn new(a: &LoadReport, b: &LoadReport) -> Self {
        let measures = MEASURES.iter().map(|measure| {
            let (total_a, total_b) = ((measure.total)(a), (measure.total)(b));
            let ratio = (total_a > 0.0).then(|| (total_b / total_a * 1000.0).round() / 1000.0);
            let difference = difference(&samples(a, measure.in_second), &samples(b, measure.in_second));
            Measure { name: measure.name, a: total_a, b: total_b, ratio, difference }
        });
        Self { measures: measures.collect(), warnings: warnings(a, b) }
    }
}

/// The value of each full second of the load. Seconds after the end of the load contain only the last responses, and
/// are omitted.
fn samples(report: &LoadReport, value: fn(&Second) -> Option<u64>) -> Vec<f64> {
    let whole = usize::try_from(report.plan.duration_ms / 1000).unwrap_or(usize::MAX);
    report.seconds.iter().take(whole).filter_map(value).map(|value| value as f64).collect()
}

/// The mean of some values, and the variance of this mean.
struct Mean {
    mean: f64,
    variance: f64,
}

fn mean(values: &[f64]) -> Mean {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Mean { mean, variance: squares / (count - 1.0) / count }
}

fn difference(a: &[f64], b: &[f64]) -> Difference {
    if a.len() < MIN_SECONDS || b.len() < MIN_SECONDS {
        return Difference::TooShort;
    }
    let (a, b) = (mean(a), mean(b));
    let distance = b.mean - a.mean;
    if distance.abs() <= CRITICAL_STANDARD_ERRORS * (a.variance + b.variance).sqrt() {
        Difference::WithinNoise
    } else if distance > 0.0 {
        Difference::Higher
    } else {
        Difference::Lower
    }
}

fn warnings(a: &LoadReport, b: &LoadReport) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut compare = |name: &str, a: String, b: String| {
        if a != b {
            warnings.push(format!("The {name} differ: {a} and {b}."));
        }
    };
    compare("kinds of load", a.plan.kind.clone(), b.plan.kind.clone());
    compare("models", a.plan.model.to_string(), b.plan.model.to_string());
    for (name, report) in [("A", a), ("B", b)] {
        if report.interrupted {
            warnings.push(format!("{name} was interrupted."));
        }
    }
    warnings
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["measure", "A", "B", "B / A", "difference"], &[1, 2, 3]);
        for Measure { name, a, b, ratio, difference } in &self.measures {
            let format = |value: f64| {
                if name.starts_with('p') { format_latency(whole(value)) } else { format_rate(value) }
            };
            let ratio = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
            table.add_row([(*name).to_owned(), format(*a), format(*b), ratio, difference.to_string()]);
        }
        write!(f, "{table}")?;
        self.warnings.iter().try_for_each(|warning| write!(f, "\n{warning}"))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WithinNoise => "within noise",
            Self::Lower => "B is lower",
            Self::Higher => "B is higher",
            Self::TooShort => "unknown: values in fewer than 5 seconds",
        })
    }
}

#[cfg(test)]
mod tests;
