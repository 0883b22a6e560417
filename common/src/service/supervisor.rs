//! The background tasks of a service.

use std::{collections::HashMap, future::Future, pin::pin};

use anyhow::anyhow;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// The tasks that a service needs while it serves. If a task panics or ends too early, the service stops with an error,
/// so that it can be restarted. Otherwise the service would continue to respond and to report that it is ready, without
/// doing its work.
#[derive(Debug, Default)]
pub struct TaskSupervisor {
    tasks: JoinSet<()>,
    kinds: HashMap<Id, TaskKind>,
}

#[derive(Debug, Clone, Copy)]
struct TaskKind {
    name: &'static str,
    /// Whether the task may end before the service stops.
    finite: bool,
}

impl TaskSupervisor {
    /// Starts a task that runs until the service stops.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_kind(TaskKind { name, finite: false }, task);
    }

    /// Starts a task that may end before the service stops.
    pub fn spawn_finite(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_kind(TaskKind { name, finite: true }, task);
    }

    /// The task runs in the span of the caller, so that the log records of the task name the service.
    fn spawn_kind(&mut self, kind: TaskKind, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(task.in_current_span()).id();
        self.kinds.insert(id, kind);
    }

    /// Runs `server`, and then waits for the tasks to end. If a task panics or ends too early, cancels `stop` and
    /// returns an error that names the task. Also cancels `stop` when the server ends.
    pub async fn run(
        mut self,
        server: impl Future<Output = anyhow::Result<()>>,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut server = pin!(server);
        let mut failure = None;
        let result = loop {
            tokio::select! {
                result = &mut server => break result,
                Some(ended) = self.tasks.join_next_with_id() => {
                    if let Some(error) = self.check_end(ended, stop.is_cancelled()) {
                        failure.get_or_insert(error);
                        stop.cancel();
                    }
                }
            }
        };
        stop.cancel();
        while let Some(ended) = self.tasks.join_next_with_id().await {
            if let Some(error) = self.check_end(ended, true) {
                failure.get_or_insert(error);
            }
        }
        failure.map_or(result, Err)
    }

    /// The error of a task that panicked or ended too early.
    fn check_end(&mut self, ended: Result<(Id, ()), JoinError>, stopping: bool) -> Option<anyhow::Error> {
        let (id, panicked) = match ended {
            Ok((id, ())) => (id, false),
            Err(error) => (error.id(), true),
        };
        let TaskKind { name, finite } = self.kinds.remove(&id)?;
        let error = if panicked {
            anyhow!("the background task {name} panicked")
        } else if !stopping && !finite {
            anyhow!("the background task {name} ended before the service")
        } else {
            return None;
        };
        tracing::error!(%error, "a background task failed; the service stops");
        Some(error)
    }
}

#[cfg(test)]
mod tests;
