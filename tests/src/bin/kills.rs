//! The long run of `tests/load/kills`: round after round on a new database, SQLite and PostgreSQL in turn, until so many
//! processes were killed.
#![allow(clippy::unwrap_used, reason = "a run that panics has failed, which is what it is for")]

use std::{process::ExitCode, time::Instant};

use tests::{Stack, process_kills};

/// Kills of one round: enough for any two to meet, few enough that a violation is still found in a short story.
const ROUND: usize = 50;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let all = arguments.next().map_or(Ok(1000), |text| text.parse());
    let seed = arguments.next().map_or(Ok(1), |text| text.parse());
    let (Ok(all), Ok(seed)) = (all, seed) else {
        eprintln!("kills [KILLS [SEED]]: two whole numbers");
        return ExitCode::FAILURE;
    };
    let start = Instant::now();
    let (mut killed, mut acknowledged, mut violations) = (0, 0, 0);
    let mut postgres = process_kills::server(Stack::Servers).await;
    for round in 0.. {
        let kills = ROUND.min(all - killed);
        if kills == 0 {
            break;
        }
        let stack = if round % 2 == 0 { Stack::Embedded } else { Stack::Servers };
        let server = postgres.as_mut().filter(|_| stack == Stack::Servers);
        let report = process_kills::run(stack, server, kills, seed + round).await;
        killed += kills;
        acknowledged += report.acknowledged;
        violations += report.violations.len();
        print!("{}", report.violation_details());
        println!(
            "{:4} s  {killed} of {all} kills, {acknowledged} orders, {violations} violations; round {round}, {stack:?}: {}",
            start.elapsed().as_secs(),
            report.summary()
        );
    }
    println!("{killed} kills, {acknowledged} orders acknowledged, {violations} violations");
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
