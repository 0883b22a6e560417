use std::collections::{BTreeMap, BTreeSet};

use quick_xml::{Reader, events::Event};

use super::{MAX_POINTS, document, points};
use crate::load::{
    measures::{Latency, Second},
    report::tests::report,
    statistics::format_rate,
    workload::Failure,
};

/// The elements of a document, which must be well-formed.
#[derive(Debug, Default)]
struct Elements {
    /// The number of elements of each name.
    counts: BTreeMap<String, usize>,
    /// For each attribute: the name of its element, its own name, and its value.
    attributes: Vec<(String, String, String)>,
    text: String,
}

impl Elements {
    fn parse(html: &str) -> Self {
        let body = html.strip_prefix("<!DOCTYPE html>\n").unwrap();
        let mut reader = Reader::from_str(body);
        reader.config_mut().check_end_names = true;
        let mut elements = Self::default();
        let mut open = 0;
        loop {
            match reader.read_event().unwrap() {
                event @ (Event::Start(_) | Event::Empty(_)) => {
                    open += usize::from(matches!(event, Event::Start(_)));
                    let (Event::Start(element) | Event::Empty(element)) = event else { unreachable!() };
                    let name = String::from_utf8(element.name().as_ref().to_vec()).unwrap();
                    for attribute in element.attributes() {
                        let attribute = attribute.unwrap();
                        let key = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
                        let value = attribute.unescape_value().unwrap().into_owned();
                        elements.attributes.push((name.clone(), key, value));
                    }
                    *elements.counts.entry(name).or_default() += 1;
                }
                Event::End(_) => open -= 1,
                Event::Text(text) => elements.text.push_str(&text.unescape().unwrap()),
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(open, 0);
        elements
    }

    fn values(&self, element: &str, attribute: &str) -> Vec<&str> {
        let matching = self.attributes.iter().filter(|(name, key, _)| name == element && key == attribute);
        matching.map(|(_, _, value)| value.as_str()).collect()
    }
}

fn failure() -> Failure {
    Failure { code: "too_many_requests".to_owned(), status: Some(429) }
}

#[test]
fn document_is_well_formed_and_each_chart_has_a_table_beside_it() {
    let elements = Elements::parse(&document(&report(Some(failure()))));
    let count = |name: &str| elements.counts.get(name).copied().unwrap_or(0);
    assert_eq!((count("html"), count("h1"), count("main"), count("h2")), (1, 1, 1, 4));
    // The summary has a table of latencies and one of failures.
    assert_eq!((count("svg"), count("table"), count("caption")), (3, 5, 5));
    assert_eq!(elements.values("html", "lang"), ["en"]);
    assert_eq!(elements.values("div", "tabindex"), ["0"; 8]);
    assert!(elements.text.contains("Check: 99 acknowledged"), "{}", elements.text);
}

#[test]
fn charts_regions_and_headers_have_labels_for_screen_readers() {
    let elements = Elements::parse(&document(&report(None)));
    assert_eq!(elements.values("svg", "role"), ["img"; 3]);
    let ids: Vec<_> =
        elements.attributes.iter().filter(|(_, key, _)| key == "id").map(|(_, _, id)| id.as_str()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an id is not unique: {ids:?}");
    let labels = elements.attributes.iter().filter(|(_, key, _)| key == "aria-labelledby");
    for id in labels.flat_map(|(_, _, value)| value.split(' ')) {
        assert!(ids.contains(&id), "no element has the id {id}");
    }
    assert_eq!(elements.values("div", "aria-label").len(), 7);
    assert!(elements.values("th", "scope").iter().all(|scope| ["col", "row"].contains(scope)));
    assert_eq!(elements.values("th", "scope").len(), elements.counts["th"]);
}

#[test]
fn document_refers_to_no_other_file_and_runs_no_script() {
    let elements = Elements::parse(&document(&report(None)));
    for name in ["script", "link", "img", "iframe", "object"] {
        assert_eq!(elements.counts.get(name), None, "{name}");
    }
    assert!(elements.attributes.iter().all(|(_, key, _)| key != "src" && key != "href"));
}

#[test]
fn text_from_outside_is_escaped() {
    let mut report = report(Some(Failure { code: "<script>\"&".to_owned(), status: None }));
    report.plan.server = "http://<b>&\"".to_owned();
    let elements = Elements::parse(&document(&report));
    assert!(elements.text.contains("http://<b>&\"") && elements.text.contains("<script>\"&"));
    assert_eq!((elements.counts.get("b"), elements.counts.get("script")), (None, None));
}

#[test]
fn report_without_responses_has_empty_charts() {
    let mut report = report(None);
    (report.seconds, report.histogram) = (Vec::new(), Vec::new());
    assert_eq!(Elements::parse(&document(&report)).counts["svg"], 3);
}

#[test]
fn each_label_of_the_time_axis_is_the_last_second_of_its_point() {
    let mut report = report(None);
    (report.plan.duration_ms, report.elapsed_ms) = (600_000, 600_000);
    report.seconds = vec![report.seconds[0]; 600];
    let elements = Elements::parse(&document(&report));
    // 120 points of five seconds each, and a label at every twentieth point.
    for label in ["5 s", "105 s", "505 s"] {
        assert!(elements.text.contains(label), "{label}: {}", elements.text);
    }
}

#[test]
fn responses_after_the_last_second_of_the_load_are_counted_but_not_drawn() {
    let mut report = report(None);
    report.seconds.push(Second { responses: 3, failed: 0, ..report.seconds[0] });
    let elements = Elements::parse(&document(&report));
    let drawn = elements.values("polyline", "points");
    // A single second is drawn as a horizontal line, which has two points.
    assert!(drawn.iter().all(|points| points.split(' ').count() == 2), "{drawn:?}");
    assert!(elements.text.contains("after the last second of the load: 3."), "{}", elements.text);
}

#[test]
fn unexpected_responses_have_a_line_of_their_own() {
    let lines = |report| Elements::parse(&document(&report)).counts["polyline"];
    assert_eq!((lines(report(None)), lines(report(Some(failure())))), (4, 5));
}

#[test]
fn combined_seconds_have_their_mean_rate_and_their_highest_latency() {
    let second = |number: u64| {
        let latency_us = Latency { p50: number, p90: number, p99: number, p99_9: number, max: number };
        Second { responses: number, failed: 1, latency_us }
    };
    let seconds: Vec<_> = (1..=901).map(second).collect();
    let points = points(&seconds);
    assert!(points.len() <= MAX_POINTS);
    let first = &points[0];
    assert_eq!((first.from, first.to, first.failed, first.latency.max), (1, 8, 8, 8));
    assert_eq!(format_rate(first.responses_per_second), "4.5");
    assert_eq!(points.last().unwrap().to, 901);
}
