//! Wire types of users.
//!
//! Operators send a [`UserPayload`] or a [`UserPatch`] to the service `users`. The service validates the
//! request, and sends a [`CreateUserCommand`] or an [`UpdateUserCommand`] to db-proxy. db-proxy responds with a
//! [`User`].

mod email;
mod listing;
mod name;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

pub(super) use self::name::NEW_NAME_PATTERN;
pub use self::{
    email::{Email, EmailError},
    listing::{FoundUsers, LinkedUserPage, UserCursor, UserLookup, UserPage, UserQuery},
    name::{NameError, NewName, NewNameError, UserName},
};
use crate::{ids::UserId, time::Timestamp};

/// Maximum number of users on a page.
pub const MAX_USER_PAGE: u32 = 1000;
/// Maximum number of ids, and maximum number of addresses, that one request to db-proxy may look up.
pub const MAX_USER_LOOKUP: usize = 256;
/// If no user has the requested id, db-proxy responds with a 404 whose `errors` contain this `field`. A 404 without
/// `errors` means that db-proxy does not have the endpoint.
pub const USER_ID_FIELD: &str = "id";

/// Whether the API keys of a user are accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case", rename = "UserState")]
pub enum UserState {
    /// The keys of the user are accepted.
    #[default]
    Active,
    /// No key of the user is accepted. The orders of the user remain.
    Deactivated,
}

impl UserState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deactivated => "deactivated",
        }
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    /// Unique without regard to case.
    pub email: Email,
    pub name: UserName,
    pub state: UserState,
    pub created_at: Timestamp,
    /// When the user was last changed.
    pub updated_at: Timestamp,
}

/// A new user, as sent to the service `users`. No field is validated yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, rename = "NewUser")]
pub struct UserPayload {
    /// An e-mail address of at most 254 bytes.
    #[serde(default)]
    pub email: Option<String>,
    /// 1 to 200 printable characters. Invisible characters that change how other text is shown are not allowed.
    #[serde(default)]
    pub name: Option<String>,
}

/// The changes of a user, as sent to the service `users`. No field is validated yet. An absent field keeps its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, rename = "ChangeUser")]
pub struct UserPatch {
    /// An e-mail address of at most 254 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// 1 to 200 printable characters. Invisible characters that change how other text is shown are not allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The body of the request with which the service `users` creates a user at db-proxy.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct CreateUserCommand {
    pub email: Email,
    pub name: UserName,
}

/// The body of the request with which the service `users` changes a user at db-proxy. An absent field keeps its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct UpdateUserCommand {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub email: Option<Email>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub name: Option<UserName>,
}

#[cfg(test)]
mod tests;
