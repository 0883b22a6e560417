//! Requests with the same idempotency key move money once, and equal requests receive the same response.

use std::collections::BTreeSet;

use tests::{Platform, Response, Stack, client::send, on_both_stacks};
use tokio::task::JoinSet;

use super::{
    TRANSFERS_PATH, WALLETS_PATH, balance, check_journal, create_wallet, deposit, operation_path, post, post_request,
    start, start_wallets, transfer, withdrawal,
};

on_both_stacks!(
    repeated_request_returns_the_same_bytes,
    concurrent_creations_with_one_key_create_one_wallet,
    concurrent_requests_with_one_key_move_money_once,
    concurrent_different_requests_with_one_key_move_money_once,
    replay_survives_restart_of_the_services,
);

const CONCURRENT_REQUESTS: usize = 50;

async fn post_with_key(platform: &Platform, path: &str, key: &str, body: &serde_json::Value) -> Response {
    send(post_request(platform, path, body).header("idempotency-key", key)).await
}

async fn repeated_request_returns_the_same_bytes(stack: Stack) {
    let platform = start(stack).await;
    let (from, to) = (create_wallet(&platform, "USD").await, create_wallet(&platform, "USD").await);
    post(&platform, &operation_path(&from), deposit("100")).await.json(200);
    for (path, body, other) in [
        (operation_path(&from), deposit("5"), deposit("6")),
        (operation_path(&from), withdrawal("7"), deposit("7")),
        (TRANSFERS_PATH.to_owned(), transfer(&from, &to, "3"), transfer(&to, &from, "3")),
    ] {
        let key = format!("key of {path} {body}").replace(' ', "-");
        let first = post_with_key(&platform, &path, &key[..100], &body).await;
        first.json(200);
        assert_eq!(first.header("idempotency-replayed"), Some("false"));
        assert_eq!(first.header("idempotency-key"), Some(&key[..100]));
        post(&platform, &operation_path(&from), deposit("1")).await.json(200);
        for _ in 0..2 {
            let replayed = post_with_key(&platform, &path, &key[..100], &body).await;
            assert_eq!((replayed.status, &replayed.body), (200, &first.body));
            assert_eq!(replayed.header("idempotency-replayed"), Some("true"));
        }
        let refused = post_with_key(&platform, &path, &key[..100], &other).await;
        assert_eq!(refused.problem(422, "idempotency_key_reused")["errors"][0]["field"], "Idempotency-Key");
    }
    // The service generates a key for each request without a key.
    let (body, path) = (deposit("1"), operation_path(&to));
    let [first, second] = [post(&platform, &path, body.clone()).await, post(&platform, &path, body).await];
    assert_ne!(first.header("idempotency-key"), second.header("idempotency-key"));
    assert_eq!((balance(&platform, &from).await, balance(&platform, &to).await), ("98.00".into(), "5.00".into()));
    check_journal(&platform).await;
}

async fn concurrent_creations_with_one_key_create_one_wallet(stack: Stack) {
    let platform = start(stack).await;
    let second_db_proxy = platform.start_second_db_proxy_if_supported(stack).await;
    let db_proxy = second_db_proxy.as_ref().unwrap_or(&platform.db_proxy).url("");
    let second_wallets = platform.wallets.another(&[("DB_PROXY_URL", &db_proxy)]);
    second_wallets.start().await;
    let body = serde_json::json!({ "currency": "USD" });
    let mut requests = JoinSet::new();
    for n in 0..CONCURRENT_REQUESTS {
        let service = if n % 2 == 0 { &platform.wallets } else { &second_wallets };
        let request = platform.client.json(service.url(WALLETS_PATH), body.to_string());
        requests.spawn(send(request.header("idempotency-key", "one-key")));
    }
    let responses = requests.join_all().await;
    let bodies: BTreeSet<_> = responses.iter().map(|response| response.json(201).to_string()).collect();
    assert_eq!(bodies.len(), 1);
    let first_responses =
        responses.iter().filter(|response| response.header("idempotency-replayed") == Some("false")).count();
    assert_eq!(first_responses, 1);

    platform.db_proxy.stop().await;
    platform.db_proxy.start().await;
    platform.wallets.wait_until_ready().await;
    let id = responses[0].json(201)["id"].as_str().unwrap().to_owned();
    post(&platform, &operation_path(&id), deposit("5")).await.json(200);
    let replayed = post_with_key(&platform, WALLETS_PATH, "one-key", &body).await;
    assert_eq!((replayed.status, &replayed.body), (201, &responses[0].body));
    assert_eq!(replayed.header("location"), Some(format!("{WALLETS_PATH}/{id}").as_str()));
    let other = post_with_key(&platform, WALLETS_PATH, "one-key", &serde_json::json!({ "currency": "EUR" })).await;
    assert_eq!(other.problem(422, "idempotency_key_reused")["errors"][0]["field"], "Idempotency-Key");
    let listed = platform.client.get(platform.wallets.url(WALLETS_PATH)).await.json(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

async fn concurrent_requests_with_one_key_move_money_once(stack: Stack) {
    let platform = start(stack).await;
    let second_db_proxy = platform.start_second_db_proxy_if_supported(stack).await;
    let db_proxy = second_db_proxy.as_ref().unwrap_or(&platform.db_proxy).url("");
    let second_wallets = platform.wallets.another(&[("DB_PROXY_URL", &db_proxy)]);
    second_wallets.start().await;
    let id = create_wallet(&platform, "USD").await;
    let mut requests = JoinSet::new();
    for n in 0..CONCURRENT_REQUESTS {
        let service = if n % 2 == 0 { &platform.wallets } else { &second_wallets };
        let request = platform.client.json(service.url(&operation_path(&id)), deposit("5").to_string());
        requests.spawn(send(request.header("idempotency-key", "one-key")));
    }
    let responses = requests.join_all().await;
    let bodies: BTreeSet<_> = responses.iter().map(|response| response.json(200).to_string()).collect();
    assert_eq!(bodies.len(), 1);
    let first_responses =
        responses.iter().filter(|response| response.header("idempotency-replayed") == Some("false")).count();
    assert_eq!((first_responses, balance(&platform, &id).await), (1, "5.00".into()));
}

async fn concurrent_different_requests_with_one_key_move_money_once(stack: Stack) {
    let platform = start(stack).await;
    let id = create_wallet(&platform, "USD").await;
    let mut requests = JoinSet::new();
    for n in 1..=CONCURRENT_REQUESTS {
        let request = post_request(&platform, &operation_path(&id), &deposit(&n.to_string()));
        requests.spawn(send(request.header("idempotency-key", "one-key")));
    }
    let (moved, refused): (Vec<_>, Vec<_>) =
        requests.join_all().await.into_iter().partition(|response| response.status == 200);
    assert_eq!((moved.len(), refused.len()), (1, CONCURRENT_REQUESTS - 1));
    for response in refused {
        response.problem(422, "idempotency_key_reused");
    }
    assert_eq!(balance(&platform, &id).await, moved[0].json(200)["balance"].as_str().unwrap());
}

async fn replay_survives_restart_of_the_services(stack: Stack) {
    let platform = start(stack).await;
    let id = create_wallet(&platform, "USD").await;
    let first = post_with_key(&platform, &operation_path(&id), "a-key", &deposit("5")).await;
    first.json(200);
    platform.wallets.stop().await;
    platform.db_proxy.stop().await;
    platform.db_proxy.start().await;
    start_wallets(&platform).await;
    let replayed = post_with_key(&platform, &operation_path(&id), "a-key", &deposit("5")).await;
    assert_eq!((replayed.status, &replayed.body), (200, &first.body));
    assert_eq!(replayed.header("idempotency-replayed"), Some("true"));
    assert_eq!(balance(&platform, &id).await, "5.00");
}
