//! The reference of all error codes, as a page of every service and as a document.

use std::fmt::Write as _;

use super::Code;

/// The path of the page. The `type` of a problem is this path with the code as fragment.
pub const REFERENCE_PATH: &str = "/errors";

const INTRODUCTION: &str = "Error responses have the content type `application/problem+json` (RFC 9457). A program should \
    compare `code`, which is stable. `detail` explains to people what happened and what to do. `errors` names the invalid \
    fields, parameters and headers. The logs of all services contain the `request_id`. `type` is the address of the code on this \
    page.";

/// The page as HTML. Each code has a section whose id is the code.
pub fn reference_html() -> String {
    let mut sections = String::new();
    for &code in Code::ALL {
        let _ = writeln!(
            sections,
            "<section id=\"{code}\"><h2><code>{code}</code> <small>{status}: {title}</small></h2><p>{meaning}</p>\
             <p><em>Send again:</em> {retry}</p><p><em>What to do:</em> {action}</p></section>",
            status = code.status().as_u16(),
            title = code.title(),
            meaning = to_html(code.meaning()),
            retry = to_html(code.retry_advice().as_str()),
            action = to_html(code.action()),
        );
    }
    let introduction = to_html(INTRODUCTION);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Errors of Buydesk</title>\n\
         <style>{STYLE}</style></head>\n<body>\n<main>\n<h1>Errors</h1>\n<p>{introduction}</p>\n{sections}</main>\n</body>\n</html>\n"
    )
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\
    h2{font-size:1.1rem;margin:2rem 0 0}p{margin:.3rem 0}small{color:#666;font-weight:normal}\
    section:target{outline:2px solid #2a6;outline-offset:.5rem}";

/// Escapes text, and marks text between backquotes as code.
fn to_html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let parts = escaped.split('`').enumerate();
    parts.map(|(n, part)| if n % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}

/// The page as Markdown: the content of `docs/errors.md`.
pub fn reference_markdown() -> String {
    let mut rows = String::new();
    for &code in Code::ALL {
        let _ = writeln!(
            rows,
            "| <a id=\"{code}\"></a>`{code}` | {status} | {meaning} | {retry} | {action} |",
            status = code.status().as_u16(),
            meaning = code.meaning(),
            retry = code.retry_advice().as_str(),
            action = code.action(),
        );
    }
    format!(
        "# Errors\n\n<!-- Generated from common/src/api/problem/codes.rs by the test `openapi`. -->\n\n{INTRODUCTION} Every service serves \
         this page at `{REFERENCE_PATH}`. The rules for every request are in [requests.md](requests.md). A program that handles \
         `outcome_unknown` is in [outcome-unknown.md](outcome-unknown.md).\n\n\
         | code | status | meaning | when to send again | what to do |\n|---|---|---|---|---|\n{rows}"
    )
}
