//! Idempotency keys and the clients that they belong to.

use common::{
    api::{
        FieldError,
        orders::{client_name, names_a_user},
    },
    ids::{IdempotencyKey, UserId},
};

/// An idempotency key and the client that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey {
    pub client: String,
    pub key: IdempotencyKey,
}

/// Checks that `client` has the form of an idempotency key. With `user`, it must be `user:` and the id of the user.
/// Without `user`, it must not start with `user:`. Other clients therefore cannot use the idempotency keys of a user.
pub fn check_client(client: &str, user: Option<UserId>) -> Result<(), FieldError> {
    if client.parse::<IdempotencyKey>().is_err() {
        return Err(FieldError::new("client", "must be 1 to 128 visible ASCII characters"));
    }
    match user {
        Some(_) if client == client_name(user) => Ok(()),
        None if !names_a_user(client) => Ok(()),
        _ => Err(FieldError::new(
            "client",
            "must be \"user:\" and the user_id if user_id is present, and must not start with \"user:\" if it is absent",
        )),
    }
}
