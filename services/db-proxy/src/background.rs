//! The tasks that run in the background of the server.

use common::{service::TaskSupervisor, time::Clock};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::retention::{self, Retention};

struct NamedTask {
    name: &'static str,
    task: BoxFuture<'static, ()>,
}

/// Background tasks that are not started yet.
#[derive(Default)]
pub struct BackgroundTasks {
    writers: Vec<BoxFuture<'static, ()>>,
    until_stopped: Vec<NamedTask>,
}

impl BackgroundTasks {
    /// Adds the task of a writer. The task ends after the routes are dropped and every waiting command has its result.
    pub fn add_writer(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.writers.push(Box::pin(task));
    }

    pub fn add_retention(&mut self, retention: impl Retention, clock: Clock) {
        self.add_until_stopped("retention", retention::run_periodically(retention, clock));
    }

    /// Adds a task that is dropped when the service stops. If the task ends earlier, the service stops with an error.
    pub fn add_until_stopped(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.until_stopped.push(NamedTask { name, task: Box::pin(task) });
    }

    /// Starts every task. All tasks except the writers end when `stop` is cancelled.
    pub fn start(self, stop: &CancellationToken, supervisor: &mut TaskSupervisor) {
        for writer in self.writers {
            supervisor.spawn("writer", writer);
        }
        for NamedTask { name, task } in self.until_stopped {
            let stop = stop.clone();
            supervisor.spawn(name, async move {
                stop.run_until_cancelled(task).await;
            });
        }
    }
}

#[cfg(test)]
mod tests;
