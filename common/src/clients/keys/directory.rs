//! db-proxy as the directory of keys.

use async_trait::async_trait;

use super::KeyDirectory;
use crate::{
    api::keys::{KeyPrefix, KeyRecord, KeyUses},
    clients::{CallError, db_proxy::DbProxyClient},
};

#[async_trait]
impl KeyDirectory for DbProxyClient {
    async fn find_key(&self, prefix: &KeyPrefix) -> Result<Option<KeyRecord>, CallError> {
        self.find_key(prefix).await
    }

    async fn record_uses(&self, uses: &KeyUses) -> Result<(), CallError> {
        self.record_key_uses(uses).await
    }
}
