//! The instances of a called service. All calls go to one instance until it fails, and then to the next one.
//!
//! Calls are not distributed over the instances: distribution would add little capacity, because all instances of a
//! service share one database or one Redis. When an instance fails, only the calls in progress need another attempt.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use url::Url;

use crate::config::ServiceUrls;

/// The instances of a service. Clones share the current instance.
#[derive(Debug, Clone)]
pub(super) struct Instances(Arc<State>);

#[derive(Debug)]
struct State {
    urls: ServiceUrls,
    /// The position of the instance that is called.
    current: AtomicUsize,
}

/// The instance to which an attempt is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instance<'a> {
    position: usize,
    pub(super) url: &'a Url,
}

impl Instances {
    pub(super) fn new(urls: impl Into<ServiceUrls>) -> Self {
        Self(Arc::new(State { urls: urls.into(), current: AtomicUsize::new(0) }))
    }

    pub(super) fn count(&self) -> usize {
        self.0.urls.as_slice().len()
    }

    pub(super) fn current(&self) -> Instance<'_> {
        let position = self.0.current.load(Relaxed);
        Instance { position, url: &self.0.urls.as_slice()[position] }
    }

    /// Makes the instance after `failed` the current one. Has no effect if another call has already done so.
    pub(super) fn switch_from(&self, failed: Instance<'_>) {
        let next = (failed.position + 1) % self.count();
        let _ = self.0.current.compare_exchange(failed.position, next, Relaxed, Relaxed);
    }
}

#[cfg(test)]
mod tests;
