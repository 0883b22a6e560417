//! The listener of a service.

use std::{io::ErrorKind, net::SocketAddr};

use anyhow::bail;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::ServerConfig;
use crate::{config::Bind, io_errors::describe_io_error};

/// A bound socket, and the settings for its connections.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: TcpListener,
    pub(super) config: ServerConfig,
    pub(super) draining: CancellationToken,
    pub(super) drain_end: CancellationToken,
}

impl Listener {
    pub fn new(socket: TcpListener, config: ServerConfig) -> Self {
        Self { socket, config, draining: CancellationToken::new(), drain_end: CancellationToken::new() }
    }

    /// Binds a socket. The error names the address and the variable of the port.
    pub async fn bind(service: &str, bind: Bind, config: ServerConfig) -> anyhow::Result<Self> {
        let address = SocketAddr::new(bind.host, bind.port);
        let variable = crate::config::port_variable(service);
        match TcpListener::bind(address).await {
            Ok(socket) => Ok(Self::new(socket, config)),
            Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
                "{service} cannot listen on {address}, because another program already listens on it; stop that program, or set \
                 {variable} to another port"
            ),
            Err(error) => bail!(
                "{service} cannot listen on {address}: {}; set {variable} to another port, or BIND_HOST to another address",
                describe_io_error(&error)
            ),
        }
    }

    /// When the token is cancelled, the server reports that it is not ready, and closes each connection after its next
    /// response. So clients and load balancers switch to other instances before this instance stops.
    #[must_use]
    pub fn with_draining(self, draining: CancellationToken) -> Self {
        Self { draining, ..self }
    }

    /// When the token is cancelled, a stopping server no longer waits for requests in flight. Services that stop one
    /// after another can share a token, and so a deadline.
    #[must_use]
    pub fn with_drain_end(self, drain_end: CancellationToken) -> Self {
        Self { drain_end, ..self }
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// A listener with the default settings.
impl From<TcpListener> for Listener {
    fn from(socket: TcpListener) -> Self {
        Self::new(socket, ServerConfig::default())
    }
}
