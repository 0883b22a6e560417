//! Pages of the public lists.

use bytes::Bytes;
use poem_openapi::Object;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::orders::{Cursor, Order};

/// Links of a page.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "Links")]
pub struct PageLinks {
    /// Path and query of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next: Option<String>,
}

/// A page of orders, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct LinkedOrderPage {
    pub data: Vec<Order>,
    #[serde(rename = "_links")]
    #[oai(rename = "_links")]
    pub links: PageLinks,
    /// The cursor of the next page; absent on the last page and on pages that are selected by offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<Cursor>,
}

/// A public page whose rows are JSON text that db-proxy returned.
#[derive(Serialize)]
pub struct RawLinkedPage<'a, C> {
    pub data: &'a RawValue,
    #[serde(rename = "_links")]
    pub links: PageLinks,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<C>,
}

/// A page of db-proxy whose rows are JSON text.
#[derive(Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>"))]
struct RawPage<'a, C> {
    #[serde(borrow)]
    data: &'a RawValue,
    next_cursor: Option<C>,
}

/// Adds the link to the next page to a page that db-proxy returned as JSON. Does not parse the rows. `next_url` returns the
/// path and query of the page after a cursor.
pub fn link_page<C: Serialize + DeserializeOwned + Copy>(
    page: &[u8],
    next_url: impl FnOnce(C) -> String,
) -> serde_json::Result<Bytes> {
    let RawPage { data, next_cursor } = serde_json::from_slice(page)?;
    let links = PageLinks { next: next_cursor.map(next_url) };
    serde_json::to_vec(&RawLinkedPage { data, links, next_cursor }).map(Bytes::from)
}

#[cfg(test)]
mod tests;
