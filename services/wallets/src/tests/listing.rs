//! Creating, finding, listing and exporting wallets.

use super::*;
use crate::tests::fake_backend::Fault;

#[tokio::test]
async fn created_wallet_is_found_at_its_location() {
    let fixture = Fixture::new();
    let created = fixture.post(WALLETS_PATH, json!({ "currency": "usd" })).await;
    assert_eq!((created.status, &created.body["currency"]), (201, &"USD".into()));
    assert_eq!((&created.body["balance"], &created.body["user_id"]), (&"0.00".into(), &Value::Null));
    let location = created.location.unwrap();
    assert_eq!(location, wallet_path(created.body["id"].as_str().unwrap()));
    assert_eq!(fixture.get(&location).await.body, created.body);
    let short = fixture.get(&format!("/wallet?id={}", created.body["id"].as_str().unwrap())).await;
    assert_eq!((short.status, short.body), (200, created.body));
    let bitcoin = fixture.post(WALLETS_PATH, json!({ "currency": "BTC" })).await;
    assert_eq!((bitcoin.status, &bitcoin.body["balance"]), (201, &"0.00000000".into()));
}

#[tokio::test]
async fn invalid_fields_of_a_new_wallet_and_invalid_parameters_are_named() {
    let fixture = Fixture::new();
    for (body, field) in [
        (json!({}), "currency"),
        (json!({ "currency": "GBP" }), "currency"),
        (json!({ "currency": 7 }), "currency"),
        (json!({ "currency": "USD", "balance": "100" }), "balance"),
    ] {
        let refused = fixture.post(WALLETS_PATH, body.clone()).await;
        assert_eq!((refused.status, refused.invalid_fields()), (422, vec![field]), "{body}");
    }
    for (query, field) in
        [("limit=0", "limit"), ("cursor=w1", "cursor"), ("user=7", "user"), ("currency=USD", "currency")]
    {
        let refused = fixture.get(&format!("{WALLETS_PATH}?{query}")).await;
        assert_eq!((refused.status, refused.invalid_fields()), (422, vec![field]), "{query}");
    }
    let refused = fixture.get("/wallet").await;
    assert_eq!((refused.status, refused.invalid_fields()), (422, vec!["id"]));
}

#[tokio::test]
async fn client_sees_only_its_own_wallets_and_an_operator_sees_all() {
    let fixture = Fixture::new();
    let (anonymous, _) = fixture.wallet(Currency::USD);
    let of_ada = fixture.backend.add_wallet(Currency::USD, Some(fixture.ada));
    let of_bob = fixture.backend.add_wallet(Currency::USD, Some(UserId(Uuid::now_v7())));
    let ada = Some(fixture.key.expose());
    let operator = Some(OPERATOR_TOKEN);
    for (token, visible) in [(None, vec![anonymous]), (ada, vec![of_ada]), (operator, vec![of_bob, of_ada, anonymous])]
    {
        let list = fixture.get_as(token, WALLETS_PATH).await.body;
        let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|wallet| wallet["id"].clone()).collect();
        let expected: Vec<Value> = visible.iter().map(|id| id.to_string().into()).collect();
        assert_eq!(ids, expected, "{token:?}");
        for id in [anonymous, of_ada, of_bob] {
            let expected = if visible.contains(&id) { 200 } else { 404 };
            let (path, short) = (wallet_path(id), format!("/wallet?id={id}"));
            for path in [path.as_str(), &short, &format!("{path}/operations")] {
                assert_eq!(fixture.get_as(token, path).await.status, expected, "{token:?} {path}");
            }
        }
    }
    let unknown = WalletId(Uuid::now_v7());
    for id in [of_bob, unknown] {
        let refused = fixture.get_as(ada, &wallet_path(id)).await;
        let detail = format!("Wallet {id} does not exist.");
        assert_eq!((refused.code(), &refused.body["detail"]), ("not_found", &detail.into()));
    }
}

#[tokio::test]
async fn only_an_operator_selects_the_wallets_of_others() {
    let fixture = Fixture::new();
    let of_ada = fixture.backend.add_wallet(Currency::USD, Some(fixture.ada));
    fixture.wallet(Currency::USD);
    let path = format!("{WALLETS_PATH}?user={}", fixture.ada);
    for token in [Some(OPERATOR_TOKEN), Some(fixture.key.expose())] {
        let list = fixture.get_as(token, &path).await.body;
        assert_eq!((&list["data"][0]["id"], list["data"].as_array().unwrap().len()), (&of_ada.to_string().into(), 1));
    }
    assert_eq!(fixture.get(&path).await.code(), "forbidden");
    let of_bob = format!("{WALLETS_PATH}?user={}", Uuid::now_v7());
    let refused = fixture.get_as(Some(fixture.key.expose()), &of_bob).await;
    assert_eq!((refused.code(), &refused.body["subcode"]), ("forbidden", &"operators_only".into()));
}

#[tokio::test]
async fn pages_link_to_the_next_page() {
    let fixture = Fixture::new();
    let ids: Vec<_> =
        (0..3).map(|_| fixture.backend.add_wallet(Currency::USD, Some(fixture.ada)).to_string()).collect();
    let token = Some(OPERATOR_TOKEN);
    let page = fixture.get_as(token, &format!("{WALLETS_PATH}?limit=2&user={}", fixture.ada)).await.body;
    let next = page["_links"]["next"].as_str().unwrap();
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(next, format!("{WALLETS_PATH}?limit=2&cursor={cursor}&user={}", fixture.ada));
    let last = fixture.get_as(token, next).await.body;
    assert_eq!((&last["data"][0]["id"], &last["_links"]), (&ids[0].clone().into(), &json!({})));
    assert_eq!(last.get("next_cursor"), None);

    let (id, operations) = fixture.wallet(Currency::USD);
    for amount in ["1", "2", "3"] {
        assert_eq!(fixture.post(&operations, deposit(amount)).await.status, 200);
    }
    let page = fixture.get(&format!("{}/operations?limit=2", wallet_path(id))).await.body;
    assert_eq!((&page["data"][0]["amount"], &page["data"][0]["balance"]), (&"3.00".into(), &"6.00".into()));
    let next = page["_links"]["next"].as_str().unwrap();
    assert_eq!(next, format!("{}/operations?limit=2&cursor=n2", wallet_path(id)));
    assert_eq!(fixture.get(next).await.body["data"][0]["amount"], "1.00");
}

#[tokio::test]
async fn export_has_every_operation_in_both_formats() {
    let fixture = Fixture::new();
    let (id, operations) = fixture.wallet(Currency::USD);
    let path = format!("{}/operations/export", wallet_path(id));
    let header = "id,wallet_id,operation_type,amount,balance,created_at\r\n";
    assert_eq!(fixture.get(&format!("{path}?format=csv")).await.text, header);
    // More operations than a page of the export contains.
    for n in 0..1003 {
        let body = if n % 2 == 0 { deposit("2") } else { withdrawal("1") };
        assert_eq!(fixture.post(&operations, body).await.status, 200);
    }
    let csv = fixture.get(&format!("{path}?format=csv")).await.text;
    let jsonl = fixture.get(&format!("{path}?format=jsonl")).await.text;
    let rows: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 1003);
    let names: Vec<_> = header.trim_end().split(',').collect();
    let line_of = |row: &Value| names.iter().map(|name| row[name].as_str().unwrap()).collect::<Vec<_>>().join(",");
    assert_eq!(csv, format!("{header}{}\r\n", rows.iter().map(line_of).collect::<Vec<_>>().join("\r\n")));
    assert_eq!((&rows[0]["balance"], &rows[1002]["operation_type"]), (&"503.00".into(), &"DEPOSIT".into()));
    assert_eq!(fixture.get_as(Some(fixture.key.expose()), &format!("{path}?format=csv")).await.code(), "not_found");
    assert_eq!(fixture.get(&path).await.invalid_fields(), ["format"]);
    assert_eq!(fixture.get(&format!("{path}?format=xml")).await.invalid_fields(), ["format"]);
}

#[tokio::test]
async fn operator_may_verify_wallets_but_not_change_them() {
    let fixture = Fixture::new();
    let (id, operations) = fixture.wallet(Currency::USD);
    let operator = Some(OPERATOR_TOKEN);
    let transfer = json!({ "from": id, "to": id, "amount": "1" });
    for (path, body) in
        [(WALLETS_PATH, json!({ "currency": "USD" })), (&operations, deposit("1")), (TRANSFERS_PATH, transfer)]
    {
        let refused = fixture.post_as(operator, path, body).await;
        assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{path}");
    }
    assert_eq!(fixture.backend.balance(id), "0.00");
    let path = "/api/v1/journal/verification";
    let page = fixture.get_as(operator, &format!("{path}?limit=7&cursor=w{}", id.0.simple())).await;
    assert_eq!((page.status, &page.body["checked"]["wallets"]), (200, &7.into()));
    assert_eq!(page.body["next_cursor"], format!("w{}", id.0.simple()));
    assert_eq!(fixture.get(path).await.status, 401);
    assert_eq!(fixture.get_as(Some(fixture.key.expose()), path).await.status, 403);
}

#[tokio::test]
async fn reads_fail_while_db_proxy_is_unreachable() {
    let fixture = Fixture::new();
    let (id, _) = fixture.wallet(Currency::USD);
    fixture.backend.set_fault(Fault::Unreachable);
    assert_eq!(fixture.get(&wallet_path(id)).await.code(), "upstream_unavailable");
}
