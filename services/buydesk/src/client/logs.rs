//! `buydesk logs`: the reports of all services at health-check.

use std::time::Duration;

use common::api::reports::{MAX_REPORT_PAGE, Report, ReportCursor, ReportPage, StoredReport};
use serde_json::Value;

use super::{
    ApiClient,
    api_client::{print_line, print_lines},
    encode_query,
    error::{ClientError, FieldOption, naming_options, print_warning},
    render::format_time,
};
use crate::cli::LogsArgs;

/// The pause before `--follow` requests new reports again.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// The options of `buydesk logs`.
const OPTIONS: &[FieldOption] = &[
    FieldOption { field: "level", option: "--level" },
    FieldOption { field: "service", option: "--service" },
    FieldOption { field: "text", option: "--text" },
    FieldOption { field: "request_id", option: "--request-id" },
    FieldOption { field: "user", option: "--user" },
    FieldOption { field: "from", option: "--from" },
    FieldOption { field: "to", option: "--to" },
];

/// The reports to fetch.
#[derive(Debug, Clone, Copy)]
enum Selection {
    /// The latest reports, at most this many.
    Latest(usize),
    /// All reports that are newer than the report with this id.
    After(u64),
}

/// The fetched reports, oldest first.
struct FetchedReports {
    reports: Vec<StoredReport>,
    /// The id of the newest stored report that matches. It may be the id of a heartbeat that is not shown.
    newest: Option<u64>,
}

/// Runs `buydesk logs`. Without `--follow`, returns after the latest reports.
pub async fn show_logs(client: &ApiClient, args: &LogsArgs, json: bool) -> anyhow::Result<()> {
    if args.limit == 0 && !args.follow {
        return Err(ClientError::invalid_arguments("--limit must be at least 1 without --follow, but is 0.").into());
    }
    let limit = usize::try_from(args.limit)?;
    let FetchedReports { reports, newest } =
        naming_options(fetch(client, args, Selection::Latest(limit)).await, OPTIONS)?;
    let mut newest = newest.unwrap_or(0);
    if reports.is_empty() && !args.follow && !json {
        print_line("No report matches.")?;
    }
    let mut is_open = print_lines(reports.iter().map(|report| line(report, json)))?;
    let mut is_unavailable = false;
    while args.follow && is_open {
        tokio::time::sleep(POLL_INTERVAL).await;
        match fetch(client, args, Selection::After(newest)).await {
            Ok(fetched) => {
                is_unavailable = false;
                newest = fetched.newest.unwrap_or(newest);
                is_open = print_lines(fetched.reports.iter().map(|report| line(report, json)))?;
            }
            // The command continues, because health-check possibly restarts.
            Err(error) => {
                if !std::mem::replace(&mut is_unavailable, true) {
                    print_warning("health_check_unavailable", &format!("{error:#} The command tries again."), json);
                }
            }
        }
    }
    Ok(())
}

async fn fetch(client: &ApiClient, args: &LogsArgs, selection: Selection) -> anyhow::Result<FetchedReports> {
    let mut fetched = FetchedReports { reports: Vec::new(), newest: None };
    let mut cursor = None;
    loop {
        let ReportPage { data, next_cursor } = fetch_page(client, args, cursor).await?;
        fetched.newest = fetched.newest.or_else(|| data.first().map(|report| report.id));
        let mut is_complete = false;
        for report in data {
            let is_selected = match selection {
                Selection::Latest(limit) => fetched.reports.len() < limit,
                Selection::After(id) => report.id > id,
            };
            if !is_selected {
                is_complete = true;
                break;
            }
            if args.heartbeats || !is_heartbeat(&report) {
                fetched.reports.push(report);
            }
        }
        cursor = next_cursor;
        if is_complete || cursor.is_none() {
            fetched.reports.reverse();
            return Ok(fetched);
        }
    }
}

/// A page of reports, newest first.
async fn fetch_page(client: &ApiClient, args: &LogsArgs, cursor: Option<ReportCursor>) -> anyhow::Result<ReportPage> {
    let options = [
        ("level", Some(args.level.to_string())),
        ("limit", Some(MAX_REPORT_PAGE.to_string())),
        ("service", args.service.clone()),
        ("text", args.text.clone()),
        ("request_id", args.request_id.clone()),
        ("user", args.user.map(|user| user.to_string())),
        ("from", args.from.map(|time| time.to_string())),
        ("to", args.to.map(|time| time.to_string())),
        ("cursor", cursor.map(|cursor| cursor.to_string())),
    ];
    let query = encode_query(options.into_iter().filter_map(|(name, value)| Some((name, value?))));
    client.get(&client.endpoints.health_check, &format!("api/v1/reports?{query}")).await?.parse()
}

fn is_heartbeat(report: &StoredReport) -> bool {
    [Report::ALIVE, Report::STOPPING].contains(&report.status.as_str())
}

fn line(report: &StoredReport, json: bool) -> String {
    if json { serde_json::to_string(report).unwrap_or_default() } else { text_line(report) }
}

/// A report on one line: the time, the level, the service, the message, the request id and the fields.
fn text_line(report: &StoredReport) -> String {
    let StoredReport { received_at, level, service, status, data, .. } = report;
    let mut fields = Vec::new();
    if let Some(id) = data.get("request_id").and_then(Value::as_str) {
        fields.push(format!("request_id={id}"));
    }
    for (name, value) in data.get("fields").and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        fields.push(format!("{name}={value}"));
    }
    let text = format!("{} {:<8} {service}: {status} {}", format_time(*received_at), level.as_str(), fields.join(" "));
    // Control characters in a message could change the terminal.
    text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
