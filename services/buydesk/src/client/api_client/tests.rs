use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    thread,
};

use common::config::parse_http_url;
use serde_json::json;

use super::*;
use crate::client::error::error_document;

/// Starts a fake create-order and returns its address. It sends these responses one after the other. For an empty text, it
/// closes the connection without a response. Its response to `/readyz` reports that db-proxy is not ready.
fn serve(responses: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut responses = responses.into_iter();
        for mut connection in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(&mut connection);
            let mut head = String::new();
            while reader.read_line(&mut head).unwrap_or(0) > 2 {}
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            let _ = reader.read_exact(&mut body);
            let response = if head.starts_with("GET /readyz") {
                let database = json!({ "name": "db-proxy", "ready": false, "detail": "database" });
                json!({ "ready": false, "parts": [database] }).to_string()
            } else {
                responses.next().unwrap_or_default()
            };
            if !response.is_empty() {
                let head = "HTTP/1.1 503 Service Unavailable\r\nconnection: close";
                let _ = write!(connection, "{head}\r\ncontent-length: {}\r\n\r\n{response}", response.len());
            }
        }
    });
    address
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

/// Places an order that fails. Returns the JSON document of the error.
async fn place(address: &str, chosen: Option<&str>) -> serde_json::Value {
    let key = OrderKey::new(chosen.map(|key| key.parse().unwrap()));
    let error = client(address).place_order(&OrderPayload::default(), &key).await.err().unwrap();
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

#[tokio::test]
async fn order_whose_requests_had_no_effect_is_reported_as_not_placed() {
    let error = place(&serve(vec![no_effect(); 3]), None).await;
    assert_eq!(error["code"], "upstream_unavailable");
    assert_eq!(error["detail"], "No order was placed, because create-order cannot work: db-proxy: database.");
    // An earlier command may have placed an order with a key that the user chose.
    let error = place(&serve(vec![no_effect(); 3]), Some("my-key")).await;
    assert_eq!((&error["code"], &error["idempotency_key"]), (&json!("outcome_unknown"), &json!("my-key")));
}

#[tokio::test]
async fn order_of_a_request_without_a_response_has_an_unknown_outcome() {
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

#[test]
fn health_command_names_the_address_of_health_check_unless_all_addresses_are_defaults() {
    let command = client("http://127.0.0.1:9001").health_command();
    assert!(
        command.ends_with(" --server http://127.0.0.1:9001 health --health-check http://127.0.0.1:8050"),
        "{command}"
    );
    let default = client("http://127.0.0.1:8001").health_command();
    assert!(default.ends_with(" --server http://127.0.0.1:8001 health"), "{default}");
}
