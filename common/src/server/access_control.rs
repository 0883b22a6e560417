//! Authenticates requests of customers and operators, and applies the policy.

mod operation_rules;

use std::{net::IpAddr, sync::Arc};

use poem::{
    Error, Request,
    http::{HeaderMap, header::AUTHORIZATION},
};
use poem_openapi::registry::MetaApi;

use self::operation_rules::{OperationRule, OperationRules};
use crate::{
    access::{AnonymousAccess, Authenticator, Principal, Rule},
    api::{Code, Problem, keys::KeySecret},
    config::{Env, Secret, shared},
    ids::IdempotencyKey,
};

/// The settings that control who may use a service.
#[derive(Debug, Clone)]
pub struct AccessConfig {
    pub operator_token: Secret,
    pub anonymous: AnonymousAccess,
}

impl AccessConfig {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `OPERATOR_TOKEN` | none; required | the token of operators |
    /// | `ANONYMOUS` | on | whether customers may use the service without an API key |
    pub fn from_env(env: &mut Env) -> Self {
        let anonymous = if shared::anonymous_is_on(env) { AnonymousAccess::On } else { AnonymousAccess::Off };
        Self { operator_token: shared::required_operator_token(env), anonymous }
    }
}

/// The settings of the access control of a service, and its check of API keys.
#[derive(Clone)]
pub struct AccessControl {
    pub config: AccessConfig,
    pub keys: Arc<dyn Authenticator>,
}

/// Authenticates the requests of one service, and applies the policy to them.
pub(super) struct AccessCheck {
    control: AccessControl,
    rules: OperationRules,
    /// Whether every operation permits requests without credentials. If so, such requests are permitted
    /// without a search for their operation.
    is_open: bool,
}

/// The principal of a request, and whether the request is permitted.
pub(super) struct Admission {
    pub(super) principal: Principal,
    pub(super) decision: Result<(), Error>,
}

impl Admission {
    /// The admission of a permitted request without credentials.
    pub(super) fn anonymous() -> Self {
        Self { principal: Principal::Anonymous, decision: Ok(()) }
    }
}

impl AccessCheck {
    /// # Panics
    /// If an operation of `apis` has no rule.
    pub(super) fn new(control: AccessControl, service: &'static str, apis: Vec<MetaApi>) -> Self {
        let rules = OperationRules::new(service, apis);
        let is_permitted = |rule: Rule| rule.check(&Principal::Anonymous, control.config.anonymous).is_ok();
        let is_open = rules.all().all(is_permitted);
        Self { control, rules, is_open }
    }

    /// Authenticates a request, and applies the rule of its operation.
    pub(super) async fn admit(&self, request: &Request, client: IpAddr) -> Admission {
        let has_credentials = request.headers().contains_key(AUTHORIZATION);
        if !has_credentials && self.is_open {
            return Admission::anonymous();
        }
        let operation = match self.rules.find(request.method(), request.uri().path()) {
            Ok(operation) => operation,
            Err(error) => return Admission { principal: Principal::Anonymous, decision: Err(error) },
        };
        let authenticated = if has_credentials && operation.rule != Rule::Public {
            self.authenticate(request.headers(), operation, client).await
        } else {
            Ok(Principal::Anonymous)
        };
        let (principal, decision) = match authenticated {
            Ok(principal) => {
                let decision = operation.rule.check(&principal, self.control.config.anonymous);
                (principal, decision.map_err(Problem::from))
            }
            Err(problem) => (Principal::Anonymous, Err(problem)),
        };
        let with_id = |problem: Problem| {
            let mut error = Error::from(problem);
            if let Some(id) = operation.id {
                error.set_data(id);
            }
            error
        };
        Admission { principal, decision: decision.map_err(with_id) }
    }

    /// Returns the principal of the credentials. Invalid credentials are refused even if anonymous requests are
    /// permitted.
    async fn authenticate(
        &self,
        headers: &HeaderMap,
        operation: &OperationRule,
        client: IpAddr,
    ) -> Result<Principal, Problem> {
        let credentials = bearer_credentials(headers)?;
        if self.control.config.operator_token.matches(credentials) {
            return Ok(Principal::Operator);
        }
        let key: KeySecret = credentials.parse().map_err(|_| malformed_key(credentials))?;
        let authenticated = self.control.keys.authenticate(&key, client).await;
        let user = authenticated.map_err(|error| {
            let idempotency_key = operation.takes_idempotency_key.then(|| idempotency_key(headers)).flatten();
            error.into_problem(idempotency_key.as_ref())
        })?;
        Ok(Principal::User(user))
    }
}

/// The idempotency key of a request. `None` if the request has no key, an invalid key or several keys: such a
/// request is not the repetition of an earlier request.
fn idempotency_key(headers: &HeaderMap) -> Option<IdempotencyKey> {
    let mut values = headers.get_all(IdempotencyKey::HEADER).iter();
    let key = values.next()?.to_str().ok()?.parse().ok()?;
    values.next().is_none().then_some(key)
}

/// The credentials of the only `Authorization` header.
fn bearer_credentials(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let credentials = values.next().and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
    match (credentials, values.next()) {
        (Some((scheme, credentials)), None) if scheme.eq_ignore_ascii_case("bearer") => Ok(credentials.trim()),
        _ => Err(Problem::new(
            Code::Unauthorized,
            "The header Authorization must be sent once, in the form Authorization: Bearer KEY.",
        )),
    }
}

/// The problem for credentials that are neither `OPERATOR_TOKEN` nor a well-formed key.
fn malformed_key(credentials: &str) -> Problem {
    if KeySecret::resembles(credentials) {
        return Problem::new(Code::Unauthorized, "The API key is incomplete or mistyped: its checksum is wrong.");
    }
    Problem::new(
        Code::Unauthorized,
        "The credentials are neither an API key, which begins with bdk_, nor the operator token of this platform.",
    )
}

#[cfg(test)]
mod tests;
