//! Deposits, withdrawals and transfers, and lists of operations and wallets.

use serde_json::{Value, json};
use tests::{
    Stack,
    client::{all_pages, send},
    on_both_stacks,
};

use super::{
    TRANSFERS_PATH, WALLETS_PATH, balance, check_journal, create_wallet, deposit, get, operation_path, post, start,
    transfer, wallet_path, withdrawal,
};

on_both_stacks!(
    movements_change_balances_and_are_listed_newest_first,
    refusals_name_the_reason_and_move_nothing,
    refusal_of_an_invalid_amount_names_the_field,
    pages_of_wallets_return_every_wallet_once,
);

async fn movements_change_balances_and_are_listed_newest_first(stack: Stack) {
    let platform = start(stack).await;
    let created = post(&platform, WALLETS_PATH, json!({ "currency": "usd" })).await;
    let wallet = created.json(201);
    assert_eq!(
        (&wallet["currency"], &wallet["balance"], &wallet["user_id"]),
        (&"USD".into(), &"0.00".into(), &Value::Null)
    );
    let id = wallet["id"].as_str().unwrap();
    assert_eq!(created.header("location"), Some(wallet_path(id).as_str()));
    assert_eq!(get(&platform, &format!("/wallet?id={id}")).await.json(200), wallet);
    let (path, other) = (operation_path(id), create_wallet(&platform, "USD").await);

    let stored = post(&platform, &path, deposit("1000")).await.json(200);
    assert_eq!((&stored["wallet_id"], &stored["operation_type"]), (&wallet["id"], &"DEPOSIT".into()));
    assert_eq!((&stored["amount"], &stored["balance"]), (&"1000.00".into(), &"1000.00".into()));
    assert_eq!(get(&platform, &wallet_path(id)).await.json(200)["balance"], "1000.00");
    let number = platform.client.json(platform.wallets.url(&path), r#"{"operation_type":"WITHDRAW","amount":0.0001}"#);
    assert_eq!(send(number).await.json(200)["balance"], "999.9999");
    let moved = post(&platform, TRANSFERS_PATH, transfer(id, &other, "99.5")).await.json(200);
    assert_eq!(
        (&moved["from"], &moved["amount"], &moved["from_balance"]),
        (&wallet["id"], &"99.50".into(), &"900.4999".into())
    );
    assert_eq!((balance(&platform, id).await, balance(&platform, &other).await), ("900.4999".into(), "99.50".into()));

    let operations = format!("{}/operations?limit=2", wallet_path(id));
    let listed = all_pages(&operations, async |path| get(&platform, &path).await.json(200)).await;
    let shown = |name: &str| listed.iter().map(|operation| operation[name].clone()).collect::<Vec<_>>();
    assert_eq!(shown("operation_type"), ["TRANSFER_OUT", "WITHDRAW", "DEPOSIT"]);
    assert_eq!(shown("balance"), ["900.4999", "999.9999", "1000.00"]);
    assert_eq!((&listed[0]["id"], &listed[2]), (&moved["id"], &stored));
    assert_eq!(check_journal(&platform).await, 3);
}

async fn refusals_name_the_reason_and_move_nothing(stack: Stack) {
    let platform = start(stack).await;
    let (id, euros) = (create_wallet(&platform, "USD").await, create_wallet(&platform, "EUR").await);
    let (path, unknown) = (operation_path(&id), uuid::Uuid::now_v7().to_string());
    post(&platform, &path, deposit("5")).await.json(200);
    let refused = post(&platform, &path, withdrawal("5.0001")).await.problem(409, "insufficient_funds");
    assert_eq!(refused["balance"], "5.00");
    assert!(refused["detail"].as_str().unwrap().contains("5.00 USD"), "{refused}");
    let refused = post(&platform, TRANSFERS_PATH, transfer(&id, &id, "1")).await;
    refused.invalid_fields(&["to"]);
    post(&platform, TRANSFERS_PATH, transfer(&id, &euros, "1")).await.invalid_fields(&["to"]);
    post(&platform, &path, deposit("0.00001")).await.invalid_fields(&["amount"]);
    post(&platform, &operation_path(&unknown), deposit("1")).await.problem(404, "not_found");
    get(&platform, &wallet_path(&unknown)).await.problem(404, "not_found");
    get(&platform, &format!("{}/operations", wallet_path(&unknown))).await.problem(404, "not_found");
    for (from, to, field) in [(&unknown, &id, "from"), (&id, &unknown, "to")] {
        let refused = post(&platform, TRANSFERS_PATH, transfer(from, to, "1")).await.problem(404, "not_found");
        assert_eq!(refused["errors"][0]["field"], field);
    }
    for (path, body, fields) in [
        (WALLETS_PATH, json!({ "currency": "XYZ" }), &["currency"][..]),
        (WALLETS_PATH, json!({}), &["currency"]),
        (&path, json!({ "operation_type": "PAY", "amount": 1, "currency": "USD" }), &["operation_type", "currency"]),
        (TRANSFERS_PATH, json!({ "from": "1", "to": id, "amount": "0" }), &["from", "amount"]),
        (TRANSFERS_PATH, json!({}), &["from", "to", "amount"]),
    ] {
        post(&platform, path, body).await.invalid_fields(fields);
    }
    get(&platform, &format!("{WALLETS_PATH}?limit=1001")).await.invalid_fields(&["limit"]);
    get(&platform, &format!("{}/operations?cursor=n0", wallet_path(&id))).await.invalid_fields(&["cursor"]);
    get(&platform, "/wallet").await.invalid_fields(&["id"]);
    assert_eq!(balance(&platform, &id).await, "5.00");
    assert_eq!(check_journal(&platform).await, 1);
}

async fn refusal_of_an_invalid_amount_names_the_field(stack: Stack) {
    let platform = start(stack).await;
    let (id, bitcoin) = (create_wallet(&platform, "USD").await, create_wallet(&platform, "BTC").await);
    let send_amount = async |id: &str, amount: &str| {
        let body = format!(r#"{{"operation_type":"DEPOSIT","amount":{amount}}}"#);
        send(platform.client.json(platform.wallets.url(&operation_path(id)), body)).await
    };
    let thirty_digits = "9".repeat(30);
    for amount in [
        "0",
        "-0",
        "-1",
        "\"-0\"",
        "0.00001",
        "\"1e3\"",
        "\"1E+3\"",
        "1e-5",
        "1e400",
        "\"1e400\"",
        "\"NaN\"",
        "\"Infinity\"",
        "\"१२\"",
        "\"１\"",
        "\"\"",
        "\" 1\"",
        "\"1 \"",
        "\"1,5\"",
        "\"+1\"",
        "\"0x1\"",
        "\"01\"",
        "\".5\"",
        "\"5.\"",
        "null",
        "true",
        "[]",
        "{}",
        "1000000000",
        "999999999.99999",
        "\"1\\u0000\"",
        &thirty_digits,
        &format!("\"{thirty_digits}\""),
        &format!("\"0.{thirty_digits}\""),
    ] {
        send_amount(&id, amount).await.invalid_fields(&["amount"]);
    }
    for amount in ["NaN", "Infinity", "१२", "01", "+1", ".5", "0x1"] {
        send_amount(&id, amount).await.problem(400, "bad_request");
    }
    assert_eq!(balance(&platform, &id).await, "0.00");
    for (amount, balance) in [
        ("\"999999999.9999\"", "999999999.9999"),
        ("0.0001", "1000000000.00"),
        ("1.000000000000000000000", "1000000001.00"),
        ("1E+3", "1000001001.00"),
    ] {
        assert_eq!(send_amount(&id, amount).await.json(200)["balance"], balance, "{amount}");
    }
    assert_eq!(send_amount(&bitcoin, "0.00000001").await.json(200)["balance"], "0.00000001");
    send_amount(&bitcoin, "0.000000001").await.invalid_fields(&["amount"]);
}

async fn pages_of_wallets_return_every_wallet_once(stack: Stack) {
    let platform = start(stack).await;
    let mut created = Vec::new();
    for currency in ["USD", "EUR", "GBP", "RUB", "BTC"] {
        created.insert(0, create_wallet(&platform, currency).await);
    }
    let listed = all_pages(&format!("{WALLETS_PATH}?limit=2"), async |path| {
        let page = get(&platform, &path).await.json(200);
        create_wallet(&platform, "USD").await;
        page
    })
    .await;
    let ids: Vec<_> = listed.iter().map(|wallet| wallet["id"].as_str().unwrap()).collect();
    assert_eq!(ids, created);
}
