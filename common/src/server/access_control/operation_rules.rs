//! The access rules of the operations of a service, by method and path.

use std::collections::HashMap;

use poem::{
    Error,
    error::{MethodNotAllowedError, NotFoundError},
    http::Method,
};
use poem_openapi::{
    OperationId,
    registry::{MetaApi, MetaOperation, MetaParamIn},
};

use crate::{
    access::{Rule, rule_of},
    ids::IdempotencyKey,
    server::{allowed_methods::PathPattern, common_paths::DOCUMENTATION_PATHS},
};

pub(super) struct OperationRules {
    /// The operations of paths without parameters, by path.
    by_path: HashMap<String, Vec<OperationRule>>,
    /// All operations. Used for paths with parameters, and for unusual forms of other paths, such as a path with a doubled slash.
    by_pattern: Vec<(PathPattern, Vec<OperationRule>)>,
}

#[derive(Debug, Clone)]
pub(super) struct OperationRule {
    method: Method,
    /// `None` for the documentation.
    pub(super) id: Option<OperationId>,
    pub(super) rule: Rule,
    /// Whether the operation accepts an idempotency key. If so, an earlier request with the same key may have taken
    /// effect, even if this request is refused.
    pub(super) takes_idempotency_key: bool,
}

impl OperationRules {
    /// # Panics
    /// If an operation of `apis` has no rule.
    pub(super) fn new(service: &'static str, apis: Vec<MetaApi>) -> Self {
        let of_operation = |operation: MetaOperation| {
            let id = operation.operation_id.unwrap_or_default();
            let rule = rule_of(service, id).unwrap_or_else(|| {
                panic!("the operation {id:?} of {service} has no rule; add it to common/src/access/policy.rs")
            });
            let is_idempotency_key = |name: &str| name.eq_ignore_ascii_case(IdempotencyKey::HEADER);
            let takes_idempotency_key = operation
                .params
                .iter()
                .any(|parameter| parameter.in_type == MetaParamIn::Header && is_idempotency_key(&parameter.name));
            OperationRule { method: operation.method, id: Some(OperationId(id)), rule, takes_idempotency_key }
        };
        let documented = apis.into_iter().flat_map(|api| api.paths).map(|path| {
            let rules: Vec<_> = path.operations.into_iter().map(of_operation).collect();
            (PathPattern::new(&path.path), rules)
        });
        let documentation = DOCUMENTATION_PATHS.iter().map(|path| {
            let rule =
                OperationRule { method: Method::GET, id: None, rule: Rule::Public, takes_idempotency_key: false };
            (PathPattern::new(path), vec![rule])
        });
        let by_pattern = PathPattern::merge(documented.chain(documentation));
        let without_parameters = by_pattern.iter().filter(|(pattern, _)| !pattern.has_parameters());
        let by_path = without_parameters.map(|(pattern, rules)| (pattern.to_string(), rules.clone())).collect();
        Self { by_path, by_pattern }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Rule> {
        self.by_pattern.iter().flat_map(|(_, rules)| rules).map(|operation| operation.rule)
    }

    /// Returns the operation of a request. Returns an error if there is none, even if the router has a handler for the
    /// path.
    pub(super) fn find(&self, method: &Method, path: &str) -> Result<&OperationRule, Error> {
        let rules = self.by_path.get(path).or_else(|| PathPattern::most_specific(&self.by_pattern, path));
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let rules = rules.ok_or(NotFoundError)?;
        let operation = rules.iter().find(|operation| operation.method == method);
        operation.ok_or_else(|| MethodNotAllowedError.into())
    }
}
