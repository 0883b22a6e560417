//! Selecting and paging users.

use std::fmt;

use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Email, User, UserState};
use crate::{
    api::{
        cursor::{CursorError, parse_cursor},
        pages::PageLinks,
        query_string::query_string,
    },
    ids::UserId,
};

/// A page of users from db-proxy, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct UserPage {
    pub data: Vec<User>,
    /// The cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<UserCursor>,
}

/// A page of users, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "LinkedUserPage")]
pub struct LinkedUserPage {
    pub data: Vec<User>,
    #[serde(rename = "_links")]
    #[oai(rename = "_links")]
    pub links: PageLinks,
    /// The cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<UserCursor>,
}

/// The users that the service `users` looks up at db-proxy, by id or by address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct UserLookup {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty, validator(max_items = 256))]
    pub ids: Vec<UserId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty, validator(max_items = 256))]
    pub emails: Vec<Email>,
}

/// The users with the requested ids and addresses, in no particular order. A user may be present twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct FoundUsers {
    pub users: Vec<User>,
}

/// The position of a page: the id of the last user of the previous page. Ids grow with the time of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserCursor(pub UserId);

impl fmt::Display for UserCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "u{}", self.0.0.simple())
    }
}

impl std::str::FromStr for UserCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        parse_cursor(text, 'u', |digits| Uuid::try_parse(digits).ok().map(|id| Self(UserId(id))))
    }
}

crate::text_type!(
    UserCursor,
    "cursor",
    "The opaque position of a page.",
    "u0190a6e27c1b7c3a9d5e0123456789ab",
    pattern: r"^u[0-9a-f]{32}$"
);

/// Selects users. An absent field excludes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct UserQuery {
    /// The e-mail address of the user.
    pub email: Option<Email>,
    pub state: Option<UserState>,
}

impl UserQuery {
    /// The query string that requests a page of these users.
    pub fn to_query(&self, cursor: Option<UserCursor>, limit: u32) -> String {
        query_string([
            ("limit", Some(limit.to_string())),
            ("cursor", cursor.map(|cursor| cursor.to_string())),
            ("email", self.email.as_ref().map(ToString::to_string)),
            ("state", self.state.map(|state| state.as_str().to_owned())),
        ])
    }
}
