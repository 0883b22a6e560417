//! The tasks that run in the background of the server.

use common::{service::TaskSupervisor, time::Clock};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::retention::{self, Retention};

/// Creates a task that ends when the token is cancelled.
type RunUntilStopped = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, ()> + Send>;

struct NamedTask {
    name: &'static str,
    run: RunUntilStopped,
}

/// Tasks of the aggregates, not started yet.
#[derive(Default)]
pub struct BackgroundTasks {
    writers: Vec<BoxFuture<'static, ()>>,
    until_stopped: Vec<NamedTask>,
}

impl BackgroundTasks {
    /// Adds the task of a writer. The task ends when the routes are dropped and every waiting command is answered.
    pub fn add_writer(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.writers.push(Box::pin(task));
    }

    /// Adds the retention of an aggregate.
    pub fn add_retention(&mut self, retention: impl Retention, clock: Clock) {
        self.add_until_stopped("retention", move |stop| retention::run_rounds(retention, clock, stop));
    }

    /// Adds another task that ends when its token is cancelled.
    pub fn add_until_stopped<T, F>(&mut self, name: &'static str, task: T)
    where
        T: FnOnce(CancellationToken) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.until_stopped.push(NamedTask { name, run: Box::new(move |stop| Box::pin(task(stop))) });
    }

    /// Starts every task. All but the writers end when `stop` is cancelled.
    pub fn start(self, stop: &CancellationToken, supervisor: &mut TaskSupervisor) {
        for writer in self.writers {
            supervisor.spawn("writer", writer);
        }
        for NamedTask { name, run } in self.until_stopped {
            supervisor.spawn(name, run(stop.clone()));
        }
    }
}
