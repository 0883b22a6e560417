//! Whose orders a request selects.

use common::{access::Principal, api::orders::OwnerFilter, ids::UserId};

use crate::error::Error;

/// The owner whose orders a request selects. `user` is a parameter of the request; see [`Principal::select_owner`].
pub fn select_owner(principal: &Principal, user: Option<UserId>) -> Result<OwnerFilter, Error> {
    principal.select_owner(user).ok_or(Error::OrdersOfAnotherUser)
}

#[cfg(test)]
mod tests;
