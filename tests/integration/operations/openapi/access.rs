//! The policy has one rule for each operation of each service.

use std::collections::BTreeSet;

use common::access::{POLICY, Rule, ServicePolicy, rule_of};

use super::{all_documents, operations};

/// The endpoints for monitoring, which every service has.
const COMMON: [&str; 3] = ["livez", "metrics", "readyz"];

#[test]
fn every_operation_has_a_rule_and_every_rule_an_operation() {
    let mut services = BTreeSet::new();
    for (service, document) in all_documents() {
        services.insert(service);
        let documented: BTreeSet<_> =
            operations(&document).map(|operation| operation.id()).filter(|id| !COMMON.contains(id)).collect();
        let policy = POLICY.iter().find(|policy| policy.service == service);
        let with_rule: BTreeSet<_> = policy.into_iter().flat_map(ServicePolicy::operations).map(|(id, _)| id).collect();
        let differing: Vec<_> = documented.symmetric_difference(&with_rule).collect();
        assert!(
            differing.is_empty(),
            "{service}: common/src/access/policy.rs and the document differ in {differing:?}"
        );
    }
    assert_eq!(POLICY.iter().map(|policy| policy.service).collect::<BTreeSet<_>>(), services);
}

#[test]
fn documents_state_the_credentials_of_each_operation() {
    for (service, document) in all_documents() {
        for operation in operations(&document) {
            let name = format!("{service}: {}", operation.id());
            let alternatives = operation.value["security"].as_array().into_iter().flatten();
            let schemes: Vec<_> = alternatives
                .map(|alternative| alternative.as_object().unwrap().keys().next().map_or("", String::as_str))
                .collect();
            let expected: &[&str] = match rule_of(service, operation.id()).unwrap() {
                Rule::Public | Rule::PublicWithDetails | Rule::OperatorBeyondLoopback => &[],
                Rule::Customer(_) => &["", "ApiKey", "OperatorToken"],
                Rule::CustomerOnly(_) => &["", "ApiKey"],
                Rule::User(_) => &["ApiKey", "OperatorToken"],
                Rule::Operator => &["OperatorToken"],
                Rule::Internal(_) => &["InternalToken"],
            };
            assert_eq!(schemes, expected, "{name}");
            for scheme in schemes.into_iter().filter(|scheme| !scheme.is_empty()) {
                let described = &document["components"]["securitySchemes"][scheme];
                assert_eq!((&described["type"], &described["scheme"]), (&"http".into(), &"bearer".into()), "{name}");
            }
        }
    }
}
