//! The store in Redis, shared by all instances.

mod scripts;
mod subscription;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{concurrency::latest::Document, time::Timestamp};
use redis::{
    Client, Cmd, FromRedisValue,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::{
    error::StoreError,
    lease::LeaseState,
    local_cache::{CachedKind, LocalCache},
};
use crate::{
    config::RedisConfig,
    limits::{REDIS_COMMAND_DEADLINE, REDIS_STEP_TIMEOUT},
};

/// When Redis deletes the key of the write probe.
const PROBE_EXPIRY: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

struct Inner {
    client: Client,
    connection: Mutex<ConnectionManager>,
    key_prefix: String,
    cache: LocalCache,
    /// Whether the last command failed. An outage is logged once and not for each request.
    unavailable: AtomicBool,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("key_prefix", &self.0.key_prefix).finish_non_exhaustive()
    }
}

impl RedisStore {
    pub(super) fn new(config: &RedisConfig) -> Result<Self, StoreError> {
        let client = Client::open(config.server.clone()).map_err(StoreError::Unavailable)?;
        let connection = Mutex::new(connect(&client).map_err(StoreError::Unavailable)?);
        let (key_prefix, unavailable) = (config.key_prefix.clone(), AtomicBool::new(false));
        Ok(Self(Arc::new(Inner { client, connection, key_prefix, cache: LocalCache::default(), unavailable })))
    }

    pub(super) fn cache(&self) -> &LocalCache {
        &self.0.cache
    }

    pub(super) async fn read<T: CachedKind>(&self, now: Timestamp) -> Result<Option<Arc<Document<T>>>, StoreError> {
        let key = self.key::<T>();
        let json: Option<Vec<u8>> = self.run(redis::cmd("GET").arg(&key)).await?;
        match json.map(|json| Document::from_json(json.into())).transpose() {
            Ok(document) => {
                Ok(document.map(|document| self.0.cache.latest().replace_if_newer(Arc::new(document), now)))
            }
            Err(error) => {
                // Readers treat it as absent, and the next write replaces it.
                tracing::warn!(%error, key, "the value in Redis is not a valid document and is ignored");
                Ok(None)
            }
        }
    }

    pub(super) async fn replace<T: CachedKind>(
        &self,
        document: Document<T>,
        now: Timestamp,
    ) -> Result<Arc<Document<T>>, StoreError> {
        // Rounded up, so that Redis never deletes a current document. Readers check the exact time.
        let delete_at_millis = document.value().expires_at().micros().div_euclid(1000) + 1;
        let expiry = T::expiry_rule(now);
        let mut command = redis::cmd("EVAL");
        command
            .arg(scripts::REPLACE_DOCUMENT)
            .arg(1)
            .arg(self.key::<T>())
            .arg(&document.json()[..])
            .arg(document.value().version().to_string())
            .arg(delete_at_millis)
            .arg(expiry.field)
            .arg(expiry.expired_until.to_string())
            .arg(self.channel::<T>());
        let stored: Vec<u8> = self.run(&command).await?;
        let stored = if stored[..] == document.json()[..] {
            document
        } else {
            Document::from_json(stored.into()).map_err(StoreError::Unreadable)?
        };
        Ok(self.0.cache.latest().replace_if_newer(Arc::new(stored), now))
    }

    pub(super) async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<LeaseState, StoreError> {
        let key = format!("{}lease:{name}", self.0.key_prefix);
        let ttl_millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let mut command = redis::cmd("EVAL");
        command.arg(scripts::ACQUIRE_LEASE).arg(1).arg(key).arg(holder).arg(ttl_millis);
        let (holder, remaining_millis): (String, i64) = self.run(&command).await?;
        let remaining = Duration::from_millis(u64::try_from(remaining_millis).unwrap_or(0));
        Ok(LeaseState { holder, remaining })
    }

    fn key<T: CachedKind>(&self) -> String {
        format!("{}price:{}", self.0.key_prefix, T::NAME)
    }

    /// Contains the number of the database, because all databases of a Redis share their channels.
    fn channel<T: CachedKind>(&self) -> String {
        let database = self.0.client.get_connection_info().redis_settings().db();
        format!("{}{database}:price:{}", self.0.key_prefix, T::NAME)
    }

    /// Writes a key of its own, which expires. A Redis that is full, a replica, or too far from its replicas refuses it.
    pub(super) async fn probe_write(&self) -> Result<(), StoreError> {
        let key = format!("{}write-probe", self.0.key_prefix);
        let (value, expiry) = (Timestamp::now().to_string(), PROBE_EXPIRY.as_secs());
        self.run(redis::cmd("SET").arg(key).arg(value).arg("EX").arg(expiry)).await
    }

    /// Runs an idempotent command, a second time if the connection was lost.
    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let attempts = async {
            match self.run_once(command).await {
                // The connection manager fails one command when a connection is lost, and reconnects for the next one.
                Err(error) if error.is_io_error() => self.run_once(command).await,
                result => result,
            }
        };
        let result = match tokio::time::timeout(REDIS_COMMAND_DEADLINE, attempts).await {
            Ok(result) => result.map_err(StoreError::Unavailable),
            Err(_) => Err(StoreError::Timeout),
        };
        self.log_availability(&result);
        result
    }

    async fn run_once<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, redis::RedisError> {
        let mut connection = self.connection();
        let result = command.query_async(&mut connection).await;
        if let Err(error) = &result
            && error.is_timeout()
        {
            // If the host of Redis disappears, the old connection looks open for many minutes.
            self.reconnect()?;
        }
        result
    }

    fn connection(&self) -> ConnectionManager {
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reconnect(&self) -> Result<(), redis::RedisError> {
        let new_connection = connect(&self.0.client)?;
        *self.0.connection.lock().unwrap_or_else(PoisonError::into_inner) = new_connection;
        Ok(())
    }

    /// Logs the first failure of an outage, and the first success after it.
    fn log_availability<T>(&self, result: &Result<T, StoreError>) {
        let unavailable = result.is_err();
        if self.0.unavailable.swap(unavailable, Ordering::Relaxed) == unavailable {
            return;
        }
        match result {
            Ok(_) => tracing::info!("Redis is available again"),
            Err(StoreError::Unavailable(cause)) => tracing::error!(%cause, "Redis is unavailable"),
            Err(error) => tracing::error!(%error, "Redis is unavailable"),
        }
    }
}

/// Returns a manager that connects at the first command, and again after a connection is lost.
fn connect(client: &Client) -> Result<ConnectionManager, redis::RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(REDIS_STEP_TIMEOUT))
        .set_response_timeout(Some(REDIS_STEP_TIMEOUT))
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}
