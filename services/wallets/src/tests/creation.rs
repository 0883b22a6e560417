//! Creating wallets with idempotency keys.

use common::api::Code;

use super::*;
use crate::tests::fake_backend::Fault;

const KEY: &str = "client-key";

fn dollars() -> Value {
    json!({ "currency": "USD" })
}

#[tokio::test]
async fn repeated_creation_returns_the_first_wallet_as_it_was_created() {
    let fixture = Fixture::new();
    let first = fixture.post_with_key(WALLETS_PATH, KEY, dollars()).await;
    assert_eq!((first.status, first.key.as_deref(), first.replayed.as_deref()), (201, Some(KEY), Some("false")));
    fixture.post(&operation_path(first.body["id"].as_str().unwrap()), deposit("5")).await;
    let again = fixture.post_with_key(WALLETS_PATH, KEY, dollars()).await;
    assert_eq!((again.status, &again.text, &again.location), (201, &first.text, &first.location));
    assert_eq!(again.replayed.as_deref(), Some("true"));

    let other = fixture.post_with_key(WALLETS_PATH, KEY, json!({ "currency": "BTC" })).await;
    assert_eq!((other.status, other.code()), (422, "idempotency_key_reused"));
    assert_eq!(other.invalid_fields(), ["Idempotency-Key"]);
    // The same idempotency key in a request of a user identifies a different wallet.
    let body = Some(dollars().to_string());
    let token = Some(fixture.key.expose());
    let sent = TestRequest { method: Method::POST, path: WALLETS_PATH, token, idempotency_key: Some(KEY), body };
    assert_ne!(fixture.send(sent).await.body["id"], first.body["id"]);

    let generated = [fixture.post(WALLETS_PATH, dollars()).await, fixture.post(WALLETS_PATH, dollars()).await];
    assert!(generated.iter().all(|created| created.replayed.as_deref() == Some("false")));
    assert_ne!(generated[0].key, generated[1].key);
    assert_ne!(generated[0].body["id"], generated[1].body["id"]);
}

#[tokio::test]
async fn invalid_key_of_a_creation_is_named() {
    let fixture = Fixture::new();
    let refused = fixture.post_with_key(WALLETS_PATH, "two words", dollars()).await;
    assert_eq!((refused.status, refused.invalid_fields()), (422, vec!["Idempotency-Key"]));
    assert_eq!(fixture.get(WALLETS_PATH).await.body["data"], json!([]));
}

#[tokio::test]
async fn failed_creation_states_whether_a_wallet_may_exist() {
    let unavailable = Fault::Problem(Code::DatabaseUnavailable);
    let cases = [
        (Fault::Unreachable, None, "upstream_unavailable", None),
        (Fault::Unreachable, Some(KEY), "outcome_unknown", Some("no_effect")),
        (unavailable, None, "database_unavailable", None),
        (unavailable, Some(KEY), "outcome_unknown", Some("no_effect")),
        (Fault::Problem(Code::OutcomeUnknown), None, "outcome_unknown", None),
        (Fault::LostResponse { moves: false }, None, "outcome_unknown", None),
        (Fault::LostResponse { moves: true }, Some(KEY), "outcome_unknown", None),
    ];
    for (fault, key, code, subcode) in cases {
        let fixture = Fixture::new();
        fixture.backend.set_fault(fault);
        let body = Some(dollars().to_string());
        let sent = TestRequest { method: Method::POST, path: WALLETS_PATH, token: None, idempotency_key: key, body };
        let failed = fixture.send(sent).await;
        let context = format!("{fault:?} {key:?}: {}", failed.text);
        assert_eq!((failed.status, failed.code()), (503, code), "{context}");
        assert_eq!(failed.body["subcode"].as_str(), subcode, "{context}");
        let states_no_wallet = failed.body["detail"].as_str().unwrap().ends_with(" No wallet was created.");
        assert_eq!(states_no_wallet, code != "outcome_unknown", "{context}");
        // The same request with the key of the response shows whether the wallet exists, also if the service generated the key.
        if code == "outcome_unknown" {
            let key = failed.body["idempotency_key"].as_str().unwrap().to_owned();
            fixture.backend.set_fault(Fault::None);
            let created = fixture.post_with_key(WALLETS_PATH, &key, dollars()).await;
            assert_eq!(created.status, 201, "{context}");
            let listed = fixture.get(WALLETS_PATH).await;
            assert_eq!(listed.body["data"].as_array().map(Vec::len), Some(1), "{context}");
            let was_created = fault == Fault::LostResponse { moves: true };
            assert_eq!(created.replayed.as_deref() == Some("true"), was_created, "{context}");
        }
    }
}

#[tokio::test]
async fn key_of_a_different_wallet_is_refused_even_after_a_lost_response() {
    let fixture = Fixture::new();
    fixture.post_with_key(WALLETS_PATH, KEY, dollars()).await;
    fixture.backend.set_fault(Fault::LostThenDecided { moves: false });
    let refused = fixture.post_with_key(WALLETS_PATH, KEY, json!({ "currency": "EUR" })).await;
    assert_eq!((refused.status, refused.code()), (422, "idempotency_key_reused"));
}
