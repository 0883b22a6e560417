//! Orders and quotes of users: each client sees and uses exactly its own orders and quotes, at fetch-orders and at create-order.

use common::api::keys::Scope;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{
    Platform, Response, Stack, on_both_stacks,
    platform::{ORDERS_PATH, order},
};

use crate::actor::Actor;

on_both_stacks!(
    client_reads_exactly_its_own_orders,
    order_of_another_owner_is_reported_as_unknown,
    quote_of_another_owner_is_reported_as_unknown,
    same_idempotency_key_of_different_owners_places_different_orders,
    operator_reads_all_orders_and_filters_by_user,
    concurrent_reads_of_the_same_page_do_not_mix_owners,
    limit_of_reserved_bitcoin_applies_to_each_user_separately,
);

const UNKNOWN: &str = "019b7d5a-1f00-7000-8000-000000000001";

impl Actor {
    async fn place(&self, platform: &Platform, body: impl Into<String>) -> Value {
        self.send(platform.order_request(body)).await.json(201)
    }

    async fn quote(&self, platform: &Platform, euros: &str) -> Response {
        let url = platform.create_order.url("/api/v1/quotes");
        self.send(platform.client.json(url, order("EUR", euros))).await
    }
}

/// Two users and a client without a key.
async fn actors(platform: &Platform) -> [Actor; 3] {
    let scopes = [Scope::Orders, Scope::Read];
    [Actor::user(platform, "ada", &scopes).await, Actor::user(platform, "bob", &scopes).await, Actor::Anonymous]
}

/// In each round, places one order of each actor. Returns the orders of each actor, newest first.
async fn place_rounds(platform: &Platform, actors: &[Actor], rounds: usize) -> Vec<Vec<Value>> {
    let mut placed = vec![Vec::new(); actors.len()];
    for round in 0..rounds {
        for (actor, orders) in actors.iter().zip(&mut placed) {
            let body = json!({ "currency": "USD", "amount": round + 1, "client_reference": "invoice" });
            let order = actor.place(platform, body.to_string()).await;
            assert_eq!(order["user_id"], actor.user_id());
            orders.insert(0, order);
        }
    }
    placed
}

async fn client_reads_exactly_its_own_orders(stack: Stack) {
    let platform = Platform::start(stack).await;
    let actors = actors(&platform).await;
    let placed = place_rounds(&platform, &actors, 5).await;
    for (actor, own) in actors.iter().zip(&placed) {
        for service in [&platform.fetch_orders, &platform.create_order] {
            for path in [
                "/api/v1/orders?limit=2",
                "/api/v1/orders?limit=5",
                "/api/v1/orders?limit=2&client_reference=invoice",
                "/api/v1/orders?limit=2&currency=USD&min_amount=1",
                "/get_orders/?page_size=2",
                "/get_orders/?page_size=5",
            ] {
                assert_eq!(&actor.all_pages(&platform, service, path).await, own, "{path} of {actor:?}");
            }
            let exported = actor.get(&platform, service, &format!("{ORDERS_PATH}/export?format=jsonl")).await;
            let lines: Vec<Value> = exported.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(&lines, own);
            let csv = actor.get(&platform, service, &format!("{ORDERS_PATH}/export?format=csv")).await.text();
            let user = actor.user_id().as_str().unwrap_or_default().to_owned();
            assert!(csv.lines().next().unwrap().ends_with(",user_id,wallet_id,credit_wallet_id"), "{csv}");
            // No field after the user contains a comma.
            let ends: Vec<_> = csv.lines().skip(1).map(|line| line.rsplit(',').nth(2).unwrap()).collect();
            assert_eq!(ends, vec![user; own.len()]);
            let summary = actor.get(&platform, service, &format!("{ORDERS_PATH}/summary")).await.json(200);
            // With the prices of the tests, one dollar buys one satoshi.
            assert_eq!((&summary["count"], &summary["bitcoin_amount"]), (&5.into(), &"0.00000015".into()));
            assert_eq!(summary["remaining"], "99.99999955");
        }
    }
    // With the cursor of another user, a client receives only its own orders.
    let page = actors[0].get(&platform, &platform.fetch_orders, "/api/v1/orders?limit=2").await.json(200);
    let path = format!("/api/v1/orders?cursor={}", page["next_cursor"].as_str().unwrap());
    let continued = actors[1].all_pages(&platform, &platform.fetch_orders, &path).await;
    assert!(continued.iter().all(|order| placed[1].contains(order)), "{continued:?}");
}

async fn order_of_another_owner_is_reported_as_unknown(stack: Stack) {
    let platform = Platform::start(stack).await;
    let actors = actors(&platform).await;
    let placed = place_rounds(&platform, &actors, 1).await;
    for service in [&platform.fetch_orders, &platform.create_order] {
        for actor in &actors {
            let read = async |id: &str| actor.get(&platform, service, &format!("{ORDERS_PATH}/{id}")).await;
            let unknown = read(UNKNOWN).await;
            unknown.problem(404, "not_found");
            for order in placed.iter().flatten() {
                let id = order["id"].as_str().unwrap();
                let response = read(id).await;
                if order["user_id"] == actor.user_id() {
                    assert_eq!(&response.json(200), order);
                } else {
                    assert_eq!(response.comparable(id), unknown.comparable(UNKNOWN));
                }
            }
        }
    }
}

async fn quote_of_another_owner_is_reported_as_unknown(stack: Stack) {
    let platform = Platform::start(stack).await;
    let actors = actors(&platform).await;
    for owner in &actors {
        let quote = owner.quote(&platform, "69").await.json(201);
        let id = quote["id"].as_str().unwrap();
        assert_eq!(quote["user_id"], owner.user_id());
        for other in actors.iter().filter(|other| other.user_id() != owner.user_id()) {
            let request_quote = async |method: &str, id: &str| {
                let url = platform.create_order.url(&format!("/api/v1/quotes/{id}"));
                other.send(platform.client.request(method, url)).await
            };
            let take = async |id: &str| other.send(platform.order_request(json!({ "quote": id }).to_string())).await;
            for method in ["GET", "DELETE"] {
                let (foreign, unknown) = (request_quote(method, id).await, request_quote(method, UNKNOWN).await);
                unknown.problem(404, "not_found");
                assert_eq!(foreign.comparable(id), unknown.comparable(UNKNOWN), "{method}");
            }
            let (foreign, unknown) = (take(id).await, take(UNKNOWN).await);
            unknown.problem(422, "quote_unknown");
            assert_eq!(foreign.comparable(id), unknown.comparable(UNKNOWN));
        }
        let order = owner.place(&platform, json!({ "quote": id }).to_string()).await;
        assert_eq!((&order["quote"], &order["user_id"]), (&quote["id"], &quote["user_id"]));
    }
}

async fn same_idempotency_key_of_different_owners_places_different_orders(stack: Stack) {
    let platform = Platform::start(stack).await;
    let actors = actors(&platform).await;
    let place = async |actor: &Actor, body: String| {
        actor.send(platform.order_request(body).header("idempotency-key", "the-same")).await
    };
    let mut placed = Vec::new();
    for (actor, dollars) in actors.iter().zip(["1", "2", "3"]) {
        let response = place(actor, order("USD", dollars)).await;
        assert_eq!(response.header("idempotency-replayed"), Some("false"));
        placed.push(response.json(201));
    }
    for (index, actor) in actors.iter().enumerate() {
        let again = place(actor, order("USD", &(index + 1).to_string())).await;
        assert_eq!((again.json(201), again.header("idempotency-replayed")), (placed[index].clone(), Some("true")));
        place(actor, order("USD", "9")).await.problem(422, "idempotency_key_reused");
    }
}

async fn operator_reads_all_orders_and_filters_by_user(stack: Stack) {
    let platform = Platform::start(stack).await;
    let actors = actors(&platform).await;
    let placed = place_rounds(&platform, &actors, 3).await;
    let mut all: Vec<_> = placed.iter().flatten().cloned().collect();
    all.sort_by(|a, b| b["created_at"].as_str().cmp(&a["created_at"].as_str()));
    let [ada, bob, _] = &actors;
    let path_of = |actor: &Actor| format!("{ORDERS_PATH}?limit=2&user={}", actor.user_id().as_str().unwrap());
    for service in [&platform.fetch_orders, &platform.create_order] {
        assert_eq!(Actor::Operator.all_pages(&platform, service, "/api/v1/orders?limit=2").await, all);
        assert_eq!(Actor::Operator.all_pages(&platform, service, "/get_orders?page_size=2").await, all);
        // The next links keep the filter by user.
        assert_eq!(Actor::Operator.all_pages(&platform, service, &path_of(ada)).await, placed[0]);
        let user = ada.user_id();
        let path = format!("{ORDERS_PATH}/summary?user={}", user.as_str().unwrap());
        assert_eq!(Actor::Operator.get(&platform, service, &path).await.json(200)["count"], 3);
        for order in &all {
            let path = format!("{ORDERS_PATH}/{}", order["id"].as_str().unwrap());
            assert_eq!(&Actor::Operator.get(&platform, service, &path).await.json(200), order);
        }
        // A user can filter only by its own id. A client without a key cannot filter by user.
        assert_eq!(ada.all_pages(&platform, service, &path_of(ada)).await, placed[0]);
        for (actor, path) in [(bob, path_of(ada)), (&Actor::Anonymous, path_of(ada)), (bob, path.clone())] {
            let refused = actor.get(&platform, service, &path).await.problem(403, "forbidden");
            assert_eq!(refused["subcode"], "operators_only", "{path}");
        }
        let path = path_of(ada).replace('?', "/export?format=csv&").replace("limit=2&", "");
        bob.get(&platform, service, &path).await.problem(403, "forbidden");
        assert_eq!(Actor::Operator.get(&platform, service, &path).await.text().lines().count(), 4);
    }
}

async fn concurrent_reads_of_the_same_page_do_not_mix_owners(stack: Stack) {
    let platform = Platform::start(stack).await;
    let actors = actors(&platform).await;
    let placed = place_rounds(&platform, &actors, 2).await;
    let reads = (0..60).map(|number| {
        let (actor, own) = (&actors[number % 3], &placed[number % 3]);
        let id = placed[number / 3 % 3][0]["id"].as_str().unwrap().to_owned();
        let platform = &platform;
        async move {
            let page = actor.get(platform, &platform.fetch_orders, ORDERS_PATH).await.json(200);
            assert_eq!(page["data"].as_array().unwrap(), own);
            let single = actor.get(platform, &platform.fetch_orders, &format!("{ORDERS_PATH}/{id}")).await;
            assert_eq!(single.status == 200, own[0]["id"].as_str() == Some(&id), "{}", single.description());
        }
    });
    join_all(reads).await;
}

async fn limit_of_reserved_bitcoin_applies_to_each_user_separately(stack: Stack) {
    let builder = Platform::builder(stack).set("QUOTE_MAX_BTC", "0.001").set("QUOTE_MAX_BTC_PER_CLIENT", "0.001");
    let platform = builder.start().await;
    let actors = actors(&platform).await;
    // All requests come from one IP address.
    for actor in &actors {
        actor.quote(&platform, "69").await.json(201);
        actor.quote(&platform, "69").await.problem(409, "quote_limit_exceeded");
    }
    for (actor, reserved) in actors.iter().zip(["0.00082143"; 3]) {
        let summary = actor.get(&platform, &platform.fetch_orders, &format!("{ORDERS_PATH}/summary")).await.json(200);
        assert_eq!(summary["reserved"], reserved);
    }
}
