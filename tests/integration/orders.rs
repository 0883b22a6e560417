//! Orders as their users see them: placement, validation, idempotency, limits, quotes, prices and lists.

mod idempotency;
mod listing;
mod order_limit;
mod placement;
mod prices;
mod quotes;
mod rate_limit;
mod validation;
