//! Whose orders a request selects.

use common::{access::Principal, api::orders::OwnerFilter, ids::UserId};

use crate::error::Error;

/// The owner that a request selects. `user` is its parameter, by which an operator selects the orders of one user.
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
