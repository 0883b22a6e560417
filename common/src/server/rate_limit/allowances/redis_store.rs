//! The store in Redis.

mod scripts;

use std::{num::NonZeroU32, time::Duration};

use async_trait::async_trait;
use redis::RedisResult;
use uuid::Uuid;

use super::store::{AllowanceStore, Draw, DrawRequest, StoreError, StoreKey};
use crate::redis_connection::{RedisConfig, RedisConnector};

/// Timeout of each response.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(50);
/// How long after its last registration an instance is counted.
const REGISTRATION_EXPIRY: Duration = Duration::from_secs(10);
/// How long after the last registration the epoch is stored. The epoch is an identifier that changes when Redis loses
/// its data. It outlives the counts of requests, which expire within two minutes.
const EPOCH_EXPIRY: Duration = Duration::from_secs(3600);

/// The allowances of one service. Every key begins with the prefix of the installation and the name of the service, and
/// expires by itself.
pub(in crate::server::rate_limit) struct RedisStore {
    connector: RedisConnector,
    /// Prefix of every key.
    prefix: String,
    /// Identifies this instance.
    instance: String,
}

/// The reply of [`scripts::DRAW`].
type DrawReply = (u32, u32, u64, u64, u32);

impl RedisStore {
    /// Connects when the first command is sent. Fails if the settings are invalid.
    pub fn new(config: &RedisConfig, service: &str) -> RedisResult<Self> {
        let connector = RedisConnector::new(&config.server, RESPONSE_TIMEOUT)?;
        let prefix = format!("{}{service}:allowance:", config.key_prefix);
        Ok(Self { connector, prefix, instance: Uuid::new_v4().to_string() })
    }

    fn epoch_key(&self) -> String {
        format!("{}epoch", self.prefix)
    }

    fn instances_key(&self) -> String {
        format!("{}instances", self.prefix)
    }
}

#[async_trait]
impl AllowanceStore for RedisStore {
    async fn draw(&self, key: StoreKey, request: &DrawRequest) -> Result<Draw, StoreError> {
        let DrawRequest {
            limit,
            requested,
            chunk,
            epoch,
            unreported: _,
            unreported_microrequests,
            estimated_microrequests,
        } = *request;
        let mut command = redis::cmd("EVAL");
        command.arg(scripts::DRAW).arg(3).arg(format!("{}{key}", self.prefix));
        command.arg(self.epoch_key()).arg(self.instances_key());
        command.arg(limit.get()).arg(requested).arg(chunk).arg(epoch);
        command.arg(unreported_microrequests).arg(estimated_microrequests).arg(EPOCH_EXPIRY.as_secs());
        let (granted, remaining, refill_micros, epoch, instances): DrawReply = self.connector.query(&command).await?;
        Ok(Draw { granted, remaining, refill: Duration::from_micros(refill_micros), epoch, instances })
    }

    async fn register(&self) -> Result<NonZeroU32, StoreError> {
        let mut command = redis::cmd("EVAL");
        command.arg(scripts::REGISTER).arg(2).arg(self.instances_key()).arg(self.epoch_key());
        command.arg(&self.instance).arg(REGISTRATION_EXPIRY.as_secs()).arg(EPOCH_EXPIRY.as_secs());
        let instances: u32 = self.connector.query(&command).await?;
        Ok(NonZeroU32::new(instances).unwrap_or(NonZeroU32::MIN))
    }

    async fn deregister(&self) -> Result<(), StoreError> {
        Ok(self.connector.query(redis::cmd("ZREM").arg(self.instances_key()).arg(&self.instance)).await?)
    }
}
