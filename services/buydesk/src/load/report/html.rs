//! The report as one HTML file without references to other files. Beside each chart is a table with its numbers.

mod chart;

use std::fmt::Write;

use self::chart::{BarChart, Line, LineChart, Scale};
use super::{Bar, LoadReport, OperationResult};
use crate::load::{
    measures::{Latency, Second},
    statistics::{format_count, format_latency, format_rate, per_second, short_latency, whole},
};

const STYLE: &str = include_str!("html/style.css");
/// Maximum number of points of a chart. In the chart of a longer load, each point stands for several seconds.
const MAX_POINTS: usize = 120;

/// One point of a chart: one second, or several successive seconds.
struct Point {
    /// The number of the first second, counted from 1.
    from: usize,
    to: usize,
    responses_per_second: f64,
    failed: u64,
    /// The highest value of each percentile in these seconds.
    latency: Latency,
}

impl Point {
    fn time(&self) -> String {
        if self.from == self.to { self.to.to_string() } else { format!("{} to {}", self.from, self.to) }
    }
}

/// The HTML document of a report. It is also well-formed XML, except for its first line.
pub fn document(report: &LoadReport) -> String {
    let title = escape(&report.title());
    let (during, after) = report.seconds.split_at(whole_seconds(report));
    let mut points = points(during);
    // `points` divides by whole seconds, so the rate that it computes for a load of less than a second is too low.
    if let [point] = points.as_mut_slice()
        && report.elapsed_ms < 1000
    {
        point.responses_per_second = report.rate_per_second;
    }
    let late: u64 = after.iter().map(|second| second.responses).sum();
    let version = escape(&report.version);
    let sections = [summary(report), rates(&points, late), latencies(&points), histogram(&report.histogram)].concat();
    let started = report.started_at;
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
         <p>Started at <time datetime=\"{started}\">{started}</time>, by buydesk {version}.</p>\n{sections}</main>\n</body>\n</html>\n"
    )
}

/// The number of whole seconds in which the load was sent. Later seconds contain only the last responses, and would
/// look like a lower rate. A load of less than a second has no whole second, so all its seconds are shown.
fn whole_seconds(report: &LoadReport) -> usize {
    let whole = report.plan.duration_ms.min(report.elapsed_ms) / 1000;
    let whole = usize::try_from(whole).unwrap_or(usize::MAX);
    if whole == 0 { report.seconds.len() } else { whole.min(report.seconds.len()) }
}

/// Combines neighbouring seconds, so that there are at most [`MAX_POINTS`] points.
fn points(seconds: &[Second]) -> Vec<Point> {
    let size = seconds.len().div_ceil(MAX_POINTS).max(1);
    let groups = seconds.chunks(size).enumerate().map(|(index, group)| {
        let highest =
            |value: fn(&Latency) -> u64| group.iter().map(|second| value(&second.latency_us)).max().unwrap_or(0);
        let responses = group.iter().map(|second| second.responses).sum();
        let length = std::time::Duration::from_secs(group.len().try_into().unwrap_or(u64::MAX));
        Point {
            from: index * size + 1,
            to: index * size + group.len(),
            responses_per_second: per_second(responses, length),
            failed: group.iter().map(|second| second.failed).sum(),
            latency: Latency {
                p50: highest(|latency| latency.p50),
                p90: highest(|latency| latency.p90),
                p99: highest(|latency| latency.p99),
                p99_9: highest(|latency| latency.p99_9),
                max: highest(|latency| latency.max),
            },
        }
    });
    groups.collect()
}

fn summary(report: &LoadReport) -> String {
    let columns = ["operation", "responses", "per second", "p50", "p90", "p99", "p99.9", "max"];
    let row = |name: &str, responses, rate, latency: Latency| {
        let Latency { p50, p90, p99, p99_9, max } = latency;
        let latencies = [p50, p90, p99, p99_9, max].map(format_latency);
        [name.to_owned(), format_count(responses), format_rate(rate)].into_iter().chain(latencies).collect()
    };
    let results = report.operations.iter().filter(|_| report.operations.len() > 1);
    let mut rows: Vec<Vec<String>> = results
        .map(|OperationResult { name, responses, rate_per_second, latency_us }| {
            row(name, *responses, *rate_per_second, *latency_us)
        })
        .collect();
    rows.push(row("all", report.responses, report.rate_per_second, report.latency_us));
    let mut content =
        scrollable("Responses and latencies", "scroll", &table("Responses and latencies", &columns, &rows));
    if !report.failures.is_empty() {
        let rows: Vec<_> = report
            .failures
            .iter()
            .map(|failure| {
                let status = failure.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
                vec![failure.code.clone(), status, format_count(failure.count)]
            })
            .collect();
        let failures = table("Unexpected responses", &["code", "status", "count"], &rows);
        content += &scrollable("Unexpected responses", "scroll", &failures);
    }
    let sentences = report.sentences();
    if !sentences.is_empty() {
        content += "<ul>\n";
        for sentence in sentences {
            let _ = writeln!(content, "<li>{}</li>", escape(&sentence));
        }
        content += "</ul>\n";
    }
    section("summary", "Summary", &content)
}

/// `late` is the number of responses after the seconds that are shown.
fn rates(points: &[Point], late: u64) -> String {
    let mut lines = vec![Line {
        name: "responses",
        values: points.iter().map(|point| whole(point.responses_per_second)).collect(),
    }];
    if points.iter().any(|point| point.failed > 0) {
        let values = points.iter().map(|point| {
            let seconds = u64::try_from(point.to - point.from + 1).unwrap_or(1);
            point.failed.div_ceil(seconds)
        });
        lines.push(Line { name: "unexpected", values: values.collect() });
    }
    let chart = LineChart {
        id: "rate-chart",
        title: "Responses per second",
        description: "The responses and the unexpected responses in each second. The table has the same numbers.",
        scale: Scale::Linear,
        format: format_count,
        times: axis_labels(points),
        lines,
    };
    let rows: Vec<_> = points
        .iter()
        .map(|point| vec![point.time(), format_rate(point.responses_per_second), format_count(point.failed)])
        .collect();
    let table = table("Responses per second", &["second", "responses per second", "unexpected"], &rows);
    let mut content = pair(chart.title, &chart.svg(), "Responses of each second", &table);
    if late > 0 {
        let late = format_count(late);
        let _ = writeln!(content, "<p>Further responses, which arrived after the last second of the load: {late}.</p>");
    }
    section("rates", "Rate over time", &content)
}

/// The last second of each point.
fn axis_labels(points: &[Point]) -> Vec<String> {
    points.iter().map(|point| format!("{} s", point.to)).collect()
}

fn latencies(points: &[Point]) -> String {
    let line = |name, value: fn(&Latency) -> u64| Line {
        name,
        values: points.iter().map(|point| value(&point.latency)).collect(),
    };
    let chart = LineChart {
        id: "latency-chart",
        title: "Latency percentiles",
        description: "The median, the 99th percentile and the maximum of the latencies in each second, on a logarithmic scale. The \
                      table has the same numbers.",
        scale: Scale::Logarithmic,
        format: short_latency,
        times: axis_labels(points),
        lines: vec![
            line("p50", |latency| latency.p50),
            line("p99", |latency| latency.p99),
            line("max", |latency| latency.max),
        ],
    };
    let rows: Vec<_> = points
        .iter()
        .map(|point| {
            let Latency { p50, p90, p99, max, .. } = point.latency;
            [point.time()].into_iter().chain([p50, p90, p99, max].map(format_latency)).collect()
        })
        .collect();
    let table = table("Latency percentiles", &["second", "p50", "p90", "p99", "max"], &rows);
    section(
        "latencies",
        "Latency over time",
        &pair(chart.title, &chart.svg(), "Latency percentiles of each second", &table),
    )
}

fn histogram(bars: &[Bar]) -> String {
    let chart = BarChart {
        id: "histogram-chart",
        title: "Distribution of latencies",
        description: "The number of responses by latency. Each bar is a range of latencies. The table has the same numbers.",
        bars: bars.iter().map(|bar| (short_latency(bar.up_to_us), bar.count)).collect(),
    };
    let rows: Vec<_> = bars
        .iter()
        .filter(|bar| bar.count > 0)
        .map(|bar| vec![format_latency(bar.above_us), format_latency(bar.up_to_us), format_count(bar.count)])
        .collect();
    let table = table("Responses by latency", &["more than", "at most", "responses"], &rows);
    section("histogram", "Distribution of latencies", &pair(chart.title, &chart.svg(), "Responses by latency", &table))
}

fn section(id: &str, heading: &str, content: &str) -> String {
    format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{heading}</h2>\n{content}</section>\n")
}

/// A chart with the table of its numbers beside it.
fn pair(chart_label: &str, chart: &str, table_label: &str, table: &str) -> String {
    let chart_label = format!("Chart: {chart_label}");
    let (chart, table) = (scrollable(&chart_label, "chart", chart), scrollable(table_label, "scroll", table));
    format!("<div class=\"pair\">\n{chart}{table}</div>\n")
}

/// Content that is too wide for the page can be scrolled, also with the keyboard.
fn scrollable(label: &str, class: &str, content: &str) -> String {
    format!("<div class=\"{class}\" role=\"region\" tabindex=\"0\" aria-label=\"{label}\">\n{content}</div>\n")
}

fn table(caption: &str, columns: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = format!("<table>\n<caption>{}</caption>\n<thead><tr>", escape(caption));
    for column in columns {
        let _ = write!(table, "<th scope=\"col\">{}</th>", escape(column));
    }
    table += "</tr></thead>\n<tbody>\n";
    for row in rows {
        table += "<tr>";
        for (index, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            let _ = if index == 0 {
                write!(table, "<th scope=\"row\">{cell}</th>")
            } else {
                write!(table, "<td>{cell}</td>")
            };
        }
        table += "</tr>\n";
    }
    table + "</tbody>\n</table>\n"
}

/// Escapes the special characters of HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
