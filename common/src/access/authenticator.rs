//! The interface through which the server checks API keys.

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::AuthenticatedUser;
use crate::api::{Code, Problem, keys::KeySecret};

/// Finds the user of an API key.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// `client` is the address that sent the key. The number of unknown keys that are looked up is limited for each address.
    async fn authenticate(&self, key: &KeySecret, client: IpAddr) -> Result<Arc<AuthenticatedUser>, KeyError>;
}

/// Why a request with an API key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// 401: the key is not accepted.
    #[error(transparent)]
    Invalid(#[from] InvalidKey),
    /// 429: the address has sent many unknown keys.
    #[error("the address has sent too many unknown keys")]
    TooManyUnknownKeys { retry_after: Duration },
    /// 503: db-proxy is unavailable, so it is not known whether the key is valid.
    #[error("the key cannot be checked")]
    Unavailable,
}

/// Why a key is not accepted. Only a client that has the whole key learns more than [`InvalidKey::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    #[error("The API key is unknown.")]
    Unknown,
    #[error("The API key has been revoked.")]
    Revoked,
    #[error("The API key has expired.")]
    Expired,
    #[error("The user of the API key is deactivated.")]
    UserDeactivated,
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Invalid(reason) => Self::new(Code::Unauthorized, reason.to_string()),
            KeyError::TooManyUnknownKeys { retry_after } => {
                Self::new(Code::TooManyRequests, "Too many unknown API keys were sent from this address.")
                    .retry_after(retry_after)
            }
            KeyError::Unavailable => {
                Self::new(Code::UpstreamUnavailable, "The API key cannot be checked now. Try again in a moment.")
            }
        }
    }
}
