//! API keys at create-order and fetch-orders: revocation, rate limits, and outages of db-proxy.

use std::time::{Duration, Instant};

use common::api::keys::{KeySecret, Scope};
use tests::{
    Platform, Response, Stack,
    client::send,
    on_both_stacks,
    platform::{Instance, OPERATOR_TOKEN, ORDERS_PATH, order},
};

on_both_stacks!(
    revoked_key_is_refused_by_create_order_and_fetch_orders_within_five_seconds,
    key_places_and_reads_orders_where_anonymous_requests_are_refused,
    last_use_of_a_key_is_recorded,
);

const REVOCATION_DEADLINE: Duration = Duration::from_secs(5);

async fn read_with(platform: &Platform, service: &Instance, key: &KeySecret) -> Response {
    platform.get_with_api_key(service, ORDERS_PATH, key.expose()).await
}

async fn place_with(platform: &Platform, key: &KeySecret) -> Response {
    send(platform.order_request(order("USD", "1")).bearer_auth(key.expose())).await
}

async fn revoked_key_is_refused_by_create_order_and_fetch_orders_within_five_seconds(stack: Stack) {
    let platform = Platform::start(stack).await;
    let user = platform.create_user("ada@example.org").await;
    let [revoked, kept] =
        [platform.issue_key(user.id, &Scope::ALL).await, platform.issue_key(user.id, &Scope::ALL).await];
    let services = [&platform.create_order, &platform.fetch_orders];
    for service in services {
        for key in [&revoked, &kept] {
            read_with(&platform, service, &key.key).await.json(200);
        }
    }
    platform.db_proxy_client().revoke_key(user.id, revoked.details.id).await.unwrap();
    let revocation = Instant::now();
    for service in services {
        let refused = platform.wait_for_refusal(service, ORDERS_PATH, revoked.key.expose()).await;
        let problem = refused.problem(401, "unauthorized");
        assert!(problem["detail"].as_str().unwrap().contains("revoked"), "{problem}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    assert!(revocation.elapsed() < REVOCATION_DEADLINE, "{:?}", revocation.elapsed());
    place_with(&platform, &revoked.key).await.problem(401, "unauthorized");
    place_with(&platform, &kept.key).await.json(201);
}

async fn key_places_and_reads_orders_where_anonymous_requests_are_refused(stack: Stack) {
    let platform = Platform::builder(stack).set("ANONYMOUS", "off").start().await;
    let user = platform.create_user("ada@example.org").await;
    let key = platform.issue_key(user.id, &[Scope::Orders, Scope::Read]).await.key;
    let placed = place_with(&platform, &key).await.json(201);
    let path = format!("{ORDERS_PATH}/{}", placed["id"].as_str().unwrap());
    for service in [&platform.create_order, &platform.fetch_orders] {
        let request = || platform.client.request("GET", service.url(&path));
        assert_eq!(send(request().bearer_auth(key.expose())).await.json(200), placed);
        assert_eq!(send(request().bearer_auth(OPERATOR_TOKEN)).await.json(200), placed);
        let refused = send(request()).await;
        refused.problem(401, "unauthorized");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        for path in ["/docs", "/openapi.json", "/errors", "/livez", "/readyz", "/metrics"] {
            assert_eq!(platform.client.get(service.url(path)).await.status, 200, "{path}");
        }
    }
    platform.place(order("USD", "1")).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn look_ups_of_unknown_keys_are_limited() {
    let platform = Platform::start(Stack::Embedded).await;
    let user = platform.create_user("ada@example.org").await;
    let valid = platform.issue_key(user.id, &[Scope::Read]).await.key;
    read_with(&platform, &platform.fetch_orders, &valid).await.json(200);
    let (mut unknown, mut too_many) = (0, 0);
    for _ in 0..200 {
        let response = read_with(&platform, &platform.fetch_orders, &KeySecret::generate()).await;
        if response.status == 401 {
            unknown += 1;
        } else {
            response.problem(429, "too_many_requests");
            too_many += 1;
        }
    }
    assert_eq!((unknown, too_many), (30, 170));
    // A mistyped key causes no look-up. A valid key that the service has looked up before is accepted, although the
    // client address has sent too many unknown keys.
    let mistyped = format!("{}0", valid.expose());
    let refused = platform.get_with_api_key(&platform.fetch_orders, ORDERS_PATH, &mistyped).await;
    refused.problem(401, "unauthorized");
    read_with(&platform, &platform.fetch_orders, &valid).await.json(200);
    let metrics = platform.client.get(platform.fetch_orders.url("/metrics")).await.text();
    let look_ups =
        metrics.lines().find(|line| line.starts_with("buydesk_key_look_ups_total") && line.contains("unknown"));
    assert!(look_ups.is_some_and(|line| line.ends_with(" 30")), "{look_ups:?}");
}

#[tokio::test]
async fn keys_that_cannot_be_checked_are_refused_with_503() {
    let platform = Platform::start(Stack::Embedded).await;
    let user = platform.create_user("ada@example.org").await;
    let key = platform.issue_key(user.id, &Scope::ALL).await.key;
    platform.db_proxy.stop().await;
    let refused = read_with(&platform, &platform.create_order, &key).await;
    let problem = refused.problem(503, "upstream_unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("API key"), "{problem}");
    // An operation that needs no key does not check the key.
    assert_eq!(platform.get_with_api_key(&platform.create_order, "/livez", key.expose()).await.status, 200);
    platform.db_proxy.start().await;
    platform.db_proxy.wait_until_ready().await;
    read_with(&platform, &platform.create_order, &key).await.json(200);
}

#[tokio::test]
async fn requests_of_each_key_are_counted_separately() {
    let platform = Platform::builder(Stack::Embedded).set("RATE_LIMIT_PER_MINUTE", "2").start().await;
    let user = platform.create_user("ada@example.org").await;
    let limited = platform.issue_limited_key(user.id, &[Scope::Orders], 4).await.key;
    let without_own_limit = platform.issue_key(user.id, &[Scope::Orders]).await.key;
    let statuses = async |requests: usize, key: Option<&KeySecret>| {
        let mut statuses = Vec::new();
        for _ in 0..requests {
            let response = match key {
                Some(key) => place_with(&platform, key).await,
                None => platform.place(order("USD", "1")).await,
            };
            statuses.push((response.status, response.header("ratelimit-limit").map(str::to_owned)));
        }
        statuses
    };
    let limit = |limit: &str| Some(limit.to_owned());
    let [four_allowed, two_allowed] = [4, 2].map(|allowed| {
        let statuses = (0..6).map(move |n| if n < allowed { 201 } else { 429 });
        statuses.map(move |status| (status, limit(&allowed.to_string()))).collect::<Vec<_>>()
    });
    assert_eq!(statuses(6, Some(&limited)).await, four_allowed);
    // A key without its own limit has the limit of the service. Anonymous requests are counted separately.
    assert_eq!(statuses(6, Some(&without_own_limit)).await, two_allowed);
    assert_eq!(statuses(6, None).await, two_allowed);
}

async fn last_use_of_a_key_is_recorded(stack: Stack) {
    let platform = Platform::start(stack).await;
    let user = platform.create_user("ada@example.org").await;
    let [active, idle] =
        [platform.issue_key(user.id, &Scope::ALL).await, platform.issue_key(user.id, &Scope::ALL).await];
    place_with(&platform, &active.key).await.json(201);
    let last_uses = async || {
        let keys = platform.db_proxy_client().list_keys(user.id).await.unwrap().unwrap();
        let of = |id| keys.data.iter().find(|key| key.id == id).unwrap().last_used_at;
        (of(active.details.id), of(idle.details.id))
    };
    assert_eq!(last_uses().await, (None, None), "the last use was written during the request");
    // A service stores the last uses every minute, and when it stops.
    platform.create_order.stop().await;
    let (active, idle) = last_uses().await;
    assert!(active.is_some() && idle.is_none(), "{active:?} {idle:?}");
}
