//! The endpoints of wallets, called by the service `wallets` and by other services.

use common::{config::Caller, ids::IdempotencyKey};
use serde_json::{Value, json};
use tests::{
    Platform, Stack,
    client::{Response, send},
    on_both_stacks,
};

on_both_stacks!(wallets_service_moves_money, other_services_move_no_money, invalid_requests_name_the_field);

const UNKNOWN: &str = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";

/// Sends requests to db-proxy as the service `wallets`.
struct Wallets<'p> {
    platform: &'p Platform,
    token: String,
}

impl<'p> Wallets<'p> {
    fn of(platform: &'p Platform) -> Self {
        Self { platform, token: platform.token_of(Caller::WALLETS, "db-proxy") }
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.platform.client.request("GET", self.platform.db_proxy.url(path));
        send(request.bearer_auth(&self.token)).await
    }

    async fn post(&self, path: &str, body: Value) -> Response {
        let request = self.platform.client.json(self.platform.db_proxy.url(path), body.to_string());
        send(request.bearer_auth(&self.token)).await
    }

    async fn create(&self, currency: &str) -> String {
        let body = json!({ "key": IdempotencyKey::generate(), "currency": currency });
        let created = self.post("/wallets", body).await.json(201);
        created["wallet"]["id"].as_str().unwrap().to_owned()
    }

    /// Sends one command. Returns its outcome.
    async fn move_money(&self, key: &str, command: Value) -> Value {
        let outcomes = self.post("/movements", json!({ "movements": [with_key(key, command)] })).await.json(200);
        outcomes["outcomes"][0].clone()
    }
}

fn with_key(key: &str, mut command: Value) -> Value {
    command["client"] = "anonymous".into();
    command["owner"] = "anonymous".into();
    command["key"] = key.into();
    command
}

fn operation(wallet: &str, operation_type: &str, amount: impl Into<Value>) -> Value {
    json!({ "operation": { "wallet_id": wallet, "operation_type": operation_type, "amount": amount.into() } })
}

async fn wallets_service_moves_money(stack: Stack) {
    let platform = Platform::start(stack).await;
    let wallets = Wallets::of(&platform);
    let created = wallets.post("/wallets", json!({ "key": "a", "currency": "rub" })).await.json(201);
    assert_eq!(created["replayed"], false);
    let wallet = created["wallet"].clone();
    let expected = json!({
        "id": wallet["id"], "currency": "RUB", "balance": "0.00", "user_id": null, "created_at": wallet["created_at"],
    });
    assert_eq!(wallet, expected);
    let (id, other) = (wallet["id"].as_str().unwrap(), wallets.create("RUB").await);

    let deposited = wallets.move_money("a", operation(id, "DEPOSIT", "1000")).await;
    let shown = &deposited["operation"];
    let expected = json!({
        "id": shown["id"], "wallet_id": id, "operation_type": "DEPOSIT", "amount": "1000.00", "balance": "1000.00",
        "created_at": shown["created_at"],
    });
    assert_eq!((shown, &deposited["replayed"]), (&expected, &Value::Bool(false)));
    let transfer = json!({ "transfer": { "from": id, "to": other, "amount": "0.5" } });
    let transferred = wallets.move_money("b", transfer).await;
    assert_eq!(transferred["transfer"]["from_balance"], "999.50");
    let again = wallets.move_money("a", operation(id, "DEPOSIT", "1000.00")).await;
    assert_eq!((&again["operation"], &again["replayed"]), (shown, &Value::Bool(true)));
    let refused = wallets.move_money("c", operation(id, "WITHDRAW", "999.5001")).await;
    let expected = json!({
        "reason": "insufficient_funds", "wallet_id": id, "balance": "999.50", "currency": "RUB",
    });
    assert_eq!(refused["refused"], expected);

    let found = wallets.get(&format!("/wallets/{id}?owner=anonymous")).await.json(200);
    assert_eq!(found["balance"], "999.50");
    for path in [
        format!("/wallets/{UNKNOWN}?owner=everybody"),
        format!("/wallets/{id}?owner=user:{UNKNOWN}"),
        format!("/wallets/{id}/operations?owner=user:{UNKNOWN}"),
    ] {
        assert_eq!(wallets.get(&path).await.problem(404, "not_found")["errors"][0]["field"], "id", "{path}");
    }
    let looked_up = wallets.post("/wallets/lookup", json!({ "ids": [id, UNKNOWN] })).await.json(200);
    assert_eq!(looked_up["wallets"], json!([found]));
    let listed = wallets.get("/wallets?owner=anonymous&limit=1").await.json(200);
    assert_eq!(listed["data"][0]["id"], other);
    let cursor = listed["next_cursor"].as_str().unwrap();
    let listed = wallets.get(&format!("/wallets?owner=anonymous&limit=1&cursor={cursor}")).await.json(200);
    assert_eq!((&listed["data"], &listed["next_cursor"]), (&json!([found]), &Value::Null));

    let page = wallets.get(&format!("/wallets/{id}/operations?owner=anonymous&limit=1")).await.json(200);
    assert_eq!(page["data"][0]["operation_type"], "TRANSFER_OUT");
    let path = format!("/wallets/{id}/operations?owner=anonymous&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(wallets.get(&path).await.json(200), json!({ "data": [shown] }));

    let (mut path, mut entries) = ("/journal/verification?limit=1".to_owned(), 0);
    loop {
        let page = wallets.get(&path).await.json(200);
        assert_eq!(page["violations"], json!([]));
        entries += page["checked"]["entries"].as_u64().unwrap();
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/journal/verification?limit=1&cursor={cursor}");
    }
    assert_eq!(entries, 3);
}

async fn other_services_move_no_money(stack: Stack) {
    let platform = Platform::start(stack).await;
    let id = Wallets::of(&platform).create("USD").await;
    for caller in [Caller::CREATE_ORDER, Caller::USERS, Caller::FETCH_ORDERS] {
        let other = Wallets { token: platform.token_of(caller, "db-proxy"), ..Wallets::of(&platform) };
        other.get(&format!("/wallets/{id}?owner=everybody")).await.problem(403, "forbidden");
        let body = json!({ "movements": [with_key("a", operation(&id, "DEPOSIT", "1"))] });
        other.post("/movements", body).await.problem(403, "forbidden");
    }
}

async fn invalid_requests_name_the_field(stack: Stack) {
    let platform = Platform::start(stack).await;
    let wallets = Wallets::of(&platform);
    let id = wallets.create("USD").await;
    let digits = "123456789012345678901234567890";
    for amount in ["1e3", "1e400", "NaN", "\u{967}\u{968}", "-0", "-1", "0", digits, "1000000000", "0.000000001", ""] {
        let body = json!({ "movements": [with_key("a", operation(&id, "DEPOSIT", amount))] });
        wallets.post("/movements", body).await.invalid_fields(&["movements[0].operation.amount"]);
    }
    let decimals = wallets.move_money("a", operation(&id, "DEPOSIT", "0.00001")).await;
    assert_eq!(decimals["refused"]["reason"], "too_many_decimals");
    let number = json!({ "movements": [with_key("a", operation(&id, "DEPOSIT", 1))] });
    wallets.post("/movements", number).await.invalid_fields(&["movements[0].operation.amount"]);
    let mut of_user = with_key("a", operation(&id, "DEPOSIT", "1"));
    of_user["owner"] = format!("user:{UNKNOWN}").into();
    wallets.post("/movements", json!({ "movements": [of_user] })).await.invalid_fields(&["client"]);
    wallets.post("/movements", json!({ "movements": [with_key("a", json!({}))] })).await.invalid_fields(&["transfer"]);
    wallets.post("/movements", json!({ "movements": [] })).await.invalid_fields(&["movements"]);
    wallets.post("/wallets", json!({ "key": "a", "currency": "EURO" })).await.invalid_fields(&["currency"]);
    wallets.post("/wallets", json!({ "key": "two words", "currency": "EUR" })).await.invalid_fields(&["key"]);
    for (path, field) in [
        ("/wallets".to_owned(), "owner"),
        ("/wallets?owner=nobody".to_owned(), "owner"),
        ("/wallets?owner=anonymous&limit=1001".to_owned(), "limit"),
        ("/wallets/1?owner=anonymous".to_owned(), "id"),
        (format!("/wallets/{id}/operations?owner=anonymous&cursor=1"), "cursor"),
        ("/journal/verification?cursor=w1".to_owned(), "cursor"),
        ("/journal/verification?limit=0".to_owned(), "limit"),
    ] {
        wallets.get(&path).await.invalid_fields(&[field]);
    }
    assert_eq!(wallets.get(&format!("/wallets/{id}?owner=anonymous")).await.json(200)["balance"], "0.00");
}
