//! The request that the current task works on. Log events and calls to other services contain the id of this request.
//!
//! The context is a task-local value and not a tracing span: creating a span costs time for each request, and most requests
//! log nothing.

use std::future::Future;

use crate::ids::RequestId;

/// A request and the service that handles it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    pub service: &'static str,
    pub id: RequestId,
}

tokio::task_local! {
    static CURRENT: Option<RequestContext>;
}

impl RequestContext {
    /// The request of the current task, if any.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok().flatten()
    }

    /// Runs `work` as part of `request`. A task that serves several requests passes `None`, and its log lines then
    /// contain no request id.
    pub fn scope<F: Future>(request: Option<Self>, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(request, work)
    }

    /// Like [`RequestContext::scope`], but for synchronous work.
    pub fn enter<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(Some(self), work)
    }
}
