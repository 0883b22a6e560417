//! The status page: one file, with nothing from elsewhere.
//!
//! What it shows first is in it as JSON, and is shown by the same few lines of script that show what it fetches later. Text
//! of reports reaches the page as text nodes alone, never as HTML, and the policy lets no other script run.

use common::api::{health::Health, reports::ReportPage};
use serde::Serialize;

const TEMPLATE: &str = include_str!("status_page.html");

pub(crate) struct StatusPage {
    pub(crate) html: String,
    /// The content security policy it has to be served with.
    pub(crate) policy: String,
}

#[derive(Serialize)]
struct InitialData<'a> {
    health: &'a Health,
    reports: &'a ReportPage,
}

pub(crate) fn render(health: &Health, reports: &ReportPage) -> StatusPage {
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let shown = serde_json::to_string(&InitialData { health, reports }).unwrap_or_else(|_| "null".to_owned());
    // The data last: nothing that is in it is taken for a place to fill.
    let html = TEMPLATE.replace("{nonce}", &nonce).replacen("{data}", &inert(&shown), 1);
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    StatusPage { html, policy }
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
mod tests;
