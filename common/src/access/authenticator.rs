//! The interface through which the server checks API keys.

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::AuthenticatedUser;
use crate::{
    api::{Code, Problem, Subcode, keys::KeySecret},
    ids::IdempotencyKey,
};

/// Finds the user of an API key.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// `client` is the IP address that sent the key. The number of look-ups of unknown keys is limited for each IP
    /// address.
    async fn authenticate(&self, key: &KeySecret, client: IpAddr) -> Result<Arc<AuthenticatedUser>, KeyError>;
}

/// Why a request with an API key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// 401: the key is not accepted.
    #[error(transparent)]
    Invalid(#[from] InvalidKey),
    /// 429: the IP address of the client has sent many unknown keys.
    #[error("the address has sent too many unknown keys")]
    TooManyUnknownKeys { retry_after: Duration },
    /// 503: db-proxy is unavailable, so it is not known whether the key is valid.
    #[error("the key cannot be checked")]
    Unavailable,
}

/// Why a key is not accepted. Only a client that has the whole key receives a more specific reason than
/// [`InvalidKey::Unknown`].
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

/// `Retry-After` if it is not known whether an earlier request took effect.
const RETRY_AFTER_UNKNOWN_OUTCOME: Duration = Duration::from_secs(5);
/// The detail of the problem if the API key of a request with an idempotency key cannot be checked.
const IDEMPOTENCY_KEY_NOT_LOOKED_UP: &str = "The API key cannot be checked now, so this request had no effect. It is not known \
    whether an earlier request with this idempotency_key took effect. Send the request again with the same key. It takes effect \
    only once.";

impl KeyError {
    /// The problem of the refused request, which has the key `idempotency_key`. If its API key cannot be checked, an
    /// earlier request with the same idempotency key has possibly placed an order or moved money. The problem therefore
    /// reports an unknown outcome.
    pub fn into_problem(self, idempotency_key: Option<&IdempotencyKey>) -> Problem {
        match (self, idempotency_key) {
            (Self::Invalid(reason), _) => Problem::new(Code::Unauthorized, reason.to_string()),
            (Self::TooManyUnknownKeys { retry_after }, _) => {
                Problem::new(Code::TooManyRequests, "Too many unknown API keys were sent from this address.")
                    .retry_after(retry_after)
            }
            (Self::Unavailable, None) => Problem::new(
                Code::UpstreamUnavailable,
                "The API key cannot be checked now, so this request had no effect. Try again in a moment.",
            ),
            (Self::Unavailable, Some(key)) => Problem {
                subcode: Some(Subcode::NoEffect),
                idempotency_key: Some(key.to_string()),
                ..Problem::new(Code::OutcomeUnknown, IDEMPOTENCY_KEY_NOT_LOOKED_UP)
            }
            .retry_after(RETRY_AFTER_UNKNOWN_OUTCOME),
        }
    }
}
