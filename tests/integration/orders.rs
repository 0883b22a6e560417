//! Orders as customers see them: placement, annotations, validation, idempotency, limits, quotes, payments,
//! prices, owners and lists.

mod annotations;
mod idempotency;
mod listing;
mod order_limit;
mod owners;
pub(crate) mod payments;
mod placement;
mod prices;
mod quotes;
mod rate_limit;
mod shared_rate_limits;
mod validation;
