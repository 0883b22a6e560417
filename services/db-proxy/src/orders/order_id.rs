//! Ids of orders, which sort by the time of creation.

use common::{ids::OrderId, time::Timestamp};

use crate::uuid_v7::{first_uuid_at, new_uuid_at};

/// A new id for an order that was accepted at `created_at`.
pub fn new_order_id(created_at: Timestamp) -> OrderId {
    OrderId(new_uuid_at(created_at))
}

/// The lowest id that an order accepted at `time` or later can have.
pub fn first_id_at(time: Timestamp) -> OrderId {
    OrderId(first_uuid_at(time))
}
