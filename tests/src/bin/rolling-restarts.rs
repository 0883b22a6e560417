//! The long run of `tests/load/rolling-restarts`: each part of a deployment is replaced once per round while requests
//! arrive.
#![allow(clippy::unwrap_used, reason = "a panic is how the run fails")]

use std::{process::ExitCode, time::Instant};

use tests::rolling_restarts::{self, Plan};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().map_or(Ok(6), |text| text.parse());
    let rate = arguments.next().map_or(Ok(1000), |text| text.parse());
    let (Ok(rounds), Ok(rate)) = (rounds, rate) else {
        eprintln!("usage: rolling-restarts [ROUNDS [REQUESTS_PER_SECOND]], two whole numbers");
        return ExitCode::FAILURE;
    };
    let start = Instant::now();
    let report =
        rolling_restarts::run(Plan { rate, rounds }, |line| println!("{:4} s  {line}", start.elapsed().as_secs()))
            .await;
    for line in report.failures.iter().chain(&report.violations) {
        println!("{line}");
    }
    println!(
        "\n{}\n{} requests at {rate}/s; {} failed requests that are safe to repeat; {} orders and movements acknowledged, {} violations",
        report.figures,
        report.requests,
        report.failed,
        report.acknowledged,
        report.violations.len()
    );
    if report.failed == 0 && report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
