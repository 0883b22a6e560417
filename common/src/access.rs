//! Access control: the principals of requests, the rules, and the policy, which has one rule for each operation of each
//! service.
//!
//! A request of a customer or an operator acts as a [`Principal`]. The server's middleware determines the principal from the header
//! `Authorization`, looks up the [`Rule`] of the operation in the policy ([`rule_of`]), and decides with [`Rule::check`]. Handlers
//! take the principal as a parameter, and show a user only what belongs to that user. Calls between services have tokens of their
//! own; see [`Permission`].

mod authenticator;
mod permission;
mod policy;
mod reference;
mod rule;

use std::sync::Arc;

use poem::{FromRequest, Request, RequestBody, Result};

pub use self::{
    authenticator::{Authenticator, InvalidKey, KeyError},
    permission::Permission,
    policy::{POLICY, ServicePolicy, rule_of},
    reference::reference_markdown,
    rule::{AnonymousAccess, Denied, Rule},
};
use crate::{
    api::{keys::Scopes, orders::OwnerFilter},
    ids::{KeyId, UserId},
};

/// The identity of the sender of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Principal {
    /// The request has no credentials, or the operation ignores them.
    #[default]
    Anonymous,
    /// The request has a valid API key.
    User(Arc<AuthenticatedUser>),
    /// The request has `OPERATOR_TOKEN`.
    Operator,
}

/// The user of a valid API key, and the permissions of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatedUser {
    pub user_id: UserId,
    pub key_id: KeyId,
    pub scopes: Scopes,
    /// Requests per minute. `None` if the limit of the service applies.
    pub rate_limit_per_minute: Option<u32>,
}

impl Principal {
    /// The id of the user, if the request acts as a user.
    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user.user_id),
            Self::Anonymous | Self::Operator => None,
        }
    }

    /// Whose orders, quotes and wallets the request may see.
    pub fn owner_filter(&self) -> OwnerFilter {
        match self {
            Self::Anonymous => OwnerFilter::Anonymous,
            Self::User(user) => OwnerFilter::User(user.user_id),
            Self::Operator => OwnerFilter::Everybody,
        }
    }

    /// Selects the objects of `user`. If `user` is `None`, selects all objects that the principal may see. Returns `None`
    /// if the principal may not see the objects of `user`. Only an operator may select another user.
    pub fn select_owner(&self, user: Option<UserId>) -> Option<OwnerFilter> {
        let visible = self.owner_filter();
        let Some(selected) = user.map(OwnerFilter::User) else { return Some(visible) };
        (self.is_operator() || selected == visible).then_some(selected)
    }

    pub fn is_operator(&self) -> bool {
        *self == Self::Operator
    }
}

/// Makes the principal of the request a parameter of handlers. If the middleware has stored no principal, the request is
/// anonymous, so that it sees no object of a user.
impl<'a> FromRequest<'a> for Principal {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(request.data::<Self>().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
