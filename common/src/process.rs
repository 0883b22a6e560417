//! The process: its runtime, its exit code, and the number of files that it may open.

use std::{
    future::Future,
    process::{ExitCode, Termination},
};

use anyhow::ensure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error_chain::format_chain;

/// Runs `work` and returns its result as the exit code. If `work` fails, prints the error to standard error and returns
/// exit code 1.
pub fn run<T: Termination>(program: &str, work: impl Future<Output = anyhow::Result<T>>) -> ExitCode {
    let result =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Into::into).and_then(|runtime| {
            let result = runtime.block_on(work);
            // The process does not wait for work that blocks a thread, such as the lookup of a host name.
            runtime.shutdown_background();
            result
        });
    match result {
        Ok(result) => result.report(),
        Err(error) => fail(program, &error),
    }
}

/// Prints an error with its causes to standard error, and returns the exit code 1.
pub fn fail(program: &str, error: &anyhow::Error) -> ExitCode {
    eprintln!("{program}: {}", format_chain(error.as_ref()));
    ExitCode::FAILURE
}

/// Raises the soft limit of open files to the hard limit. Returns the number of files that the process may open. If this number
/// is less than `required`, returns an error that names the required number.
pub fn require_descriptors(program: &str, required: u64) -> anyhow::Result<u64> {
    let limit = raise_descriptor_limit();
    ensure!(
        limit >= required,
        "{program} needs at least {required} file descriptors, and this process may open only {limit}; raise the limit, for \
         example with `ulimit -n {required}`, or with LimitNOFILE={required} in a unit of systemd"
    );
    Ok(limit)
}

fn raise_descriptor_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    // `None` means that there is no limit.
    if raised { maximum } else { current }.unwrap_or(u64::MAX)
}
