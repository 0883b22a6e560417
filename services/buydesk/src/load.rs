//! `buydesk load`: sends many requests to a running platform, and measures rates and latencies.
//!
//! [`pace`] sends the requests of a [`workload`]. [`recording`] records the responses. [`report`] is the result.

mod acknowledged;
mod commands;
mod compare;
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

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use common::{
    config::Secret,
    io_errors::{describe_file_error, is_disk_full},
    shutdown,
    time::Timestamp,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::commands::run_load_command;
use self::{
    measures::{Model, Schedule},
    pace::{Period, Run, Timer},
    platform::{Permitted, model_of, permit},
    progress::Progress,
    recording::{Recorder, Recording},
    report::{Check, LoadReport, Plan, ReportParts},
    transport::Transport,
    workload::Workload,
};
use crate::{
    cli::{LoadOptions, ReportFile, ReportFormat},
    client::{ApiClient, ClientError, Endpoint, print_line},
};

/// The exit code after the second Ctrl-C. Shells report this code, 128 + SIGINT, for a command that SIGINT terminated.
const INTERRUPTED: i32 = 130;

/// Waits for `first`, which the first signal cancels. Then exits the process at the next Ctrl-C.
async fn exit_on_second_signal(first: CancellationToken) {
    first.cancelled().await;
    eprintln!("Waiting for the last responses. Ctrl-C ends the command without a report.");
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(INTERRUPTED);
    }
}

fn report_not_writable(path: &Path, error: &io::Error) -> ClientError {
    let message = format!("The report {} cannot be written: {}.", path.display(), describe_file_error(path, error));
    let next_step = match error.kind() {
        io::ErrorKind::NotFound => "Create the folder, or name another file with --report.",
        kind if is_disk_full(kind) => "Free space, or name a file on another disk with --report.",
        _ => "Name another file with --report.",
    };
    ClientError::new("report_not_writable", message, next_step)
}

/// The properties of a kind of load.
struct LoadKind<'a> {
    name: &'static str,
    endpoint: &'a Endpoint,
    /// The effect of the load on the platform, as the end of a sentence that begins with `This command`.
    effect: &'static str,
    credential: Option<&'a Secret>,
    rate_limit_advice: String,
}

/// A permitted load, before its first request.
struct PreparedLoad {
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

impl PreparedLoad {
    /// Checks the options, and whether the load may be sent. Returns `None` if the user declines.
    async fn new(
        client: &ApiClient,
        kind: LoadKind<'_>,
        options: &LoadOptions,
        json: bool,
    ) -> anyhow::Result<Option<Self>> {
        let model = model_of(options)?;
        let permitted = permit(client, kind.endpoint, kind.effect, options, json).await?;
        let Some(Permitted { simulated }) = permitted else { return Ok(None) };
        for ReportFile { path, .. } in &options.report {
            // Fails before the load starts if the report cannot be written.
            let opened = OpenOptions::new().create(true).append(true).open(path);
            opened.map_err(|error| report_not_writable(path, &error))?;
        }
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

    /// Sends the load, and prints its progress. The first Ctrl-C or SIGTERM ends the load early, but the check and the
    /// report follow.
    async fn run<W: Workload>(&self, workload: Arc<W>) -> anyhow::Result<Results> {
        let stop = shutdown::on_signal(Duration::ZERO)?.stop;
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
                run.send_closed(connections).await;
                None
            }
            Model::Open { rate_per_second, max_in_flight } => {
                Some(run.send_open(rate_per_second, max_in_flight, &Timer::start()).await)
            }
        };
        progress_end.cancel();
        progress.await.context("the task that prints the progress panicked")?;
        let recorder = Arc::into_inner(recorder).context("a request is still in flight")?;
        let interrupted = stop.is_cancelled();
        Ok(Results { started_at, interrupted, schedule, recording: recorder.into_recording() })
    }

    /// Writes the report to files, prints it, and returns the exit code.
    fn finish(
        self,
        operations: &'static [&'static str],
        results: Results,
        check: Option<Check>,
    ) -> anyhow::Result<ExitCode> {
        let Self { plan, options, json, transport, rate_limit_advice } = self;
        let Results { started_at, interrupted, schedule, recording } = results;
        let parts =
            ReportParts { plan, started_at, interrupted, schedule, check, operations, rate_limit_advice, transport };
        let report = LoadReport::new(parts, recording);
        for ReportFile { path, format } in &options.report {
            let text = match format {
                ReportFormat::Html => report.html(),
                ReportFormat::Json => serde_json::to_string(&report)? + "\n",
            };
            fs::write(path, text).map_err(|error| report_not_writable(path, &error))?;
        }
        if json {
            print_line(&serde_json::to_string(&report)?)?;
        } else {
            print_line(&report.to_string())?;
        }
        Ok(if report.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

#[cfg(test)]
mod tests;
