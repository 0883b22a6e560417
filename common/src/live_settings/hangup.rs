//! SIGHUP: a request to read the settings again, or a notice of the system that the terminal of the process was closed.

use std::fs::File;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Receives SIGHUP. Must be created at the start of the process, because SIGHUP without a receiver ends the process.
pub struct HangupSignal {
    signal: Signal,
    /// Whether the process must stop when its terminal is closed.
    follows_terminal: bool,
}

/// Why SIGHUP was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hangup {
    Reload,
    TerminalClosed,
}

impl HangupSignal {
    pub fn register() -> std::io::Result<Self> {
        // `nohup` starts a process with SIGHUP ignored, so that the process outlives its terminal.
        let follows_terminal = has_terminal() && !is_ignored();
        Ok(Self { signal: signal(SignalKind::hangup())?, follows_terminal })
    }

    /// Waits for the next signal. Several signals before a call count as one.
    pub async fn next(&mut self) -> Hangup {
        // The stream of signals does not end.
        self.signal.recv().await;
        if self.follows_terminal && !has_terminal() { Hangup::TerminalClosed } else { Hangup::Reload }
    }
}

/// Whether the process has a controlling terminal. The system removes it when the terminal is closed.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether the process was started with SIGHUP ignored.
fn is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The lowest bit represents signal 1, which is SIGHUP.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
