//! The connection to Redis: to one server, or to the master that Sentinel names.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, ServerErrorKind,
    aio::MultiplexedConnection,
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};
use tokio::time::timeout;
use tracing::Instrument;

use crate::{
    config::RedisServer,
    limits::{REDIS_CONNECT_TIMEOUT, REDIS_STEP_TIMEOUT},
};

/// An attempt to connect, and its result. All commands share the attempt. It continues if a command stops waiting for it.
pub(super) type Attempt = Shared<BoxFuture<'static, RedisResult<MultiplexedConnection>>>;

/// Opens connections. Clones share the connection.
#[derive(Clone)]
pub(super) struct Connector(Arc<Inner>);

struct Inner {
    server: Server,
    connection: Mutex<Option<Attempt>>,
}

enum Server {
    Single(Client),
    /// In a mutex, because the client stores its connections to the Sentinels.
    Sentinel(Box<tokio::sync::Mutex<SentinelClient>>),
}

impl Connector {
    /// Fails if the settings are invalid. The connection is opened when the first command is sent.
    pub fn new(server: &RedisServer) -> RedisResult<Self> {
        let server = match server {
            RedisServer::Single(server) => Server::Single(Client::open(server.clone())?),
            RedisServer::Sentinel { sentinels, master, settings } => {
                let node = SentinelNodeConnectionInfo::default().set_redis_connection_info(settings.clone());
                let (sentinels, master) = (sentinels.clone(), master.clone());
                let client = SentinelClient::build(sentinels, master, Some(node), SentinelServerType::Master)?;
                Server::Sentinel(Box::new(tokio::sync::Mutex::new(client)))
            }
        };
        Ok(Self(Arc::new(Inner { server, connection: Mutex::default() })))
    }

    /// The connection for commands. After [`discard`](Self::discard), the next call opens another connection.
    pub fn connection(&self) -> Attempt {
        self.current().get_or_insert_with(|| self.clone().start_connecting()).clone()
    }

    /// Stops using the connection of this attempt, unless it was already replaced.
    pub fn discard(&self, attempt: &Attempt) {
        let mut current = self.current();
        if current.as_ref().is_some_and(|current| current.ptr_eq(attempt)) {
            *current = None;
        }
    }

    /// A client of the single server, or of the server that the Sentinels report as the master now.
    pub async fn master(&self) -> RedisResult<Client> {
        match &self.0.server {
            Server::Single(client) => Ok(client.clone()),
            Server::Sentinel(sentinel) => sentinel.lock().await.async_get_client().await,
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Attempt>> {
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects in a separate task, so that the attempt continues when a command stops waiting. If a Sentinel is unavailable,
    /// finding the master may take longer than a command waits.
    fn start_connecting(self) -> Attempt {
        let open = async move {
            let opened = timeout(REDIS_CONNECT_TIMEOUT, self.open()).await;
            opened.unwrap_or_else(|_| Err(RedisError::from((ErrorKind::Io, "the connection was not opened in time"))))
        };
        let connecting = tokio::spawn(open.in_current_span());
        let connected = async move {
            let lost = |_| Err(RedisError::from((ErrorKind::Io, "the attempt to connect was aborted")));
            connecting.await.unwrap_or_else(lost)
        };
        connected.boxed().shared()
    }

    async fn open(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(REDIS_STEP_TIMEOUT))
            .set_response_timeout(Some(REDIS_STEP_TIMEOUT));
        self.master().await?.get_multiplexed_async_connection_with_config(&config).await
    }
}

/// Whether a failed command may succeed on another connection: its connection is lost, or its server is no longer the master.
pub(super) fn needs_new_connection(error: &RedisError) -> bool {
    let demoted = [ServerErrorKind::ReadOnly, ServerErrorKind::MasterDown].map(ErrorKind::Server);
    error.is_io_error() || error.is_unrecoverable_error() || demoted.contains(&error.kind())
}
