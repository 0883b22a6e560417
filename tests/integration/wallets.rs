//! The service `wallets`: wallets, deposits, withdrawals and transfers.

mod command_line;
mod documented_tour;
mod hot_wallet;
mod idempotency;
mod movements;
mod outages;
mod owners;

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tests::{Platform, Response, Stack, client::send, platform::OPERATOR_TOKEN};

const WALLETS_PATH: &str = "/api/v1/wallets";
const TRANSFERS_PATH: &str = "/api/v1/transfers";

async fn start(stack: Stack) -> Platform {
    let platform = Platform::start(stack).await;
    start_wallets(&platform).await;
    platform
}

async fn start_wallets(platform: &Platform) {
    platform.wallets.start().await;
    platform.wallets.wait_until_ready().await;
}

/// A POST to the service `wallets` without credentials.
fn post_request(platform: &Platform, path: &str, body: &Value) -> RequestBuilder {
    platform.client.json(platform.wallets.url(path), body.to_string())
}

async fn post(platform: &Platform, path: &str, body: Value) -> Response {
    send(post_request(platform, path, &body)).await
}

async fn get(platform: &Platform, path: &str) -> Response {
    platform.client.get(platform.wallets.url(path)).await
}

/// Creates a wallet without an owner. Returns its id.
async fn create_wallet(platform: &Platform, currency: &str) -> String {
    let wallet = post(platform, WALLETS_PATH, json!({ "currency": currency })).await.json(201);
    wallet["id"].as_str().unwrap().to_owned()
}

fn wallet_path(id: &str) -> String {
    format!("{WALLETS_PATH}/{id}")
}

fn operation_path(id: &str) -> String {
    format!("{WALLETS_PATH}/{id}/operation")
}

fn deposit(amount: &str) -> Value {
    json!({ "operation_type": "DEPOSIT", "amount": amount })
}

fn withdrawal(amount: &str) -> Value {
    json!({ "operation_type": "WITHDRAW", "amount": amount })
}

fn transfer(from: &str, to: &str, amount: &str) -> Value {
    json!({ "from": from, "to": to, "amount": amount })
}

async fn balance(platform: &Platform, id: &str) -> String {
    get(platform, &wallet_path(id)).await.json(200)["balance"].as_str().unwrap().to_owned()
}

/// Checks the whole journal as an operator. Returns the number of movements.
async fn check_journal(platform: &Platform) -> u64 {
    let (mut movements, mut cursor) = (0, String::new());
    loop {
        let url = platform.wallets.url(&format!("/api/v1/journal/verification?limit=50{cursor}"));
        let page = send(platform.client.request("GET", url).bearer_auth(OPERATOR_TOKEN)).await.json(200);
        assert_eq!(page["violations"], json!([]), "{page}");
        movements += page["checked"]["movements"].as_u64().unwrap();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return movements,
        }
    }
}
