//! Selecting and paging wallets and their operations.

use std::{fmt, str::FromStr};

use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Operation, Wallet};
use crate::{
    api::{
        cursor::{CursorError, parse_cursor, parse_hex},
        pages::PageLinks,
        query_string::query_string,
    },
    ids::WalletId,
};

/// The ids of the wallets that the service `wallets` looks up at db-proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct WalletLookup {
    #[oai(validator(max_items = 256))]
    pub ids: Vec<WalletId>,
}

/// The wallets with the requested ids, in no particular order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct FoundWallets {
    pub wallets: Vec<Wallet>,
}

/// A page of wallets from db-proxy, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct WalletPage {
    pub data: Vec<Wallet>,
    /// The cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<WalletCursor>,
}

/// A page of the operations of one wallet from db-proxy, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OperationPage {
    pub data: Vec<Operation>,
    /// The cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<OperationCursor>,
}

/// A page of wallets, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct LinkedWalletPage {
    pub data: Vec<Wallet>,
    #[serde(rename = "_links")]
    #[oai(rename = "_links")]
    pub links: PageLinks,
    /// The cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<WalletCursor>,
}

/// A page of the operations of one wallet, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct LinkedOperationPage {
    pub data: Vec<Operation>,
    #[serde(rename = "_links")]
    #[oai(rename = "_links")]
    pub links: PageLinks,
    /// The cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<OperationCursor>,
}

/// The query string of a request for a page. `filter` is the name of a parameter and its value.
pub fn page_query(
    filter: (&'static str, Option<impl fmt::Display>),
    cursor: Option<impl fmt::Display>,
    limit: u32,
) -> String {
    let (name, value) = filter;
    query_string([
        ("limit", Some(limit.to_string())),
        ("cursor", cursor.map(|cursor| cursor.to_string())),
        (name, value.map(|value| value.to_string())),
    ])
}

/// The position of a page of wallets: the id of the last wallet of the previous page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalletCursor(pub WalletId);

impl fmt::Display for WalletCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}", self.0.0.simple())
    }
}

impl FromStr for WalletCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        parse_cursor(text, 'w', |digits| Uuid::try_parse(digits).ok().map(|id| Self(WalletId(id))))
    }
}

crate::text_type!(
    WalletCursor,
    "cursor",
    "The opaque position of a page.",
    "w0190a6e27c1b7c3a9d5e0123456789ab",
    pattern: r"^w[0-9a-f]{32}$"
);

/// The position of a page of operations: the number of the last operation of the previous page. The operations of each wallet
/// are numbered without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationCursor(pub i64);

impl fmt::Display for OperationCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{:x}", self.0)
    }
}

impl FromStr for OperationCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        parse_cursor(text, 'n', |digits| parse_hex(digits).filter(|&number| number > 0).map(Self))
    }
}

crate::text_type!(OperationCursor, "cursor", "The opaque position of a page.", "n1f", pattern: r"^n[1-9a-f][0-9a-f]{0,15}$");
