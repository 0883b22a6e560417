//! Authentication and authorization of calls between services. [`Permission`] names the callers of each permission.

use poem::{Error, Request, Result};
use poem_openapi::{SecurityScheme, auth::Bearer, error::AuthorizationError};

use crate::{
    access::Permission,
    api::{Code, Problem},
    config::{AcceptedCallers, Caller},
};

/// Defines a type for each permission. An endpoint with a parameter of the type rejects callers without the permission.
/// An operator ([`Caller::OPERATOR`]) has every permission.
macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident, $checker:ident;)+) => { $(
        $(#[$doc])*
        #[derive(SecurityScheme)]
        #[oai(ty = "bearer", rename = "InternalToken", checker = $checker)]
        pub struct $name(pub Caller);

        async fn $checker(request: &Request, bearer: Bearer) -> Result<Caller> {
            authorize(request, &bearer, Permission::$name)
        }
    )+ };
}

permissions! {
    /// A caller that may place orders, create quotes, and set the limit over all orders on behalf of operators.
    OrderWriter, check_order_writer;
    /// A caller that may read orders and courses.
    HistoryReader, check_history_reader;
    /// A caller that may publish prices and store courses.
    PriceWriter, check_price_writer;
    /// A caller that may read the market snapshot and the stream of price changes.
    PriceReader, check_price_reader;
    /// A caller that may create, change, read and list users and their keys.
    UserAdmin, check_user_admin;
    /// A caller that may create and read wallets, and move money.
    WalletWriter, check_wallet_writer;
    /// A caller that authenticates API keys: it may read a key, and store when keys were last used.
    KeyReader, check_key_reader;
    /// A caller that may send reports.
    Reporter, check_reporter;
    /// An operator.
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
