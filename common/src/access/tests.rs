use std::collections::HashSet;

use super::*;
use crate::api::{
    Code, Problem,
    keys::{Scope, Scopes},
};

/// The anonymous principal, users with different scopes, and the operator, each with a name.
fn principals() -> Vec<(&'static str, Principal)> {
    let user = |scopes: &[Scope]| {
        let id = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";
        Principal::User(Arc::new(AuthenticatedUser {
            user_id: id.parse().unwrap(),
            key_id: id.parse().unwrap(),
            scopes: scopes.iter().copied().collect::<Scopes>(),
            rate_limit_per_minute: None,
        }))
    };
    vec![
        ("anonymous", Principal::Anonymous),
        ("none", user(&[])),
        ("orders", user(&[Scope::Orders])),
        ("wallets", user(&[Scope::Wallets])),
        ("read", user(&[Scope::Read])),
        ("orders+read", user(&[Scope::Orders, Scope::Read])),
        ("all", user(&Scope::ALL)),
        ("operator", Principal::Operator),
    ]
}

/// Returns the names of the principals that a rule permits, and a set of pairs for the denied principals. A pair states whether
/// the principal is anonymous, and the status of the response.
fn outcomes(rule: Rule, anonymous: AnonymousAccess) -> (Vec<&'static str>, HashSet<(bool, u16)>) {
    let (mut permitted, mut statuses) = (Vec::new(), HashSet::new());
    for (name, principal) in principals() {
        match rule.check(&principal, anonymous) {
            Ok(()) => permitted.push(name),
            Err(denied) => {
                let status = Problem::from(denied).code.status().as_u16();
                statuses.insert((principal == Principal::Anonymous, status));
            }
        }
    }
    (permitted, statuses)
}

const ALL_NAMES: [&str; 8] = ["anonymous", "none", "orders", "wallets", "read", "orders+read", "all", "operator"];

#[test]
fn each_rule_permits_exactly_its_principals() {
    use AnonymousAccess::{Off, On};
    let with_scope = |scope| match scope {
        Scope::Orders => ["orders", "orders+read", "all", "operator"].as_slice(),
        Scope::Wallets => &["wallets", "all", "operator"],
        Scope::Read => &["read", "orders+read", "all", "operator"],
    };
    for anonymous in [On, Off] {
        for rule in [Rule::Public, Rule::PublicWithDetails] {
            assert_eq!(outcomes(rule, anonymous), (ALL_NAMES.to_vec(), HashSet::new()));
        }
        for scope in Scope::ALL {
            let users = with_scope(scope).to_vec();
            // Anonymous requests receive 401, and keys without the scope 403.
            let denied = HashSet::from([(true, 401), (false, 403)]);
            assert_eq!(outcomes(Rule::User(scope), anonymous), (users.clone(), denied.clone()));
            let expected = match anonymous {
                On => ([&["anonymous"], with_scope(scope)].concat(), HashSet::from([(false, 403)])),
                Off => (users, denied),
            };
            assert_eq!(outcomes(Rule::Customer(scope), anonymous), expected);
            let (mut permitted, mut denied) = expected;
            permitted.retain(|name| *name != "operator");
            denied.insert((false, 403));
            assert_eq!(outcomes(Rule::CustomerOnly(scope), anonymous), (permitted, denied));
        }
        for rule in [Rule::Operator, Rule::OperatorBeyondLoopback] {
            assert_eq!(outcomes(rule, anonymous), (vec!["operator"], HashSet::from([(true, 401), (false, 403)])));
        }
        // An internal endpoint accepts neither API keys nor `OPERATOR_TOKEN`.
        let internal = outcomes(Rule::Internal(Permission::Reporter), anonymous);
        assert_eq!(internal, (vec![], HashSet::from([(true, 401), (false, 401)])));
    }
}

#[test]
fn policy_lists_each_operation_once() {
    let mut services = HashSet::new();
    for policy in POLICY {
        assert!(services.insert(policy.service), "{} has two policies", policy.service);
        let mut ids = HashSet::new();
        for (id, _) in policy.operations().chain(policy::COMMON.iter().copied()) {
            assert!(ids.insert(id), "{}: {id} has two rules", policy.service);
        }
    }
}

#[test]
fn rule_of_finds_only_operations_of_the_service() {
    assert_eq!(rule_of("create-order", "create_order"), Some(Rule::Customer(Scope::Orders)));
    assert_eq!(rule_of("create-order", "livez"), Some(Rule::Public));
    assert_eq!(rule_of("rates", "create_order"), None);
    assert_eq!(rule_of("no-service", "create_order"), None);
}

#[test]
fn no_operation_on_orders_is_public() {
    for policy in POLICY {
        for (id, rule) in policy.operations() {
            // `sources_order` and `set_sources_order` concern the order in which sources are polled, not orders of
            // customers.
            let concerns_orders = id.contains("order") && !id.starts_with("sources") && id != "set_sources_order";
            assert!(!concerns_orders || rule != Rule::Public, "{}: {id}", policy.service);
        }
    }
}

#[test]
fn unknown_key_is_unauthorized_and_failed_check_is_unavailable() {
    let problem = KeyError::from(InvalidKey::Unknown).into_problem(None);
    assert_eq!(problem.code, Code::Unauthorized);
    assert_eq!(KeyError::Unavailable.into_problem(None).code, Code::UpstreamUnavailable);
}

#[tokio::test]
async fn handler_receives_the_principal_of_the_request() {
    let principal = async |request: &Request| Principal::from_request_without_body(request).await.unwrap();
    let mut request = Request::builder().finish();
    assert_eq!(principal(&request).await, Principal::Anonymous);
    for (_, expected) in principals() {
        request.set_data(expected.clone());
        assert_eq!(principal(&request).await, expected);
    }
}
