//! Checks API keys: looks them up in db-proxy, and caches the results for a few seconds.

mod directory;
mod last_uses;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use moka::policy::EvictionPolicy;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use tokio::{sync::Semaphore, time::timeout};
use tokio_util::sync::CancellationToken;

use self::last_uses::LastUses;
use super::CallError;
use crate::{
    access::{AuthenticatedUser, Authenticator, InvalidKey, KeyError},
    api::{
        keys::{KeyHash, KeyPrefix, KeyRecord, KeySecret, KeyUses},
        users::UserState,
    },
    metrics::Metrics,
    time::{Clock, Timestamp},
};

/// How long the result of a look-up is cached.
const RESULT_TTL: Duration = Duration::from_secs(3);
/// Deadline of a look-up, including the wait for other look-ups.
const LOOK_UP_DEADLINE: Duration = Duration::from_millis(1500);
/// A revoked key is refused everywhere within this time.
const REVOCATION_DEADLINE: Duration = Duration::from_secs(5);
const _: () = assert!(RESULT_TTL.as_millis() + LOOK_UP_DEADLINE.as_millis() < REVOCATION_DEADLINE.as_millis());
/// Maximum number of cached results. They take about 10 MB.
const MAX_RESULTS: u64 = 50_000;
/// Maximum number of look-ups in progress. Further look-ups wait.
const MAX_LOOK_UPS: usize = 32;
/// Maximum number of unknown keys that are looked up for one IP address within [`UNKNOWN_KEYS_PERIOD`].
const MAX_UNKNOWN_KEYS: u32 = 30;
const UNKNOWN_KEYS_PERIOD: Duration = Duration::from_secs(60);
/// Maximum number of IP addresses with a count of unknown keys. Above the maximum, the least recently used count is
/// removed.
const MAX_ADDRESSES: u64 = 50_000;
/// How long a key counts as known after its last successful look-up. A known key is looked up even if its client has
/// sent too many unknown keys.
const KNOWN_FOR: Duration = Duration::from_secs(3600);

/// The storage of keys: [`DbProxyClient`](super::db_proxy::DbProxyClient), or a fake in tests.
#[async_trait]
pub trait KeyDirectory: Send + Sync {
    /// The key with this prefix, even if it is revoked or expired.
    async fn find_key(&self, prefix: &KeyPrefix) -> Result<Option<KeyRecord>, CallError>;

    /// Stores when keys were last used. Accepts at most [`MAX_KEY_USES`](crate::api::keys::MAX_KEY_USES) uses.
    async fn record_uses(&self, uses: &KeyUses) -> Result<(), CallError>;
}

/// Checks the API keys of requests.
pub struct KeyAuthenticator {
    directory: Arc<dyn KeyDirectory>,
    clock: Clock,
    /// The results by the hash of the key. Concurrent checks of one key share one look-up.
    results: moka::future::Cache<[u8; 32], LookUpResult>,
    /// The hashes of keys that were valid recently.
    known: moka::sync::Cache<[u8; 32], ()>,
    /// The number of unknown keys by IP address. A count starts at the first unknown key and ends after
    /// [`UNKNOWN_KEYS_PERIOD`].
    unknown_keys: moka::sync::Cache<IpAddr, Arc<AtomicU32>>,
    look_ups: Semaphore,
    last_uses: LastUses,
    metrics: Family<LookUpLabels, Counter>,
}

/// The result of a look-up.
#[derive(Debug, Clone)]
enum LookUpResult {
    Valid { user: Arc<AuthenticatedUser>, expires_at: Option<Timestamp> },
    Invalid(InvalidKey),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookUpLabels {
    result: &'static str,
}

impl KeyAuthenticator {
    pub fn new(directory: Arc<dyn KeyDirectory>, metrics: &Metrics) -> Self {
        Self::with_result_ttl(directory, metrics, Clock::System, RESULT_TTL)
    }

    fn with_result_ttl(
        directory: Arc<dyn KeyDirectory>,
        metrics: &Metrics,
        clock: Clock,
        result_ttl: Duration,
    ) -> Self {
        let look_up_counter = Family::default();
        metrics.register("key_look_ups", "Look-ups of API keys in db-proxy, by their result", look_up_counter.clone());
        let unknown_keys = moka::sync::Cache::builder()
            .max_capacity(MAX_ADDRESSES)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(UNKNOWN_KEYS_PERIOD);
        Self {
            directory,
            clock,
            results: moka::future::Cache::builder().max_capacity(MAX_RESULTS).time_to_live(result_ttl).build(),
            known: moka::sync::Cache::builder().max_capacity(MAX_RESULTS).time_to_live(KNOWN_FOR).build(),
            unknown_keys: unknown_keys.build(),
            look_ups: Semaphore::new(MAX_LOOK_UPS),
            last_uses: LastUses::default(),
            metrics: look_up_counter,
        }
    }

    /// Stores the last uses of keys about once a minute, until `stop` is cancelled.
    pub async fn record_uses(self: Arc<Self>, stop: CancellationToken) {
        self.last_uses.send_until(stop, &*self.directory).await;
    }

    /// Looks up a key. A failure is not cached, so the next request with the key causes a new look-up.
    async fn look_up(&self, key: &KeySecret, hash: KeyHash, client: IpAddr) -> Result<LookUpResult, KeyError> {
        let is_known = self.known.contains_key(hash.as_bytes());
        if !is_known && self.unknown_key_count(client) >= MAX_UNKNOWN_KEYS {
            return Err(KeyError::TooManyUnknownKeys { retry_after: UNKNOWN_KEYS_PERIOD });
        }
        let look_up = async {
            let _permit = self.look_ups.acquire().await.expect("the semaphore is not closed");
            self.directory.find_key(&key.prefix()).await
        };
        let record = match timeout(LOOK_UP_DEADLINE, look_up).await {
            Ok(Ok(record)) => record,
            Ok(Err(error)) => return Err(self.unavailable(&error.chain())),
            Err(_elapsed) => return Err(self.unavailable("the look-up took too long")),
        };
        let result = self.examine(record, hash);
        match &result {
            LookUpResult::Valid { user, .. } => {
                self.known.insert(*hash.as_bytes(), ());
                self.last_uses.record(user.key_id, self.clock.now());
                self.count("valid");
            }
            LookUpResult::Invalid(InvalidKey::Unknown) => {
                self.known.invalidate(hash.as_bytes());
                self.unknown_keys.get_with(client, Arc::default).fetch_add(1, Ordering::Relaxed);
                self.count("unknown");
            }
            LookUpResult::Invalid(_) => self.count("invalid"),
        }
        Ok(result)
    }

    /// Compares a record with the hash of the key that was sent. A client without the whole key receives no information
    /// about the record.
    fn examine(&self, record: Option<KeyRecord>, hash: KeyHash) -> LookUpResult {
        let Some(record) = record.filter(|record| record.hash == hash) else {
            return LookUpResult::Invalid(InvalidKey::Unknown);
        };
        if record.revoked_at.is_some() {
            return LookUpResult::Invalid(InvalidKey::Revoked);
        }
        match record.user_state {
            UserState::Active => {}
            UserState::Deactivated => return LookUpResult::Invalid(InvalidKey::UserDeactivated),
        }
        if self.has_expired(record.expires_at) {
            return LookUpResult::Invalid(InvalidKey::Expired);
        }
        let user = AuthenticatedUser {
            user_id: record.user_id,
            key_id: record.id,
            scopes: record.scopes,
            rate_limit_per_minute: record.rate_limit_per_minute,
        };
        LookUpResult::Valid { user: Arc::new(user), expires_at: record.expires_at }
    }

    fn has_expired(&self, expires_at: Option<Timestamp>) -> bool {
        expires_at.is_some_and(|expires_at| self.clock.now() >= expires_at)
    }

    fn unknown_key_count(&self, client: IpAddr) -> u32 {
        self.unknown_keys.get(&client).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    fn unavailable(&self, error: &str) -> KeyError {
        tracing::warn!(error, "an API key could not be checked");
        self.count("failed");
        KeyError::Unavailable
    }

    fn count(&self, result: &'static str) {
        self.metrics.get_or_create(&LookUpLabels { result }).inc();
    }
}

#[async_trait]
impl Authenticator for KeyAuthenticator {
    async fn authenticate(&self, key: &KeySecret, client: IpAddr) -> Result<Arc<AuthenticatedUser>, KeyError> {
        let hash = key.hash();
        let result = if let Some(result) = self.results.get(hash.as_bytes()).await {
            result
        } else {
            let look_up = self.look_up(key, hash, client);
            self.results.try_get_with(*hash.as_bytes(), look_up).await.map_err(|error| *error)?
        };
        match result {
            LookUpResult::Valid { expires_at, .. } if self.has_expired(expires_at) => Err(InvalidKey::Expired.into()),
            LookUpResult::Valid { user, .. } => Ok(user),
            LookUpResult::Invalid(reason) => Err(reason.into()),
        }
    }
}

#[cfg(test)]
mod tests;
