//! API keys: issuing, using, listing and revoking them.

use std::time::{Duration, Instant};

use common::time::Timestamp;
use serde_json::{Value, json};
use tests::{
    Platform, Response, Stack,
    client::send,
    on_both_stacks,
    platform::{Instance, ORDERS_PATH, order},
    wait_until,
};

use super::{as_operator, create_user, get, id_of, path_of, request, start};

on_both_stacks!(
    key_is_shown_once_and_accepted_by_every_service,
    user_sees_only_itself_and_its_keys,
    revoked_key_is_refused_within_five_seconds_and_new_key_is_accepted,
    changed_rate_limit_applies_within_five_seconds_and_counts_earlier_requests,
    keys_of_a_deactivated_user_are_refused_within_five_seconds,
    key_is_refused_from_its_expiry_on,
    list_shows_the_last_use,
);

/// Maximum time after a change of a user or of a key until all services apply the change.
const CHANGE_DEADLINE: Duration = Duration::from_secs(5);
const WAIT_LIMIT: Duration = Duration::from_secs(10);

async fn create_key(platform: &Platform, user: &Value, body: Value) -> Value {
    as_operator(platform, "POST", &format!("{}/keys", path_of(user)), Some(body)).await.json(201)
}

async fn create_read_key(platform: &Platform, user: &Value) -> Value {
    create_key(platform, user, json!({ "name": "shop", "scopes": ["read"] })).await
}

fn secret_of(key: &Value) -> &str {
    key["key"].as_str().unwrap()
}

/// The services that accept keys, each with a path that a key may read.
pub(super) fn readable_paths(platform: &Platform) -> [(&Instance, &'static str); 4] {
    [
        (&platform.users, "/user"),
        (&platform.fetch_orders, ORDERS_PATH),
        (&platform.create_order, ORDERS_PATH),
        (&platform.wallets, "/api/v1/wallets"),
    ]
}

/// Waits until each service of [`readable_paths`] refuses the key. Panics after [`CHANGE_DEADLINE`].
async fn assert_refused_in_time(platform: &Platform, key: &Value) {
    let start = Instant::now();
    for (service, path) in readable_paths(platform) {
        platform.wait_for_refusal(service, path, secret_of(key)).await.problem(401, "unauthorized");
    }
    assert!(start.elapsed() < CHANGE_DEADLINE, "the key was refused after {:?}", start.elapsed());
}

async fn assert_accepted(platform: &Platform, key: &Value) {
    for (service, path) in readable_paths(platform) {
        platform.get_with_api_key(service, path, secret_of(key)).await.json(200);
    }
}

async fn key_is_shown_once_and_accepted_by_every_service(stack: Stack) {
    let platform = start(stack).await;
    let user = create_user(&platform, "ada@example.org").await;
    let body = json!({ "name": "the shop", "scopes": ["read", "orders"], "rate_limit_per_minute": 600 });
    let key = create_key(&platform, &user, body).await;
    assert!(secret_of(&key).starts_with(key["prefix"].as_str().unwrap()));
    assert_eq!((&key["name"], &key["scopes"]), (&"the shop".into(), &json!(["orders", "read"])));
    assert_eq!(key["rate_limit_per_minute"], 600);
    assert_accepted(&platform, &key).await;

    let list = get(&platform, &format!("{}/keys", path_of(&user))).await;
    assert!(!list.text().contains(secret_of(&key)), "{}", list.text());
    let mut details = key.clone();
    details.as_object_mut().unwrap().remove("key");
    assert_eq!(list.json(200), json!({ "data": [details] }));
}

async fn user_sees_only_itself_and_its_keys(stack: Stack) {
    let platform = start(stack).await;
    let [ada, bob] = [create_user(&platform, "ada@example.org").await, create_user(&platform, "bob@example.org").await];
    let key = create_read_key(&platform, &ada).await;
    create_read_key(&platform, &bob).await;
    let read = async |path: &str| platform.get_with_api_key(&platform.users, path, secret_of(&key)).await;
    for path in ["/user".to_owned(), format!("/user?id={}", id_of(&ada)), path_of(&ada)] {
        assert_eq!(read(&path).await.json(200), ada, "{path}");
    }
    let keys = read(&format!("{}/keys", path_of(&ada))).await.json(200);
    assert_eq!((keys["data"].as_array().unwrap().len(), &keys["data"][0]["id"]), (1, &key["id"]));
    for path in [path_of(&bob), format!("/user?id={}", id_of(&bob)), format!("{}/keys", path_of(&bob))] {
        read(&path).await.problem(404, "not_found");
    }
    for (query, listed) in
        [("", json!([ada])), ("?email=ADA%40example.org", json!([ada])), ("?email=bob%40example.org", json!([]))]
    {
        assert_eq!(read(&format!("/api/v1/users{query}")).await.json(200)["data"], listed, "{query}");
    }
    send(request(&platform, "GET", &path_of(&ada), None)).await.problem(401, "unauthorized");
    // Reading requires the scope `read`.
    let orders_only = create_key(&platform, &ada, json!({ "name": "till", "scopes": ["orders"] })).await;
    platform.get_with_api_key(&platform.users, "/user", secret_of(&orders_only)).await.problem(403, "forbidden");
}

async fn revoked_key_is_refused_within_five_seconds_and_new_key_is_accepted(stack: Stack) {
    let platform = start(stack).await;
    let user = create_user(&platform, "ada@example.org").await;
    let [old, new] = [create_read_key(&platform, &user).await, create_read_key(&platform, &user).await];
    assert_accepted(&platform, &old).await;
    assert_accepted(&platform, &new).await;
    let path = format!("{}/keys/{}", path_of(&user), id_of(&old));
    let revoked = as_operator(&platform, "DELETE", &path, None).await;
    assert_eq!((revoked.status, revoked.text().as_str()), (204, ""), "{}", revoked.description());
    assert_refused_in_time(&platform, &old).await;
    assert_accepted(&platform, &new).await;
    assert_eq!(as_operator(&platform, "DELETE", &path, None).await.status, 204);
    let unknown = format!("{}/keys/{}", path_of(&user), id_of(&user));
    as_operator(&platform, "DELETE", &unknown, None).await.problem(404, "not_found");
    let keys = get(&platform, &format!("{}/keys", path_of(&user))).await.json(200);
    let of_state = |is_revoked: bool| {
        let keys = keys["data"].as_array().unwrap().iter();
        keys.filter(|key| key.get("revoked_at").is_some() == is_revoked).map(id_of).collect::<Vec<_>>()
    };
    assert_eq!((of_state(true), of_state(false)), (vec![id_of(&old)], vec![id_of(&new)]));
}

async fn change_key(platform: &Platform, user: &Value, key: &Value, body: Value) -> Response {
    let path = format!("{}/keys/{}", path_of(user), id_of(key));
    as_operator(platform, "PATCH", &path, Some(body)).await
}

/// The rate limit and the number of remaining requests, from the headers of a response.
fn limit_and_remaining(response: &Response) -> (u32, u32) {
    let number = |header| response.header(header).unwrap().parse().unwrap();
    (number("ratelimit-limit"), number("ratelimit-remaining"))
}

async fn changed_rate_limit_applies_within_five_seconds_and_counts_earlier_requests(stack: Stack) {
    let limits = ["RATE_LIMIT_PER_MINUTE", "FETCH_RATE_LIMIT_PER_MINUTE", "USERS_RATE_LIMIT_PER_MINUTE"];
    let builder = limits.into_iter().fold(Platform::builder(stack), |builder, limit| builder.set(limit, "100"));
    let platform = builder.start().await;
    platform.users.start().await;
    platform.users.wait_until_ready().await;
    let user = create_user(&platform, "ada@example.org").await;
    let body = json!({ "name": "shop", "scopes": ["orders", "read"], "rate_limit_per_minute": 3 });
    let key = create_key(&platform, &user, body).await;
    let send_to = async |service: &Instance| {
        let request = if service.address() == platform.create_order.address() {
            platform.order_request(order("USD", "1"))
        } else {
            let path = if service.address() == platform.users.address() { "/user" } else { ORDERS_PATH };
            platform.client.request("GET", service.url(path))
        };
        send(request.bearer_auth(secret_of(&key))).await
    };
    let services = [&platform.users, &platform.fetch_orders, &platform.create_order];
    for service in services {
        for _ in 0..3 {
            let accepted = send_to(service).await;
            assert!(matches!(accepted.status, 200 | 201), "{}", accepted.description());
        }
        send_to(service).await.problem(429, "too_many_requests");
    }
    let changed = change_key(&platform, &user, &key, json!({ "rate_limit_per_minute": 6 })).await.json(200);
    assert_eq!((&changed["rate_limit_per_minute"], &changed["name"]), (&6.into(), &"shop".into()));
    let changed_at = Instant::now();
    for service in services {
        let (remaining, elapsed) = wait_until("the new limit applies", WAIT_LIMIT, async || {
            let (limit, remaining) = limit_and_remaining(&send_to(service).await);
            (limit == 6).then(|| (remaining, changed_at.elapsed()))
        })
        .await;
        assert!(elapsed < CHANGE_DEADLINE, "the new limit applied after {elapsed:?}");
        // Three requests were counted before the change, and one after it. The limit refills by one in ten seconds.
        assert!(remaining <= 3, "{remaining} requests remain");
    }
    // `null` removes the limit of the key, so the limit of each service applies.
    let changed = change_key(&platform, &user, &key, json!({ "rate_limit_per_minute": null })).await.json(200);
    assert_eq!(changed.get("rate_limit_per_minute"), None);
    for service in services {
        wait_until("the limit of the service applies", WAIT_LIMIT, async || {
            (limit_and_remaining(&send_to(service).await).0 == 100).then_some(())
        })
        .await;
    }
}

async fn keys_of_a_deactivated_user_are_refused_within_five_seconds(stack: Stack) {
    let platform = start(stack).await;
    let user = create_user(&platform, "ada@example.org").await;
    let key = create_read_key(&platform, &user).await;
    assert_accepted(&platform, &key).await;
    as_operator(&platform, "POST", &format!("{}/deactivate", path_of(&user)), None).await.json(200);
    assert_refused_in_time(&platform, &key).await;
    as_operator(&platform, "POST", &format!("{}/activate", path_of(&user)), None).await.json(200);
    wait_until("the key is accepted again", WAIT_LIMIT, async || {
        let response = platform.get_with_api_key(&platform.users, "/user", secret_of(&key)).await;
        (response.status == 200).then_some(())
    })
    .await;
}

async fn key_is_refused_from_its_expiry_on(stack: Stack) {
    let platform = start(stack).await;
    let user = create_user(&platform, "ada@example.org").await;
    let expires_at = Timestamp::now().plus(Duration::from_secs(3)).to_string();
    let body = json!({ "name": "shop", "scopes": ["read"], "expires_at": expires_at });
    let key = create_key(&platform, &user, body).await;
    assert_eq!(key["expires_at"], expires_at);
    assert_eq!(platform.get_with_api_key(&platform.users, "/user", secret_of(&key)).await.status, 200);
    let refused = platform.wait_for_refusal(&platform.users, "/user", secret_of(&key)).await;
    refused.problem(401, "unauthorized");
    assert!(Timestamp::now().to_string() >= expires_at);
}

async fn list_shows_the_last_use(stack: Stack) {
    let platform = start(stack).await;
    let user = create_user(&platform, "ada@example.org").await;
    let key = create_read_key(&platform, &user).await;
    platform.get_with_api_key(&platform.users, "/user", secret_of(&key)).await.json(200);
    // The service stores the last uses when it stops.
    platform.users.stop().await;
    platform.users.start().await;
    let keys = get(&platform, &format!("{}/keys", path_of(&user))).await.json(200);
    let last_use = keys["data"][0]["last_used_at"].as_str().unwrap();
    assert!(last_use >= key["created_at"].as_str().unwrap() && last_use <= Timestamp::now().to_string().as_str());
}
