use common::api::{Code, Problem};
use serde_json::Value;

use super::*;
use crate::client::{
    error::error_document,
    scripted_service::{Reply, ScriptedService},
};

const CURSOR: &str = "w0190a6e27c1b7c3a9d5e0123456789ab";
const WALLET: &str = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";

/// A page without violations.
fn page(next_cursor: Option<&str>) -> Value {
    let mut page = json!({ "checked": { "wallets": 1, "entries": 3, "movements": 2 }, "violations": [] });
    if let Some(cursor) = next_cursor {
        page["next_cursor"] = cursor.into();
    }
    page
}

fn unavailable() -> Reply {
    Reply::Problem(Problem::new(Code::DatabaseUnavailable, "The database cannot be reached.").to_json())
}

async fn verify(service: &ScriptedService) -> anyhow::Result<ExitCode> {
    verify_journal(&service.client(&[("OPERATOR_TOKEN", "the token of operators")]), VerifyArgs { cursor: None }, true)
        .await
}

fn is_exit_code(code: ExitCode, expected: u8) -> bool {
    format!("{code:?}") == format!("{:?}", ExitCode::from(expected))
}

#[tokio::test]
async fn all_pages_are_checked_as_an_operator() {
    let service = ScriptedService::start(vec![Reply::Success(page(Some(CURSOR))), Reply::Success(page(None))]);
    assert!(is_exit_code(verify(&service).await.unwrap(), 0));
    let requests = service.requests();
    assert!(requests[0].starts_with(&format!("GET /{PATH}?limit=10000 ")), "{}", requests[0]);
    assert!(requests[1].starts_with(&format!("GET /{PATH}?limit=10000&cursor={CURSOR} ")), "{}", requests[1]);
    assert!(requests.iter().all(|request| request.contains("authorization: Bearer the token of operators")));
    assert_eq!(requests.len(), 2);
}

#[tokio::test]
async fn violation_on_any_page_fails_the_command() {
    let mut wrong = page(Some(CURSOR));
    wrong["violations"] = json!([{ "kind": "balance_differs", "wallet_id": WALLET }]);
    let service = ScriptedService::start(vec![Reply::Success(wrong), Reply::Success(page(None))]);
    assert!(is_exit_code(verify(&service).await.unwrap(), VIOLATIONS_FOUND));
    assert_eq!(service.requests().len(), 2);
}

#[tokio::test]
async fn second_page_is_retried_after_a_short_outage() {
    let outage = [unavailable(), Reply::NoResponse];
    let pages = [Reply::Success(page(Some(CURSOR)))].into_iter().chain(outage).chain([Reply::Success(page(None))]);
    let service = ScriptedService::start(pages.collect());
    assert!(is_exit_code(verify(&service).await.unwrap(), 0));
    assert_eq!(service.requests().len(), 4);
}

#[tokio::test]
async fn incomplete_check_fails_with_the_command_to_continue() {
    let refused = Reply::Problem(Problem::new(Code::Unauthorized, "The token is not valid.").to_json());
    let service = ScriptedService::start(vec![Reply::Success(page(Some(CURSOR))), refused]);
    let error: Value = serde_json::from_str(&error_document(&verify(&service).await.unwrap_err())).unwrap();
    assert_eq!(error["code"], "unauthorized");
    let next_step = error["next_step"].as_str().unwrap();
    assert!(
        next_step.starts_with("To continue: ") && next_step.ends_with(&format!("wallet verify --cursor {CURSOR}")),
        "{error}"
    );
}

#[tokio::test]
async fn failed_first_request_is_not_retried_and_its_error_has_the_command_to_start_again() {
    let refused = Reply::Problem(Problem::new(Code::Unauthorized, "The token is not valid.").to_json());
    for (reply, code) in [(unavailable(), "database_unavailable"), (refused, "unauthorized")] {
        let service = ScriptedService::start(vec![reply]);
        let error: Value = serde_json::from_str(&error_document(&verify(&service).await.unwrap_err())).unwrap();
        assert_eq!(error["code"], code);
        let next_step = error["next_step"].as_str().unwrap();
        assert!(next_step.contains("To start again: ") && next_step.ends_with("wallet verify"), "{error}");
        assert_eq!(service.requests().len(), 1);
    }
}

#[tokio::test]
async fn page_after_an_empty_page_is_retried_after_an_outage() {
    let mut empty = page(Some(CURSOR));
    empty["checked"] = json!({ "wallets": 0, "entries": 0, "movements": 0 });
    let service = ScriptedService::start(vec![Reply::Success(empty), unavailable(), Reply::Success(page(None))]);
    assert!(is_exit_code(verify(&service).await.unwrap(), 0));
    assert_eq!(service.requests().len(), 3);
}

#[test]
fn violation_names_its_kind_and_its_rows() {
    let violation = Violation {
        kind: ViolationKind::WrongBalanceAfter,
        wallet_id: WALLET.parse().ok(),
        number: Some(7),
        movement_id: WALLET.parse().ok(),
        order_id: None,
    };
    let explanation = "the balance after the entry is not the balance before it plus its amount";
    let expected = format!("wrong_balance_after: wallet {WALLET}, entry 7, movement {WALLET}: {explanation}");
    assert_eq!(describe_violation(&violation), expected);
}

#[test]
fn summary_counts_rows_and_violations() {
    let checked = CheckedRows { wallets: 1, entries: 3, movements: 2, paid_orders: 1 };
    assert_eq!(
        journal_summary(checked, 0),
        "Checked 1 wallet with 3 entries, 2 movements and 1 paid order. No violation was found."
    );
    assert_eq!(
        journal_summary(CheckedRows::default(), 1),
        "Checked 0 wallets with 0 entries, 0 movements and 0 paid orders. 1 violation was found."
    );
    assert!(journal_summary(checked, 2).ends_with(" 2 violations were found."));
}
