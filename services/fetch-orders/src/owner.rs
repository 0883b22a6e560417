//! Whose orders a request selects.

use common::{access::Principal, api::orders::OwnerFilter, ids::UserId};

use crate::error::Error;

/// The owner whose orders a request selects. `user` is a parameter of the request: an operator may select the orders of any
/// user with it, and a user only its own orders. Without `user`, the request selects all orders that the principal may see.
pub fn select_owner(principal: &Principal, user: Option<UserId>) -> Result<OwnerFilter, Error> {
    let visible = principal.owner_filter();
    match user.map(OwnerFilter::User) {
        None => Ok(visible),
        Some(selected) if principal.is_operator() || selected == visible => Ok(selected),
        Some(_) => Err(Error::OrdersOfAnother),
    }
}

#[cfg(test)]
mod tests;
