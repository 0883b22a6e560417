use super::*;
use crate::level::Level;

fn report(service: &str, status: &str) -> Report {
    Report { level: Level::Warning, service: service.to_owned(), status: status.to_owned(), data: ().into() }
}

#[test]
fn full_queue_drops_and_counts_its_oldest_reports() {
    let mut receiver = report_queue("x");
    for n in 0..MAX_REPORTS + 3 {
        receiver.queue().push(report("x", &format!("w{n}")));
    }
    assert_eq!(receiver.try_next().unwrap().status, "w3");
    assert_eq!((receiver.take_dropped(), receiver.take_dropped()), (3, 0));
}

#[test]
fn heartbeat_comes_first_and_replaces_the_previous_heartbeat() {
    let mut receiver = report_queue("x");
    for (service, status) in [("x", "w"), ("x", Report::ALIVE), ("y", Report::ALIVE), ("x", Report::STOPPING)] {
        receiver.queue().push(report(service, status));
    }
    assert!(receiver.has_newer_heartbeat(&report("x", Report::ALIVE)));
    assert!(!receiver.has_newer_heartbeat(&report("x", "w")));
    let order: Vec<_> = std::iter::from_fn(|| receiver.try_next()).map(|r| (r.service, r.status)).collect();
    let expected = [("y", Report::ALIVE), ("x", Report::STOPPING), ("x", "w")];
    assert_eq!(order, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}
