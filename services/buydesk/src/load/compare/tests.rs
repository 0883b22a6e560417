use super::{Comparison, Difference, read_report};
use crate::load::{
    measures::{Latency, Second},
    report::{LoadReport, tests::report},
};

/// A report of seconds with these numbers of responses. The p50 latency of a second, in microseconds, is ten times its
/// number of responses.
fn report_of(responses: &[u64]) -> LoadReport {
    let mut report = report(None);
    let seconds = responses.iter().map(|&responses| {
        let latency_us = Latency { p50: responses * 10, p90: 5000, p99: 7000, p99_9: 8000, max: 9000 };
        Second { responses, failed: 0, latency_us }
    });
    report.seconds = seconds.collect();
    report.plan.duration_ms = u64::try_from(responses.len()).unwrap() * 1000;
    report
}

fn differences(a: &[u64], b: &[u64]) -> Vec<Difference> {
    let comparison = Comparison::new(&report_of(a), &report_of(b));
    comparison.measures.iter().map(|measure| measure.difference).collect()
}

#[test]
fn difference_within_the_spread_of_the_samples_is_noise() {
    use Difference::{Higher, Lower, TooShort, WithinNoise};
    let (steady, spread) = ([100, 101, 99, 100, 102, 98], [60, 140, 90, 120, 70, 132]);
    assert_eq!(differences(&steady, &spread)[0], WithinNoise);
    assert_eq!(differences(&steady, &[90, 91, 89, 90, 92, 88])[..2], [Lower, Lower]);
    assert_eq!(differences(&steady, &[110, 111, 109, 110, 112, 108])[0], Higher);
    assert_eq!(differences(&steady, &steady), [WithinNoise; 5]);
    assert_eq!(differences(&steady, &steady[..4]), [TooShort; 5]);
}

#[test]
fn seconds_after_the_end_of_the_load_are_not_compared() {
    let mut long = report_of(&[100, 101, 99, 100, 102]);
    long.seconds.push(Second::default());
    let comparison = Comparison::new(&report_of(&[100, 101, 99, 100, 102]), &long);
    assert_eq!(comparison.measures[0].difference, Difference::WithinNoise);
}

#[test]
fn table_shows_ratios_and_warns_about_different_kinds_of_load() {
    let (a, mut b) = (report_of(&[100; 6]), report_of(&[100; 6]));
    b.rate_per_second = a.rate_per_second + a.rate_per_second;
    b.plan.kind = "reads".to_owned();
    let comparison = Comparison::new(&a, &b);
    assert_eq!(comparison.measures[0].ratio, Some(2.0));
    let text = comparison.to_string();
    for part in ["B / A", "2.00", "within noise", "The kinds of load differ: orders and reads."] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}

#[test]
fn error_names_the_file_that_is_not_a_report() {
    let file = std::env::temp_dir().join(format!("buydesk-load-compare-{}.json", std::process::id()));
    for text in ["{}", "<html>", r#"{"level":"info"}"#] {
        std::fs::write(&file, text).unwrap();
        let error = read_report(&file).unwrap_err().to_string();
        let expected = format!(
            "{} is not a report of `buydesk load` in JSON.\nName a file that `buydesk load … --report FILE.json` wrote.",
            file.display()
        );
        assert_eq!(error, expected);
    }
    std::fs::remove_file(&file).unwrap();
    assert!(read_report(&file).unwrap_err().to_string().contains("cannot be read"));
}
