//! Adds groups, errors, access rules and examples to the OpenAPI document of a service. The framework does not generate
//! these parts. The examples can be sent unchanged.

mod access;
mod errors;
mod page;

use serde_json::{Value, json};

pub(super) use self::{errors::DocumentedCodes, page::render_page};
use super::rate_limit::CountedRequests;
use crate::{access::rule_of, api::Code};

/// The descriptions that are added to the document of a service.
#[derive(Debug, Clone)]
pub struct ApiDescription {
    /// The first paragraph of the page.
    pub about: &'static str,
    /// Which requests count against the rate limit of the service.
    pub counted: CountedRequests,
    /// One description for each operation.
    pub operations: Vec<OperationDescription>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Orders,
    Quotes,
    Prices,
    Users,
    Wallets,
    Operations,
}

impl Group {
    const ALL: [Self; 6] = [Self::Orders, Self::Quotes, Self::Prices, Self::Users, Self::Wallets, Self::Operations];

    fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Quotes => "quotes",
            Self::Prices => "prices",
            Self::Users => "users",
            Self::Wallets => "wallets",
            Self::Operations => "operations",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Orders => "Placing, finding and exporting orders.",
            Self::Quotes => "Prices that are offered to one client for a time.",
            Self::Prices => "Prices, courses of exchanges, and conversions.",
            Self::Users => "Users and their API keys.",
            Self::Wallets => "Money on account: wallets, operations and transfers.",
            Self::Operations => "State of the service, for operators and monitoring.",
        }
    }
}

#[derive(Debug, Clone)]
pub struct OperationDescription {
    id: &'static str,
    group: Group,
    errors: Vec<Code>,
    body: Option<Value>,
    parameters: Vec<(&'static str, Value)>,
}

impl OperationDescription {
    pub fn new(id: &'static str, group: Group) -> Self {
        Self { id, group, errors: Vec::new(), body: None, parameters: Vec::new() }
    }

    /// Adds the error codes of the handler. The codes of the server, the body, the credentials and the rate limit are
    /// added automatically.
    #[must_use]
    pub fn errors(mut self, codes: &[Code]) -> Self {
        self.errors.extend(codes);
        self
    }

    /// Adds an example of the body.
    #[must_use]
    pub fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Adds an example of a parameter. The documentation page fills in the example, so a parameter that most requests
    /// omit should have no example.
    #[must_use]
    pub fn parameter(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.parameters.push((name, value.into()));
        self
    }

    fn add_examples(&self, operation: &mut Value) {
        let bodies = operation.pointer_mut("/requestBody/content").and_then(Value::as_object_mut);
        for media in bodies.into_iter().flat_map(|content| content.values_mut()) {
            if let Some(body) = &self.body {
                media["example"] = body.clone();
            }
        }
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            // The documentation page would fill in the example of the type, even for an optional parameter.
            if let Some(schema) = parameter.get_mut("schema").and_then(Value::as_object_mut) {
                schema.remove("example");
            }
            if let Some((_, example)) = self.parameters.iter().find(|(name, _)| parameter["name"] == *name) {
                parameter["example"] = example.clone();
            }
        }
    }
}

/// Adds the descriptions to the document of a service.
pub(super) fn describe(document: &mut Value, service: &str, description: &ApiDescription) {
    let operations: Vec<_> = description.operations.iter().cloned().chain(operations_endpoints()).collect();
    let mut groups = Vec::new();
    let mut codes = Vec::new();
    let mut wants_credentials = false;
    for (path, operations_of_path) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in operations_of_path.as_object_mut().into_iter().flatten() {
            let Some(described) = operations.iter().find(|described| operation["operationId"] == described.id) else {
                continue;
            };
            operation["tags"] = json!([described.group.name()]);
            // The documentation page does not render Markdown in a summary.
            if let Some(summary) = operation.get("summary").and_then(Value::as_str) {
                operation["summary"] = summary.replace('`', "").into();
            }
            groups.push(described.group);
            described.add_examples(operation);
            let method = method.to_uppercase().parse().expect("each key of a path is a method");
            let is_counted = description.counted.contain(&method, path);
            let mut own_codes = described.errors.clone();
            if let Some(rule) = rule_of(service, described.id).filter(|rule| rule.checks_credentials()) {
                access::describe_access(operation, rule);
                own_codes.extend(access::CODES);
                wants_credentials = true;
            }
            codes.extend(errors::add_errors(operation, &method, &own_codes, is_counted));
        }
    }
    if wants_credentials {
        access::add_security_schemes(document);
    }
    let groups = Group::ALL.into_iter().filter(|group| groups.contains(group));
    document["tags"] =
        groups.map(|group| json!({ "name": group.name(), "description": group.description() })).collect();
    document["components"]["examples"] = errors::examples(&codes);
}

/// The operations endpoints of every service.
fn operations_endpoints() -> impl Iterator<Item = OperationDescription> {
    ["livez", "readyz", "metrics"].into_iter().map(|id| OperationDescription::new(id, Group::Operations))
}

#[cfg(test)]
mod tests;
