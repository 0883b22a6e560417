//! `buydesk load`: sends many requests to a running platform, and measures rates and latencies.
//!
//! [`pace`] sends the requests of a [`workload`] at the right times, [`recording`] records the responses, and [`report`] is the result.

mod acknowledged;
mod measures;
mod pace;
mod platform;
mod progress;
mod recording;
mod report;
mod statistics;
mod transport;
mod workload;
mod workloads;

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use common::{config::Secret, shutdown, time::Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::{
    measures::{Model, Schedule},
    pace::{Period, Run, Timer},
    platform::{Permitted, model_of, permit},
    progress::Progress,
    recording::{Recorder, Recording},
    report::{Check, Circumstances, LoadReport, Plan},
    transport::Transport,
    workload::Workload,
    workloads::{OrderLoad, ReadLoad, WalletLoad},
};
use crate::{
    cli::{CheckScope, LoadCommand, LoadOptions},
    client::{ApiClient, Endpoint, print_line},
};

/// Runs `buydesk load …`. The exit code is 1 if a response was unexpected or if the check found a violation.
pub async fn run_load_command(client: &ApiClient, command: LoadCommand, json: bool) -> anyhow::Result<ExitCode> {
    let endpoints = &client.endpoints;
    let customer = client.api_key().or(client.operator_token());
    match command {
        LoadCommand::Orders(args) => {
            let kind = Kind {
                name: "orders",
                endpoint: &endpoints.server,
                effect: "places orders that cannot be removed",
                credential: customer,
                rate_limit_advice: advice("RATE_LIMIT_PER_MINUTE", OPERATOR_ADVICE),
            };
            let Some(prepared) = Prepared::new(client, kind, &args.load, json).await? else { return declined() };
            let load = Arc::new(OrderLoad::new(client, prepared.transport.clone(), &args)?);
            let results = prepared.run(load.clone()).await?;
            let check = match args.check {
                CheckScope::None => None,
                scope => Some(load.check(client, scope).await?),
            };
            prepared.finish(load.operations(), results, check)
        }
        LoadCommand::Reads(args) => {
            let kind = Kind {
                name: "reads",
                endpoint: &endpoints.orders,
                effect: "sends it many requests",
                credential: customer,
                rate_limit_advice: advice("FETCH_RATE_LIMIT_PER_MINUTE", OPERATOR_ADVICE),
            };
            let Some(prepared) = Prepared::new(client, kind, &args.load, json).await? else { return declined() };
            let load = Arc::new(ReadLoad::new(client, prepared.transport.clone()).await?);
            let results = prepared.run(load.clone()).await?;
            prepared.finish(load.operations(), results, None)
        }
        LoadCommand::Wallets(args) => {
            let kind = Kind {
                name: "wallets",
                endpoint: &endpoints.wallets,
                effect: "creates wallets and moves money, which cannot be removed",
                // Operators move no money.
                credential: client.api_key(),
                rate_limit_advice: advice("WALLETS_RATE_LIMIT_PER_MINUTE", KEY_ADVICE),
            };
            let Some(prepared) = Prepared::new(client, kind, &args.load, json).await? else { return declined() };
            let load = Arc::new(WalletLoad::new(client, prepared.transport.clone(), &args).await?);
            let results = prepared.run(load.clone()).await?;
            let check = match args.check {
                CheckScope::None => None,
                scope => Some(load.check(client, scope).await?),
            };
            prepared.finish(load.operations(), results, check)
        }
    }
}

/// The exit code after the second Ctrl-C, as of a shell.
const INTERRUPTED: i32 = 130;
const OPERATOR_ADVICE: &str = "set OPERATOR_TOKEN to the operator token, which has no limit";
const KEY_ADVICE: &str = "use an API key with a higher limit (`buydesk key update --rate-limit`)";

/// What the user can do about a rate limit.
fn advice(setting: &str, alternative: &str) -> String {
    format!("Start the platform with {setting}=0, or {alternative}.")
}

fn declined() -> anyhow::Result<ExitCode> {
    print_line("Nothing was sent.")?;
    Ok(ExitCode::SUCCESS)
}

/// Ends the process if the user presses Ctrl-C again, for example while the load is checked.
async fn exit_on_second_signal(first: CancellationToken) {
    first.cancelled().await;
    eprintln!("Waiting for the last responses. Ctrl-C ends the command without a report.");
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(INTERRUPTED);
    }
}

/// What is the same for all loads of a kind.
struct Kind<'a> {
    name: &'static str,
    endpoint: &'a Endpoint,
    /// What the load does to the platform.
    effect: &'static str,
    credential: Option<&'a Secret>,
    rate_limit_advice: String,
}

/// A permitted load, before its first request.
struct Prepared {
    plan: Plan,
    options: LoadOptions,
    json: bool,
    transport: Transport,
    rate_limit_advice: String,
}

/// The responses of a load, and how it was sent.
struct Results {
    started_at: Timestamp,
    interrupted: bool,
    schedule: Option<Schedule>,
    recording: Recording,
}

impl Prepared {
    /// Checks the options, and whether the load may be sent. Returns `None` if the user declines.
    async fn new(
        client: &ApiClient,
        kind: Kind<'_>,
        options: &LoadOptions,
        json: bool,
    ) -> anyhow::Result<Option<Self>> {
        let model = model_of(options)?;
        let permitted = permit(client, kind.endpoint, kind.effect, options, json).await?;
        let Some(Permitted { simulated }) = permitted else { return Ok(None) };
        let connections = match model {
            Model::Closed { connections } => connections,
            Model::Open { max_in_flight, .. } => max_in_flight,
        };
        let transport = Transport::new(usize::try_from(connections)?, options.timeout, kind.credential)?;
        let plan = Plan {
            kind: kind.name.to_owned(),
            server: kind.endpoint.address().to_owned(),
            simulated,
            model,
            duration_ms: u64::try_from(options.duration.as_millis())?,
            warm_up_ms: u64::try_from(options.warm_up.as_millis())?,
        };
        let rate_limit_advice = kind.rate_limit_advice;
        Ok(Some(Self { plan, options: options.clone(), json, transport, rate_limit_advice }))
    }

    /// Sends the load, and prints its progress. The first Ctrl-C ends the load early, so that it is still checked and reported.
    async fn run<W: Workload>(&self, workload: Arc<W>) -> anyhow::Result<Results> {
        let stop = shutdown::on_signal()?;
        tokio::spawn(exit_on_second_signal(stop.clone()));
        let started_at = Timestamp::now();
        let start = Instant::now();
        let measured_from = start + self.options.warm_up;
        let end = measured_from + self.options.duration;
        let recorder = Arc::new(Recorder::new(workload.operations().len(), measured_from)?);
        let progress_end = CancellationToken::new();
        let progress = Progress { recorder: recorder.clone(), start, measured_from, json: self.json };
        let progress = tokio::spawn(progress.print_until(progress_end.clone()));
        let run = Run { workload, recorder: recorder.clone(), period: Period { start, end }, stop: stop.clone() };
        let schedule = match self.plan.model {
            Model::Closed { connections } => {
                run.closed(connections).await;
                None
            }
            Model::Open { rate_per_second, max_in_flight } => {
                Some(run.open(rate_per_second, max_in_flight, &Timer::start()).await)
            }
        };
        progress_end.cancel();
        progress.await.context("the task that prints the progress panicked")?;
        let recorder = Arc::into_inner(recorder).context("a request is still in flight")?;
        let interrupted = stop.is_cancelled();
        Ok(Results { started_at, interrupted, schedule, recording: recorder.into_recording() })
    }

    /// Prints the report.
    fn finish(
        self,
        operations: &'static [&'static str],
        results: Results,
        check: Option<Check>,
    ) -> anyhow::Result<ExitCode> {
        let Self { plan, json, rate_limit_advice, .. } = self;
        let Results { started_at, interrupted, schedule, recording } = results;
        let circumstances =
            Circumstances { plan, started_at, interrupted, schedule, check, operations, rate_limit_advice };
        let report = LoadReport::new(circumstances, recording);
        if json {
            print_line(&serde_json::to_string(&report)?)?;
        } else {
            print_line(&report.to_string())?;
        }
        Ok(if report.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
