//! The error responses of operations in an OpenAPI document.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use poem::http::Method;
use serde_json::{Value, json};

use crate::api::{Code, Problem};

/// Documents the error codes of an operation, each with an example. Returns the codes.
///
/// An operation that imitates an exchange documents its errors as ranges of statuses. No code is added to such an
/// operation.
pub(super) fn add_errors(operation: &mut Value, method: &Method, own: &[Code], is_counted: bool) -> Vec<Code> {
    if operation["responses"].get("4XX").is_some() {
        return Vec::new();
    }
    let mut codes = codes_of_properties(operation, method, is_counted);
    codes.extend(own);
    let listed: Vec<_> = Code::ALL.iter().copied().filter(|code| codes.contains(code)).collect();
    let mut by_status = BTreeMap::<u16, Vec<Code>>::new();
    for &code in &listed {
        by_status.entry(code.status().as_u16()).or_default().push(code);
    }
    for (status, codes) in by_status {
        let response = &mut operation["responses"][status.to_string()];
        if response.is_null() {
            let reason = codes.first().and_then(|code| code.status().canonical_reason());
            *response = json!({ "description": reason.unwrap_or_default() });
        }
        if status == 429 || status == 503 {
            response["headers"]["Retry-After"] = json!({
                "description": "Seconds to wait before a retry.", "required": true,
                "schema": { "type": "integer", "format": "uint32" },
            });
        }
        let examples: serde_json::Map<_, _> =
            codes.into_iter().map(|code| (code.to_string(), reference(code))).collect();
        response["content"][Problem::CONTENT_TYPE] =
            json!({ "schema": { "$ref": "#/components/schemas/Problem" }, "examples": examples });
    }
    listed
}

/// The codes that follow from the method, the body, the credentials and the rate limit of an operation.
fn codes_of_properties(operation: &Value, method: &Method, is_counted: bool) -> HashSet<Code> {
    // The codes for a wrong host name, an overloaded service, an internal error and an unknown query parameter.
    let mut codes = HashSet::from([Code::MisdirectedRequest, Code::Overloaded, Code::Internal, Code::ValidationFailed]);
    if !method.is_safe() {
        codes.insert(Code::CrossSiteRequest);
    }
    if operation.get("requestBody").is_some() {
        codes.extend([Code::BadRequest, Code::PayloadTooLarge, Code::RequestTimeout, Code::UnsupportedMediaType]);
    }
    if operation.get("security").is_some() {
        codes.extend([Code::Unauthorized, Code::Forbidden]);
    }
    if is_counted {
        codes.insert(Code::TooManyRequests);
    }
    codes
}

fn reference(code: Code) -> Value {
    json!({ "$ref": format!("#/components/examples/{code}") })
}

/// The component with the examples of `codes`.
pub(super) fn examples(codes: &[Code]) -> Value {
    let codes: BTreeSet<_> = codes.iter().map(|code| code.as_str()).collect();
    let examples = codes.into_iter().filter_map(Code::from_text).map(|code| {
        let example = json!({ "summary": code.title(), "value": Problem::example(code) });
        (code.to_string(), example)
    });
    Value::Object(examples.collect())
}

/// The codes that a document lists for each operation, by the id of the operation.
#[derive(Debug, Default)]
pub(in crate::server) struct DocumentedCodes(HashMap<String, HashSet<String>>);

impl DocumentedCodes {
    pub(in crate::server) fn of(document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flat_map(|paths| paths.values());
        let operations = paths.filter_map(Value::as_object).flat_map(|path| path.values());
        let with_codes = operations.filter_map(|operation| {
            let responses = operation["responses"].as_object()?;
            let examples = responses
                .values()
                .filter_map(|response| response["content"][Problem::CONTENT_TYPE]["examples"].as_object());
            let codes: HashSet<_> = examples.flat_map(|examples| examples.keys().cloned()).collect();
            let id = operation["operationId"].as_str()?.to_owned();
            (!codes.is_empty()).then_some((id, codes))
        });
        Self(with_codes.collect())
    }

    /// Whether the document lists the code for the operation. Returns true if the document lists no codes for the
    /// operation.
    pub(in crate::server) fn contain(&self, operation: &str, code: Code) -> bool {
        self.0.get(operation).is_none_or(|codes| codes.contains(code.as_str()))
    }
}
