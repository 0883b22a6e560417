//! Retries of orders whose idempotency key cannot be looked up, and commits whose outcome is unknown.

use common::api::keys::{KeySecret, Scope};
use sqlx::{Connection, PgConnection};
use tests::{
    Platform, Response, Stack,
    client::send,
    on_both_stacks,
    platform::{Instance, ORDERS_PATH, order},
    reconciliation::assert_reconciled,
    servers::{Database, PrivateServer},
    tcp_proxy::TcpProxy,
};

on_both_stacks!(
    retry_receives_outcome_unknown_while_db_proxy_is_unavailable,
    retry_of_order_in_removed_currency_returns_the_order,
);

/// Placed orders, one for each format of the request. The tests send the requests again.
struct Resent {
    orders: Vec<ResentOrder>,
}

/// A request, its idempotency key, and the order that the request placed.
struct ResentOrder {
    path: String,
    body: Option<String>,
    key: String,
    placed: serde_json::Value,
}

impl ResentOrder {
    async fn send_to(&self, platform: &Platform, create_order: &Instance) -> Response {
        let url = create_order.url(&self.path);
        let request = match &self.body {
            Some(body) => platform.client.json(url, body.clone()),
            None => platform.client.request("POST", url),
        };
        send(request.header("idempotency-key", &self.key)).await
    }

    /// Returns the order in a 201 response of any endpoint.
    #[track_caller]
    fn placed_order(response: &Response) -> serde_json::Value {
        let body = response.json(201);
        body.get("order").cloned().unwrap_or(body)
    }
}

impl Resent {
    /// Places one order with each format of the request.
    async fn place(platform: &Platform) -> Self {
        let quote = platform.quote(order("EUR", "5")).await.json(201)["id"].as_str().unwrap().to_owned();
        let request_formats = [
            (ORDERS_PATH.to_owned(), Some(order("EUR", "1"))),
            ("/place_order".to_owned(), Some(order("EUR", "2"))),
            ("/place_order?currency=eur&amount=3".to_owned(), None),
            (ORDERS_PATH.to_owned(), Some(format!(r#"{{"quote":"{quote}"}}"#))),
        ];
        let mut orders = Vec::new();
        for (n, (path, body)) in request_formats.into_iter().enumerate() {
            let mut resent = ResentOrder { path, body, key: format!("resent-{n}"), placed: serde_json::Value::Null };
            let response = resent.send_to(platform, &platform.create_order).await;
            resent.placed = ResentOrder::placed_order(&response);
            orders.push(resent);
        }
        Self { orders }
    }

    /// Sends all requests at the same time. Their idempotency keys cannot be looked up, so each outcome must be
    /// unknown.
    async fn assert_unknown(&self, platform: &Platform, create_orders: &[&Instance]) {
        let requests = create_orders.iter().flat_map(|create_order| {
            self.orders.iter().map(async |resent| {
                let problem = resent.send_to(platform, create_order).await.problem(503, "outcome_unknown");
                assert_eq!(problem["idempotency_key"], resent.key);
            })
        });
        futures_util::future::join_all(requests).await;
    }

    async fn assert_replayed(&self, platform: &Platform, create_orders: &[&Instance]) {
        for create_order in create_orders {
            for resent in &self.orders {
                let response = resent.send_to(platform, create_order).await;
                assert_eq!(ResentOrder::placed_order(&response), resent.placed);
                assert_eq!(response.header("idempotency-replayed"), Some("true"));
            }
        }
    }

    fn placed(&self) -> Vec<serde_json::Value> {
        self.orders.iter().map(|resent| resent.placed.clone()).collect()
    }
}

/// A create-order that no longer accepts the currency of the orders.
async fn without_euros(platform: &Platform) -> Instance {
    let create_order = platform.create_order.another(&[("CURRENCIES", "GBP,USD")]);
    create_order.start().await;
    create_order.wait_until_ready().await;
    create_order
}

async fn retry_receives_outcome_unknown_while_db_proxy_is_unavailable(stack: Stack) {
    let platform = Platform::start(stack).await;
    let without_euros = without_euros(&platform).await;
    let instances = [&platform.create_order, &without_euros];
    let resent = Resent::place(&platform).await;
    platform.db_proxy.stop().await;
    resent.assert_unknown(&platform, &instances).await;
    // Without an idempotency key, the request is no retry, so its order was certainly not placed.
    platform.place(order("EUR", "69")).await.problem(503, "upstream_unavailable");
    platform.db_proxy.start().await;
    platform.db_proxy.wait_until_ready().await;
    resent.assert_replayed(&platform, &instances).await;
    assert_reconciled(&platform, &resent.placed()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_receives_outcome_unknown_while_postgres_is_unavailable() {
    let mut postgres = PrivateServer::postgres().await;
    let platform = Platform::builder(Stack::Servers).database(postgres.url()).start().await;
    let without_euros = without_euros(&platform).await;
    let instances = [&platform.create_order, &without_euros];
    let resent = Resent::place(&platform).await;
    postgres.stop().await;
    resent.assert_unknown(&platform, &instances).await;
    platform.place(order("EUR", "69")).await.problem(503, "database_unavailable");
    postgres.start().await;
    platform.db_proxy.wait_until_ready().await;
    resent.assert_replayed(&platform, &instances).await;
    assert_reconciled(&platform, &resent.placed()).await;
}

#[tokio::test]
async fn retry_receives_outcome_unknown_while_its_api_key_cannot_be_checked() {
    let platform = Platform::start(Stack::Embedded).await;
    let user = platform.create_user("ada@example.org").await;
    // No service has checked the second API key before db-proxy stops.
    let [first, second] =
        [platform.issue_key(user.id, &Scope::ALL).await.key, platform.issue_key(user.id, &Scope::ALL).await.key];
    let place = async |api_key: &KeySecret, idempotency_key: Option<&str>| {
        let request = platform.order_request(order("EUR", "69")).bearer_auth(api_key.expose());
        send(match idempotency_key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        })
        .await
    };
    let placed = place(&first, Some("a-key")).await.json(201);
    platform.db_proxy.stop().await;
    let problem = place(&second, Some("a-key")).await.problem(503, "outcome_unknown");
    assert_eq!((&problem["idempotency_key"], &problem["subcode"]), (&"a-key".into(), &"no_effect".into()));
    place(&second, None).await.problem(503, "upstream_unavailable");
    platform.db_proxy.start().await;
    platform.db_proxy.wait_until_ready().await;
    let again = place(&second, Some("a-key")).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json(201), placed);
}

async fn retry_of_order_in_removed_currency_returns_the_order(stack: Stack) {
    let platform = Platform::start(stack).await;
    let without_euros = without_euros(&platform).await;
    let resent = Resent::place(&platform).await;
    resent.assert_replayed(&platform, &[&without_euros]).await;
    // New orders are refused, with a new idempotency key and without a key.
    let url = without_euros.url(ORDERS_PATH);
    platform.client.post(&url, order("EUR", "1")).await.invalid_fields(&["currency"]);
    let request = platform.client.json(&url, order("EUR", "1")).header("idempotency-key", "a-new-key");
    send(request).await.invalid_fields(&["currency"]);
    assert_reconciled(&platform, &resent.placed()).await;
}

/// The commit is executed, but its response is lost. PostgreSQL stays unavailable for longer than db-proxy waits for
/// the outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_whose_commit_response_is_lost_has_an_unknown_outcome() {
    let database = Database::postgres().await;
    let proxy = TcpProxy::start(database.server_address()).await;
    let platform = Platform::builder(Stack::Servers).database(database.url_at(proxy.address()));
    let platform = platform.start().await;

    proxy.cut_at_and_block(b"COMMIT");
    // The client sends no idempotency key, so create-order forwards the error of db-proxy.
    let response = platform.place(order("EUR", "69")).await;
    let problem = response.problem(503, "outcome_unknown");
    let key = problem["idempotency_key"].as_str().unwrap();
    let mut direct = PgConnection::connect(&database.url()).await.unwrap();
    let stored: i64 = sqlx::query_scalar("select count(*) from orders").fetch_one(&mut direct).await.unwrap();
    assert_eq!(stored, 1, "the number of stored orders");
    platform.place_with_key(key, order("EUR", "69")).await.problem(503, "outcome_unknown");

    proxy.unblock();
    platform.db_proxy.wait_until_ready().await;
    let again = platform.place_with_key(key, order("EUR", "69")).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_reconciled(&platform, &[again.json(201)]).await;
}
