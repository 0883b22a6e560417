//! Serving on a listener that is given.

use std::net::SocketAddr;

use anyhow::Context;
use poem::{endpoint::BoxEndpoint, listener::TcpAcceptor};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::limits::{DRAIN_TIMEOUT, IDLE_TIMEOUT};
use crate::config::Bind;

/// Binds, and names the address in the error where that fails.
pub async fn bind(service: &str, bind: Bind) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(bind.host, bind.port);
    TcpListener::bind(address).await.with_context(|| {
        format!("{service} cannot listen on {address}; set {} to another port", crate::config::port_variable(service))
    })
}

/// An endpoint on a bound listener.
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

    /// Serves until `stop` is cancelled, then lets requests that are under way end, for [`DRAIN_TIMEOUT`] at most.
    pub async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        poem::Server::new_with_acceptor(TcpAcceptor::from_tokio(self.listener)?)
            .idle_timeout(IDLE_TIMEOUT)
            .run_with_graceful_shutdown(self.endpoint, stop.cancelled_owned(), Some(DRAIN_TIMEOUT))
            .await
            .context("the server failed")
    }
}
