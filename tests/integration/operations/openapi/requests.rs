//! Sends the documented examples of requests, as the documentation page does.

use reqwest::RequestBuilder;
use serde_json::Value;
use tests::{
    Platform, Stack,
    client::send,
    platform::{Instance, order},
};
use url::form_urlencoded;

use super::{Operation, operations};

/// Operations whose example names an object that does not exist, or contains a price record or a market snapshot that has expired.
const EXPECTED_PROBLEMS: &[&str] = &[
    "get_order",
    "get_quote",
    "release_quote",
    "get_user",
    "update_user",
    "deactivate_user",
    "activate_user",
    "store_key",
    "list_keys",
    "update_key",
    "revoke_key",
    "find_user",
    "create_key",
    "get_key",
    "remove_silence",
    "get_wallet",
    "list_operations",
    "find_wallet",
    "create_operation",
    "export_operations",
    "create_transfer",
    "add_record",
    "write_market_snapshot",
];

/// The value of a parameter that the documentation page fills in.
fn example_of(parameter: &Value) -> Option<String> {
    let value = parameter.get("example").or_else(|| parameter["schema"].get("default"))?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// The request of an operation with the examples of its document, without a body.
fn request(platform: &Platform, service: &Instance, operation: &Operation<'_>) -> RequestBuilder {
    let mut path = operation.path.to_owned();
    let mut query = form_urlencoded::Serializer::new(String::new());
    let mut headers = Vec::new();
    for parameter in operation.parameters() {
        let (Some(value), name) = (example_of(parameter), parameter["name"].as_str().unwrap()) else { continue };
        match parameter["in"].as_str().unwrap() {
            "path" => path = path.replace(&format!("{{{name}}}"), &value),
            "query" => {
                query.append_pair(name, &value);
            }
            _ => headers.push((name, value)),
        }
    }
    let query = query.finish();
    let separator = if query.is_empty() { "" } else { "?" };
    let method = operation.method.to_uppercase();
    let mut request = platform.client.request(&method, service.url(&format!("{path}{separator}{query}")));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    // A token is sent to operations that accept the token of operators or of a service. All other operations permit
    // anonymous requests.
    let alternatives = operation.value["security"].as_array().into_iter().flatten();
    let mut schemes = alternatives.filter_map(|alternative| alternative.as_object()?.keys().next());
    let accepts_token = schemes.any(|scheme| scheme != "ApiKey");
    if accepts_token { platform.as_operator(service, request) } else { request }
}

/// The requests of an operation: one for each documented body, or one without a body.
fn requests(platform: &Platform, service: &Instance, operation: &Operation<'_>) -> Vec<RequestBuilder> {
    let Some(bodies) = operation.value["requestBody"]["content"].as_object() else {
        return vec![request(platform, service, operation)];
    };
    let with_body = bodies.iter().map(|(content_type, media)| {
        let example = &media["example"];
        let body = if content_type == "application/x-www-form-urlencoded" {
            let fields = example.as_object().unwrap().iter();
            let fields = fields.map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
            form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
        } else {
            example.to_string()
        };
        request(platform, service, operation).header("content-type", content_type).body(body)
    });
    with_body.collect()
}

/// Sends a request, and checks that its response is a success or a documented problem. If `is_strict`, only the operations in
/// [`EXPECTED_PROBLEMS`] may respond with a problem. An error of a simulated exchange has the format of that exchange and is not
/// checked.
async fn assert_works(request: RequestBuilder, operation: &Operation<'_>, is_strict: bool) {
    let name = operation.value["operationId"].as_str().unwrap();
    let responses = &operation.value["responses"];
    if responses["200"]["content"].get("text/event-stream").is_some() {
        // The response does not end.
        assert_eq!(request.send().await.unwrap().status().as_u16(), 200, "{name}");
        return;
    }
    let response = send(request).await;
    let status = response.status.to_string();
    if response.status < 400 {
        assert!(responses.get(&status).is_some(), "{name}: {status} is not documented");
        return;
    }
    let text = response.text();
    assert!(!is_strict || EXPECTED_PROBLEMS.contains(&name), "{name}: {status} {text}");
    if responses.get("4XX").is_none() {
        let problem: Value = serde_json::from_slice(&response.body).unwrap();
        let examples = &responses[&status]["content"]["application/problem+json"]["examples"];
        assert!(examples.get(problem["code"].as_str().unwrap()).is_some(), "{name}: {status} {text}");
    }
}

#[tokio::test]
async fn documented_examples_are_valid_requests() {
    let platform = Platform::start(Stack::Embedded).await;
    platform.start_other_services().await;
    platform.place(order("EUR", "1")).await.json(201);
    // exchange-sim is last, because one of its examples makes an exchange fail.
    for service in [
        &platform.create_order,
        &platform.fetch_orders,
        &platform.rates,
        &platform.users,
        &platform.wallets,
        &platform.health_check,
        &platform.price_updater,
        &platform.db_proxy,
        &platform.price_cache,
        &platform.exchange_sim,
    ] {
        let document = platform.client.get(service.url("/openapi.json")).await.json(200);
        for operation in operations(&document) {
            for request in requests(&platform, service, &operation) {
                assert_works(request, &operation, service.name != platform.exchange_sim.name).await;
            }
        }
    }
}
