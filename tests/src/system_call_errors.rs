//! Errors of system calls, injected by strace into a process that a test starts.

use std::{fs, process::Command};

/// Makes one system call of each thread fail.
#[derive(Debug, Clone, Copy)]
pub struct SystemCallErrors {
    /// The name of the system call, such as `pwrite64`.
    pub call: &'static str,
    /// The error that the failing call returns, such as `ENOSPC`.
    pub error: &'static str,
    /// The number of the call that fails, counted from 1 in each thread. All other calls succeed.
    pub nth: u32,
}

impl SystemCallErrors {
    /// Returns a command prefix. A command that is appended to it runs with these errors. strace runs as a separate
    /// process, so the id of the started process is the id of the command.
    pub fn launcher(self) -> Vec<String> {
        let Self { call, error, nth } = self;
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:error={error}:when={nth}"));
        ["/usr/bin/strace", "-D", "-I", "1", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject]
            .map(str::to_owned)
            .into()
    }
}

/// Ends the injection. The process continues without errors.
pub fn end_injection(process_id: u32) {
    let status = fs::read_to_string(format!("/proc/{process_id}/status")).unwrap();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).unwrap().trim();
    assert_ne!(tracer, "0", "strace is not attached to process {process_id}");
    assert!(Command::new("sh").args(["-c", &format!("kill -TERM {tracer}")]).status().unwrap().success());
}
