//! Handing things over in the background: always the newest, so that a receiver that is slow or away holds nobody up and
//! is not given what is out of date when it is back.

use std::sync::{Mutex, PoisonError};

use common::clients::CallError;
use tokio::sync::watch;

use crate::metrics::{Delivery, UpdaterMetrics};

/// The newest of a kind that waits to be handed over.
pub(crate) struct LatestMailbox<T>(watch::Sender<Option<T>>);

impl<T: Clone> LatestMailbox<T> {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Takes the place of what waits.
    pub(crate) fn post(&self, newest: T) {
        self.0.send_replace(Some(newest));
    }

    /// Sees whatever is put in from now on, and what waits already.
    pub(crate) fn reader(&self) -> MailboxReader<T> {
        let mut news = self.0.subscribe();
        news.mark_changed();
        MailboxReader(news)
    }
}

/// Empties an [`LatestMailbox`].
pub(crate) struct MailboxReader<T>(watch::Receiver<Option<T>>);

impl<T: Clone> MailboxReader<T> {
    /// The newest that was not given before, as soon as there is one; nothing after the last.
    pub(crate) async fn next(&mut self) -> Option<T> {
        loop {
            self.0.changed().await.ok()?;
            let newest = self.0.borrow_and_update().clone();
            if newest.is_some() {
                return newest;
            }
        }
    }
}

/// How handing over ended the last time, told when it changes.
#[derive(Debug)]
pub(crate) struct DeliveryStatus {
    what: Delivery,
    /// Nothing before the first time.
    last: Mutex<Option<Result<(), String>>>,
}

impl DeliveryStatus {
    pub(crate) fn new(what: Delivery) -> Self {
        Self { what, last: Mutex::default() }
    }

    pub(crate) fn record(&self, result: Result<(), &CallError>, metrics: &UpdaterMetrics) {
        let what = self.what.as_str();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let failed_before = matches!(*last, Some(Err(_)));
        *last = Some(result.map_err(|error| {
            metrics.not_written(self.what);
            match self.what {
                _ if failed_before => {}
                // Orders live on it; of the others only what is shown suffers.
                Delivery::Record => tracing::error!(what, error = error.chain(), "it cannot be handed over"),
                _ => tracing::warn!(what, error = error.chain(), "it cannot be handed over"),
            }
            error.to_string()
        }));
        if failed_before && result.is_ok() {
            tracing::info!(what, "it can be handed over again");
        }
    }

    pub(crate) fn last(&self) -> Option<Result<(), String>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests;
