//! The credentials of operations in an OpenAPI document.

use serde_json::{Value, json};

use crate::{access::Rule, api::Code};

const API_KEY: &str = "ApiKey";
const OPERATOR_TOKEN: &str = "OperatorToken";

/// Further codes of an operation for customers or operators: the IP address sent too many unknown API keys, or the API
/// key cannot be checked.
pub(super) const CODES: &[Code] = &[Code::TooManyRequests, Code::UpstreamUnavailable];

/// Adds the credentials that an operation for customers or operators accepts, and a sentence about them. Does nothing
/// for other operations.
pub(super) fn describe_access(operation: &mut Value, rule: Rule) {
    let (schemes, sentence): (&[&str], _) = match rule {
        Rule::Customer(scope) => (
            &["", API_KEY, OPERATOR_TOKEN],
            format!(
                "Access: with an API key that has the scope `{}`, or as an operator. Without credentials too, \
                unless `ANONYMOUS=off`.",
                scope.as_str()
            ),
        ),
        Rule::CustomerOnly(scope) => (
            &["", API_KEY],
            format!(
                "Access: with an API key that has the scope `{}`; without one unless `ANONYMOUS=off`.",
                scope.as_str()
            ),
        ),
        Rule::User(scope) => (
            &[API_KEY, OPERATOR_TOKEN],
            format!("Access: with an API key that has the scope `{}`, or as an operator.", scope.as_str()),
        ),
        Rule::Operator => (&[OPERATOR_TOKEN], "Access: as an operator.".to_owned()),
        Rule::Public | Rule::PublicWithDetails | Rule::OperatorBeyondLoopback | Rule::Internal(_) => return,
    };
    let alternatives = schemes.iter().map(|scheme| if scheme.is_empty() { json!({}) } else { json!({ *scheme: [] }) });
    operation["security"] = alternatives.collect();
    let description = match operation["description"].as_str() {
        Some(description) => format!("{description}\n\n{sentence}"),
        None => sentence,
    };
    operation["description"] = description.into();
}

/// Adds the security schemes that [`describe_access`] refers to.
pub(super) fn add_security_schemes(document: &mut Value) {
    let bearer = |description: &str| json!({ "type": "http", "scheme": "bearer", "description": description });
    let schemes = &mut document["components"]["securitySchemes"];
    schemes[API_KEY] = bearer("An API key of a user, which begins with `bdk_`. The request acts as this user.");
    schemes[OPERATOR_TOKEN] = bearer("`OPERATOR_TOKEN`. The request acts as an operator, who may read everything.");
}
