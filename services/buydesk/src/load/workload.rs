//! The requests of a load, and the failures of requests.

use std::future::Future;

/// A load: numbered requests. A request depends only on its number, so that it can be repeated.
pub trait Workload: Send + Sync + 'static {
    /// The names of the operations, such as `deposit`.
    fn operations(&self) -> &'static [&'static str];

    /// The index of the operation of this request in [`Workload::operations`].
    fn operation_of(&self, number: u64) -> usize;

    /// Sends a request and waits for its response.
    fn send(&self, number: u64) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// An unexpected response, or no response.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// The code of the problem document, or a code of this program such as `timeout`.
    pub code: String,
    /// `None` if there was no response, or if a successful response could not be parsed.
    pub status: Option<u16>,
}

impl Failure {
    /// Whether the request possibly took effect. Also true if there was no connection, although no request was sent.
    pub fn is_unknown_outcome(&self) -> bool {
        self.status.is_none_or(|status| status >= 500)
    }
}
