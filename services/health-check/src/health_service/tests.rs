use super::*;
use crate::clock::instants_at;

fn report(status: &str) -> Report {
    Report { level: Level::Info, service: "db-proxy".to_owned(), status: status.to_owned(), data: ().into() }
}

#[test]
fn who_goes_missing_is_told_once_and_so_is_the_return() {
    let service = HealthService::new(&Metrics::new(App::NAME), instants_at(0));
    service.receive(report(Report::ALIVE), instants_at(0)).unwrap();
    for secs in 1..1000 {
        service.tick(instants_at(secs));
    }
    // A report that is no call does not make it less missing.
    service.receive(report("some news"), instants_at(1000)).unwrap();
    service.receive(report(Report::ALIVE), instants_at(1001)).unwrap();
    service.tick(instants_at(1002));
    let page =
        service.reports(&ReportFilter { text: Some("the service".to_owned()), ..ReportFilter::default() }, None, 100);
    let told: Vec<_> = page.data.iter().map(|r| (r.level, r.status.as_str(), r.received_at)).collect();
    assert_eq!(
        told,
        [
            (Level::Info, "the service is back", instants_at(1001).at),
            (Level::Critical, "the service is missing: it has stopped calling", instants_at(150).at),
            (Level::Info, "the service has come up", instants_at(0).at),
        ]
    );
}

#[test]
fn a_call_that_cannot_be_kept_is_no_report_either() {
    let service = HealthService::new(&Metrics::new(App::NAME), instants_at(0));
    let call = |n: usize| Report { service: format!("s{n}"), ..report(Report::ALIVE) };
    let refused = (0..100).filter(|&n| service.receive(call(n), instants_at(0)).is_err()).count();
    assert_eq!(refused, 100 - (crate::registry::MAX_SERVICES - EXPECTED.len()));
    assert_eq!(service.health(instants_at(0)).services.len(), crate::registry::MAX_SERVICES);
}
