//! `buydesk limit …`.

use common::{
    api::limit::{LimitPayload, LimitSource, OrderLimit},
    money::Sats,
};

use super::{
    ApiClient,
    account::name_or_account,
    error::{FieldOption, UnknownChange, naming_options, of_change},
    render::{format_time, without_trailing_zeros},
};
use crate::{
    cli::{LimitCommand, SetLimitArgs},
    table::Table,
};

const PATH: &str = "api/v1/limit";
/// The arguments of `buydesk limit set`.
const ARGUMENTS: &[FieldOption] =
    &[FieldOption { field: "limit", option: "<AMOUNT>" }, FieldOption { field: "changed_by", option: "--by" }];

/// Runs `buydesk limit …`.
pub async fn run_limit_command(client: &ApiClient, command: LimitCommand, json: bool) -> anyhow::Result<()> {
    let response = match command {
        LimitCommand::Show => client.get(&client.endpoints.limit, PATH).await?,
        LimitCommand::Set(SetLimitArgs { limit, by }) => {
            let payload = LimitPayload { limit: Some(limit.into()), changed_by: Some(name_or_account(by)?) };
            let set = client.put(&client.endpoints.limit, PATH, &payload).await;
            let next_step = format!(
                "`{}` shows the limit. To repeat the change, run the command again.",
                client.command("limit show")
            );
            naming_options(
                of_change(set, UnknownChange { possible_effect: "The limit may have been set.", next_step }),
                ARGUMENTS,
            )?
        }
    };
    response.print(json, describe)
}

/// The limit, its remaining part, and the table of changes.
fn describe(limit: &OrderLimit) -> String {
    let OrderLimit { bitcoin_amount, reserved, remaining, .. } = limit;
    let source = match limit.source {
        LimitSource::Setting => "BTC_LIMIT; no operator has set the limit yet".to_owned(),
        LimitSource::Operator if limit.setting == limit.limit => "set by an operator".to_owned(),
        LimitSource::Operator => {
            format!("set by an operator; BTC_LIMIT={} has no effect", without_trailing_zeros(&limit.setting))
        }
    };
    let reserved = if *reserved == Sats::ZERO {
        String::new()
    } else {
        format!(", and open quotes reserve {} BTC", without_trailing_zeros(reserved))
    };
    let remaining_text = if *remaining == Sats::ZERO {
        "Nothing is left: orders without an open quote are refused.".to_owned()
    } else {
        format!("{} BTC are left.", without_trailing_zeros(remaining))
    };
    let changes = if limit.changes.is_empty() { String::new() } else { format!("\n{}", changes(limit)) };
    format!(
        "The limit of all orders is {} BTC ({source}).\n\
         The sum of all orders is {} BTC{reserved}. {remaining_text}{changes}",
        without_trailing_zeros(&limit.limit),
        without_trailing_zeros(bitcoin_amount),
    )
}

fn changes(limit: &OrderLimit) -> Table {
    let mut table = Table::new(["changed", "by", "old limit", "new limit"], &[2, 3]).wrapped("by");
    for change in &limit.changes {
        table.add_row([
            format_time(change.changed_at),
            change.changed_by.to_string(),
            without_trailing_zeros(&change.old_limit),
            without_trailing_zeros(&change.new_limit),
        ]);
    }
    table
}

#[cfg(test)]
mod tests;
