use super::*;
use crate::level::Level;

fn report(service: &str, status: &str) -> Report {
    Report { level: Level::Warning, service: service.to_owned(), status: status.to_owned(), data: ().into() }
}

#[test]
fn the_oldest_goes_when_it_is_full_and_is_counted() {
    let mut source = report_queue("x");
    for n in 0..MAX_WAITING + 3 {
        source.queue().send(report("x", &format!("w{n}")));
    }
    assert_eq!(source.try_next().unwrap().status, "w3");
    assert_eq!((source.take_dropped(), source.take_dropped()), (3, 0));
}

#[test]
fn a_call_goes_first_and_takes_the_place_of_the_one_before() {
    let mut source = report_queue("x");
    for (service, status) in [("x", "w"), ("x", Report::ALIVE), ("y", Report::ALIVE), ("x", Report::STOPPING)] {
        source.queue().send(report(service, status));
    }
    assert!(source.has_newer(&report("x", Report::ALIVE)));
    assert!(!source.has_newer(&report("x", "w")));
    let order: Vec<_> = std::iter::from_fn(|| source.try_next()).map(|r| (r.service, r.status)).collect();
    let expected = [("y", Report::ALIVE), ("x", Report::STOPPING), ("x", "w")];
    assert_eq!(order, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}
