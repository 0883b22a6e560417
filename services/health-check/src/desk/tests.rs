use super::*;
use crate::clock::moment;

fn report(status: &str) -> Report {
    Report { level: Level::Info, service: "db-proxy".to_owned(), status: status.to_owned(), data: ().into() }
}

#[test]
fn who_goes_missing_is_told_once_and_so_is_the_return() {
    let desk = Desk::new(&Metrics::new(App::NAME), moment(0));
    desk.receive(report(Report::ALIVE), moment(0)).unwrap();
    for secs in 1..1000 {
        desk.tick(moment(secs));
    }
    // A report that is no call does not make it less missing.
    desk.receive(report("some news"), moment(1000)).unwrap();
    desk.receive(report(Report::ALIVE), moment(1001)).unwrap();
    desk.tick(moment(1002));
    let page = desk.reports(&Filter { text: Some("the service".to_owned()), ..Filter::default() }, None, 100);
    let told: Vec<_> = page.data.iter().map(|r| (r.level, r.status.as_str(), r.received_at)).collect();
    assert_eq!(
        told,
        [
            (Level::Info, "the service is back", moment(1001).at),
            (Level::Critical, "the service is missing: it has stopped calling", moment(150).at),
            (Level::Info, "the service has come up", moment(0).at),
        ]
    );
}

#[test]
fn a_call_that_cannot_be_kept_is_no_report_either() {
    let desk = Desk::new(&Metrics::new(App::NAME), moment(0));
    let call = |n: usize| Report { service: format!("s{n}"), ..report(Report::ALIVE) };
    let refused = (0..100).filter(|&n| desk.receive(call(n), moment(0)).is_err()).count();
    assert_eq!(refused, 100 - (crate::registry::MAX_SERVICES - EXPECTED.len()));
    assert_eq!(desk.health(moment(0)).services.len(), crate::registry::MAX_SERVICES);
}
