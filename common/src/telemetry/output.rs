//! The buffer of log lines and the thread that writes them.
//!
//! A pipe blocks its writer while its reader is stopped (a pager, a failing collector). A thread that logs only appends to
//! the buffer, so a stopped reader does not block the service. If the buffer is full, lines are dropped and counted.

use std::{
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Maximum size of the buffer in bytes.
const MAX_PENDING: usize = 4 * 1024 * 1024;
/// Capacity that an empty buffer retains, in bytes.
const RETAINED_CAPACITY: usize = 64 * 1024;

/// The handle of the buffer. Clones share the buffer.
#[derive(Clone)]
pub(super) struct Output(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    writing: bool,
    /// Lines that were dropped and not reported yet.
    dropped: u64,
}

impl Shared {
    /// Ignores poisoning: the panic itself must be logged.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    /// Starts the thread that writes to `sink` until the process ends. Nothing else may write to `sink`.
    pub(super) fn start(sink: impl Write + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let output = Self(Arc::clone(&shared));
        std::thread::Builder::new().name("logs".to_owned()).spawn(move || write_all(&shared, sink))?;
        Ok(output)
    }

    /// Appends a line, or drops it if the buffer is full. If lines were dropped before, first appends the line that
    /// `dropped_note` returns for the number of dropped lines.
    pub(super) fn write(&self, line: &str, dropped_note: impl FnOnce(u64) -> String) {
        let mut state = self.0.state();
        if state.pending.len() + line.len() > MAX_PENDING {
            state.dropped += 1;
            return;
        }
        if state.dropped > 0 {
            let note = dropped_note(std::mem::take(&mut state.dropped));
            state.pending.extend_from_slice(note.as_bytes());
        }
        state.pending.extend_from_slice(line.as_bytes());
        drop(state);
        self.0.changed.notify_all();
    }

    /// Waits until the whole buffer is written, for at most `limit`. Returns whether the whole buffer was written.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let busy = |state: &mut State| state.writing || !state.pending.is_empty();
        let result = self.0.changed.wait_timeout_while(self.0.state(), limit, busy);
        !result.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

fn write_all(shared: &Shared, mut sink: impl Write) {
    let mut lines = Vec::new();
    loop {
        {
            let mut state = shared.state();
            state.writing = false;
            shared.changed.notify_all();
            while state.pending.is_empty() {
                state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut state.pending, &mut lines);
            state.writing = true;
        }
        // A failure to write the log cannot be logged. The service continues without logs.
        let _ = sink.write_all(&lines).and_then(|()| sink.flush());
        lines.clear();
        lines.shrink_to(RETAINED_CAPACITY);
    }
}

#[cfg(test)]
mod tests;
