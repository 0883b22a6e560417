//! Users and their API keys, created at db-proxy as the service `users` creates them.

use std::time::Duration;

use common::{
    api::{
        keys::{IssuedKey, KeySecret, Scope, StoreKeyCommand},
        users::{CreateUserCommand, User},
    },
    clients::db_proxy::DbProxyClient,
    ids::UserId,
};

use super::{Instance, Platform};
use crate::{
    client::{Response, send},
    wait_until,
};

/// Maximum time to wait until a revoked or expired key is refused.
const REFUSAL_LIMIT: Duration = Duration::from_secs(10);

impl Platform {
    /// The client of db-proxy, with the token of an operator.
    pub fn db_proxy_client(&self) -> DbProxyClient {
        DbProxyClient(self.internal_client(DbProxyClient::SERVICE, &self.db_proxy))
    }

    pub async fn create_user(&self, email: &str) -> User {
        let command = CreateUserCommand { email: email.parse().unwrap(), name: "A user of a test".parse().unwrap() };
        self.db_proxy_client().create_user(&command).await.unwrap()
    }

    /// A new key without its own rate limit.
    pub async fn issue_key(&self, user: UserId, scopes: &[Scope]) -> IssuedKey {
        self.store_key(user, scopes, None).await
    }

    pub async fn issue_limited_key(&self, user: UserId, scopes: &[Scope], per_minute: u32) -> IssuedKey {
        self.store_key(user, scopes, Some(per_minute)).await
    }

    /// A GET at a service with an API key.
    pub async fn get_with_api_key(&self, service: &Instance, path: &str, key: &str) -> Response {
        send(self.client.request("GET", service.url(path)).bearer_auth(key)).await
    }

    /// Waits until a GET with an API key does not succeed any more. Returns the response.
    pub async fn wait_for_refusal(&self, service: &Instance, path: &str, key: &str) -> Response {
        wait_until("the key is refused", REFUSAL_LIMIT, async || {
            let response = self.get_with_api_key(service, path, key).await;
            (response.status != 200).then_some(response)
        })
        .await
    }

    async fn store_key(&self, user: UserId, scopes: &[Scope], rate_limit_per_minute: Option<u32>) -> IssuedKey {
        let key = KeySecret::generate();
        let command = StoreKeyCommand {
            prefix: key.prefix(),
            hash: key.hash(),
            name: "A key of a test".parse().unwrap(),
            scopes: scopes.iter().copied().collect(),
            rate_limit_per_minute,
            expires_at: None,
        };
        let details = self.db_proxy_client().store_key(user, &command).await.unwrap();
        IssuedKey { key, details }
    }
}
