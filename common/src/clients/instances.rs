//! The instances of a called service. All calls go to one of them until it fails, and then to the next one.
//!
//! One instance at a time, because all instances of a service use one database or one Redis: several would not do more work. An
//! instance that fails costs the calls in progress one attempt each, and the calls after it nothing.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use url::Url;

use crate::config::ServiceUrls;

/// The instances of a service. Clones share which one is called.
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

    /// Calls the next instance from now on. Has no effect if another call has already left `failed`.
    pub(super) fn switch_from(&self, failed: Instance<'_>) {
        let next = (failed.position + 1) % self.count();
        let _ = self.0.current.compare_exchange(failed.position, next, Relaxed, Relaxed);
    }
}

#[cfg(test)]
mod tests;
