//! Who owns an order, a quote or a wallet, and whose objects a request selects.

use std::{fmt, str::FromStr};

use crate::ids::UserId;

/// The name that all clients without an API key share.
pub const ANONYMOUS: &str = "anonymous";
const EVERYBODY: &str = "everybody";
/// The prefix of the name of a user.
const USER_PREFIX: &str = "user:";

/// The name of a client, which separates its idempotency keys from those of other clients. `user` is `None` for a
/// client without an API key.
pub fn client_name(user: Option<UserId>) -> String {
    user.map_or_else(|| ANONYMOUS.to_owned(), |id| format!("{USER_PREFIX}{id}"))
}

pub fn names_a_user(client: &str) -> bool {
    client.starts_with(USER_PREFIX)
}

/// Selects orders, quotes and wallets by their owner. Objects that are not selected are treated as if they did not exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum OwnerFilter {
    Everybody,
    /// Selects objects without a user. The default, because services of the previous release send no filter
    /// and have no users.
    #[default]
    Anonymous,
    User(UserId),
}

impl OwnerFilter {
    /// Selects objects of this user, or without a user if `user` is `None`.
    pub fn of(user: Option<UserId>) -> Self {
        user.map_or(Self::Anonymous, Self::User)
    }

    pub fn selects(self, owner: Option<UserId>) -> bool {
        match self {
            Self::Everybody => true,
            Self::Anonymous => owner.is_none(),
            Self::User(id) => owner == Some(id),
        }
    }
}

impl fmt::Display for OwnerFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => f.write_str(EVERYBODY),
            Self::Anonymous => f.write_str(ANONYMOUS),
            Self::User(id) => write!(f, "{USER_PREFIX}{id}"),
        }
    }
}

/// Text that is not an [`OwnerFilter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be everybody, anonymous, or user: followed by the id of a user")]
pub struct OwnerError;

impl FromStr for OwnerFilter {
    type Err = OwnerError;

    fn from_str(text: &str) -> Result<Self, OwnerError> {
        match text {
            EVERYBODY => Ok(Self::Everybody),
            ANONYMOUS => Ok(Self::Anonymous),
            _ => {
                let id = text.strip_prefix(USER_PREFIX).and_then(|id| id.parse().ok());
                id.map(Self::User).ok_or(OwnerError)
            }
        }
    }
}

crate::text_type!(
    OwnerFilter,
    "owner",
    "Whose objects are selected: `everybody`, `anonymous`, or `user:` and the id of a user.",
    "anonymous",
    pattern: r"^(everybody|anonymous|user:[0-9A-Fa-f-]{32,36})$"
);

#[cfg(test)]
mod tests;
