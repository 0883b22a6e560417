//! The long run of `tests/load/kills`: kills the given number of processes, in rounds. Each round has a new database,
//! alternately on SQLite and on PostgreSQL. With `--clocks`, the faults of the run are wrong clocks of services.
#![allow(clippy::unwrap_used, reason = "a panic is how the run fails")]

use std::{process::ExitCode, time::Instant};

use tests::{
    Stack,
    process_kills::{self, Faults, Plan},
};

/// Maximum number of kills in one round: enough for faults to overlap, and few enough that the list of the attempts
/// with one key remains readable.
const KILLS_PER_ROUND: usize = 50;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let is_flag = |argument: &String| argument == "--clocks";
    let faults = if std::env::args().any(|argument| is_flag(&argument)) { Faults::ClockJumps } else { Faults::Kills };
    let mut arguments = std::env::args().skip(1).filter(|argument| !is_flag(argument));
    let planned = arguments.next().map_or(Ok(1000), |text| text.parse());
    let seed = arguments.next().map_or(Ok(1), |text| text.parse());
    let (Ok(planned), Ok(seed)) = (planned, seed) else {
        eprintln!("usage: kills [--clocks] [KILLS [SEED]], two whole numbers");
        return ExitCode::FAILURE;
    };
    let unit = if faults == Faults::ClockJumps { "clock jumps" } else { "kills" };
    let start = Instant::now();
    let (mut killed, mut acknowledged, mut moved, mut violations) = (0, 0, 0, 0);
    let mut servers = process_kills::start_servers(Stack::Servers).await;
    for round in 0.. {
        let kills = KILLS_PER_ROUND.min(planned - killed);
        if kills == 0 {
            break;
        }
        let stack = if round % 2 == 0 { Stack::Embedded } else { Stack::Servers };
        let servers = servers.as_mut().filter(|_| stack == Stack::Servers);
        let report = process_kills::run(Plan { stack, faults, kills, seed: seed + round }, servers).await;
        killed += kills;
        acknowledged += report.acknowledged;
        violations += report.violation_count();
        moved += report.moved;
        print!("{}", report.violation_details());
        println!(
            "{:4} s  {killed} of {planned} {unit}, {acknowledged} orders, {moved} movements, {violations} violations; round {round}, {stack:?}: {}",
            start.elapsed().as_secs(),
            report.summary()
        );
    }
    println!(
        "{killed} {unit}, {acknowledged} orders acknowledged, {moved} movements of money, {violations} violations"
    );
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
