//! The tokens of calls between services.
//!
//! Each server has a key, and each caller of a server has a token, which names the caller and is derived from the key.
//! A caller that has only its token cannot derive the token of another caller. A server that has only its key cannot
//! derive a token for another server. Keys are derived from `INTERNAL_TOKEN`, so this one setting suffices.
//! `INTERNAL_TOKEN` is also the token of an operator.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Secret;
use crate::text::to_hex;

/// Precedes the name of the server in the text whose hash is the key of the server.
const KEY_PURPOSE: &str = "buydesk server key: ";
/// Precedes the name of the caller in the text whose hash is a part of the token. Differs from [`KEY_PURPOSE`], so that
/// a key never equals the hash in a token.
const TOKEN_PURPOSE: &str = "buydesk caller token: ";
/// Separates the name of the caller from the hash in a token.
const SEPARATOR: char = '.';

/// A caller of internal endpoints: a service, or an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Caller(&'static str);

impl Caller {
    pub const CREATE_ORDER: Self = Self("create-order");
    pub const FETCH_ORDERS: Self = Self("fetch-orders");
    pub const RATES: Self = Self("rates");
    pub const USERS: Self = Self("users");
    pub const WALLETS: Self = Self("wallets");
    pub const PRICE_UPDATER: Self = Self("price-updater");
    pub const DB_PROXY: Self = Self("db-proxy");
    pub const PRICE_CACHE_PROXY: Self = Self("price-cache-proxy");
    pub const HEALTH_CHECK: Self = Self("health-check");
    pub const EXCHANGE_SIM: Self = Self("exchange-sim");
    /// All services in one process.
    pub const BUYDESK: Self = Self("buydesk");
    /// A person with `INTERNAL_TOKEN` or the token that is derived for operators. A service of the previous release
    /// also sends `INTERNAL_TOKEN`.
    pub const OPERATOR: Self = Self("operator");

    pub const ALL: [Self; 12] = [
        Self::CREATE_ORDER,
        Self::FETCH_ORDERS,
        Self::RATES,
        Self::USERS,
        Self::WALLETS,
        Self::PRICE_UPDATER,
        Self::DB_PROXY,
        Self::PRICE_CACHE_PROXY,
        Self::HEALTH_CHECK,
        Self::EXCHANGE_SIM,
        Self::BUYDESK,
        Self::OPERATOR,
    ];

    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// The caller whose name a token contains. Does not check whether the token is valid.
    pub fn named_by(token: &str) -> Option<Self> {
        let (name, _) = token.split_once(SEPARATOR)?;
        Self::ALL.into_iter().find(|caller| caller.0 == name)
    }
}

/// Why a service refuses a token. The texts name the settings to correct.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    #[error("INTERNAL_TOKEN differs, or the token or key that is set instead of it")]
    Unknown,
    #[error("it does not permit the request; the token of another service is set")]
    NotPermitted,
}

/// The key from which the tokens for one server are derived.
#[derive(Debug, Clone)]
pub struct ServerKey(Secret);

impl ServerKey {
    pub fn derive(internal_token: &Secret, server: &str) -> Self {
        Self(Secret::new(keyed_hash(internal_token, KEY_PURPOSE, server)))
    }

    /// The key in the setting `SERVER_KEY`.
    pub fn new(key: Secret) -> Self {
        Self(key)
    }

    /// The value for the setting `SERVER_KEY`.
    pub fn as_secret(&self) -> &Secret {
        &self.0
    }

    pub fn token(&self, caller: Caller) -> Secret {
        Secret::new(format!("{}{SEPARATOR}{}", caller.0, keyed_hash(&self.0, TOKEN_PURPOSE, caller.0)))
    }
}

/// HMAC-SHA256 of `purpose` and `name`, in hexadecimal.
fn keyed_hash(key: &Secret, purpose: &str, name: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).expect("HMAC accepts keys of any length");
    mac.update(purpose.as_bytes());
    mac.update(name.as_bytes());
    to_hex(&mac.finalize().into_bytes())
}

/// The callers that a server accepts. Clones share the tokens.
#[derive(Debug, Clone)]
pub struct AcceptedCallers {
    /// The token of each caller, derived in advance.
    tokens: Arc<[(Caller, Secret)]>,
    /// `INTERNAL_TOKEN`, if the server has it.
    internal_token: Option<Secret>,
}

impl AcceptedCallers {
    /// Accepts every token that is derived from `internal_token` for this server, and `internal_token` itself.
    pub fn of_internal_token(internal_token: Secret, server: &str) -> Self {
        let key = ServerKey::derive(&internal_token, server);
        Self { internal_token: Some(internal_token), ..Self::of_key(&key) }
    }

    /// Accepts every token that is derived from `key`.
    pub fn of_key(key: &ServerKey) -> Self {
        let tokens = Caller::ALL.into_iter().map(|caller| (caller, key.token(caller)));
        Self { tokens: tokens.collect(), internal_token: None }
    }

    /// The caller that sent a token. `None` if the token is not valid.
    pub fn caller(&self, token: &str) -> Option<Caller> {
        if self.internal_token.as_ref().is_some_and(|internal_token| internal_token.matches(token)) {
            return Some(Caller::OPERATOR);
        }
        // The name is not secret, so only the comparison of the token must take constant time.
        let (name, _) = token.split_once(SEPARATOR)?;
        let (caller, expected) = self.tokens.iter().find(|(caller, _)| caller.0 == name)?;
        expected.matches(token).then_some(*caller)
    }
}

/// The token that a caller sends to one server.
#[derive(Debug, Clone)]
pub struct CallerToken {
    token: Secret,
    /// `INTERNAL_TOKEN`, for a server of the previous release, which accepts no derived token.
    fallback: Option<Secret>,
}

impl CallerToken {
    pub fn derive(internal_token: Secret, caller: Caller, server: &str) -> Self {
        Self { token: ServerKey::derive(&internal_token, server).token(caller), fallback: Some(internal_token) }
    }

    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The token to send after the server has rejected [`CallerToken::token`].
    pub fn fallback(&self) -> Option<&Secret> {
        self.fallback.as_ref()
    }
}

impl From<Secret> for CallerToken {
    fn from(token: Secret) -> Self {
        Self { token, fallback: None }
    }
}

#[cfg(test)]
mod tests;
