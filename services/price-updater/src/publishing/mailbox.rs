//! A mailbox that stores only the latest value. A slow reader does not block senders, and skips values that were
//! replaced.

use tokio::sync::watch;

pub(crate) struct LatestMailbox<T>(watch::Sender<Option<T>>);

impl<T: Clone> LatestMailbox<T> {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Replaces the latest value.
    pub(crate) fn post(&self, value: T) {
        self.0.send_replace(Some(value));
    }

    /// A reader that starts with the latest value, if there is one.
    pub(crate) fn reader(&self) -> MailboxReader<T> {
        let mut receiver = self.0.subscribe();
        receiver.mark_changed();
        MailboxReader(receiver)
    }
}

pub(crate) struct MailboxReader<T>(watch::Receiver<Option<T>>);

impl<T: Clone> MailboxReader<T> {
    /// Waits for a value that this reader has not received. `None` after the mailbox is dropped.
    pub(crate) async fn next(&mut self) -> Option<T> {
        loop {
            self.0.changed().await.ok()?;
            let latest = self.0.borrow_and_update().clone();
            if latest.is_some() {
                return latest;
            }
        }
    }
}

#[cfg(test)]
mod tests;
