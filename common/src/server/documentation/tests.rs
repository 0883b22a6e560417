use std::collections::BTreeSet;

use super::*;
use crate::api::Problem;

/// A document with one operation. `errors` are the codes of the errors of its handler.
fn described(operation: &Value, counted: CountedRequests, errors: &[Code]) -> Value {
    let mut document = json!({ "paths": { "/orders": { "post": operation } }, "components": {} });
    let operations =
        vec![OperationDescription::new("place", Group::Orders).errors(errors).body(json!({ "amount": "1" }))];
    describe(&mut document, "test", &ApiDescription { about: "", counted, operations });
    document
}

fn codes(document: &Value) -> BTreeSet<&str> {
    let responses = document["paths"]["/orders"]["post"]["responses"].as_object().unwrap();
    let examples = responses
        .values()
        .filter_map(|response| response["content"]["application/problem+json"]["examples"].as_object());
    examples.flat_map(|examples| examples.keys().map(String::as_str)).collect()
}

#[test]
fn documented_errors_depend_on_body_credentials_and_rate_limit() {
    let without_body = json!({ "operationId": "place", "responses": { "201": {} } });
    let mut with_body = without_body.clone();
    with_body["requestBody"] = json!({ "content": { "application/json": {} } });
    let mut with_token = without_body.clone();
    with_token["security"] = json!([{ "InternalToken": [] }]);
    let always = ["cross_site_request", "internal", "misdirected_request", "overloaded", "validation_failed"];
    for (operation, counted, added) in [
        (without_body.clone(), CountedRequests::None, &[][..]),
        (without_body, CountedRequests::Changes, &["too_many_requests"]),
        (with_token, CountedRequests::None, &["unauthorized", "forbidden"]),
        (
            with_body,
            CountedRequests::None,
            &["bad_request", "payload_too_large", "request_timeout", "unsupported_media_type"],
        ),
    ] {
        let document = described(&operation, counted, &[]);
        assert_eq!(codes(&document), always.iter().chain(added).copied().collect());
    }
}

#[test]
fn summary_has_no_backquotes() {
    let operation = json!({ "operationId": "place", "summary": "Same as `POST /orders`.", "responses": {} });
    let document = described(&operation, CountedRequests::None, &[]);
    assert_eq!(document["paths"]["/orders"]["post"]["summary"], "Same as POST /orders.");
    let without = json!({ "operationId": "place", "responses": {} });
    let document = described(&without, CountedRequests::None, &[]);
    assert_eq!(document["paths"]["/orders"]["post"].get("summary"), None);
}

#[test]
fn errors_of_one_status_are_listed_together_with_examples() {
    let operation =
        json!({ "operationId": "place", "responses": { "503": { "description": "Not ready", "content": {} } } });
    let document = described(&operation, CountedRequests::None, &[Code::OutcomeUnknown, Code::LimitExceeded]);
    let responses = &document["paths"]["/orders"]["post"]["responses"];
    assert_eq!(responses["503"]["description"], "Not ready");
    assert_eq!(responses["503"]["headers"]["Retry-After"]["required"], true);
    let problem = &responses["503"]["content"]["application/problem+json"];
    let examples: Vec<_> = problem["examples"].as_object().unwrap().keys().collect();
    assert_eq!(examples, ["outcome_unknown", "overloaded"]);
    assert_eq!(responses["409"]["description"], "Conflict");
    assert_eq!(document["components"]["examples"]["limit_exceeded"]["value"]["status"], 409);
    let documented = DocumentedCodes::of(&document);
    assert!(documented.contain("place", Code::OutcomeUnknown) && !documented.contain("place", Code::QuoteTaken));
    assert!(
        documented.contain("another", Code::QuoteTaken),
        "`contain` must be true for an operation without documented codes"
    );
}

/// Only operations that imitate an exchange document the response `4XX`.
#[test]
fn operation_that_imitates_an_exchange_has_no_documented_problems() {
    let operation = json!({ "operationId": "place", "responses": { "200": {}, "4XX": {} } });
    let document = described(&operation, CountedRequests::All, &[]);
    assert_eq!(document["paths"]["/orders"]["post"]["responses"], operation["responses"]);
}

/// A document with one operation of create-order, described with its access rule.
fn described_with_rule(id: &'static str) -> Value {
    let operation = json!({ "operationId": id, "description": "Reads.", "responses": { "200": {} } });
    let mut document = json!({ "paths": { "/orders": { "post": operation } }, "components": {} });
    let operations = vec![OperationDescription::new(id, Group::Orders)];
    let description = ApiDescription { about: "", counted: CountedRequests::None, operations };
    describe(&mut document, "create-order", &description);
    document
}

#[test]
fn operation_names_its_credentials_and_their_errors() {
    let document = described_with_rule("get_order");
    let operation = &document["paths"]["/orders"]["post"];
    assert_eq!(operation["security"], json!([{}, { "ApiKey": [] }, { "OperatorToken": [] }]));
    let text = operation["description"].as_str().unwrap();
    assert!(
        text.starts_with("Reads.\n\n") && text.contains("the scope `read`") && text.contains("ANONYMOUS"),
        "{text}"
    );
    for code in ["unauthorized", "forbidden", "too_many_requests", "upstream_unavailable"] {
        assert!(codes(&document).contains(code), "{code}");
    }
    for scheme in ["ApiKey", "OperatorToken"] {
        assert_eq!(document["components"]["securitySchemes"][scheme]["scheme"], "bearer");
    }
}

#[test]
fn public_operation_names_no_credentials() {
    let document = described_with_rule("get_price");
    let operation = &document["paths"]["/orders"]["post"];
    assert!(operation.get("security").is_none());
    assert_eq!(operation["description"], "Reads.");
    assert!(!codes(&document).contains("unauthorized"));
    assert!(document["components"].get("securitySchemes").is_none());
}

#[test]
fn example_of_a_type_is_replaced_or_removed_in_parameters() {
    let parameter = |name: &str| json!({ "name": name, "schema": { "type": "string", "example": "of the type" } });
    let mut operation = json!({ "parameters": [parameter("currency"), parameter("cursor")] });
    OperationDescription::new("list", Group::Orders).parameter("currency", "EUR").add_examples(&mut operation);
    assert_eq!(operation["parameters"][0]["example"], "EUR");
    assert_eq!(operation["parameters"][1].get("example"), None);
    assert_eq!(operation["parameters"][1]["schema"], json!({ "type": "string" }));
}

#[test]
fn every_code_has_its_own_example() {
    for &code in Code::ALL {
        let example = Problem::example(code);
        assert_eq!((&example["code"], &example["status"]), (&code.as_str().into(), &code.status().as_u16().into()));
        assert!(example["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{code}");
    }
}
