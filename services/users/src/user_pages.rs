//! Pages of users.

use bytes::Bytes;
use common::{
    api::{
        pages::link_page,
        users::{User, UserCursor, UserQuery},
    },
    clients::{CallError, db_proxy::DbProxyClient},
};

use crate::directory::Directory;

/// Returns the JSON of a page of the users that match `query`, newest first. The page begins after the user of `cursor`.
pub async fn read_page(
    directory: &dyn Directory,
    query: &UserQuery,
    cursor: Option<UserCursor>,
    limit: u32,
) -> Result<Bytes, CallError> {
    let page = directory.list_users_json(query, cursor, limit).await?;
    let next_url = |cursor| format!("/api/v1/users?{}", query.to_query(Some(cursor), limit));
    link_page(&page, next_url).map_err(DbProxyClient::invalid_response)
}

/// Returns the JSON of a page with only this user, or of an empty page if `user` is `None`.
pub fn page_of_one(user: Option<&Bytes>) -> Bytes {
    let user = user.map(|user| String::from_utf8_lossy(user)).unwrap_or_default();
    format!("{{\"data\":[{user}],\"_links\":{{}}}}").into()
}

/// Returns the JSON of the page for a client that sees only its own user. `own` is the JSON of this user. The page is empty
/// if `own` is `None`, if the user does not match `query`, or if the user does not follow `cursor` in the list.
pub fn page_of_own(own: Option<Bytes>, query: &UserQuery, cursor: Option<UserCursor>) -> Result<Bytes, CallError> {
    let Some(json) = own else { return Ok(page_of_one(None)) };
    let user: User = DbProxyClient::parse_response(&json)?;
    let is_listed = cursor.is_none_or(|UserCursor(before)| user.id < before)
        && query.email.as_ref().is_none_or(|email| user.email == *email)
        && query.state.is_none_or(|state| user.state == state);
    Ok(page_of_one(is_listed.then_some(&json)))
}
