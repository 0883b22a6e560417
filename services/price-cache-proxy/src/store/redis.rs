//! The store in Redis, shared by all instances.

mod scripts;
mod subscription;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use common::{
    api::health::Component,
    concurrency::latest::Document,
    error_chain::format_chain,
    redis_connection::{RedisConfig, RedisConnector, needs_new_connection},
    startup::{OutageLine, OutageLog},
    time::{Clock, MAX_CLOCK_SKEW, Timestamp},
};
use redis::{Cmd, FromRedisValue};

use super::{
    error::StoreError,
    lease::LeaseState,
    local_cache::{CachedKind, LocalCache},
    redis_info::ServerInfo,
};
use crate::limits::{REDIS_COMMAND_TIMEOUT, REDIS_RESPONSE_TIMEOUT};

/// Time after which Redis deletes the key of the write probe.
const PROBE_EXPIRY: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

struct Inner {
    connector: RedisConnector,
    /// The address without the password, for messages.
    server: String,
    /// The number of the Redis database.
    database: i64,
    key_prefix: String,
    cache: LocalCache,
    clock: Clock,
    /// Decides which failures are logged, so that an outage is not logged for each command.
    outage: Mutex<OutageLog>,
    info: ServerInfo,
}

/// The outcome of an attempt to replace the stored document.
enum Replacement<T> {
    Written,
    /// The stored document is newer and current. Nothing was written.
    Newer(Document<T>),
    /// The stored value is newer and current, but is not a valid document. Nothing was written.
    Unreadable(Vec<u8>, serde_json::Error),
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("key_prefix", &self.0.key_prefix).finish_non_exhaustive()
    }
}

impl RedisStore {
    pub(super) fn new(config: &RedisConfig, clock: Clock) -> Result<Self, StoreError> {
        let server = config.server.to_string();
        let connector = RedisConnector::new(&config.server, REDIS_RESPONSE_TIMEOUT)
            .map_err(|cause| StoreError::Unavailable { server: server.clone(), cause })?;
        let (database, key_prefix) = (config.server.database(), config.key_prefix.clone());
        let (cache, outage, info) = (LocalCache::default(), Mutex::default(), ServerInfo::default());
        Ok(Self(Arc::new(Inner { connector, server, database, key_prefix, cache, clock, outage, info })))
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
                // Readers treat the invalid value as absent, and the next write replaces it.
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
        let mut replacement = self.replace_unless_newer(&document, b"", now).await?;
        if let Replacement::Unreadable(value, error) = replacement {
            tracing::warn!(%error, key = self.key::<T>(), "the value in Redis is not a valid document and is replaced");
            replacement = self.replace_unless_newer(&document, &value, now).await?;
        }
        let stored = match replacement {
            Replacement::Written => document,
            Replacement::Newer(newer) => newer,
            Replacement::Unreadable(_, error) => return Err(StoreError::Unreadable(error)),
        };
        Ok(self.0.cache.latest().replace_if_newer(Arc::new(stored), now))
    }

    /// Writes the document, unless the stored value is newer and current. The stored value `unreadable` is replaced
    /// even if it is newer.
    async fn replace_unless_newer<T: CachedKind>(
        &self,
        document: &Document<T>,
        unreadable: &[u8],
        now: Timestamp,
    ) -> Result<Replacement<T>, StoreError> {
        // Redis receives a duration and not a time, because the clock of Redis may be wrong. The duration is rounded
        // up, so that Redis never deletes a current document. Readers check the exact time.
        let keep_millis = u64::try_from(document.value().expires_at().since(now).as_millis()).unwrap_or(u64::MAX) + 1;
        let latest_version = now.plus(MAX_CLOCK_SKEW);
        let rule = T::expiry_rule(now);
        let mut command = redis::cmd("EVAL");
        command
            .arg(scripts::REPLACE_DOCUMENT)
            .arg(1)
            .arg(self.key::<T>())
            .arg(&document.json()[..])
            .arg(document.value().version().to_string())
            .arg(keep_millis)
            .arg(self.channel::<T>())
            .arg(latest_version.to_string())
            .arg(rule.field)
            .arg(rule.entries.unwrap_or_default())
            .arg(rule.expired_until.to_string())
            .arg(unreadable);
        let stored: Vec<u8> = self.run(&command).await?;
        if stored[..] == document.json()[..] {
            return Ok(Replacement::Written);
        }
        Ok(match Document::from_json(stored.clone().into()) {
            Ok(newer) => Replacement::Newer(newer),
            Err(error) => Replacement::Unreadable(stored, error),
        })
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

    /// The channel's name contains the number of the database, because all databases of a Redis server share their
    /// channels.
    fn channel<T: CachedKind>(&self) -> String {
        format!("{}{}:price:{}", self.0.key_prefix, self.0.database, T::NAME)
    }

    /// Writes a key that only this check uses and that expires. Redis refuses the write if its memory is full, if it is
    /// a replica, or if its replicas lag too far behind.
    pub(super) async fn probe_write(&self) -> Result<(), StoreError> {
        let key = format!("{}write-probe", self.0.key_prefix);
        let (value, expiry) = (Timestamp::now().to_string(), PROBE_EXPIRY.as_secs());
        self.run(redis::cmd("SET").arg(key).arg(value).arg("EX").arg(expiry)).await
    }

    /// Adds the role and the measurements of the server to a component.
    pub(super) async fn describe(&self, component: Component) -> Component {
        self.0.info.describe(component, &self.0.connector).await
    }

    /// Runs an idempotent command. Runs it a second time if the connection was lost or its server is no longer the
    /// master.
    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let attempts = async {
            match self.0.connector.query(command).await {
                Err(error) if needs_new_connection(&error) => self.0.connector.query(command).await,
                result => result,
            }
        };
        let result = match tokio::time::timeout(REDIS_COMMAND_TIMEOUT, attempts).await {
            Ok(result) => result.map_err(|cause| StoreError::Unavailable { server: self.0.server.clone(), cause }),
            Err(_) => Err(StoreError::Timeout { server: self.0.server.clone() }),
        };
        self.log_availability(&result);
        result
    }

    /// Logs the failures that the [`OutageLog`] selects, and the first success after them.
    fn log_availability<T>(&self, result: &Result<T, StoreError>) {
        let mut outage = self.0.outage.lock().unwrap_or_else(PoisonError::into_inner);
        let Err(error) = result else {
            if outage.record_success() {
                tracing::info!("Redis is available again");
            }
            return;
        };
        let server = &self.0.server;
        let cause = match error {
            StoreError::Unavailable { cause, .. } => format_chain(cause),
            StoreError::Timeout { .. } => "there was no response in time".to_owned(),
            StoreError::Unreadable(_) => error.to_string(),
        };
        match outage.record_failure() {
            Some(OutageLine::NotYet) => tracing::info!(server, cause, "Redis is not available yet"),
            Some(OutageLine::Outage) => tracing::error!(server, cause, "Redis is unavailable"),
            None => {}
        }
    }
}
