//! Authentication and authorization of calls between services. [`Permission`] describes each permission and names its
//! callers.

use poem::{Error, Request, Result};
use poem_openapi::{SecurityScheme, auth::Bearer, error::AuthorizationError};

use crate::{
    access::Permission,
    api::{Code, Problem},
    config::{AcceptedCallers, Caller},
};

/// Defines a type for each permission, with the name of the permission. An endpoint with a parameter of the type rejects
/// callers without the permission. An operator ([`Caller::OPERATOR`]) has every permission.
///
/// The OpenAPI documents contain the description of the types. It is the same for all types, because a document has only
/// one security scheme for all permissions.
macro_rules! permissions {
    ($($name:ident, $checker:ident;)+) => { $(
        /// `INTERNAL_TOKEN`, or the token of a caller that may call the operation.
        #[derive(SecurityScheme)]
        #[oai(ty = "bearer", rename = "InternalToken", checker = $checker)]
        pub struct $name(pub Caller);

        async fn $checker(request: &Request, bearer: Bearer) -> Result<Caller> {
            authorize(request, &bearer, Permission::$name)
        }
    )+ };
}

permissions! {
    OrderWriter, check_order_writer;
    HistoryReader, check_history_reader;
    PriceWriter, check_price_writer;
    PriceReader, check_price_reader;
    UserAdmin, check_user_admin;
    WalletWriter, check_wallet_writer;
    KeyReader, check_key_reader;
    Reporter, check_reporter;
    Operator, check_operator;
}

fn authorize(request: &Request, bearer: &Bearer, permission: Permission) -> Result<Caller> {
    let accepted = request.data::<AcceptedCallers>();
    let Some(caller) = accepted.and_then(|accepted| accepted.caller(&bearer.token)) else {
        return Err(AuthorizationError.into());
    };
    if permission.permits(caller) {
        return Ok(caller);
    }
    let detail = format!("The token of {} does not permit this request.", caller.as_str());
    Err(Error::from(Problem::new(Code::Forbidden, detail)))
}

#[cfg(test)]
mod tests;
