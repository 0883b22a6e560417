//! The status page: one HTML document without external resources.
//!
//! The page contains its initial data as JSON. The same script renders the initial data and all updates. It inserts
//! text of reports as text nodes, never as HTML. The content security policy allows no other script.

use common::api::{health::Health, history::HistoryPage, reports::ReportGroupList};
use serde::Serialize;

const TEMPLATE: &str = include_str!("status_page.html");
const SCRIPT: &str = include_str!("status_page.js");

pub(crate) struct StatusPage {
    pub(crate) html: String,
    /// The value of the header `Content-Security-Policy`. It allows the script and the style of this page only.
    pub(crate) content_security_policy: String,
}

/// The data that the page shows before it fetches newer data.
#[derive(Serialize)]
struct InitialData<'a> {
    health: &'a Health,
    /// `None` if the reader may not see reports.
    reports: Option<&'a ReportGroupList>,
    /// The newest periods of the history, `None` under the same condition.
    history: Option<&'a HistoryPage>,
}

pub(crate) fn render(health: &Health, reports: Option<&ReportGroupList>, history: Option<&HistoryPage>) -> StatusPage {
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let data = serde_json::to_string(&InitialData { health, reports, history }).unwrap_or_else(|_| "null".to_owned());
    // The data is inserted last, so that placeholders in the data are not replaced.
    let html = TEMPLATE.replace("{nonce}", &nonce).replacen("{script}", SCRIPT, 1);
    let html = html.replacen("{data}", &escape_for_script(&data), 1);
    let content_security_policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    StatusPage { html, content_security_policy }
}

/// Escapes JSON so that it cannot end the script element or start a comment in it.
fn escape_for_script(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // These characters occur only inside JSON strings, where the escaped form means the same.
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
