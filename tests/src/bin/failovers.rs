//! The long run of `tests/load/failover`: failovers of PostgreSQL under Patroni and of Redis under Sentinel while
//! clients place orders.
#![allow(clippy::unwrap_used, reason = "a panic is how the run fails")]

use std::{process::ExitCode, time::Instant};

use tests::failover::{self, Fault, Plan};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().map_or(Ok(50), |text| text.parse::<usize>());
    let seed = arguments.next().map_or(Ok(1), |text| text.parse());
    let (Ok(count), Ok(seed)) = (count, seed) else {
        eprintln!("usage: failovers [FAILOVERS [SEED]], two whole numbers");
        return ExitCode::FAILURE;
    };
    let start = Instant::now();
    let faults = Fault::ALL.into_iter().cycle().take(count).collect();
    let report = Box::pin(failover::run(Plan { faults, seed })).await;
    for violation in &report.violations {
        println!("{violation}");
    }
    println!("{:4} s  {}", start.elapsed().as_secs(), report.summary());
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
