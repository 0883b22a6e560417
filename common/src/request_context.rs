//! The request that is being worked on: for what is logged meanwhile, and for the clients that call further services on its
//! behalf.
//!
//! It goes with the task and not with a span of the log: a span is made and taken down for every request, and nearly all of
//! them log nothing.

use std::future::Future;

use crate::ids::RequestId;

/// A request, and the service that works on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    pub service: &'static str,
    pub id: RequestId,
}

tokio::task_local! {
    static CURRENT: Option<RequestContext>;
}

impl RequestContext {
    /// The request that this task works on, if any.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok().flatten()
    }

    /// Runs `work` as part of a request; a task that is started for many of them may have none.
    pub fn scope<F: Future>(request: Option<Self>, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(request, work)
    }

    /// As [`RequestContext::scope`], for work that never waits.
    pub fn enter<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(Some(self), work)
    }
}
