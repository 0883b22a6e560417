//! Pages of users.
//!
//! The users of a page are not parsed. The JSON of db-proxy is returned unchanged.

use bytes::Bytes;
use common::{
    api::{
        pages::PageLinks,
        users::{UserCursor, UserQuery},
    },
    clients::{CallError, db_proxy::DbProxyClient},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::directory::Directory;

/// A [`UserPage`](common::api::users::UserPage) of db-proxy, whose users are JSON text.
#[derive(Deserialize)]
struct DbProxyPage<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(default)]
    next_cursor: Option<UserCursor>,
}

/// A [`LinkedUserPage`](common::api::users::LinkedUserPage) whose users are JSON text.
#[derive(Serialize)]
struct RawUserPage<'a> {
    data: &'a RawValue,
    #[serde(rename = "_links")]
    links: PageLinks,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<UserCursor>,
}

/// The JSON of the page of users that match `query`, newest first. Begins after the user of `cursor`.
pub async fn read_page(
    directory: &dyn Directory,
    query: &UserQuery,
    cursor: Option<UserCursor>,
    limit: u32,
) -> Result<Bytes, CallError> {
    let bytes = directory.list_users_json(query, cursor, limit).await?;
    let DbProxyPage { data, next_cursor } = serde_json::from_slice(&bytes).map_err(DbProxyClient::invalid_response)?;
    let next = next_cursor.map(|cursor| format!("/api/v1/users?{}", query.to_query(Some(cursor), limit)));
    to_json(&RawUserPage { data, links: PageLinks { next }, next_cursor }).map_err(DbProxyClient::invalid_response)
}

/// The JSON of the page with only this user, or of an empty page.
pub fn page_of_one(user: Option<&Bytes>) -> Bytes {
    let user = user.map(|user| String::from_utf8_lossy(user)).unwrap_or_default();
    format!("{{\"data\":[{user}],\"_links\":{{}}}}").into()
}

fn to_json(page: &RawUserPage<'_>) -> serde_json::Result<Bytes> {
    serde_json::to_vec(page).map(Bytes::from)
}
