use common::{
    api::{
        health::HealthStatus,
        reports::{LevelCounts, ReportGroup, StoredReport},
    },
    level::Level,
};

use super::*;
use crate::clock::tests::instants_at;

#[test]
fn report_text_cannot_escape_from_its_script_element() {
    let status = "</script><script>alert(1)</script><!-- {nonce} {data} &lt;";
    let report = StoredReport {
        id: 1,
        received_at: instants_at(0).wall,
        level: Level::Error,
        service: "x".to_owned(),
        source: None,
        status: status.to_owned(),
        data: serde_json::json!({"<img src=x onerror=alert(1)>": "<b>"}),
    };
    let health = Health {
        status: HealthStatus::Ok,
        at: instants_at(0).wall,
        orders: None,
        services: Vec::new(),
        infrastructure: Vec::new(),
        machines: Vec::new(),
        alerts: Vec::new(),
        reports_last_hour: LevelCounts::default(),
    };
    let (first_at, last_at) = (instants_at(0).wall, instants_at(0).wall);
    let group = ReportGroup { count: 1, first_at, last_at, latest: report };
    let page = render(&health, Some(&ReportGroupList { data: vec![group] }), None);
    assert!(!page.html.contains("alert(1)</script>") && !page.html.contains("<img") && !page.html.contains("<!-- "));
    assert_eq!(page.html.matches("</script>").count(), 2);

    let start = page.html.find("type=\"application/json\">").unwrap() + "type=\"application/json\">".len();
    let end = start + page.html[start..].find("</script>").unwrap();
    let data: serde_json::Value = serde_json::from_str(&page.html[start..end]).unwrap();
    assert_eq!(data["reports"]["data"][0]["latest"]["status"], status, "the status is unchanged");
}

#[test]
fn template_has_no_external_resources_and_inserts_no_html() {
    for external in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!TEMPLATE.contains(external) && !SCRIPT.contains(external), "{external}");
    }
    for unsafe_call in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("] {
        assert!(!SCRIPT.contains(unsafe_call) && !TEMPLATE.contains(unsafe_call), "{unsafe_call}");
    }
}

/// Only `getJson` repeats a request without the password after a refusal. Without the repetition, an outdated password
/// would hide reports and history on loopback.
#[test]
fn every_request_of_the_page_uses_get_json() {
    assert_eq!(SCRIPT.matches("\"api/v1/").count(), 3);
    assert_eq!(SCRIPT.matches("getJson(").count(), 4, "three calls and the definition");
    assert_eq!(SCRIPT.matches("fetch(").count(), 1);
}
