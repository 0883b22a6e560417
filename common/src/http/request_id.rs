//! The id of the request that is being worked on, for the clients that call further services on its behalf.

use std::future::Future;

use crate::ids::RequestId;

tokio::task_local! {
    static REQUEST_ID: RequestId;
}

/// Runs `work` as part of the request `id`.
pub async fn with_request_id<F: Future>(id: RequestId, work: F) -> F::Output {
    REQUEST_ID.scope(id, work).await
}

/// The request that this task works on, if any.
pub fn current_request_id() -> Option<RequestId> {
    REQUEST_ID.try_with(Clone::clone).ok()
}
