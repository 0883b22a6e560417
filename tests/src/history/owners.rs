//! The orders that clients saw. No client may see an order of another owner. A complete list must contain each order of
//! its client.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use common::ids::{OrderId, UserId};

use super::{History, StoredState, Violation};

/// The user whose API key a client sends. `None` is a client without a key.
pub type ClientUser = Option<UserId>;

/// The kind of response in which a client saw an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReadKind {
    /// The response to a request that places an order.
    Placement,
    /// A page by cursor.
    Page,
    /// A page by offset.
    OffsetPage,
    Export,
    SingleOrder,
}

impl fmt::Display for ReadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Placement => "the response to an order",
            Self::Page => "a page",
            Self::OffsetPage => "a page by offset",
            Self::Export => "an export",
            Self::SingleOrder => "a read of one order",
        })
    }
}

/// An order that a response showed to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    pub user: ClientUser,
    pub read: ReadKind,
    pub order: OrderId,
}

/// A complete list or export after the last order was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteList {
    pub user: ClientUser,
    pub read: ReadKind,
    pub orders: Vec<OrderId>,
}

/// The name of a client in messages.
pub(super) fn name_of(user: ClientUser) -> String {
    user.map_or_else(|| "a client without a key".to_owned(), |id| format!("user {id}"))
}

/// Checks that no client saw an order of another owner, and that a complete list contains each order of its user once.
pub(super) fn check_owners(history: &History, stored: &StoredState) -> Vec<Violation> {
    let owners: BTreeMap<_, _> = stored.orders.iter().map(|stored| (stored.order.id, stored.order.user_id)).collect();
    let foreign = |user: ClientUser, read, id: OrderId| match owners.get(&id) {
        Some(owner) if *owner == user => None,
        owner => {
            let owner = owner.copied().map_or_else(|| "nobody, because it is not stored".to_owned(), name_of);
            Some(Violation::SeenByAnother { client: name_of(user), read, id, owner })
        }
    };
    let mut found: Vec<_> =
        history.sightings.iter().filter_map(|seen| foreign(seen.user, seen.read, seen.order)).collect();
    for CompleteList { user, read, orders } in &history.lists {
        let mut listed = BTreeSet::new();
        for id in orders {
            found.extend(foreign(*user, *read, *id));
            if !listed.insert(*id) {
                found.push(Violation::ListedTwice { client: name_of(*user), read: *read, id: *id });
            }
        }
        let own = owners.iter().filter(|(_, owner)| *owner == user).map(|(id, _)| *id);
        let missing = own.filter(|id| !listed.contains(id));
        found.extend(missing.map(|id| Violation::NotListed { client: name_of(*user), read: *read, id }));
    }
    found
}
