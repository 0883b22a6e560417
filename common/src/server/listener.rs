//! The listener of a service.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::ServerConfig;
use crate::config::Bind;

/// A bound socket, and how its connections are served.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: TcpListener,
    pub(super) config: ServerConfig,
    pub(super) drain_end: CancellationToken,
}

impl Listener {
    pub fn new(socket: TcpListener, config: ServerConfig) -> Self {
        Self { socket, config, drain_end: CancellationToken::new() }
    }

    /// Binds a socket. The error names the address and the variable of the port.
    pub async fn bind(service: &str, bind: Bind, config: ServerConfig) -> anyhow::Result<Self> {
        let address = SocketAddr::new(bind.host, bind.port);
        let socket = TcpListener::bind(address).await.with_context(|| {
            let variable = crate::config::port_variable(service);
            format!("{service} cannot listen on {address}; set {variable} to another port")
        })?;
        Ok(Self::new(socket, config))
    }

    /// Ends the wait for requests in flight when `drain_end` is cancelled, if the server has not ended by then. Services that
    /// stop one after the other share one deadline in this way.
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
