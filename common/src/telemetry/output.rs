//! Lines on their way out, written by a thread of their own.
//!
//! A pipe whose reader has stopped (a pager, a collector in trouble) would otherwise stop every worker that logs, and the
//! service with them. So a worker only adds to a buffer; when that is full, lines are lost and counted.

use std::{
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Most bytes that wait to be written.
const MAX_PENDING: usize = 4 * 1024 * 1024;
/// What a buffer keeps when it is empty again.
const KEPT: usize = 64 * 1024;

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
    lost: u64,
}

impl Shared {
    /// Also after a panic, for it is the panic that is to be logged.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    /// Writes to `sink`, which nobody else should write to, until the process ends.
    pub(super) fn start(sink: impl Write + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let output = Self(Arc::clone(&shared));
        std::thread::Builder::new().name("logs".to_owned()).spawn(move || write_all(&shared, sink))?;
        Ok(output)
    }

    /// Adds a line. `note` is the line that tells of lost ones, and goes before the first that finds room again.
    pub(super) fn write(&self, line: &str, note: impl FnOnce(u64) -> String) {
        let mut state = self.0.state();
        if state.pending.len() + line.len() > MAX_PENDING {
            state.lost += 1;
            return;
        }
        if state.lost > 0 {
            let note = note(std::mem::take(&mut state.lost));
            state.pending.extend_from_slice(note.as_bytes());
        }
        state.pending.extend_from_slice(line.as_bytes());
        drop(state);
        self.0.changed.notify_all();
    }

    /// Waits until everything so far is written; false where that took longer than `limit`.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let busy = |state: &mut State| state.writing || !state.pending.is_empty();
        let waited = self.0.changed.wait_timeout_while(self.0.state(), limit, busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
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
        // Nobody can be told that logs cannot be written; the service goes on without.
        let _ = sink.write_all(&lines).and_then(|()| sink.flush());
        lines.clear();
        lines.shrink_to(KEPT);
    }
}

#[cfg(test)]
mod tests;
