//! Deposits, withdrawals and transfers, and the reasons for which they are refused.

use common::{
    api::wallets::{MoveRefusalReason, MoveRefused},
    money::Money,
};

use super::*;
use crate::tests::fake_backend::refused;

const KEY: &str = "payment-7";

#[tokio::test]
async fn operation_returns_the_new_balance() {
    let fixture = Fixture::new();
    let (id, path) = fixture.wallet(Currency::USD);
    let stored = fixture.post(&path, deposit("1000.5")).await;
    assert_eq!(stored.status, 200, "{}", stored.text);
    let body = &stored.body;
    assert_eq!((&body["wallet_id"], &body["operation_type"]), (&id.to_string().into(), &"DEPOSIT".into()));
    assert_eq!((&body["amount"], &body["balance"]), (&"1000.50".into(), &"1000.50".into()));
    assert!(body["id"].is_string() && body["created_at"].is_string(), "{body}");
    // A JSON number is read exactly.
    let body = r#"{"operation_type":"WITHDRAW","amount":0.0001}"#.to_owned();
    let sent = TestRequest { method: Method::POST, path: &path, token: None, idempotency_key: None, body: Some(body) };
    let stored = fixture.send(sent).await;
    assert_eq!((&stored.body["amount"], &stored.body["balance"]), (&"0.0001".into(), &"1000.4999".into()));
    assert_eq!((stored.replayed.as_deref(), stored.key.is_some()), (Some("false"), true));
}

#[tokio::test]
async fn repetition_with_the_same_key_moves_no_money_and_returns_the_same_body() {
    let fixture = Fixture::new();
    let (id, path) = fixture.wallet(Currency::USD);
    let (other, _) = fixture.wallet(Currency::USD);
    let first = fixture.post_with_key(&path, KEY, deposit("5")).await;
    assert_eq!((first.key.as_deref(), first.replayed.as_deref()), (Some(KEY), Some("false")));
    fixture.post(&path, deposit("1")).await;
    // The same amount in another form is the same request.
    for amount in ["5", "5.00"] {
        let again = fixture.post_with_key(&path, KEY, deposit(amount)).await;
        assert_eq!((again.status, again.replayed.as_deref()), (200, Some("true")));
        assert_eq!(again.text, first.text);
    }
    for (path, body) in [
        (&path, deposit("6")),
        (&path, withdrawal("5")),
        (&operation_path(other), deposit("5")),
        (&TRANSFERS_PATH.to_owned(), json!({ "from": id, "to": other, "amount": "5" })),
    ] {
        let reused = fixture.post_with_key(path, KEY, body).await;
        assert_eq!((reused.status, reused.code()), (422, "idempotency_key_reused"));
        assert_eq!(reused.invalid_fields(), ["Idempotency-Key"]);
    }
    assert_eq!(fixture.backend.balance(id), "6.00");
}

#[tokio::test]
async fn keys_of_two_clients_are_independent() {
    let fixture = Fixture::new();
    let (_, path) = fixture.wallet(Currency::USD);
    let of_ada = operation_path(fixture.backend.add_wallet(Currency::USD, Some(fixture.ada)));
    assert_eq!(fixture.post_with_key(&path, KEY, deposit("5")).await.status, 200);
    let sent = TestRequest {
        method: Method::POST,
        path: &of_ada,
        token: Some(fixture.key.expose()),
        idempotency_key: Some(KEY),
        body: Some(deposit("7").to_string()),
    };
    assert_eq!(fixture.send(sent).await.body["balance"], "7.00");
}

#[tokio::test]
async fn malformed_keys_and_fields_are_named() {
    let fixture = Fixture::new();
    let (id, path) = fixture.wallet(Currency::USD);
    let malformed = fixture.post_with_key(&path, "two words", deposit("5")).await;
    assert_eq!((malformed.status, malformed.invalid_fields()), (422, vec!["Idempotency-Key"]));
    for (path, body, fields) in [
        (path.as_str(), "{}".to_owned(), vec!["operation_type", "amount"]),
        (
            &path,
            r#"{"operation_type":"PAY","amount":"-1","wallet_id":"7"}"#.to_owned(),
            vec!["wallet_id", "operation_type", "amount"],
        ),
        (&path, r#"{"operation_type":"DEPOSIT","amount":1,"amount":2}"#.to_owned(), vec!["amount"]),
        (&path, r#"{"operation_type":"DEPOSIT","amount":[1]}"#.to_owned(), vec!["amount"]),
        (&path, r#"{"operation_type":"DEPOSIT","amount":1e400}"#.to_owned(), vec!["amount"]),
        (&path, r#"{"operation_type":"DEPOSIT","amount":null}"#.to_owned(), vec!["amount"]),
        (TRANSFERS_PATH, "{}".to_owned(), vec!["from", "to", "amount"]),
        (TRANSFERS_PATH, format!(r#"{{"from":"{id}","to":"7","amount":"x"}}"#), vec!["to", "amount"]),
    ] {
        let sent =
            TestRequest { method: Method::POST, path, token: None, idempotency_key: None, body: Some(body.clone()) };
        let refused = fixture.send(sent).await;
        assert_eq!((refused.status, refused.invalid_fields()), (422, fields), "{body}: {}", refused.text);
    }
    for body in ["", "{", r#"{"operation_type":"DEPOSIT","amount":NaN}"#, r#"{"operation_type":"DEPOSIT","amount":१२}"#]
    {
        let sent = TestRequest {
            method: Method::POST,
            path: &path,
            token: None,
            idempotency_key: None,
            body: Some(body.to_owned()),
        };
        let refused = fixture.send(sent).await;
        assert_eq!((refused.status, refused.code()), (400, "bad_request"), "{body}: {}", refused.text);
    }
    assert!(fixture.backend.batches().is_empty(), "a refused request was sent to db-proxy");
    assert_eq!(fixture.post(&operation_path(7), deposit("1")).await.invalid_fields(), ["id"]);
    let not_utf8 = fixture.get(&format!("{WALLETS_PATH}/%ff")).await;
    assert_eq!((not_utf8.status, not_utf8.invalid_fields()), (422, vec!["id"]));
    assert_eq!(not_utf8.body["errors"][0]["message"], "must be text in UTF-8, but is \"%ff\"");
}

#[tokio::test]
async fn each_refusal_has_its_status_code_and_field() {
    use MoveRefusalReason as Reason;
    let usd = |text: &str| text.parse::<Money>().ok();
    let (fixture, currency) = (Fixture::new(), Some(Currency::USD));
    let (from, path) = fixture.wallet(Currency::USD);
    let (to, _) = fixture.wallet(Currency::USD);
    let of = |reason, wallet_id, balance| MoveRefused { wallet_id, balance, currency, ..refused(reason) };
    for (refused, in_transfer, status, code, field, part) in [
        (of(Reason::WalletNotFound, Some(from), None), false, 404, "not_found", None, "does not exist"),
        (of(Reason::WalletNotFound, Some(from), None), true, 404, "not_found", Some("from"), "does not exist"),
        (of(Reason::WalletNotFound, Some(to), None), true, 404, "not_found", Some("to"), "does not exist"),
        (of(Reason::SameWallet, None, None), true, 422, "validation_failed", Some("to"), "another wallet than from"),
        (of(Reason::CurrencyMismatch, None, None), true, 422, "validation_failed", Some("to"), "a wallet in USD"),
        (
            of(Reason::TooManyDecimals, None, None),
            false,
            422,
            "validation_failed",
            Some("amount"),
            "must have at most 4 decimals, because the wallet is in USD, but is \"3.00\"",
        ),
        (
            of(Reason::InsufficientFunds, Some(from), usd("2.50")),
            false,
            409,
            "insufficient_funds",
            None,
            "has 2.50 USD, which is less than the amount, 3.00 USD.",
        ),
        (of(Reason::BalanceOutOfRange, Some(from), usd("9.00")), false, 409, "balance_out_of_range", None, "9.00 USD"),
        // The balance of a wallet of another owner is not shown.
        (refused(Reason::BalanceOutOfRange), true, 409, "balance_out_of_range", None, "that receives the money"),
        (
            of(Reason::KeyReused, None, None),
            false,
            422,
            "idempotency_key_reused",
            Some("Idempotency-Key"),
            "The Idempotency-Key \"",
        ),
    ] {
        fixture.backend.refuse(refused);
        let answer = if in_transfer {
            fixture.post(TRANSFERS_PATH, json!({ "from": from, "to": to, "amount": "3" })).await
        } else {
            fixture.post(&path, deposit("3")).await
        };
        let context = format!("{refused:?}: {}", answer.text);
        assert_eq!((answer.status, answer.code()), (status, code), "{context}");
        assert_eq!(answer.invalid_fields(), field.into_iter().collect::<Vec<_>>(), "{context}");
        assert!(answer.body["detail"].as_str().unwrap().contains(part), "{context}");
        let balance = refused.balance.map_or(Value::Null, |balance| balance.to_string().into());
        assert_eq!(answer.body["balance"], balance, "{context}");
    }
}

#[tokio::test]
async fn transfer_moves_the_amount_between_two_wallets() {
    let fixture = Fixture::new();
    let (from, path) = fixture.wallet(Currency::BTC);
    let (to, _) = fixture.wallet(Currency::BTC);
    fixture.post(&path, deposit("1")).await;
    let body = json!({ "from": from, "to": to, "amount": "0.00000001" });
    let first = fixture.post_with_key(TRANSFERS_PATH, KEY, body.clone()).await;
    assert_eq!((first.status, &first.body["amount"]), (200, &"0.00000001".into()), "{}", first.text);
    assert_eq!(first.body["from_balance"], "0.99999999");
    let again = fixture.post_with_key(TRANSFERS_PATH, KEY, body).await;
    assert_eq!((again.text, again.replayed.as_deref()), (first.text, Some("true")));
    assert_eq!(
        (fixture.backend.balance(from), fixture.backend.balance(to)),
        ("0.99999999".into(), "0.00000001".into())
    );
}
