//! Which wallets clients and the operator may read, change and pay into.

use std::slice::from_ref;

use common::api::keys::Scope;
use serde_json::{Value, json};
use tests::{Platform, Response, Stack, on_both_stacks};

use super::{
    TRANSFERS_PATH, WALLETS_PATH, check_journal, deposit, operation_path, post_request, start, transfer, wallet_path,
    withdrawal,
};
use crate::actor::Actor;

on_both_stacks!(
    each_client_sees_and_changes_exactly_its_own_wallets,
    client_pays_into_a_wallet_of_another_owner_and_does_not_see_its_balance,
    operator_may_read_every_wallet_and_change_none,
    same_idempotency_key_of_two_users_is_two_movements,
    scopes_separate_reading_from_moving,
);

impl Actor {
    async fn read(&self, platform: &Platform, path: &str) -> Response {
        self.get(platform, &platform.wallets, path).await
    }

    async fn post(&self, platform: &Platform, path: &str, body: Value) -> Response {
        self.send(post_request(platform, path, &body)).await
    }

    /// Creates a wallet. Returns its id.
    async fn create_wallet(&self, platform: &Platform, currency: &str) -> String {
        let wallet = self.post(platform, WALLETS_PATH, json!({ "currency": currency })).await.json(201);
        assert_eq!(wallet["user_id"], self.user_id());
        wallet["id"].as_str().unwrap().to_owned()
    }

    /// Creates a wallet with ten dollars. Returns its id.
    async fn fund_wallet(&self, platform: &Platform) -> String {
        let id = self.create_wallet(platform, "USD").await;
        self.post(platform, &operation_path(&id), deposit("10")).await.json(200);
        id
    }

    async fn listed(&self, platform: &Platform, path: &str) -> Vec<String> {
        let wallets = self.all_pages(platform, &platform.wallets, path).await;
        wallets.iter().map(|wallet| wallet["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// Two users and a client without a key, each with a wallet.
async fn owners(platform: &Platform) -> Vec<(Actor, String)> {
    let scopes = [Scope::Wallets, Scope::Read];
    let actors =
        [Actor::user(platform, "ada", &scopes).await, Actor::user(platform, "bob", &scopes).await, Actor::Anonymous];
    let mut owners = Vec::new();
    for actor in actors {
        let wallet = actor.fund_wallet(platform).await;
        owners.push((actor, wallet));
    }
    owners
}

async fn each_client_sees_and_changes_exactly_its_own_wallets(stack: Stack) {
    let platform = start(stack).await;
    let owners = owners(&platform).await;
    let unknown = uuid::Uuid::now_v7().to_string();
    for (actor, own) in &owners {
        assert_eq!(actor.listed(&platform, &format!("{WALLETS_PATH}?limit=1")).await, from_ref(own), "{actor:?}");
        let reads = |id: &str| [wallet_path(id), format!("/wallet?id={id}"), format!("{}/operations", wallet_path(id))];
        for path in reads(own) {
            actor.read(&platform, &path).await.json(200);
        }
        for (_, foreign) in owners.iter().filter(|(_, wallet)| wallet != own) {
            // The response for a wallet of another owner equals the response for an unknown wallet.
            for (path, absent) in reads(foreign).into_iter().zip(reads(&unknown)) {
                let [refused, absent] = [actor.read(&platform, &path).await, actor.read(&platform, &absent).await];
                refused.problem(404, "not_found");
                assert_eq!(refused.comparable(foreign), absent.comparable(&unknown), "{actor:?} {path}");
            }
            for body in [deposit("1"), withdrawal("1"), withdrawal("1000")] {
                let refused = actor.post(&platform, &operation_path(foreign), body.clone()).await;
                let absent = actor.post(&platform, &operation_path(&unknown), body).await;
                refused.problem(404, "not_found");
                assert_eq!(refused.comparable(foreign), absent.comparable(&unknown), "{actor:?}");
            }
            let refused = actor.post(&platform, TRANSFERS_PATH, transfer(foreign, own, "1")).await;
            assert_eq!(refused.problem(404, "not_found")["errors"][0]["field"], "from");
        }
        assert_eq!(actor.read(&platform, &wallet_path(own)).await.json(200)["balance"], "10.00");
    }
}

async fn client_pays_into_a_wallet_of_another_owner_and_does_not_see_its_balance(stack: Stack) {
    let platform = start(stack).await;
    let owners = owners(&platform).await;
    let shop = Actor::user(&platform, "shop", &[Scope::Wallets, Scope::Read]).await;
    let (till, euros) = (shop.fund_wallet(&platform).await, shop.create_wallet(&platform, "EUR").await);
    for (actor, own) in &owners {
        let pay =
            || post_request(&platform, TRANSFERS_PATH, &transfer(own, &till, "3")).header("idempotency-key", "pay");
        let paid = actor.send(pay()).await;
        let body = paid.json(200);
        assert_eq!((&body["from_balance"], body.get("to_balance")), (&"7.00".into(), None), "{body}");
        let again = actor.send(pay()).await;
        assert_eq!((again.body, again.headers["idempotency-replayed"].as_bytes()), (paid.body, &b"true"[..]));
        // The response does not name the currency of the shop's wallet.
        let refused = actor.post(&platform, TRANSFERS_PATH, transfer(own, &euros, "3")).await;
        refused.invalid_fields(&["to"]);
        assert!(!refused.text().contains("EUR"), "{}", refused.text());
        let refused = actor.post(&platform, TRANSFERS_PATH, transfer(own, &till, "8")).await;
        assert_eq!(refused.problem(409, "insufficient_funds")["balance"], "7.00");
        actor.read(&platform, &wallet_path(&till)).await.problem(404, "not_found");
    }
    assert_eq!(shop.read(&platform, &wallet_path(&till)).await.json(200)["balance"], "19.00");
    let operations = shop.read(&platform, &format!("{}/operations", wallet_path(&till))).await.json(200);
    assert_eq!(operations["data"][0]["operation_type"], "TRANSFER_IN");
    // A transfer between two wallets of one owner shows both balances.
    let second = shop.create_wallet(&platform, "USD").await;
    let moved = shop.post(&platform, TRANSFERS_PATH, transfer(&till, &second, "1")).await.json(200);
    assert_eq!((&moved["from_balance"], &moved["to_balance"]), (&"18.00".into(), &"1.00".into()));
    check_journal(&platform).await;
}

async fn operator_may_read_every_wallet_and_change_none(stack: Stack) {
    let platform = start(stack).await;
    let owners = owners(&platform).await;
    let newest_first: Vec<_> = owners.iter().rev().map(|(_, wallet)| wallet.clone()).collect();
    assert_eq!(Actor::Operator.listed(&platform, &format!("{WALLETS_PATH}?limit=2")).await, newest_first);
    for (actor, own) in &owners {
        Actor::Operator.read(&platform, &wallet_path(own)).await.json(200);
        let operations = Actor::Operator.read(&platform, &format!("{}/operations", wallet_path(own))).await.json(200);
        assert_eq!(operations["data"][0]["balance"], "10.00");
        for (path, body) in [
            (WALLETS_PATH, json!({ "currency": "USD" })),
            (&operation_path(own), deposit("1")),
            (TRANSFERS_PATH, transfer(own, own, "1")),
        ] {
            Actor::Operator.post(&platform, path, body).await.problem(403, "forbidden");
        }
        if let Actor::User { id, .. } = actor {
            let path = format!("{WALLETS_PATH}?user={id}");
            assert_eq!(Actor::Operator.listed(&platform, &path).await, from_ref(own));
            assert_eq!(actor.listed(&platform, &path).await, from_ref(own));
            Actor::Anonymous.read(&platform, &path).await.problem(403, "forbidden");
        }
        actor.read(&platform, "/api/v1/journal/verification").await.problem(
            if matches!(actor, Actor::Anonymous) { 401 } else { 403 },
            if matches!(actor, Actor::Anonymous) { "unauthorized" } else { "forbidden" },
        );
    }
}

async fn same_idempotency_key_of_two_users_is_two_movements(stack: Stack) {
    let platform = start(stack).await;
    let owners = owners(&platform).await;
    for (actor, own) in &owners {
        let request = || post_request(&platform, &operation_path(own), &deposit("5")).header("idempotency-key", "1");
        assert_eq!(actor.send(request()).await.json(200)["balance"], "15.00");
        assert_eq!(actor.send(request()).await.header("idempotency-replayed"), Some("true"));
    }
}

async fn scopes_separate_reading_from_moving(stack: Stack) {
    let platform = start(stack).await;
    let reader = Actor::user(&platform, "reader", &[Scope::Read]).await;
    let payer = Actor::user(&platform, "payer", &[Scope::Wallets]).await;
    let own = payer.fund_wallet(&platform).await;
    payer.read(&platform, &wallet_path(&own)).await.problem(403, "forbidden");
    reader.read(&platform, WALLETS_PATH).await.json(200);
    reader.post(&platform, WALLETS_PATH, json!({ "currency": "USD" })).await.problem(403, "forbidden");
    reader.post(&platform, &operation_path(&own), deposit("1")).await.problem(403, "forbidden");
}
