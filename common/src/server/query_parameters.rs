//! Checks the query parameters of requests against the parameters in the OpenAPI document.
//!
//! The framework ignores a parameter that an operation does not have, so a misspelt filter would select everything. It
//! also ignores all values of a repeated parameter except the first. It reports only the first invalid parameter, and
//! replaces bytes that are not UTF-8.
//!
//! Calls between services are checked too, and a service of an older release refuses a new parameter. So a service
//! sends a new parameter only if the response would be useless without this parameter.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use futures_util::future::BoxFuture;
use poem::{Error, http::Method};
use poem_openapi::{
    OperationId,
    registry::{MetaApi, MetaOperation, MetaOperationParam, MetaParamIn, MetaSchema, MetaSchemaRef, Registry},
};

use super::{
    allowed_methods::PathPattern,
    urlencoded::{name_of_pair, values_not_utf8},
};
use crate::{
    api::{FieldError, MAX_FIELD_ERRORS, Problem, filters::check_ranges_as_sent, parameters::check_value},
    text::shown_name,
};

/// The operations of a service with their query parameters.
#[derive(Default)]
pub(super) struct QueryParameters {
    operations: Vec<(PathPattern, Vec<Operation>)>,
    value_check: Option<Arc<dyn ValueCheck>>,
}

#[derive(Debug, Clone, Copy)]
pub struct ParameterValue<'a> {
    /// The id of the operation.
    pub operation: &'a str,
    pub name: &'a str,
    pub value: &'a str,
}

/// The checks of single parameters that depend on the state of the service, such as whether a name is known.
///
/// The handler of an operation checks its parameters itself. The handler does not run if a parameter is unknown,
/// repeated or of the wrong type. In that case, this check finds the other wrong parameters.
pub trait ValueCheck: Send + Sync {
    /// The error of a value that conforms to its type, if the service refuses the value.
    fn check<'a>(&'a self, parameter: ParameterValue<'a>) -> CheckedValue<'a>;

    /// The error of a value that does not conform to its type, if the service can describe the error better than the
    /// type, for example with a list of the known names.
    fn check_malformed(&self, _parameter: ParameterValue<'_>) -> Option<FieldError> {
        None
    }
}

/// The error of a value, if there is one.
pub type CheckedValue<'a> = BoxFuture<'a, Option<FieldError>>;

struct Operation {
    method: Method,
    id: Option<OperationId>,
    has_body: bool,
    /// Whether the handler refuses unknown and repeated parameters. True if the query can replace the body, because the
    /// handler then parses the query like a form (see [`parse_form`](super::parse_form)). Also true if the handler
    /// forwards the request to another service.
    is_checked_by_handler: bool,
    parameters: Vec<Parameter>,
}

/// A parameter of the query.
struct Parameter {
    name: String,
    schema: MetaSchema,
    is_required: bool,
    is_deprecated: bool,
}

impl QueryParameters {
    /// Contains the documented operations of `apis`, and the paths in `get_only`, which accept GET without parameters.
    /// `registry` contains the types of the parameters.
    pub(super) fn new(
        apis: Vec<MetaApi>,
        registry: &Registry,
        get_only: &[&str],
        value_check: Option<Arc<dyn ValueCheck>>,
    ) -> Self {
        let documented = apis.into_iter().flat_map(|api| api.paths).map(|path| {
            let operations = path.operations.into_iter().map(|operation| Operation::new(operation, registry)).collect();
            (PathPattern::new(&path.path), operations)
        });
        let get_only = get_only.iter().map(|path| {
            let operation = Operation {
                method: Method::GET,
                id: None,
                has_body: false,
                is_checked_by_handler: false,
                parameters: Vec::new(),
            };
            (PathPattern::new(path), vec![operation])
        });
        Self { operations: PathPattern::merge(documented.chain(get_only)), value_check }
    }

    /// Leaves the check of the operations of `forwarded` to the service that receives the forwarded requests. That
    /// service knows the types of the parameters, so its problem names every wrong parameter.
    #[must_use]
    pub(super) fn without_forwarded(mut self, forwarded: Vec<MetaApi>) -> Self {
        let forwarded = forwarded.into_iter().flat_map(|api| api.paths).flat_map(|path| path.operations);
        let forwarded: HashSet<_> = forwarded.filter_map(|operation| operation.operation_id).collect();
        for operation in self.operations.iter_mut().flat_map(|(_, operations)| operations) {
            operation.is_checked_by_handler |= operation.id.is_some_and(|id| forwarded.contains(id.0));
        }
        self
    }

    /// Refuses a query with an unknown or a repeated parameter, with a value that is not UTF-8, or with a period or a
    /// range of amounts that ends before it begins. The problem also names the other wrong parameters of the query.
    ///
    /// If the handler of the operation checks the query, nothing is refused.
    pub(super) async fn check(&self, method: &Method, path: &str, query: &str) -> Result<(), Error> {
        let operation = self.operation(method, path).filter(|operation| !operation.is_checked_by_handler);
        let Some(operation) = operation else { return Ok(()) };
        let is_valid = operation.unexpected(query).is_empty()
            && values_not_utf8(query).next().is_none()
            && check_ranges_as_sent(|name| first_value(query, name)).is_empty();
        if is_valid {
            return Ok(());
        }
        let mut error = Error::from(Problem::validation(self.errors_of(operation, query).await));
        if let Some(id) = operation.id {
            error.set_data(id);
        }
        Err(error)
    }

    /// The errors of the parameters of a query.
    pub(super) async fn errors(&self, method: &Method, path: &str, query: &str) -> Vec<FieldError> {
        match self.operation(method, path) {
            Some(operation) => self.errors_of(operation, query).await,
            None => Vec::new(),
        }
    }

    /// One error for each wrong parameter, and for values that contradict each other.
    async fn errors_of(&self, operation: &Operation, query: &str) -> Vec<FieldError> {
        let mut errors = operation.unexpected(query);
        for parameter in &operation.parameters {
            if errors.len() >= MAX_FIELD_ERRORS {
                break;
            }
            if errors.iter().any(|error| error.field == parameter.name) {
                continue;
            }
            let not_utf8 = values_not_utf8(query).find(|error| error.field == parameter.name);
            let error = match (not_utf8, first_value(query, &parameter.name)) {
                (Some(error), _) => Some(error),
                (None, Some(value)) => match check_value(&parameter.schema, &value) {
                    Ok(()) => self.check_by_service(operation, parameter, &value).await,
                    Err(reason) => Some(self.error_of_malformed(operation, parameter, &value, reason)),
                },
                (None, None) => parameter.is_required.then(|| FieldError::missing(&parameter.name)),
            };
            errors.extend(error.filter(|error| !error.is_explained_by_misspelling(&errors)));
        }
        let is_valid = |name: &str| {
            operation.parameters.iter().any(|parameter| parameter.name == name)
                && errors.iter().all(|error| error.field != name)
        };
        let contradictions = check_ranges_as_sent(|name| first_value(query, name).filter(|_| is_valid(name)));
        errors.extend(contradictions);
        errors
    }

    async fn check_by_service(&self, operation: &Operation, parameter: &Parameter, value: &str) -> Option<FieldError> {
        let operation = operation.id?.0;
        self.value_check.as_ref()?.check(ParameterValue { operation, name: &parameter.name, value }).await
    }

    /// The error of a value that does not conform to its type. `reason` states what the type allows.
    fn error_of_malformed(
        &self,
        operation: &Operation,
        parameter: &Parameter,
        value: &str,
        reason: String,
    ) -> FieldError {
        let known = operation.id.zip(self.value_check.as_ref()).and_then(|(operation, check)| {
            check.check_malformed(ParameterValue { operation: operation.0, name: &parameter.name, value })
        });
        known.unwrap_or_else(|| FieldError::new(&parameter.name, reason))
    }

    /// The operation of a request. `None` if the path or the method does not exist.
    fn operation(&self, method: &Method, path: &str) -> Option<&Operation> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let operations = PathPattern::most_specific(&self.operations, path)?;
        operations.iter().find(|operation| operation.method == method)
    }
}

impl Operation {
    fn new(operation: MetaOperation, registry: &Registry) -> Self {
        let parameters = operation.params.into_iter().filter(|parameter| parameter.in_type == MetaParamIn::Query);
        let parameters: Vec<_> = parameters.map(|parameter| Parameter::new(parameter, registry)).collect();
        Self {
            method: operation.method,
            id: operation.operation_id.map(OperationId),
            has_body: operation.request.is_some(),
            is_checked_by_handler: operation.request.is_some_and(|body| !body.required) && !parameters.is_empty(),
            parameters,
        }
    }

    /// One error for each unknown and each repeated parameter, in the order of the query.
    fn unexpected(&self, query: &str) -> Vec<FieldError> {
        let mut seen: Vec<Cow<str>> = Vec::new();
        let mut errors: Vec<FieldError> = Vec::new();
        for name in query.split('&').filter(|pair| !pair.is_empty()).map(name_of_pair) {
            let is_known = self.parameters.iter().any(|parameter| parameter.name == name);
            let error = if !is_known {
                self.unknown(&name)
            } else if seen.contains(&name) {
                FieldError::repeated(&*name)
            } else {
                seen.push(name);
                continue;
            };
            if !errors.contains(&error) {
                errors.push(error);
            }
            if errors.len() >= MAX_FIELD_ERRORS {
                break;
            }
        }
        errors
    }

    fn unknown(&self, name: &str) -> FieldError {
        if self.parameters.is_empty() {
            let reason = if self.has_body {
                "is unknown; the operation has no query parameters, and its fields belong in the body"
            } else {
                "is unknown; the operation has no query parameters"
            };
            return FieldError::new(shown_name(name), reason);
        }
        let known: Vec<_> = self.parameters.iter().filter(|known| !known.is_deprecated).collect();
        FieldError::unknown(name, &known.iter().map(|parameter| parameter.name.as_str()).collect::<Vec<_>>())
    }
}

impl Parameter {
    fn new(parameter: MetaOperationParam, registry: &Registry) -> Self {
        let MetaOperationParam { name, schema, required, deprecated, .. } = parameter;
        let schema = match schema {
            MetaSchemaRef::Inline(schema) => *schema,
            // The only named types of parameters are enumerations.
            MetaSchemaRef::Reference(name) => {
                let named = registry.schemas.get(&name);
                let enum_items = named.map(|named| named.enum_items.clone()).unwrap_or_default();
                MetaSchema { enum_items, ..MetaSchema::new("string") }
            }
        };
        Self { name, schema, is_required: required, is_deprecated: deprecated }
    }
}

/// The value of a parameter of a query. The first value of a repeated parameter.
fn first_value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    url::form_urlencoded::parse(query.as_bytes()).find(|(sent, _)| sent == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests;
