//! The record in Redis, shared by every instance.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{api::prices::PriceRecord, time::Timestamp};
use redis::{
    Client, Cmd, FromRedisValue,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::StoreError;
use crate::config::RedisConfig;

/// Longest wait for a connection, and then for an answer on it.
const STEP_TIMEOUT: Duration = Duration::from_millis(400);
/// Longest wait for the result of a command, with its second try.
const DEADLINE: Duration = Duration::from_millis(900);

/// Replaces the record at `KEYS[1]` by `ARGV[1]`, unless the one there was observed after `ARGV[2]` and ends after
/// `ARGV[4]`, which is now. Redis itself drops the record at `ARGV[3]`, in milliseconds since 1970.
///
/// Times are compared as text: a `Timestamp` always has the same width, so that is their order. A value that is no record
/// is replaced.
const REPLACE: &str = "
local kept = redis.call('GET', KEYS[1])
if kept then
  local read, record = pcall(cjson.decode, kept)
  if read and type(record) == 'table' and type(record.as_of) == 'string' and type(record.expires_at) == 'string'
    and record.as_of > ARGV[2] and record.expires_at > ARGV[4] then
    return kept
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[3])
return ARGV[1]
";

#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

struct Inner {
    client: Client,
    connection: Mutex<ConnectionManager>,
    key: String,
    /// Whether the last command failed, so that an outage is logged once and not for each request.
    away: AtomicBool,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("key", &self.0.key).finish_non_exhaustive()
    }
}

impl RedisStore {
    pub(super) fn new(config: &RedisConfig) -> Result<Self, StoreError> {
        let client = Client::open(config.server.clone()).map_err(StoreError::Unavailable)?;
        let connection = Mutex::new(connect(&client).map_err(StoreError::Unavailable)?);
        let key = format!("{}price:record", config.key_prefix);
        Ok(Self(Arc::new(Inner { client, connection, key, away: AtomicBool::new(false) })))
    }

    pub(super) async fn get(&self) -> Result<Option<PriceRecord>, StoreError> {
        let json: Option<Vec<u8>> = self.run(redis::cmd("GET").arg(&self.0.key)).await?;
        match json.as_deref().map(serde_json::from_slice).transpose() {
            Ok(record) => Ok(record),
            Err(error) => {
                // No price is better than none at all for every reader: the next write replaces what is there.
                tracing::warn!(%error, key = self.0.key, "the record in Redis cannot be read and is passed over");
                Ok(None)
            }
        }
    }

    pub(super) async fn replace(&self, record: PriceRecord, now: Timestamp) -> Result<PriceRecord, StoreError> {
        let json = serde_json::to_vec(&record).map_err(StoreError::Unreadable)?;
        // Rounded up: Redis must not drop what may still be used; reading checks the exact time.
        let expires_millis = record.expires_at.micros().div_euclid(1000) + 1;
        let kept: Vec<u8> = self
            .run(
                redis::cmd("EVAL")
                    .arg(REPLACE)
                    .arg(1)
                    .arg(&self.0.key)
                    .arg(&json)
                    .arg(record.as_of.to_string())
                    .arg(expires_millis)
                    .arg(now.to_string()),
            )
            .await?;
        if kept == json {
            return Ok(record);
        }
        serde_json::from_slice(&kept).map_err(StoreError::Unreadable)
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        self.run(&redis::cmd("PING")).await
    }

    /// Runs a command that may run twice.
    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let work = async {
            match self.once(command).await {
                // The manager tells of a lost connection by failing once, and connects anew for the next command.
                Err(error) if error.is_io_error() => self.once(command).await,
                result => result,
            }
        };
        let result = match tokio::time::timeout(DEADLINE, work).await {
            Ok(result) => result.map_err(StoreError::Unavailable),
            Err(_) => Err(StoreError::Timeout),
        };
        self.note(&result);
        result
    }

    async fn once<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, redis::RedisError> {
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

    fn note<T>(&self, result: &Result<T, StoreError>) {
        let away = result.is_err();
        if self.0.away.swap(away, Ordering::Relaxed) == away {
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
