//! `buydesk alerts` and `buydesk silence …`.

use common::{
    api::{
        Code,
        alerts::{Alert, AlertList, NewSilence, Silence, SilenceList},
    },
    ids::SilenceId,
};

use super::{
    ApiClient,
    account::name_or_account,
    api_client::print_line,
    error::{FieldOption, naming_options, with_advice},
    render::format_time,
};
use crate::{
    cli::{AddSilenceArgs, SilenceCommand},
    table::Table,
};

/// The options of `buydesk silence add`.
const OPTIONS: &[FieldOption] = &[
    FieldOption { field: "alert", option: "--alert" },
    FieldOption { field: "service", option: "--service" },
    FieldOption { field: "for_secs", option: "--for" },
    FieldOption { field: "created_by", option: "--by" },
    FieldOption { field: "reason", option: "--reason" },
];

/// Runs `buydesk alerts`.
pub async fn show_alerts(client: &ApiClient, json: bool) -> anyhow::Result<()> {
    let response = client.get(&client.endpoints.health_check, "api/v1/alerts").await?;
    response.print(json, |list: &AlertList| match list.data.as_slice() {
        [] => "No alerts.".to_owned(),
        alerts => alert_lines(alerts),
    })
}

/// The alerts. Each alert has three lines: its name and state, its summary, and its runbook entry.
fn alert_lines(alerts: &[Alert]) -> String {
    let lines = alerts.iter().map(|alert| {
        let Alert { name, subject, severity, state, summary, runbook_url, since, resolved_at, silence, .. } = alert;
        let silenced = if silence.is_some() { ", silenced" } else { "" };
        let since = format_time(*since);
        let time = match resolved_at {
            Some(resolved_at) => format!("at {} (since {since})", format_time(*resolved_at)),
            None => format!("since {since}"),
        };
        format!("{severity} {name} {subject}: {state}{silenced} {time}\n  {summary}\n  {runbook_url}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Runs `buydesk silence …`.
pub async fn run_silence_command(client: &ApiClient, command: SilenceCommand, json: bool) -> anyhow::Result<()> {
    let result = match command {
        SilenceCommand::Add(args) => add_silence(client, args, json).await,
        SilenceCommand::List(_) => list_silences(client, json).await,
        SilenceCommand::Remove { id, .. } => remove_silence(client, id, json).await,
    };
    naming_options(result, OPTIONS)
}

async fn add_silence(client: &ApiClient, args: AddSilenceArgs, json: bool) -> anyhow::Result<()> {
    let AddSilenceArgs { alert, service, duration, reason, by, .. } = args;
    let new = NewSilence { alert, service, for_secs: duration.as_secs(), created_by: name_or_account(by)?, reason };
    let response = client.post(&client.endpoints.health_check, "api/v1/silences", &new).await?;
    response.print(json, |silence: &Silence| table([silence]).to_string())
}

async fn list_silences(client: &ApiClient, json: bool) -> anyhow::Result<()> {
    let response = client.get(&client.endpoints.health_check, "api/v1/silences").await?;
    response.print(json, |list: &SilenceList| match list.data.as_slice() {
        [] => "No silences.".to_owned(),
        silences => table(silences).to_string(),
    })
}

async fn remove_silence(client: &ApiClient, id: SilenceId, json: bool) -> anyhow::Result<()> {
    let removed = client.delete(&client.endpoints.health_check, &format!("api/v1/silences/{id}")).await;
    with_advice(removed, |code| match code {
        Code::NotFound => Some(format!("`{}` lists the silences.", client.command("silence list"))),
        _ => None,
    })?;
    // With `json`, nothing is printed, because the response is empty.
    if json { Ok(()) } else { print_line(&format!("Silence {id} is removed.")) }
}

fn table<'a>(silences: impl IntoIterator<Item = &'a Silence>) -> Table {
    let mut table = Table::new(["id", "alert", "service", "until", "by", "reason"], &[]);
    for silence in silences {
        let Silence { id, alert, service, until, created_by, reason, .. } = silence.clone();
        let all = || "all".to_owned();
        let (alert, service) = (alert.unwrap_or_else(all), service.unwrap_or_else(all));
        table.add_row([id, alert, service, format_time(until), created_by, reason]);
    }
    table
}

#[cfg(test)]
mod tests;
