//! The long run of `tests/load/exchange-faults`: one run for each exchange, fault and transport. By default, a fault
//! lasts an hour of virtual time.
#![allow(clippy::unwrap_used, reason = "a panic is how the run fails")]

use std::{
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use tests::exchange_faults::{Plan, Report, WARM_UP, run, scenarios};

/// How long a run continues after the end of the fault.
const RECOVERY: Duration = Duration::from_mins(2);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let minutes = arguments.next().map_or(Ok(60), |text| text.parse());
    let seed = arguments.next().map_or(Ok(1), |text| text.parse());
    let only: Vec<_> = arguments.collect();
    let are_known = only.iter().all(|name| exchange_sim::EXCHANGES.contains(&name.as_str()));
    let (Ok(minutes @ 1..=1440), Ok(seed), true) = (minutes, seed, are_known) else {
        eprintln!(
            "usage: exchange-faults [MINUTES [SEED [EXCHANGE...]]], with 1 to 1440 minutes, a whole number as the seed, and names of exchanges"
        );
        return ExitCode::FAILURE;
    };
    let runs = plan_runs(Duration::from_mins(minutes), seed, &only);
    let start = Instant::now();
    let (next, violations) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((name, plan)) = runs.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let report = run_in_virtual_time(plan);
                    violations.fetch_add(usize::try_from(report.violations).unwrap(), Ordering::SeqCst);
                    println!("{:5} s  {name}: {}", start.elapsed().as_secs(), report.summary());
                    for message in &report.messages {
                        println!("    {message}");
                    }
                }
            });
        }
    });
    let violations = violations.into_inner();
    println!("{} faults of {minutes} virtual minutes each, {violations} violations", runs.len());
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The runs for the exchanges in `only`, or for all exchanges if it is empty.
fn plan_runs(duration: Duration, seed: u64, only: &[String]) -> Vec<(String, Plan)> {
    let with_websocket: Vec<_> = price_updater::websocket_variables().map(|(name, _)| name).collect();
    let mut runs = Vec::new();
    let chosen = |exchange: &&&str| only.is_empty() || only.iter().any(|name| name == **exchange);
    for &exchange in exchange_sim::EXCHANGES.iter().filter(chosen) {
        for websockets in [true, false] {
            if websockets && !with_websocket.contains(&exchange) {
                continue;
            }
            for fault in scenarios::all_faults() {
                let transport = if websockets { "websocket" } else { "polled" };
                let plan = Plan {
                    seed: seed + runs.len() as u64,
                    timeline: vec![fault.scheduled_at(exchange, WARM_UP.as_secs(), duration)],
                    length: WARM_UP + duration + RECOVERY,
                    market: Vec::new(),
                    websockets,
                    max_failing: Some(1),
                    restart_every: None,
                };
                runs.push((format!("{exchange}, {transport}, {fault}"), plan));
            }
        }
    }
    runs
}

fn run_in_virtual_time(plan: &Plan) -> Report {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(run(plan))
}
