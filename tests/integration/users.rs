//! The service `users`: the directory of users, and the API keys that it issues.

mod command_line;
mod directory;
mod enumeration;
mod keys;
mod unknown_outcomes;

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tests::{Platform, Response, Stack, client::send, platform::OPERATOR_TOKEN};
use uuid::Uuid;

const USERS_PATH: &str = "/api/v1/users";

async fn start(stack: Stack) -> Platform {
    let platform = Platform::start(stack).await;
    for service in [&platform.users, &platform.wallets] {
        service.start().await;
        service.wait_until_ready().await;
    }
    platform
}

/// A request to the service `users` without credentials.
fn request(platform: &Platform, method: &str, path: &str, body: Option<Value>) -> RequestBuilder {
    let request = platform.client.request(method, platform.users.url(path));
    match body {
        Some(body) => request.header("content-type", "application/json").body(body.to_string()),
        None => request,
    }
}

async fn as_operator(platform: &Platform, method: &str, path: &str, body: Option<Value>) -> Response {
    send(request(platform, method, path, body).bearer_auth(OPERATOR_TOKEN)).await
}

async fn get(platform: &Platform, path: &str) -> Response {
    as_operator(platform, "GET", path, None).await
}

async fn create_user(platform: &Platform, email: &str) -> Value {
    let body = json!({ "email": email, "name": "A user" });
    as_operator(platform, "POST", USERS_PATH, Some(body)).await.json(201)
}

fn path_of(user: &Value) -> String {
    format!("{USERS_PATH}/{}", id_of(user))
}

fn id_of(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

fn unknown_id() -> String {
    Uuid::now_v7().to_string()
}
