use common::{
    api::{
        health::HealthStatus,
        reports::{LevelCounts, StoredReport},
    },
    level::Level,
};

use super::*;
use crate::clock::instants_at;

#[test]
fn nothing_in_a_report_gets_out_of_its_place() {
    let status = "</script><script>alert(1)</script><!-- {nonce} {data} &lt;";
    let report = StoredReport {
        id: 1,
        received_at: instants_at(0).at,
        level: Level::Error,
        service: "x".to_owned(),
        status: status.to_owned(),
        data: serde_json::json!({"<img src=x onerror=alert(1)>": "<b>"}),
    };
    let health = Health {
        status: HealthStatus::Ok,
        at: instants_at(0).at,
        services: Vec::new(),
        infrastructure: Vec::new(),
        reports_last_hour: LevelCounts::default(),
    };
    let page = render(&health, &ReportPage { data: vec![report], next_cursor: None });
    assert!(!page.html.contains("alert(1)</script>") && !page.html.contains("<img") && !page.html.contains("<!-- "));
    assert_eq!(page.html.matches("</script>").count(), 2);

    let start = page.html.find("type=\"application/json\">").unwrap() + "type=\"application/json\">".len();
    let end = start + page.html[start..].find("</script>").unwrap();
    let shown: serde_json::Value = serde_json::from_str(&page.html[start..end]).unwrap();
    assert_eq!(shown["reports"]["data"][0]["status"], status, "it is shown as it was sent");
}

#[test]
fn the_page_brings_all_it_needs() {
    for elsewhere in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!TEMPLATE.contains(elsewhere), "{elsewhere}");
    }
    for unsafe_way in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("] {
        assert!(!TEMPLATE.contains(unsafe_way), "{unsafe_way}");
    }
}
