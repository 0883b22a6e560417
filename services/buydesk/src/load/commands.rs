//! The commands of `buydesk load`: the preparation of each kind of load, and its check at the end.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use common::api::{Code, RetryAdvice};

use super::{
    LoadKind, PreparedLoad,
    compare::{Comparison, read_report},
    transport::Transport,
    workload::Workload,
    workloads::{OrderLoad, PriceLoad, ReadLoad, UserLoad, WalletLoad},
};
use crate::{
    cli::{CheckScope, CompareArgs, LoadCommand, LoadOptions, OrderLoadArgs, PriceLoadArgs, WalletLoadArgs},
    client::{ApiClient, ClientError, print_line},
};

const OPERATOR_ADVICE: &str = "set OPERATOR_TOKEN to the operator token, which has no limit";
const KEY_ADVICE: &str = "use an API key with a higher limit (`buydesk key update --rate-limit`)";
/// The effect of a load that only reads.
const READS_ONLY: &str = "sends it many requests";

const NOT_CHECKED: &str = "the acknowledged changes could not be checked";

/// Runs `buydesk load …`. The exit code is 1 if a response was unexpected, if the check found a violation, or if an
/// outcome is unknown after the check.
pub async fn run_load_command(client: &ApiClient, command: LoadCommand, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        LoadCommand::Orders(args) => load_orders(client, args, json).await,
        LoadCommand::Reads(args) => load_reads(client, &args.load, json).await,
        LoadCommand::Wallets(args) => load_wallets(client, args, json).await,
        LoadCommand::Prices(args) => load_prices(client, args, json).await,
        LoadCommand::Users(args) => load_users(client, &args.load, json).await,
        LoadCommand::Compare(args) => compare(&args, json),
    }
}

async fn load_orders(client: &ApiClient, args: OrderLoadArgs, json: bool) -> anyhow::Result<ExitCode> {
    let kind = LoadKind {
        name: "orders",
        endpoint: &client.endpoints.server,
        effect: "places orders that cannot be removed",
        credential: client.api_key().or(client.operator_token()),
        rate_limit_advice: rate_limit_advice("RATE_LIMIT_PER_MINUTE", Some(OPERATOR_ADVICE)),
    };
    let Some(prepared) = PreparedLoad::new(client, kind, &args.load, json).await? else { return declined() };
    let load = Arc::new(OrderLoad::new(client, prepared.transport.clone(), &args)?);
    check_first(&*load, &prepared.transport).await?;
    let results = prepared.run(load.clone()).await?;
    let check = match args.check {
        CheckScope::None => None,
        scope => Some(load.check(client, scope).await.context(NOT_CHECKED)?),
    };
    prepared.finish(load.operations(), results, check)
}

/// Sends the first request before the load. Fails if the service refuses the request for a reason that also applies to
/// the other requests, such as an invalid amount. The load sends the request again, with the same key.
async fn check_first(load: &impl Workload, transport: &Transport) -> Result<(), ClientError> {
    let Err(failure) = load.send(0).await else { return Ok(()) };
    let is_permanent =
        Code::from_text(&failure.code).is_some_and(|code| code.retry_advice() == RetryAdvice::AfterChange);
    if !is_permanent {
        return Ok(());
    }
    let detail = transport.first_detail(&failure.code).unwrap_or_default();
    let message = format!("The first request was refused, so the load was not started: {detail}");
    let next_step = match failure.code.as_str() {
        code if code == Code::LimitExceeded.as_str() => "An operator raises the limit with `buydesk limit set`.",
        _ => "Correct the options or the settings that the reason names.",
    };
    Err(ClientError::new(&failure.code, message, next_step))
}

async fn load_reads(client: &ApiClient, options: &LoadOptions, json: bool) -> anyhow::Result<ExitCode> {
    let kind = LoadKind {
        name: "reads",
        endpoint: &client.endpoints.orders,
        effect: READS_ONLY,
        credential: client.api_key().or(client.operator_token()),
        rate_limit_advice: rate_limit_advice("FETCH_RATE_LIMIT_PER_MINUTE", Some(OPERATOR_ADVICE)),
    };
    let Some(prepared) = PreparedLoad::new(client, kind, options, json).await? else { return declined() };
    let load = Arc::new(ReadLoad::new(client, prepared.transport.clone()).await?);
    let results = prepared.run(load.clone()).await?;
    prepared.finish(load.operations(), results, None)
}

async fn load_wallets(client: &ApiClient, args: WalletLoadArgs, json: bool) -> anyhow::Result<ExitCode> {
    let kind = LoadKind {
        name: "wallets",
        endpoint: &client.endpoints.wallets,
        effect: "creates wallets and moves money, which cannot be removed",
        // Operators move no money.
        credential: client.api_key(),
        rate_limit_advice: rate_limit_advice("WALLETS_RATE_LIMIT_PER_MINUTE", Some(KEY_ADVICE)),
    };
    let Some(prepared) = PreparedLoad::new(client, kind, &args.load, json).await? else { return declined() };
    let load = Arc::new(WalletLoad::new(client, prepared.transport.clone(), &args).await?);
    let results = prepared.run(load.clone()).await?;
    let check = match args.check {
        CheckScope::None => None,
        scope => Some(load.check(client, scope).await.context(NOT_CHECKED)?),
    };
    prepared.finish(load.operations(), results, check)
}

async fn load_prices(client: &ApiClient, args: PriceLoadArgs, json: bool) -> anyhow::Result<ExitCode> {
    let kind = LoadKind {
        name: "prices",
        endpoint: &client.endpoints.rates,
        effect: READS_ONLY,
        // rates ignores keys and tokens.
        credential: None,
        rate_limit_advice: rate_limit_advice("RATES_RATE_LIMIT_PER_MINUTE", None),
    };
    let Some(prepared) = PreparedLoad::new(client, kind, &args.load, json).await? else { return declined() };
    let load = Arc::new(PriceLoad::new(client, prepared.transport.clone(), args.currency)?);
    let results = prepared.run(load.clone()).await?;
    prepared.finish(load.operations(), results, None)
}

async fn load_users(client: &ApiClient, options: &LoadOptions, json: bool) -> anyhow::Result<ExitCode> {
    let Some(credential) = client.operator_token() else {
        let next_step = "Set OPERATOR_TOKEN to the operator token of the platform's settings. If they contain none, `buydesk up` prints one at its start.";
        return Err(ClientError::new("operator_token_missing", "Only operators create users.", next_step).into());
    };
    let kind = LoadKind {
        name: "users",
        endpoint: &client.endpoints.users,
        effect: "creates users, which cannot be removed",
        credential: Some(credential),
        rate_limit_advice: rate_limit_advice("USERS_RATE_LIMIT_PER_MINUTE", Some(OPERATOR_ADVICE)),
    };
    let Some(prepared) = PreparedLoad::new(client, kind, options, json).await? else { return declined() };
    let load = Arc::new(UserLoad::new(client, prepared.transport.clone()).await?);
    let results = prepared.run(load.clone()).await?;
    prepared.finish(load.operations(), results, None)
}

fn compare(args: &CompareArgs, json: bool) -> anyhow::Result<ExitCode> {
    let comparison = Comparison::new(&read_report(&args.a)?, &read_report(&args.b)?);
    print_line(&if json { serde_json::to_string(&comparison)? } else { comparison.to_string() })?;
    Ok(ExitCode::SUCCESS)
}

/// The advice about a rate limit. `setting` is the name of the environment variable that sets this limit. `alternative`
/// is what a client can do, if there is such a remedy.
fn rate_limit_advice(setting: &str, alternative: Option<&str>) -> String {
    let alternative = alternative.map(|alternative| format!(", or {alternative}")).unwrap_or_default();
    format!("Start the platform with {setting}=0{alternative}.")
}

fn declined() -> anyhow::Result<ExitCode> {
    print_line("Nothing was sent.")?;
    Ok(ExitCode::SUCCESS)
}
