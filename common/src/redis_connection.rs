//! The connection to Redis: to one server, or to the master that Sentinel names.

mod server;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind,
    aio::MultiplexedConnection,
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};
use tokio::time::timeout;
use tracing::Instrument;

pub use self::server::{ALLOWED_URLS, RedisServer};
use crate::config::{Env, redact_password};

/// Timeout for opening the connection to the server, after the master was found.
const SERVER_CONNECT_TIMEOUT: Duration = Duration::from_millis(400);
/// Timeout of an attempt to connect. It includes the time to find the master, which is longer if a Sentinel is
/// unavailable.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The address of Redis (version 6.2 or later), and a key prefix.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    pub server: RedisServer,
    /// Prefix of every key and channel.
    pub key_prefix: String,
}

impl RedisConfig {
    /// Fails if `url` is not one of the URLs in [`ALLOWED_URLS`].
    pub fn new(url: &str, key_prefix: impl Into<String>) -> RedisResult<Self> {
        Ok(Self { server: RedisServer::parse(url)?, key_prefix: key_prefix.into() })
    }

    /// Reads the address from `variable`, and the prefix from `REDIS_KEY_PREFIX` (default `buydesk:`). `None` if the address
    /// is not set. `absent` states the effect of an empty address, for the error about an invalid address.
    pub fn from_env(env: &mut Env, variable: &str, absent: &str) -> Option<Self> {
        let key_prefix = env.text("REDIS_KEY_PREFIX").unwrap_or("buydesk:").to_owned();
        let url = env.text(variable)?.to_owned();
        let config = Self::new(&url, key_prefix).ok();
        if config.is_none() {
            env.add_error(variable, redact_password(&url), &format!("{ALLOWED_URLS}, or empty {absent}"));
        }
        config
    }
}

/// An attempt to connect, and its result. All commands share the attempt.
type Attempt = Shared<BoxFuture<'static, RedisResult<MultiplexedConnection>>>;

/// Opens a connection and runs commands. Clones share the connection.
#[derive(Clone)]
pub struct RedisConnector(Arc<Inner>);

struct Inner {
    server: Server,
    /// Timeout of each response.
    response_timeout: Duration,
    connection: Mutex<Option<Attempt>>,
}

enum Server {
    Single(Client),
    /// In a mutex, because finding the master needs exclusive access to the client.
    Sentinel(Box<tokio::sync::Mutex<SentinelClient>>),
}

impl RedisConnector {
    /// Fails if the settings are invalid. The connection is opened when the first command is sent. A command fails if its response
    /// takes longer than `response_timeout`.
    pub fn new(server: &RedisServer, response_timeout: Duration) -> RedisResult<Self> {
        let server = match server {
            RedisServer::Single(server) => Server::Single(Client::open(server.clone())?),
            RedisServer::Sentinel { sentinels, master, settings } => {
                let node = SentinelNodeConnectionInfo::default().set_redis_connection_info(settings.clone());
                let (sentinels, master) = (sentinels.clone(), master.clone());
                let client = SentinelClient::build(sentinels, master, Some(node), SentinelServerType::Master)?;
                Server::Sentinel(Box::new(tokio::sync::Mutex::new(client)))
            }
        };
        Ok(Self(Arc::new(Inner { server, response_timeout, connection: Mutex::default() })))
    }

    /// Runs a command without retries. If the connection is lost, or its server is no longer the master, the next
    /// command opens another connection.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let attempt = self.connection();
        let result = match attempt.clone().await {
            Ok(mut connection) => command.query_async(&mut connection).await,
            // The next command connects again, whatever the error was.
            Err(error) => {
                self.discard(&attempt);
                return Err(error);
            }
        };
        // A timeout counts as a lost connection: if the host of Redis disappears, the connection looks open for many minutes.
        if result.as_ref().is_err_and(needs_new_connection) {
            self.discard(&attempt);
        }
        result
    }

    /// The connection for commands. After [`discard`](Self::discard), the next call opens another connection.
    fn connection(&self) -> Attempt {
        self.current().get_or_insert_with(|| self.clone().start_connecting()).clone()
    }

    /// Stops using the connection of this attempt, unless another attempt has already replaced it.
    fn discard(&self, attempt: &Attempt) {
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
    /// finding the master can take longer than a command waits.
    fn start_connecting(self) -> Attempt {
        let open = async move {
            let opened = timeout(CONNECT_TIMEOUT, self.open()).await;
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
            .set_connection_timeout(Some(SERVER_CONNECT_TIMEOUT))
            .set_response_timeout(Some(self.0.response_timeout));
        self.master().await?.get_multiplexed_async_connection_with_config(&config).await
    }
}

/// Whether the connection of a failed command is lost, or its server is no longer the master.
pub fn needs_new_connection(error: &RedisError) -> bool {
    let demoted = [ServerErrorKind::ReadOnly, ServerErrorKind::MasterDown].map(ErrorKind::Server);
    error.is_io_error() || error.is_unrecoverable_error() || demoted.contains(&error.kind())
}

#[cfg(test)]
mod tests;
