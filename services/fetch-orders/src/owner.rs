//! Whose orders a request selects.

use common::{access::Principal, api::orders::OwnerFilter, ids::UserId};

use crate::error::Error;

/// The owner whose orders a request selects. The parameter `user` of the request selects the orders of one user. An operator may
/// select any user. A user may select only itself. Without `user`, the request selects all orders that the principal may see.
pub fn select_owner(principal: &Principal, user: Option<UserId>) -> Result<OwnerFilter, Error> {
    let visible = principal.owner_filter();
    match user.map(OwnerFilter::User) {
        None => Ok(visible),
        Some(selected) if principal.is_operator() || selected == visible => Ok(selected),
        Some(_) => Err(Error::OrdersOfAnotherUser),
    }
}

#[cfg(test)]
mod tests;
