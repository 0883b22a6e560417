//! Documents and leases in Redis, shared by every instance.

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
    lease::LeaseHolder,
    local_cache::{CachedKind, LocalCache},
};
use crate::config::RedisConfig;

/// Longest wait for a connection, and then for an answer on it.
const STEP_TIMEOUT: Duration = Duration::from_millis(400);
/// Longest wait for the result of a command, with its second try.
const DEADLINE: Duration = Duration::from_millis(900);

/// Replaces the document at `KEYS[1]` by `ARGV[1]`, unless the one there is true of a later time than `ARGV[2]` and has not
/// run out, which it has when its field `ARGV[4]` is not after `ARGV[5]`. Redis itself drops the document at `ARGV[3]`, in
/// milliseconds since 1970. What is written is published on the channel `ARGV[6]`.
///
/// Times are compared as text: a `Timestamp` always has the same width, so that is their order. A value that is no document
/// is replaced.
const REPLACE: &str = "
local kept = redis.call('GET', KEYS[1])
if kept then
  local read, document = pcall(cjson.decode, kept)
  if read and type(document) == 'table' and type(document.as_of) == 'string' and type(document[ARGV[4]]) == 'string'
    and document.as_of > ARGV[2] and document[ARGV[4]] > ARGV[5] then
    return kept
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[3])
redis.call('PUBLISH', ARGV[6], ARGV[1])
return ARGV[1]
";

/// Gives the lease at `KEYS[1]` to `ARGV[1]` for `ARGV[2]` milliseconds, unless somebody else has it. Answers with who has
/// it and for how many milliseconds more. A key that never ends was written by something else, and is replaced.
const LEASE: &str = "
local holder, left = redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])
if holder and holder ~= ARGV[1] and left >= 0 then
  return {holder, left}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {ARGV[1], tonumber(ARGV[2])}
";

#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

struct Inner {
    client: Client,
    connection: Mutex<ConnectionManager>,
    key_prefix: String,
    cache: LocalCache,
    /// Whether the last command failed, so that an outage is logged once and not for each request.
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
                // None is better than a failure for every reader: the next write replaces what is there.
                tracing::warn!(%error, key, "what is kept in Redis cannot be read and is passed over");
                Ok(None)
            }
        }
    }

    pub(super) async fn replace<T: CachedKind>(
        &self,
        document: Document<T>,
        now: Timestamp,
    ) -> Result<Arc<Document<T>>, StoreError> {
        // Rounded up: Redis must not drop what may still be used; reading checks the exact time.
        let expires_millis = document.value().expires_at().micros().div_euclid(1000) + 1;
        let (field, expiry_bound) = T::expiry_bound(now);
        let kept: Vec<u8> = self
            .run(
                redis::cmd("EVAL")
                    .arg(REPLACE)
                    .arg(1)
                    .arg(self.key::<T>())
                    .arg(&document.json()[..])
                    .arg(document.value().as_of().to_string())
                    .arg(expires_millis)
                    .arg(field)
                    .arg(expiry_bound.to_string())
                    .arg(self.channel::<T>()),
            )
            .await?;
        let kept = if kept[..] == document.json()[..] {
            document
        } else {
            Document::from_json(kept.into()).map_err(StoreError::Unreadable)?
        };
        Ok(self.0.cache.latest().replace_if_newer(Arc::new(kept), now))
    }

    pub(super) async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<LeaseHolder, StoreError> {
        let key = format!("{}lease:{name}", self.0.key_prefix);
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let (holder, left): (String, i64) =
            self.run(redis::cmd("EVAL").arg(LEASE).arg(1).arg(key).arg(holder).arg(millis)).await?;
        Ok(LeaseHolder { holder, left: Duration::from_millis(u64::try_from(left).unwrap_or(0)) })
    }

    fn key<T: CachedKind>(&self) -> String {
        format!("{}price:{}", self.0.key_prefix, T::NAME)
    }

    /// With the number of the database, for channels know no databases.
    fn channel<T: CachedKind>(&self) -> String {
        let database = self.0.client.get_connection_info().redis_settings().db();
        format!("{}{database}:price:{}", self.0.key_prefix, T::NAME)
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        self.run(&redis::cmd("PING")).await
    }

    /// Runs a command that may run twice.
    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let work = async {
            match self.run_once(command).await {
                // The manager tells of a lost connection by failing once, and connects anew for the next command.
                Err(error) if error.is_io_error() => self.run_once(command).await,
                result => result,
            }
        };
        let result = match tokio::time::timeout(DEADLINE, work).await {
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
            // A host that vanished without a word leaves a connection that looks alive for many minutes.
            self.reconnect()?;
        }
        result
    }

    fn connection(&self) -> ConnectionManager {
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reconnect(&self) -> Result<(), redis::RedisError> {
        let fresh = connect(&self.0.client)?;
        *self.0.connection.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    fn log_availability<T>(&self, result: &Result<T, StoreError>) {
        let unavailable = result.is_err();
        if self.0.unavailable.swap(unavailable, Ordering::Relaxed) == unavailable {
            return;
        }
        match result {
            Ok(_) => tracing::info!("Redis answers again"),
            Err(StoreError::Unavailable(cause)) => tracing::error!(%cause, "Redis cannot be used"),
            Err(error) => tracing::error!(%error, "Redis cannot be used"),
        }
    }
}

/// Connects at the first command, and anew after a connection was lost.
fn connect(client: &Client) -> Result<ConnectionManager, redis::RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(STEP_TIMEOUT))
        .set_response_timeout(Some(STEP_TIMEOUT))
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}
