//! Serving on a bound listener.

use std::net::SocketAddr;

use anyhow::Context;
use poem::{endpoint::BoxEndpoint, listener::TcpAcceptor};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::limits::{DRAIN_TIMEOUT, IDLE_TIMEOUT};
use crate::config::Bind;

/// Binds a listener. The error names the address and the variable of the port.
pub async fn bind(service: &str, bind: Bind) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(bind.host, bind.port);
    TcpListener::bind(address).await.with_context(|| {
        format!("{service} cannot listen on {address}; set {} to another port", crate::config::port_variable(service))
    })
}

/// An endpoint and the listener that it is served on.
pub struct Server {
    listener: TcpListener,
    endpoint: BoxEndpoint<'static>,
}

impl Server {
    pub fn new(listener: TcpListener, endpoint: BoxEndpoint<'static>) -> Self {
        Self { listener, endpoint }
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is cancelled, then waits for requests in flight, at most [`DRAIN_TIMEOUT`].
    pub async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        poem::Server::new_with_acceptor(TcpAcceptor::from_tokio(self.listener)?)
            .idle_timeout(IDLE_TIMEOUT)
            .run_with_graceful_shutdown(self.endpoint, stop.cancelled_owned(), Some(DRAIN_TIMEOUT))
            .await
            .context("the server failed")
    }
}
