//! Orders that wallets pay, as customers see them.

use common::{
    api::keys::{KeySecret, Scope},
    config::Caller,
    ids::{IdempotencyKey, UserId},
};
use serde_json::{Value, json};
use tests::{
    Platform, Response, Stack,
    client::send,
    on_both_stacks,
    platform::{OPERATOR_TOKEN, order},
};

on_both_stacks!(
    one_wallet_pays_an_order_and_another_wallet_receives_the_bitcoin,
    orders_from_quotes_and_at_place_order_are_paid_from_wallets,
    refused_payment_places_no_order_and_leaves_the_remaining_limit_unchanged,
    only_the_owner_pays_and_only_with_the_scope_wallets,
    invalid_wallet_ids_are_refused_with_their_fields,
);

const UNKNOWN: &str = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";

/// Wallets in db-proxy, as the service `wallets` uses them.
pub(crate) struct DbProxyWallets<'p> {
    platform: &'p Platform,
    token: String,
}

impl<'p> DbProxyWallets<'p> {
    pub(crate) fn of(platform: &'p Platform) -> Self {
        Self { platform, token: platform.token_of(Caller::WALLETS, "db-proxy") }
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.platform.client.request("GET", self.platform.db_proxy.url(path));
        send(request.bearer_auth(&self.token)).await.json(200)
    }

    async fn post(&self, path: &str, body: Value) -> Response {
        let request = self.platform.client.json(self.platform.db_proxy.url(path), body.to_string());
        send(request.bearer_auth(&self.token)).await
    }

    /// Creates a wallet without an owner.
    pub(crate) async fn create(&self, currency: &str) -> String {
        self.create_of(None, currency).await
    }

    async fn create_of(&self, user: Option<UserId>, currency: &str) -> String {
        let body = json!({ "key": IdempotencyKey::generate(), "currency": currency, "user_id": user });
        let created = self.post("/wallets", body).await.json(201);
        created["wallet"]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn deposit(&self, wallet: &str, amount: &str) {
        let operation = json!({ "wallet_id": wallet, "operation_type": "DEPOSIT", "amount": amount });
        let key = format!("{wallet}-{amount}");
        let movement = json!({ "client": "tests", "key": key, "owner": "everybody", "operation": operation });
        let outcomes = self.post("/movements", json!({ "movements": [movement] })).await.json(200);
        assert!(outcomes["outcomes"][0]["operation"].is_object(), "{outcomes}");
    }

    pub(crate) async fn balance(&self, wallet: &str) -> String {
        let wallet = self.get(&format!("/wallets/{wallet}?owner=everybody")).await;
        wallet["balance"].as_str().unwrap().to_owned()
    }

    /// Asserts that the verification of the journal finds no violation.
    pub(crate) async fn verify(&self) {
        let mut path = "/journal/verification?limit=1000".to_owned();
        loop {
            let page = self.get(&path).await;
            assert_eq!(page["violations"], json!([]));
            let Some(cursor) = page["next_cursor"].as_str() else { return };
            path = format!("/journal/verification?limit=1000&cursor={cursor}");
        }
    }
}

fn paid(amount: &str, wallet: &str, credited: Option<&str>) -> String {
    let mut order = json!({ "currency": "EUR", "amount": amount, "wallet_id": wallet });
    if let Some(credited) = credited {
        order["credit_wallet_id"] = credited.into();
    }
    order.to_string()
}

async fn one_wallet_pays_an_order_and_another_wallet_receives_the_bitcoin(stack: Stack) {
    let platform = Platform::start(stack).await;
    let wallets = DbProxyWallets::of(&platform);
    let (euro, btc) = (wallets.create("EUR").await, wallets.create("BTC").await);
    wallets.deposit(&euro, "100").await;
    let body = paid("69", &euro, Some(&btc));
    let placed = platform.place_with_key("a-key", body.clone()).await;
    let first = placed.json(201);
    assert_eq!((&first["wallet_id"], &first["credit_wallet_id"]), (&json!(euro), &json!(btc)));
    assert_eq!(wallets.balance(&euro).await, "31.00");
    assert_eq!(wallets.balance(&btc).await, first["bitcoin_amount"].as_str().unwrap());

    // The repetition returns the same bytes and pays nothing.
    let again = platform.place_with_key("a-key", body).await;
    assert_eq!((&again.body, again.header("idempotency-replayed")), (&placed.body, Some("true")));
    for other in [paid("69", &euro, None), paid("69", &btc, Some(&euro)), order("EUR", "69")] {
        platform.place_with_key("a-key", other).await.problem(422, "idempotency_key_reused");
    }
    assert_eq!(wallets.balance(&euro).await, "31.00");

    // Reads show the wallets of an order. An order without wallets has no field about wallets.
    let id = first["id"].as_str().unwrap();
    assert_eq!(platform.fetch(&format!("/api/v1/orders/{id}")).await.json(200), first);
    let plain = platform.place(order("EUR", "1")).await.text();
    assert!(!plain.contains("wallet"), "{plain}");
    let csv = platform.fetch("/api/v1/orders/export?format=csv").await.text();
    let lines: Vec<_> = csv.lines().collect();
    assert!(lines[0].ends_with(",wallet_id,credit_wallet_id"), "{csv}");
    assert!(lines[1].ends_with(",,") && lines[2].ends_with(&format!(",{euro},{btc}")), "{csv}");
    wallets.verify().await;
}

async fn orders_from_quotes_and_at_place_order_are_paid_from_wallets(stack: Stack) {
    let platform = Platform::start(stack).await;
    let wallets = DbProxyWallets::of(&platform);
    let (euro, btc) = (wallets.create("EUR").await, wallets.create("BTC").await);
    wallets.deposit(&euro, "9").await;
    let quote = platform.quote(order("EUR", "10")).await.json(201);
    let from_quote = json!({ "quote": quote["id"], "wallet_id": euro, "credit_wallet_id": btc }).to_string();
    platform.place(from_quote.clone()).await.problem(409, "insufficient_funds");
    // The quote remains open.
    wallets.deposit(&euro, "2").await;
    let order = platform.place(from_quote).await.json(201);
    assert_eq!((&order["quote"], &order["wallet_id"]), (&quote["id"], &json!(euro)));
    assert_eq!(wallets.balance(&euro).await, "1.00");
    let query = format!("/place_order?currency=eur&amount=1&wallet_id={euro}");
    let request = platform.client.request("POST", platform.create_order.url(&query));
    let placed = send(request).await.json(201);
    assert_eq!(placed["order"]["wallet_id"], json!(euro));
    assert_eq!(wallets.balance(&euro).await, "0.00");
    assert_eq!(wallets.balance(&btc).await, order["bitcoin_amount"].as_str().unwrap());
}

async fn refused_payment_places_no_order_and_leaves_the_remaining_limit_unchanged(stack: Stack) {
    let platform = Platform::start(stack).await;
    let wallets = DbProxyWallets::of(&platform);
    let (euro, dollars, btc) = (wallets.create("EUR").await, wallets.create("USD").await, wallets.create("BTC").await);
    wallets.deposit(&euro, "5.5").await;
    let before = platform.summary().await;
    let refused = platform.place_with_key("a-key", paid("5.5001", &euro, Some(&btc))).await;
    assert_eq!(refused.problem(409, "insufficient_funds")["balance"], "5.50");
    platform.place(paid("1", UNKNOWN, None)).await.invalid_fields(&["wallet_id"]);
    platform.place(paid("1", &euro, Some(UNKNOWN))).await.invalid_fields(&["credit_wallet_id"]);
    platform.place(paid("1", &dollars, None)).await.invalid_fields(&["wallet_id"]);
    platform.place(paid("1", &btc, None)).await.invalid_fields(&["wallet_id"]);
    platform.place(paid("1", &euro, Some(&dollars))).await.invalid_fields(&["credit_wallet_id"]);
    assert_eq!(platform.summary().await, before);
    assert_eq!([wallets.balance(&euro).await, wallets.balance(&btc).await], ["5.50", "0.00000000"]);
    // A refusal does not use up the key.
    platform.place_with_key("a-key", paid("5.5", &euro, Some(&btc))).await.json(201);
    assert_eq!(wallets.balance(&euro).await, "0.00");
}

async fn only_the_owner_pays_and_only_with_the_scope_wallets(stack: Stack) {
    let platform = Platform::start(stack).await;
    let wallets = DbProxyWallets::of(&platform);
    let (ada, bob) = (platform.create_user("ada@example.org").await, platform.create_user("bob@example.org").await);
    let euro = wallets.create_of(Some(ada.id), "EUR").await;
    wallets.deposit(&euro, "100").await;
    let anonymous_wallet = wallets.create("EUR").await;
    wallets.deposit(&anonymous_wallet, "100").await;
    let place =
        async |key: &str, wallet: &str| send(platform.order_request(paid("1", wallet, None)).bearer_auth(key)).await;
    let scopes = [Scope::Orders, Scope::Wallets];
    let of_ada: KeySecret = platform.issue_key(ada.id, &scopes).await.key;
    let of_bob: KeySecret = platform.issue_key(bob.id, &scopes).await.key;
    let orders_only: KeySecret = platform.issue_key(ada.id, &[Scope::Orders]).await.key;
    assert_eq!(place(of_ada.expose(), &euro).await.json(201)["wallet_id"], json!(euro));
    place(of_bob.expose(), &euro).await.invalid_fields(&["wallet_id"]);
    place(of_ada.expose(), &anonymous_wallet).await.invalid_fields(&["wallet_id"]);
    platform.place(paid("1", &euro, None)).await.invalid_fields(&["wallet_id"]);
    let missing = place(orders_only.expose(), &euro).await.problem(403, "forbidden");
    assert_eq!(missing["subcode"], "missing_scope");
    place(OPERATOR_TOKEN, &anonymous_wallet).await.problem(403, "forbidden");
    assert_eq!([wallets.balance(&euro).await, wallets.balance(&anonymous_wallet).await], ["99.00", "100.00"]);
}

async fn invalid_wallet_ids_are_refused_with_their_fields(stack: Stack) {
    let platform = Platform::start(stack).await;
    let order = |wallet: Value, credited: Value| {
        let mut order = json!({ "currency": "EUR", "amount": "1" });
        for (field, value) in [("wallet_id", wallet), ("credit_wallet_id", credited)] {
            if !value.is_null() {
                order[field] = value;
            }
        }
        order.to_string()
    };
    platform.place(order("7".into(), Value::Null)).await.invalid_fields(&["wallet_id"]);
    platform.place(order(UNKNOWN.into(), "x".into())).await.invalid_fields(&["credit_wallet_id"]);
    platform.place(order("x".into(), "y".into())).await.invalid_fields(&["wallet_id", "credit_wallet_id"]);
    platform.place(order(Value::Null, UNKNOWN.into())).await.invalid_fields(&["wallet_id"]);
    platform.place(order(UNKNOWN.into(), UNKNOWN.into())).await.invalid_fields(&["credit_wallet_id"]);
}
