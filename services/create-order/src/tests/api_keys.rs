//! API keys of requests while db-proxy is unavailable.

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
};

use async_trait::async_trait;
use common::{
    access::{AnonymousAccess, AuthenticatedUser, Authenticator, KeyError},
    api::keys::KeySecret,
    config::Secret,
    server::{AccessConfig, AccessControl},
};
use poem::http::HeaderValue;

/// The header `Authorization` of a request with an API key.
pub static API_KEY: LazyLock<HeaderValue> =
    LazyLock::new(|| HeaderValue::from_str(&format!("Bearer {}", KeySecret::generate().expose())).unwrap());

/// An authenticator that cannot check any key, because db-proxy is unavailable.
struct UncheckedKeys;

#[async_trait]
impl Authenticator for UncheckedKeys {
    async fn authenticate(&self, _: &KeySecret, _: IpAddr) -> Result<Arc<AuthenticatedUser>, KeyError> {
        Err(KeyError::Unavailable)
    }
}

/// Permits requests without an API key. The API keys of other requests cannot be checked.
pub fn unchecked_keys() -> AccessControl {
    let config = AccessConfig { operator_token: Secret::new("the token of operators"), anonymous: AnonymousAccess::On };
    AccessControl { config, keys: Arc::new(UncheckedKeys) }
}
