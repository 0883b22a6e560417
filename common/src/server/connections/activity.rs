//! The activity of a connection, and the deadlines after which it is closed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::server::limits::{HEAD_TIMEOUT, IDLE_TIMEOUT, MIN_WRITE_PROGRESS, WRITE_TIMEOUT};

/// The activity of one connection. The socket, the requests and the deadline of the connection share this value.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Set when the socket accepts no more bytes. Removed after the socket accepted [`MIN_WRITE_PROGRESS`] further
    /// bytes, or all buffered bytes.
    blocked_write: Option<BlockedWrite>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waiting for the first request, or receiving the head of a request.
    ReceivingHead { since: Instant },
    /// Waiting for the next request.
    Idle { since: Instant },
    /// Handling a request or producing its response.
    Responding,
}

#[derive(Debug, Clone, Copy)]
struct BlockedWrite {
    since: Instant,
    written: usize,
}

/// The timeout that closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Timeout {
    Head,
    Idle,
    Write,
}

/// The result of [`Activity::check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Expired(Timeout),
    /// No deadline expires before this time, regardless of the activity until then.
    NextCheck(Instant),
}

impl Activity {
    /// The activity of a connection that was accepted now.
    pub(super) fn new() -> Self {
        let phase = Phase::ReceivingHead { since: Instant::now() };
        Self(Arc::new(Mutex::new(State { phase, blocked_write: None })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that bytes were received.
    pub(super) fn received(&self) {
        let mut state = self.state();
        if let Phase::Idle { .. } = state.phase {
            state.phase = Phase::ReceivingHead { since: Instant::now() };
        }
    }

    /// Records that the head of a request was received. The request ends when the returned value is dropped.
    pub(super) fn start_request(&self) -> RequestInProgress {
        self.state().phase = Phase::Responding;
        RequestInProgress(self.clone())
    }

    /// Records that the socket accepts no more bytes for now.
    pub(super) fn write_blocked(&self) {
        self.state().blocked_write.get_or_insert_with(|| BlockedWrite { since: Instant::now(), written: 0 });
    }

    /// Records that the socket accepted `length` bytes.
    pub(super) fn written(&self, length: usize) {
        let mut state = self.state();
        if let Some(blocked) = &mut state.blocked_write {
            blocked.written = blocked.written.saturating_add(length);
            if blocked.written >= MIN_WRITE_PROGRESS {
                state.blocked_write = None;
            }
        }
    }

    /// Records that the socket accepted all bytes.
    pub(super) fn flushed(&self) {
        self.state().blocked_write = None;
    }

    /// Whether a request is in progress or a response is being sent.
    pub(super) fn is_responding(&self) -> bool {
        let state = self.state();
        state.phase == Phase::Responding || state.blocked_write.is_some()
    }

    pub(super) fn check(&self, now: Instant) -> Check {
        let state = self.state();
        let phase = match state.phase {
            Phase::ReceivingHead { since } => Some((since + HEAD_TIMEOUT, Timeout::Head)),
            Phase::Idle { since } => Some((since + IDLE_TIMEOUT, Timeout::Idle)),
            Phase::Responding => None,
        };
        let write = state.blocked_write.map(|blocked| (blocked.since + WRITE_TIMEOUT, Timeout::Write));
        let deadlines = [phase, write].into_iter().flatten();
        match deadlines.min_by_key(|(deadline, _)| *deadline) {
            Some((deadline, timeout)) if deadline <= now => Check::Expired(timeout),
            // A timeout that starts after `now` does not expire before the shortest timeout has passed.
            earliest => {
                let future = now + HEAD_TIMEOUT.min(IDLE_TIMEOUT).min(WRITE_TIMEOUT);
                Check::NextCheck(earliest.map_or(future, |(deadline, _)| deadline.min(future)))
            }
        }
    }
}

/// A request whose response is not completely produced.
#[derive(Debug)]
pub(super) struct RequestInProgress(Activity);

impl Drop for RequestInProgress {
    fn drop(&mut self) {
        self.0.state().phase = Phase::Idle { since: Instant::now() };
    }
}
