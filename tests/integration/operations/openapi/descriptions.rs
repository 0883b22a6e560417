//! The documents describe each operation: its group, its errors, and examples of requests. A group is an OpenAPI tag.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::{Map, Value};

use super::{Operation, all_documents, operations};

const GROUPS: [&str; 6] = ["operations", "orders", "prices", "quotes", "users", "wallets"];

/// Calls `check` for each operation. The second argument names the operation in messages.
fn for_each_operation(check: impl Fn(&Operation<'_>, &str)) {
    for (service, document) in all_documents() {
        for operation in operations(&document) {
            let name = format!("{service}: {} {}", operation.method, operation.path);
            check(&operation, &name);
        }
    }
}

/// The error codes of a documented response.
fn codes(response: &Value) -> BTreeSet<&str> {
    let examples = response["content"]["application/problem+json"]["examples"].as_object();
    examples.into_iter().flat_map(|examples| examples.keys().map(String::as_str)).collect()
}

/// The error codes of all responses of an operation.
fn all_codes<'a>(operation: &Operation<'a>) -> BTreeSet<&'a str> {
    operation.value["responses"].as_object().unwrap().values().flat_map(codes).collect()
}

/// Whether the operation imitates an exchange. Errors of such an operation are no problem documents.
fn imitates_exchange(operation: &Operation<'_>) -> bool {
    operation.value["responses"].get("4XX").is_some()
}

#[test]
fn every_operation_has_one_group() {
    for (service, document) in all_documents() {
        let described = document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap());
        let described: BTreeSet<_> = described.collect();
        assert!(described.iter().all(|group| GROUPS.contains(group)), "{service}: {described:?}");
        let mut used = BTreeSet::new();
        for operation in operations(&document) {
            let groups = operation.value["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
            assert_eq!(
                groups.len(),
                1,
                "{service}: {} does not have exactly one group",
                operation.value["operationId"]
            );
            used.insert(groups[0].as_str().unwrap());
        }
        assert_eq!(used, described, "{service}");
    }
}

#[test]
fn every_operation_lists_its_errors_with_examples() {
    for (service, document) in all_documents() {
        for operation in operations(&document).filter(|operation| !imitates_exchange(operation)) {
            let name = format!("{service}: {} {}", operation.method, operation.path);
            for (status, response) in operation.value["responses"].as_object().unwrap() {
                let codes = codes(response);
                assert_eq!(codes.is_empty(), status.parse::<u16>().unwrap() < 400, "{name}: {status}");
                for code in codes {
                    let example = &document["components"]["examples"][code]["value"];
                    assert_eq!((&example["code"], &example["status"].to_string()), (&code.into(), status), "{name}");
                    // A detail is a sentence, or names the invalid fields.
                    let is_sentence = example["detail"].as_str().is_some_and(|detail| detail.ends_with('.'));
                    assert!(is_sentence || example["errors"].is_array(), "{example}");
                }
            }
            for code in ["misdirected_request", "overloaded", "internal"] {
                assert!(all_codes(&operation).contains(code), "{name}: {code}");
            }
        }
    }
}

#[test]
fn operations_list_only_errors_that_can_occur() {
    for_each_operation(|operation, name| {
        if imitates_exchange(operation) {
            return;
        }
        let codes = all_codes(operation);
        let listed = |code: &str| codes.contains(code);
        let has_body = operation.value.get("requestBody").is_some();
        let has_token = operation.value.get("security").is_some();
        for code in ["bad_request", "request_timeout", "unsupported_media_type", "payload_too_large"] {
            assert_eq!(listed(code), has_body, "{name}: {code}");
        }
        assert_eq!(listed("forbidden"), has_token, "{name}");
        assert_eq!(listed("cross_site_request"), operation.method != "get", "{name}");
        assert!(!listed("method_not_allowed"), "{name}");
        let has_id = operation.path.contains('{') || ["/user", "/wallet"].contains(&operation.path);
        assert!(!listed("not_found") || has_id || operation.path.contains("/api/v1/"), "{name}");
        let changes_orders = operation.method == "post";
        for code in ["limit_exceeded", "idempotency_key_reused", "quote_taken"] {
            assert!(!listed(code) || changes_orders || operation.path.contains("quotes"), "{name}: {code}");
        }
        let changes_something = operation.method != "get" || operation.path.contains("quotes");
        assert!(!listed("outcome_unknown") || changes_something, "{name}");
    });
}

/// The parameters of an operation: the name, the location, and whether the parameter is required.
fn parameters<'a>(operation: &Operation<'a>) -> BTreeSet<(&'a str, &'a str, bool)> {
    let parameters = operation.parameters();
    let text = |parameter: &'a Value, key: &str| parameter[key].as_str().unwrap();
    parameters.map(|p| (text(p, "name"), text(p, "in"), p["required"] == true)).collect()
}

#[test]
fn create_order_forwards_every_read_for_customers_with_all_its_parameters() {
    let documents: BTreeMap<_, _> = all_documents().into_iter().collect();
    let forwarded: BTreeMap<_, _> = operations(&documents["create-order"])
        .filter(|operation| operation.method == "get")
        .map(|operation| (operation.path, parameters(&operation)))
        .collect();
    for service in ["fetch-orders", "rates"] {
        for read in operations(&documents[service]) {
            let expected = parameters(&read);
            let actual = forwarded.get(read.path);
            assert_eq!(actual, Some(&expected), "{}: add it to services/create-order/src/forwarded_reads", read.path);
        }
    }
}

#[test]
fn every_body_and_every_required_parameter_has_an_example() {
    for_each_operation(|operation, name| {
        for (kind, media) in operation.value["requestBody"]["content"].as_object().into_iter().flatten() {
            assert!(media.get("example").is_some(), "{name}: the body {kind} has no example");
        }
        for parameter in operation.parameters() {
            let has_example = parameter.get("example").is_some();
            assert!(has_example || parameter["required"] == false, "{name}: {}", parameter["name"]);
            // The documentation page sends the example of a schema even for an optional parameter.
            assert!(parameter["schema"].get("example").is_none(), "{name}: {}", parameter["name"]);
        }
    });
}

/// Calls `check` with every object in a part of a document.
fn for_each_object<'a>(value: &'a Value, check: &mut impl FnMut(&'a Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            check(fields);
            fields.values().for_each(|field| for_each_object(field, check));
        }
        Value::Array(items) => items.iter().for_each(|item| for_each_object(item, check)),
        _ => {}
    }
}

/// The patterns of a schema. A text must match one of them. Empty if any text is permitted.
fn patterns(schema: &Value) -> Vec<Regex> {
    let alternatives = schema["oneOf"].as_array().into_iter().flatten().flat_map(patterns);
    let own = schema["pattern"].as_str().map(|pattern| Regex::new(pattern).unwrap());
    own.into_iter().chain(alternatives).collect()
}

/// Asserts that the texts in `value` match the patterns of their schemas. Returns the number of texts with a pattern.
fn check_patterns(document: &Value, schema: &Value, value: &Value, location: &str) -> usize {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        return check_patterns(document, target, value, location);
    }
    let parts = schema["allOf"].as_array().into_iter().flatten();
    let of_parts: usize = parts.map(|part| check_patterns(document, part, value, location)).sum();
    of_parts
        + match value {
            Value::Object(fields) => fields
                .iter()
                .map(|(name, field)| {
                    check_patterns(document, &schema["properties"][name], field, &format!("{location}.{name}"))
                })
                .sum(),
            Value::Array(items) => {
                items.iter().map(|item| check_patterns(document, &schema["items"], item, location)).sum()
            }
            Value::String(text) => {
                let patterns = patterns(schema);
                let matches = patterns.is_empty() || patterns.iter().any(|pattern| pattern.is_match(text));
                assert!(matches, "{location}: {text} does not match {patterns:?}");
                usize::from(!patterns.is_empty())
            }
            _ => 0,
        }
}

#[test]
fn every_example_matches_the_pattern_of_its_type() {
    let mut checked = 0;
    for (service, document) in all_documents() {
        for_each_object(&document, &mut |schema| {
            if let Some(example) = schema.get("example") {
                let schema = Value::Object(schema.clone());
                checked += check_patterns(&document, &schema, example, service);
            }
        });
        for operation in operations(&document) {
            let content = operation.value["requestBody"]["content"].as_object();
            for media in content.into_iter().flat_map(|content| content.values()) {
                let location = format!("{service}: {}", operation.id());
                checked += check_patterns(&document, &media["schema"], &media["example"], &location);
            }
            for parameter in operation.parameters() {
                let location = format!("{service}: {} {}", operation.id(), parameter["name"]);
                checked += check_patterns(&document, &parameter["schema"], &parameter["example"], &location);
            }
        }
    }
    assert!(checked > 30, "only {checked} texts have a pattern");
}

#[test]
fn example_of_every_amount_of_bitcoin_has_8_decimals() {
    let (bitcoin, mut checked) = (Regex::new(r"^[0-9]+\.[0-9]{8}$").unwrap(), 0);
    for (service, document) in all_documents() {
        for_each_object(&document, &mut |schema| {
            let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            for (name, property) in properties.filter(|(name, _)| name.contains("bitcoin")) {
                let mut property = property;
                if let Some(reference) = property["$ref"].as_str() {
                    property = document.pointer(reference.strip_prefix('#').unwrap()).unwrap();
                }
                let Some(example) = property["example"].as_str() else { continue };
                assert!(bitcoin.is_match(example), "{service}: {name}: {example}");
                checked += 1;
            }
        });
    }
    assert!(checked > 5, "only {checked} amounts have an example");
}

/// The targets of all references in a part of a document.
fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str);
            own.into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_reference_has_a_target_in_the_document() {
    for (service, document) in all_documents() {
        for reference in references(&document) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{service}: {reference}");
        }
    }
}

#[test]
fn document_lists_both_methods_of_the_orders_path() {
    let documents: BTreeMap<_, _> = all_documents().into_iter().collect();
    let methods: Vec<_> = documents["create-order"]["paths"]["/api/v1/orders"].as_object().unwrap().keys().collect();
    assert_eq!(methods, ["get", "post"]);
}
