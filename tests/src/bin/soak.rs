//! The long run of `tests/load/soak`: by default, load on both stacks for an hour in total. Meanwhile, memory and open
//! file descriptors must not grow.
#![allow(clippy::unwrap_used, reason = "a panic is how the run fails")]

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use tests::{Stack, soak};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let minutes = arguments.next().map_or(Ok(60), |text| text.parse::<u64>());
    let stacks = match arguments.next().as_deref() {
        None => &[Stack::Embedded, Stack::Servers][..],
        Some("embedded") => &[Stack::Embedded],
        Some("servers") => &[Stack::Servers],
        Some(_) => &[],
    };
    let (Ok(minutes), false) = (minutes, stacks.is_empty()) else {
        eprintln!("usage: soak [MINUTES [embedded|servers]]");
        return ExitCode::FAILURE;
    };
    let duration = Duration::from_mins(minutes) / u32::try_from(stacks.len()).unwrap();
    let start = Instant::now();
    let (mut summaries, mut violations) = (Vec::new(), 0);
    for stack in stacks {
        let report = soak::run(*stack, duration, |line| println!("{:5} s  {line}", start.elapsed().as_secs())).await;
        for violation in &report.violations {
            println!("{violation}");
        }
        violations += report.violations.len();
        summaries.push(report.summary);
    }
    println!("{}", summaries.join("\n"));
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
