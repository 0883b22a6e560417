//! Filters and pages of orders.

use poem_openapi::Object;
use serde::{Deserialize, Serialize};

use super::{ClientReference, Order, OwnerFilter};
use crate::{
    api::{
        cursor::{CursorError, parse_cursor, parse_hex},
        query_string::query_string,
    },
    ids::{OrderId, UserId},
    money::{Currency, FiatAmount, Sats},
    time::Timestamp,
};

/// A page of orders, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderPage {
    pub data: Vec<Order>,
    /// The cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<Cursor>,
}

/// A page of orders by offset, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OffsetPage {
    pub data: Vec<Order>,
    /// Whether there are older orders.
    pub more: bool,
}

/// The position of a page: the sequence number of the last order of the previous page.
///
/// A cursor is opaque to clients. Sequence numbers have no gap and grow in the order of commit. Reading page after page
/// therefore returns each order once, even while new orders arrive. A cursor grants no access: each request returns only
/// orders that its sender may read, even if it contains the cursor of another client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(pub i64);

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "o{:x}", self.0)
    }
}

impl std::str::FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        parse_cursor(text, 'o', |digits| parse_hex(digits).filter(|&number| number > 0).map(Self))
    }
}

crate::text_type!(Cursor, "cursor", "The opaque position of a page.", "o1f", pattern: r"^o[1-9a-f][0-9a-f]{0,15}$");

/// Selects orders. An absent field excludes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct OrderFilter {
    pub currency: Option<Currency>,
    /// Accepted at or after this time.
    pub from: Option<Timestamp>,
    /// Accepted before this time.
    pub to: Option<Timestamp>,
    pub min_amount: Option<FiatAmount>,
    pub max_amount: Option<FiatAmount>,
}

impl OrderFilter {
    /// Whether an order has the currency and an amount that the filter selects. Ignores the times.
    pub fn selects(&self, currency: Currency, amount: FiatAmount) -> bool {
        self.currency.is_none_or(|selected| selected == currency)
            && self.min_amount.is_none_or(|smallest| smallest <= amount)
            && self.max_amount.is_none_or(|largest| amount <= largest)
    }

    /// Whether the filter restricts the currency or the amount. An index covers the
    /// times of a filter, but not these fields.
    pub fn selects_by_value(&self) -> bool {
        self.currency.is_some() || self.min_amount.is_some() || self.max_amount.is_some()
    }
}

/// Selects orders by a filter, by their reference and by their user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct OrderQuery {
    pub filter: OrderFilter,
    /// Orders with exactly this reference. An index covers the reference.
    pub client_reference: Option<ClientReference>,
    /// Orders of this user. Only an operator may select the orders of other users.
    pub user: Option<UserId>,
}

impl OrderQuery {
    /// The query string that requests a page of these orders from fetch-orders.
    pub fn to_query(&self, cursor: Option<Cursor>, limit: u32) -> String {
        self.to_query_with(("user", self.user.map(|id| id.to_string())), cursor, limit)
    }

    /// The query string that requests a page of these orders from db-proxy. `owner` replaces the field `user`.
    pub fn to_query_of_owner(&self, owner: OwnerFilter, cursor: Option<Cursor>, limit: u32) -> String {
        self.to_query_with(("owner", Some(owner.to_string())), cursor, limit)
    }

    /// The query string that requests a page from a db-proxy of the previous release, which does not support owners.
    pub fn to_query_without_owner(&self, cursor: Option<Cursor>, limit: u32) -> String {
        self.to_query_with(("owner", None), cursor, limit)
    }

    fn to_query_with(&self, owner: (&'static str, Option<String>), cursor: Option<Cursor>, limit: u32) -> String {
        let Self { filter, client_reference, user: _ } = self;
        query_string([
            ("limit", Some(limit.to_string())),
            ("cursor", cursor.map(|cursor| cursor.to_string())),
            owner,
            ("client_reference", client_reference.as_ref().map(ToString::to_string)),
            ("currency", filter.currency.map(|currency| currency.to_string())),
            ("from", filter.from.map(|time| time.to_string())),
            ("to", filter.to.map(|time| time.to_string())),
            ("min_amount", filter.min_amount.map(|amount| amount.to_string())),
            ("max_amount", filter.max_amount.map(|amount| amount.to_string())),
        ])
    }
}

/// The ids of orders to look up.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderIds {
    #[oai(validator(min_items = 1, max_items = 256))]
    pub ids: Vec<OrderId>,
}

/// The orders that were found, in no particular order.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct FoundOrders {
    pub orders: Vec<Order>,
}

/// Totals over orders, and the remaining limit.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderSummary {
    /// The number of orders.
    pub count: i64,
    /// The bitcoin amount of these orders.
    pub bitcoin_amount: Sats,
    /// The bitcoin amount that open quotes of the same owner reserve.
    pub reserved: Sats,
    /// The remaining limit. One limit applies to the orders and quotes of everybody together.
    pub remaining: Sats,
    /// The maximum bitcoin amount of all orders and open quotes together.
    pub limit: Sats,
}
