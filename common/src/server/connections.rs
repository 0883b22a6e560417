//! Accepting and serving connections.
//!
//! This module serves HTTP/1.1 with hyper, because poem's server lacks limits (ADR 0010). poem's server does not close
//! a connection whose client sends only a part of a request head or reads its response slowly. poem's server has no
//! maximum number of connections, and repeats a failed accept without a pause.

mod activity;
mod connection;
mod metrics;
mod refusal;
#[cfg(test)]
mod tests;
mod tracked;

use std::{future::Future, io, net::SocketAddr, sync::Arc};

use poem::endpoint::BoxEndpoint;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

pub(super) use self::connection::Draining;
use self::{
    activity::Activity,
    connection::{Addresses, ShutdownSteps},
    metrics::ConnectionMetrics,
    tracked::TrackedStream,
};
use super::{
    Listener,
    limits::{ACCEPT_PAUSE, DRAIN_TIMEOUT, MAX_REFUSALS},
    request_guard::{GuardedEndpoint, RequestGuard},
};
use crate::metrics::Metrics;

/// An endpoint and the listener that it is served on.
pub struct Server {
    listener: Listener,
    endpoint: BoxEndpoint<'static>,
    metrics: ConnectionMetrics,
}

impl Server {
    pub fn new(listener: impl Into<Listener>, endpoint: BoxEndpoint<'static>) -> Self {
        Self { listener: listener.into(), endpoint, metrics: ConnectionMetrics::default() }
    }

    /// Adds the metrics of the connections to `metrics`.
    #[must_use]
    pub fn with_metrics(self, metrics: &Metrics) -> Self {
        self.metrics.register(metrics);
        self
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.address()
    }

    /// Serves until `stop` is cancelled. Then closes the connections without a request, and waits for the requests in
    /// flight. Also serves one request on each connection in the accept queue of the operating system.
    ///
    /// Interrupts the remaining requests after [`DRAIN_TIMEOUT`], or when the token of [`Listener::with_drain_end`] is
    /// cancelled.
    pub async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { listener: Listener { socket, config, draining, drain_end }, endpoint, metrics } = self;
        let local = socket.local_addr()?;
        let guard = RequestGuard::new(local, config.allowed_hosts, config.cors_origins);
        let mut connections = Connections {
            endpoint: Arc::new(GuardedEndpoint { guard, endpoint }),
            local,
            free: Arc::new(Semaphore::new(config.max_connections)),
            metrics,
            draining: draining.child_token(),
            stop,
            served: JoinSet::new(),
            refused: JoinSet::new(),
        };
        connections.accept(&socket).await;
        let socket = socket.into_std()?;
        connections.accept_queued(&socket);
        // From now on the operating system refuses connections.
        drop(socket);
        connections.drain(&drain_end).await;
        Ok(())
    }
}

/// Accepts connections. Tests use an implementation without sockets.
trait Accept {
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>>;
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, remote) = self.accept().await?;
        // Events of a stream are sent immediately, without waiting for the acknowledgement of earlier events.
        let _ = stream.set_nodelay(true);
        Ok((stream, remote))
    }
}

/// The connections of one server. Dropping this value closes them.
struct Connections {
    endpoint: Arc<GuardedEndpoint>,
    local: SocketAddr,
    /// One permit for each further connection that the maximum allows.
    free: Arc<Semaphore>,
    metrics: ConnectionMetrics,
    /// Cancelled when the server is no longer ready, at the latest when it stops; see [`Listener::with_draining`].
    draining: CancellationToken,
    stop: CancellationToken,
    served: JoinSet<()>,
    refused: JoinSet<()>,
}

impl Connections {
    /// Accepts connections until the server is stopped.
    async fn accept(&mut self, acceptor: &impl Accept) {
        let mut paused_until = None;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return self.draining.cancel(),
                // Removes an ended task. A panic of a handler is caught before it reaches the task.
                Some(_) = self.served.join_next() => {}
                Some(_) = self.refused.join_next() => {}
                () = sleep_until(paused_until.unwrap_or_else(Instant::now)), if paused_until.is_some() => {
                    paused_until = None;
                }
                accepted = acceptor.accept(), if paused_until.is_none() => match accepted {
                    Ok((stream, remote)) => self.start(stream, remote),
                    Err(error) => paused_until = self.accept_failed(&error),
                }
            }
        }
    }

    /// Accepts the connections that the operating system has accepted and queued. Closing the listener would reset
    /// them, and a client would not know whether its request was received.
    fn accept_queued(&mut self, socket: &std::net::TcpListener) {
        while let Ok((stream, remote)) = socket.accept() {
            let registered = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            match registered {
                Ok(stream) => self.start(stream, remote),
                Err(error) => tracing::warn!(%error, "a connection cannot be served"),
            }
        }
    }

    /// Starts serving a connection, or refuses it.
    fn start<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(&mut self, stream: S, remote: SocketAddr) {
        let Ok(permit) = self.free.clone().try_acquire_owned() else {
            self.metrics.refused.inc();
            if self.refused.len() < MAX_REFUSALS {
                self.refused.spawn(refusal::refuse(stream));
            }
            return;
        };
        let activity = Activity::new();
        let stream = TrackedStream::new(stream, activity.clone(), permit, self.metrics.open.clone());
        let (endpoint, metrics) = (self.endpoint.clone(), self.metrics.clone());
        // Each connection has its own tokens, so that connections do not wait for the lock of a shared token.
        let steps = ShutdownSteps { draining: self.draining.child_token(), stop: self.stop.child_token() };
        let addresses = Addresses { local: self.local, remote };
        self.served.spawn(async move {
            if let Some(timeout) = connection::serve(stream, activity, addresses, endpoint, steps).await {
                tracing::debug!(%remote, ?timeout, "a connection was closed because of a timeout");
                metrics.count_timeout(timeout);
            }
        });
    }

    /// If the error concerns all connections, returns the time until which no connection is accepted.
    fn accept_failed(&self, error: &io::Error) -> Option<Instant> {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};

        self.metrics.accept_errors.inc();
        // The client closed its connection before it was accepted, or a signal interrupted the call.
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
            return None;
        }
        tracing::error!(%error, "connections cannot be accepted; the service tries again");
        Some(Instant::now() + ACCEPT_PAUSE)
    }

    /// Waits for the requests in flight, and then closes the remaining connections.
    async fn drain(mut self, drain_end: &CancellationToken) {
        self.refused.shutdown().await;
        let ended = async { while self.served.join_next().await.is_some() {} };
        let interrupted = tokio::select! {
            drained = timeout(DRAIN_TIMEOUT, ended) => drained.is_err(),
            () = drain_end.cancelled() => true,
        };
        if interrupted && !self.served.is_empty() {
            tracing::warn!(connections = self.served.len(), "requests were interrupted because the service stops");
        }
        self.served.shutdown().await;
    }
}
