//! The status page: one file, with nothing from elsewhere.
//!
//! What it shows first is in it as JSON, and is shown by the same few lines of script that show what it fetches later. Text
//! of reports reaches the page as text nodes alone, never as HTML, and the policy lets no other script run.

use common::api::{health::Health, reports::ReportPage};
use serde::Serialize;

const TEMPLATE: &str = include_str!("page.html");

pub(crate) struct Page {
    pub(crate) html: String,
    /// The content security policy it has to be served with.
    pub(crate) policy: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    health: &'a Health,
    reports: &'a ReportPage,
}

pub(crate) fn render(health: &Health, reports: &ReportPage) -> Page {
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let shown = serde_json::to_string(&Shown { health, reports }).unwrap_or_else(|_| "null".to_owned());
    // The data last: nothing that is in it is taken for a place to fill.
    let html = TEMPLATE.replace("{nonce}", &nonce).replacen("{data}", &inert(&shown), 1);
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    Page { html, policy }
}

/// JSON that ends no script element and starts no comment in it.
fn inert(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // All of them stand inside strings, where JSON takes them in this form too.
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use common::api::{
        health::HealthStatus,
        reports::{Level, LevelCounts, StoredReport},
    };

    use super::*;
    use crate::clock::moment;

    #[test]
    fn nothing_in_a_report_gets_out_of_its_place() {
        let status = "</script><script>alert(1)</script><!-- {nonce} {data} &lt;";
        let report = StoredReport {
            id: 1,
            received_at: moment(0).at,
            level: Level::Error,
            service: "x".to_owned(),
            status: status.to_owned(),
            data: serde_json::json!({"<img src=x onerror=alert(1)>": "<b>"}),
        };
        let health = Health {
            status: HealthStatus::Ok,
            at: moment(0).at,
            services: Vec::new(),
            infrastructure: Vec::new(),
            reports_last_hour: LevelCounts::default(),
        };
        let page = render(&health, &ReportPage { data: vec![report], next_cursor: None });
        assert!(
            !page.html.contains("alert(1)</script>") && !page.html.contains("<img") && !page.html.contains("<!-- ")
        );
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
}
