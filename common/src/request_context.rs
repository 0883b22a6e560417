//! The request that the current task works on. Log records and calls to other services contain the id of this request,
//! and the id of its trace.
//!
//! The context is a task-local value and not a tracing span: creating a span costs time for each request, and most requests
//! log nothing.

use std::future::Future;

use crate::{ids::RequestId, traces::Trace};

/// A request and the service that handles it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    pub service: &'static str,
    pub id: RequestId,
    /// The trace context of the request. `None` if the caller sent no trace context and no traces are recorded.
    pub trace: Option<Trace>,
}

tokio::task_local! {
    static CURRENT: Option<RequestContext>;
}

impl RequestContext {
    /// The request of the current task, if any.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok().flatten()
    }

    /// The trace context of the current task, if any.
    pub fn current_trace() -> Option<Trace> {
        CURRENT.try_with(|current| current.as_ref()?.trace.clone()).ok().flatten()
    }

    /// The `traceparent` of the current task, for one command in a batch. `None` if the spans of the trace are not
    /// recorded.
    pub fn recorded_traceparent() -> Option<String> {
        Self::current_trace().filter(Trace::is_recorded).map(|trace| trace.traceparent())
    }

    /// Runs `work` as part of `request`. A task that serves several requests passes `None`, so its log records contain
    /// no request id.
    pub fn scope<F: Future>(request: Option<Self>, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(request, work)
    }

    /// Like [`RequestContext::scope`], but for synchronous work.
    pub fn enter<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(Some(self), work)
    }
}
