use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use common::{
    api::{
        Code,
        orders::{Order, OrderPayload},
    },
    config::parse_http_url,
};
use serde_json::json;

use super::*;
use crate::client::{
    attempts::{ChangeKey, OutcomeTexts},
    error::error_document,
    scripted_service::{Reply, ScriptedService},
};

/// Starts a service that responds with these problems one after the other, and returns the address of the service. For
/// an empty text, the service closes the connection without a response.
fn serve(problems: Vec<String>) -> String {
    let reply = |problem: String| if problem.is_empty() { Reply::NoResponse } else { Reply::Problem(problem) };
    ScriptedService::start(problems.into_iter().map(reply).collect()).address
}

fn client(address: &str) -> ApiClient {
    let server = parse_http_url(address);
    let addresses = Addresses { server, health_check: None };
    ApiClient::new(Env::from_pairs([("BIND_HOST", "127.0.0.1")]), addresses, CredentialOptions::default()).unwrap()
}

fn problem(code: Code, detail: &'static str) -> String {
    Problem::new(code, detail).to_json()
}

fn problem_with(subcode: Subcode, code: Code, detail: &'static str) -> String {
    Problem { subcode: Some(subcode), ..Problem::new(code, detail) }.to_json()
}

const TEXTS: OutcomeTexts = OutcomeTexts {
    not_made: "No order was placed",
    unknown: "The order may have been placed.",
    unknown_earlier: "An earlier command may have placed it.",
    only_once: "It is placed once.",
};

/// Places an order that fails. Returns the JSON document of the error.
async fn place(address: &str, chosen: Option<&str>) -> serde_json::Value {
    let (client, body) = (client(address), OrderPayload::default());
    let change = Change { endpoint: &client.endpoints.server, path: "api/v1/orders", body: &body, texts: &TEXTS };
    let key = ChangeKey::new(chosen.map(|key| key.parse().unwrap()));
    let error = client.make_change(change, &key).await.err().unwrap();
    serde_json::from_str(&error_document(&error)).unwrap()
}

fn no_effect() -> String {
    problem_with(Subcode::NoEffect, Code::OutcomeUnknown, "This request had no effect, because a part cannot be used.")
}

#[tokio::test]
async fn order_without_a_connection_is_reported_as_not_placed() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = place(&format!("http://{free}"), None).await;
    assert_eq!(error["code"], "no_response");
    assert!(error["detail"].as_str().unwrap().ends_with("the connection was refused. No order was placed."), "{error}");
    assert!(error["next_step"].as_str().unwrap().starts_with("Is it running?"), "{error}");
}

/// Starts a server that sends this response to each connection, whatever it receives. Returns its address without the scheme.
fn serve_always(response: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, response) = (listener.local_addr().unwrap().to_string(), response.to_owned());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(response.as_bytes());
        }
    });
    address
}

#[tokio::test]
async fn failed_connection_is_described_in_words_for_users() {
    let error = place(&serve(vec![String::new(); 3]), None).await;
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains(": the connection was closed before the response was complete."), "{error}");
    let without_tls = format!("https://{}", serve_always("HTTP/1.1 400 Bad Request\r\n\r\n"));
    let error = place(&without_tls, None).await;
    let detail = error["detail"].as_str().unwrap();
    assert!(
        detail.contains(": it does not use TLS, so its address begins with http:// and not with https://."),
        "{error}"
    );
}

#[tokio::test]
async fn order_that_another_server_answers_is_reported_as_not_placed() {
    let of_other_service = serve(vec![problem_with(Subcode::UnknownPath, Code::NotFound, "This path does not exist.")]);
    let mut addresses = vec![of_other_service];
    for response in [
        "301 Moved Permanently\r\nlocation: https://shop.example/\r\ncontent-length: 0\r\n\r\n",
        "404 Not Found\r\ncontent-length: 9\r\n\r\nNot found",
        "405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n",
    ] {
        addresses.push(format!("http://{}", serve_always(&format!("HTTP/1.1 {response}"))));
    }
    for address in addresses {
        let error = place(&address, None).await;
        assert_eq!(error["code"], "not_the_service", "{error}");
        let detail = error["detail"].as_str().unwrap();
        assert!(detail.contains("is not create-order") && detail.ends_with(". No order was placed."), "{error}");
        // An earlier command may have placed an order with a key that the user chose.
        let error = place(&address, Some("my-key")).await;
        assert!(!error["detail"].as_str().unwrap().contains("No order was placed"), "{error}");
    }
    // A proxy may have lost, shortened or replaced the response of create-order.
    for response in [
        "502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
        "504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n",
        "408 Request Timeout\r\ncontent-length: 0\r\n\r\n",
        "201 Created\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{\"id\":\"019ab1",
        "200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>",
    ] {
        let address = serve_always(&format!("HTTP/1.1 {response}"));
        let error = place(&format!("http://{address}"), None).await;
        assert_eq!(error["code"], "outcome_unknown", "{error}");
    }
}

#[tokio::test]
async fn order_whose_confirmation_cannot_be_read_has_an_unknown_outcome() {
    let service = ScriptedService::start(vec![Reply::Success(json!({ "number": 7 }))]);
    let (client, body) = (service.client(&[]), OrderPayload::default());
    let change = Change { endpoint: &client.endpoints.server, path: "api/v1/orders", body: &body, texts: &TEXTS };
    let response = client.make_change(change, &ChangeKey::new(Some("my-key".parse().unwrap()))).await.unwrap();
    let error = response.print::<Order>(true, |_| String::new()).unwrap_err();
    let document: serde_json::Value = serde_json::from_str(&error_document(&error)).unwrap();
    assert_eq!((&document["code"], &document["idempotency_key"]), (&json!("outcome_unknown"), &json!("my-key")));
    assert!(document["detail"].as_str().unwrap().ends_with(TEXTS.unknown), "{document}");
}

#[tokio::test]
async fn refused_order_is_reported_as_not_placed() {
    let error = place(&serve(vec![problem(Code::LimitExceeded, "At most 0.1 BTC are left.")]), None).await;
    assert_eq!(error["detail"], "At most 0.1 BTC are left. No order was placed.");
    // If the detail already states that no order was placed, this is not repeated.
    let error = place(&serve(vec![problem(Code::LimitExceeded, "Too much. No order was placed.")]), None).await;
    assert_eq!(error["detail"], "Too much. No order was placed.");
}

#[tokio::test]
async fn order_whose_requests_had_no_effect_is_reported_as_not_placed() {
    let error = place(&serve(vec![no_effect(); 3]), None).await;
    assert_eq!(error["code"], "upstream_unavailable");
    assert_eq!(error["detail"], "No order was placed, because create-order cannot work without db-proxy.");
    // An earlier command may have placed an order with a key that the user chose.
    let error = place(&serve(vec![no_effect(); 3]), Some("my-key")).await;
    assert_eq!((&error["code"], &error["idempotency_key"]), (&json!("outcome_unknown"), &json!("my-key")));
    assert!(error["detail"].as_str().unwrap().ends_with(TEXTS.unknown_earlier), "{error}");
    let next_step = "To find out, run the command again with --key my-key. It is placed once.";
    assert_eq!(error["next_step"], next_step);
}

#[tokio::test]
async fn order_has_an_unknown_outcome_if_one_attempt_may_have_placed_it() {
    let error = place(&serve(vec![String::new(), no_effect(), no_effect()]), None).await;
    assert_eq!(error["code"], "outcome_unknown");
    let unknown = problem(Code::OutcomeUnknown, "It is not known whether the order was placed.");
    let error = place(&serve(vec![unknown, problem(Code::LimitExceeded, "Too much.")]), None).await;
    assert_eq!(error["code"], "outcome_unknown");
}

#[tokio::test]
async fn error_of_an_unknown_path_states_that_another_service_responded() {
    let address = serve(vec![problem_with(Subcode::UnknownPath, Code::NotFound, "This path does not exist.")]);
    let client = client(&address);
    let error = client.get(&client.endpoints.orders, "api/v1/orders").await.err().unwrap().to_string();
    assert!(error.starts_with(&format!("{address} is not create-order of Buydesk")), "{error}");
    let unknown_order = serve(vec![problem(Code::NotFound, "Order 7 does not exist.")]);
    let error =
        self::client(&unknown_order).get(&self::client(&unknown_order).endpoints.orders, "api/v1/orders/7").await;
    assert_eq!(error.err().unwrap().to_string(), "Order 7 does not exist. (not_found)");
}

#[tokio::test]
async fn fault_of_the_platform_names_the_command_that_shows_the_cause() {
    for code in [Code::PriceUnavailable, Code::DatabaseUnavailable, Code::CacheUnavailable, Code::UpstreamUnavailable] {
        let client = client(&serve(vec![problem(code, "It failed.")]));
        let error = client.get(&client.endpoints.orders, "api/v1/orders").await.err().unwrap().to_string();
        assert!(error.ends_with(&client.health_hint()), "{error}");
    }
    let client = client(&serve(vec![problem(Code::TooManyRequests, "Too many requests.")]));
    let error = client.get(&client.endpoints.orders, "api/v1/orders").await.err().unwrap().to_string();
    assert!(!error.contains("health"), "{error}");
}

#[test]
fn health_command_names_the_address_of_health_check_unless_both_addresses_are_defaults() {
    let command = client("http://127.0.0.1:9001").health_command();
    assert!(
        command.ends_with(" --server http://127.0.0.1:9001 health --health-check http://127.0.0.1:8050"),
        "{command}"
    );
    let default = client("http://127.0.0.1:8001").health_command();
    assert!(default.ends_with(" --server http://127.0.0.1:8001 health"), "{default}");
}
