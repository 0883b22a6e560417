//! Authentication and authorization of calls between services.

use poem::{Error, Request, Result};
use poem_openapi::{SecurityScheme, auth::Bearer, error::AuthorizationError};

use crate::{
    api::{Code, Problem},
    config::{AcceptedCallers, Caller},
};

/// Defines a type for each permission. An endpoint with such a parameter rejects callers without the permission. An operator
/// has every permission.
macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident, $checker:ident: [$($caller:ident),*];)+) => { $(
        $(#[$doc])*
        #[derive(SecurityScheme)]
        #[oai(ty = "bearer", rename = "InternalToken", checker = $checker)]
        pub struct $name(pub Caller);

        async fn $checker(request: &Request, bearer: Bearer) -> Result<Caller> {
            authorize(request, &bearer, &[$(Caller::$caller),*])
        }
    )+ };
}

permissions! {
    /// A caller that may place orders and create quotes.
    OrderWriter, check_order_writer: [CREATE_ORDER];
    /// A caller that may read orders and courses.
    HistoryReader, check_history_reader: [CREATE_ORDER, FETCH_ORDERS, RATES];
    /// A caller that may publish prices and store courses.
    PriceWriter, check_price_writer: [PRICE_UPDATER];
    /// A caller that may read prices beyond the public record.
    PriceReader, check_price_reader: [CREATE_ORDER, RATES, PRICE_UPDATER];
    /// A caller that may create, change, read and list users and their keys.
    UserAdmin, check_user_admin: [USERS];
    /// A caller that authenticates API keys: it may read the record of a key and record the last uses of keys.
    KeyReader, check_key_reader: [CREATE_ORDER, FETCH_ORDERS, RATES, USERS, WALLETS];
    /// A caller that may send reports.
    Reporter, check_reporter: [
        CREATE_ORDER, FETCH_ORDERS, RATES, USERS, WALLETS, PRICE_UPDATER, DB_PROXY, PRICE_CACHE_PROXY, HEALTH_CHECK,
        EXCHANGE_SIM, BUYDESK
    ];
    /// An operator.
    Operator, check_operator: [];
}

fn authorize(request: &Request, bearer: &Bearer, allowed: &[Caller]) -> Result<Caller> {
    let accepted = request.data::<AcceptedCallers>();
    let Some(caller) = accepted.and_then(|accepted| accepted.caller(&bearer.token)) else {
        return Err(AuthorizationError.into());
    };
    if caller == Caller::OPERATOR || allowed.contains(&caller) {
        return Ok(caller);
    }
    let detail = format!("The token of {} does not permit this request.", caller.as_str());
    Err(Error::from(Problem::new(Code::Forbidden, detail)))
}

#[cfg(test)]
mod tests;
