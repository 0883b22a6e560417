use clap::Parser;
use common::config::Env;
use serde_json::json;

use super::*;
use crate::{
    cli::{Addresses, Arguments, Command, CredentialOptions},
    client::scripted_service::{Reply, ScriptedService},
};

fn report(id: u64, status: &str) -> Value {
    json!({
        "id": id, "received_at": "2026-01-02T03:04:05Z", "level": "warning", "service": "rates", "status": status,
        "data": { "request_id": "r-1", "fields": { "error": "no route\nto host", "attempts": 3 } },
    })
}

fn page(reports: &[Value], next_cursor: Option<&str>) -> Reply {
    Reply::Success(json!({ "data": reports, "next_cursor": next_cursor }))
}

fn arguments(options: &[&str]) -> LogsArgs {
    let arguments = Arguments::try_parse_from(["buydesk", "logs"].iter().chain(options)).unwrap();
    let Command::Logs(args) = arguments.command else { panic!() };
    args
}

fn client(service: &ScriptedService) -> ApiClient {
    let env = Env::from_pairs([("BIND_HOST", "127.0.0.1"), ("HEALTH_CHECK_URL", service.address.as_str())]);
    ApiClient::new(env, Addresses::default(), CredentialOptions::default()).unwrap()
}

fn ids(fetched: &FetchedReports) -> Vec<u64> {
    fetched.reports.iter().map(|report| report.id).collect()
}

#[tokio::test]
async fn latest_reports_are_ordered_oldest_first_without_heartbeats() {
    let replies = vec![
        page(&[report(9, "alive"), report(8, "b")], Some("r8")),
        page(&[report(7, "stopping"), report(6, "c"), report(5, "d")], Some("r5")),
    ];
    let service = ScriptedService::start(replies);
    let args = arguments(&["--level", "error", "--request-id", "r 1"]);
    let fetched = fetch(&client(&service), &args, Selection::Latest(2)).await.unwrap();
    assert_eq!((ids(&fetched), fetched.newest), (vec![6, 8], Some(9)));
    let requests = service.requests();
    assert!(requests[0].starts_with("GET /api/v1/reports?level=error&limit=200&request_id=r+1 "), "{requests:?}");
    assert!(requests[1].contains("&cursor=r8 "), "{requests:?}");
}

#[tokio::test]
async fn selection_after_an_id_fetches_all_newer_reports() {
    let service = ScriptedService::start(vec![page(&[report(9, "a"), report(8, "alive"), report(7, "c")], Some("r7"))]);
    let args = arguments(&["--heartbeats"]);
    let fetched = fetch(&client(&service), &args, Selection::After(7)).await.unwrap();
    assert_eq!((ids(&fetched), fetched.newest), (vec![8, 9], Some(9)));
}

#[test]
fn report_is_one_line_with_its_fields() {
    let report: StoredReport = serde_json::from_value(report(1, "a source does not respond")).unwrap();
    let expected = "2026-01-02 03:04:05 UTC warning  rates: a source does not respond request_id=r-1 attempts=3 error=no route to host";
    assert_eq!(text_line(&report), expected);
    assert_eq!(serde_json::from_str::<StoredReport>(&line(&report, true)).unwrap(), report);
}
