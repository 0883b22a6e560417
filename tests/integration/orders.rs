//! Orders as their users see them: placing, refusing, listing.

mod idempotency;
mod limits;
mod listing;
mod placement;
mod prices;
mod quotes;
mod validation;
