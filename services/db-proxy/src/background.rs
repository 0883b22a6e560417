//! The tasks that run in the background of the server.

use common::{service::TaskSupervisor, time::Clock};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::retention::{self, Retention};

/// Creates a task that ends when the token is cancelled.
type RunUntilStopped = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, ()> + Send>;

/// Tasks of the aggregates, not started yet.
#[derive(Default)]
pub struct BackgroundTasks {
    writers: Vec<BoxFuture<'static, ()>>,
    retentions: Vec<RunUntilStopped>,
}

impl BackgroundTasks {
    /// Adds the task of a writer. The task ends when the routes are dropped and every waiting command is answered.
    pub fn add_writer(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.writers.push(Box::pin(task));
    }

    /// Adds the retention of an aggregate.
    pub fn add_retention(&mut self, retention: impl Retention, clock: Clock) {
        self.retentions.push(Box::new(move |stop| Box::pin(retention::run_rounds(retention, clock, stop))));
    }

    /// Starts every task. Retention tasks end when `stop` is cancelled.
    pub fn start(self, stop: &CancellationToken, supervisor: &mut TaskSupervisor) {
        for writer in self.writers {
            supervisor.spawn("writer", writer);
        }
        for run in self.retentions {
            supervisor.spawn("retention", run(stop.clone()));
        }
    }
}
