//! A client cannot find out which users and keys exist. Requests about existing and about unknown users and keys
//! receive equal responses, and cause the same requests to db-proxy. Durations of responses are not compared, because
//! they differ from run to run.

use std::collections::BTreeMap;

use common::api::keys::{KeySecret, Scope, StoreKeyCommand};
use serde_json::Value;
use tests::{Platform, Response, Stack, client, on_both_stacks};

use super::{USERS_PATH, keys::readable_paths, request, start, unknown_id};

on_both_stacks!(
    other_user_looks_like_an_unknown_user,
    key_with_a_known_prefix_looks_like_an_unknown_key,
    taken_address_looks_like_a_free_address_to_a_user,
);

/// A response and its cost.
#[derive(Debug, PartialEq)]
struct Observation {
    status: u16,
    problem: String,
    /// The requests that db-proxy answered meanwhile, by operation. Background calls of the services are not counted.
    cost: BTreeMap<String, u64>,
}

/// Sends a request and observes it. In the problem, `id` is replaced by a placeholder.
async fn observe(platform: &Platform, id: &str, send: impl AsyncFnOnce() -> Response) -> Observation {
    let before = requests_about_users(platform).await;
    let response = send().await;
    let mut cost = requests_about_users(platform).await;
    cost.retain(|operation, count| {
        *count -= before.get(operation).copied().unwrap_or_default();
        *count > 0
    });
    let (status, problem) = response.comparable(id);
    Observation { status, problem, cost }
}

/// The number of requests about users and keys that db-proxy has answered, by operation.
async fn requests_about_users(platform: &Platform) -> BTreeMap<String, u64> {
    const OPERATIONS: [&str; 5] = ["get_user", "list_users", "lookup_users", "list_keys", "get_key"];
    let metrics = platform.client.get(platform.db_proxy.url("/metrics")).await.text();
    let mut counts = BTreeMap::new();
    for line in metrics.lines() {
        let Some(labels) = line.strip_prefix("buydesk_http_requests_total{") else { continue };
        let (_, operation) = labels.split_once("operation=\"").unwrap();
        let (operation, rest) = operation.split_once('"').unwrap();
        if OPERATIONS.contains(&operation) {
            let count: u64 = rest.rsplit(' ').next().unwrap().parse().unwrap();
            *counts.entry(operation.to_owned()).or_default() += count;
        }
    }
    counts
}

async fn other_user_looks_like_an_unknown_user(stack: Stack) {
    let platform = start(stack).await;
    let [ada, bob] = [platform.create_user("ada@example.org").await, platform.create_user("bob@example.org").await];
    platform.issue_key(bob.id, &[Scope::Read]).await;
    let key = platform.issue_key(ada.id, &[Scope::Read]).await.key;
    let read = async |path: &str| platform.get_with_api_key(&platform.users, path, key.expose()).await;
    // The service caches the look-up of the key for the following requests.
    read("/user").await.json(200);
    let (other, unknown) = (bob.id.to_string(), unknown_id());
    for path in ["/api/v1/users/ID", "/user?id=ID", "/api/v1/users/ID/keys"] {
        let observe_id = async |id: &str| observe(&platform, id, async || read(&path.replace("ID", id)).await).await;
        let of_other = observe_id(&other).await;
        assert_eq!(of_other.status, 404, "{path}");
        assert_eq!(of_other, observe_id(&unknown).await, "{path}");
    }
}

async fn key_with_a_known_prefix_looks_like_an_unknown_key(stack: Stack) {
    let platform = start(stack).await;
    let user = platform.create_user("ada@example.org").await;
    let [with_known_prefix, revoked, unknown] = [(); 3].map(|()| KeySecret::generate());
    let store = async |prefix_of: &KeySecret, hash_of: &KeySecret| {
        let command = StoreKeyCommand {
            prefix: prefix_of.prefix(),
            hash: hash_of.hash(),
            name: "A key of a test".parse().unwrap(),
            scopes: [Scope::Read].into_iter().collect(),
            rate_limit_per_minute: None,
            expires_at: None,
        };
        platform.db_proxy_client().store_key(user.id, &command).await.unwrap()
    };
    store(&with_known_prefix, &KeySecret::generate()).await;
    let details = store(&revoked, &KeySecret::generate()).await;
    platform.db_proxy_client().revoke_key(user.id, details.id).await.unwrap();
    for (service, path) in readable_paths(&platform) {
        let observe_key = async |key: &KeySecret| {
            let send = async || platform.get_with_api_key(service, path, key.expose()).await;
            observe(&platform, key.expose(), send).await
        };
        let of_unknown = observe_key(&unknown).await;
        assert_eq!(of_unknown.status, 401);
        assert_eq!(of_unknown.cost, BTreeMap::from([("get_key".to_owned(), 1)]));
        assert_eq!(observe_key(&with_known_prefix).await, of_unknown);
        assert_eq!(observe_key(&revoked).await, of_unknown);
    }
}

async fn taken_address_looks_like_a_free_address_to_a_user(stack: Stack) {
    let platform = start(stack).await;
    let user = platform.create_user("ada@example.org").await;
    platform.create_user("taken@example.org").await;
    let key = platform.issue_key(user.id, &Scope::ALL).await.key;
    platform.get_with_api_key(&platform.users, "/user", key.expose()).await.json(200);
    let find = async |email: &str| {
        let path = format!("{USERS_PATH}?email={}", email.replace('@', "%40"));
        let send = async || platform.get_with_api_key(&platform.users, &path, key.expose()).await;
        observe(&platform, email, send).await
    };
    let create = async |email: &str| {
        let body = Value::from_iter([("email", email), ("name", "A user")]);
        let send = async || {
            let request = request(&platform, "POST", USERS_PATH, Some(body));
            client::send(request.bearer_auth(key.expose())).await
        };
        observe(&platform, email, send).await
    };
    let (found, created) = (find("taken@example.org").await, create("taken@example.org").await);
    assert_eq!((found.status, created.status), (200, 403));
    assert_eq!(found, find("free@example.org").await);
    assert_eq!(created, create("free@example.org").await);
}
