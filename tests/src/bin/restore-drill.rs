//! The drill of `tests/load/restore-drill`: backups and restores of a large database of each engine, compared row by
//! row.
#![allow(clippy::unwrap_used, reason = "a panic is how the run fails")]

use std::{process::ExitCode, time::Instant};

use tests::{Stack, restore_drill};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let orders = arguments.next().map_or(Ok(1_000_000), |text| text.parse::<u64>());
    let Ok(orders) = orders else {
        eprintln!("usage: restore-drill [ORDERS], a whole number");
        return ExitCode::FAILURE;
    };
    let (start, mut violations) = (Instant::now(), 0);
    for stack in [Stack::Embedded, Stack::Servers] {
        let report = restore_drill::run(stack, orders).await;
        report.violations.iter().for_each(|violation| println!("{violation}"));
        violations += report.violations.len();
    }
    println!("{} s, {violations} violations", start.elapsed().as_secs());
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
