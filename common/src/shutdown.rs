//! Shutdown on a signal.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Maximum time from the end of the delay to the end of the process.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(9);

/// The two steps of a shutdown.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Cancelled by the first signal. From then on, the service is not ready, but serves requests.
    pub draining: CancellationToken,
    /// Cancelled after the delay, or by a second signal. From then on, the service accepts no connections.
    pub stop: CancellationToken,
}

/// A shutdown that the first Ctrl-C (SIGINT) or SIGTERM begins. `delay` is the time between its steps, in which load
/// balancers detect that the service is not ready.
pub fn on_signal(delay: Duration) -> std::io::Result<Shutdown> {
    let shutdown = Shutdown::default();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let next_signal = async move || {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    };
    tokio::spawn(shutdown.clone().follow(next_signal, delay));
    Ok(shutdown)
}

impl Shutdown {
    async fn follow(self, mut next_signal: impl AsyncFnMut(), delay: Duration) {
        next_signal().await;
        self.draining.cancel();
        if !delay.is_zero() {
            tracing::info!(delay_secs = delay.as_secs(), "stopping after a delay; until then, requests are served");
            // A second signal ends the delay.
            let _ = tokio::time::timeout(delay, next_signal()).await;
        }
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests;
