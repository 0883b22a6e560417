use common::api::Problem;

use super::*;
use crate::client::scripted_service::{Reply, ScriptedService};

/// Runs a command whose request is refused with this code. Returns the error.
async fn refused(code: Code, command: QuoteCommand) -> String {
    let service = ScriptedService::start(vec![Reply::Problem(Problem::new(code, "It is refused.").to_json())]);
    run_quote_command(&service.client(&[]), command, false).await.unwrap_err().to_string()
}

#[tokio::test]
async fn refused_quote_is_reported_as_not_created() {
    for code in [Code::TooManyRequests, Code::LimitExceeded, Code::PriceUnavailable] {
        let args = CreateQuoteArgs { currency: "EUR".to_owned(), amount: Some("1".parse().unwrap()), bitcoin: None };
        let error = refused(code, QuoteCommand::Create(args)).await;
        assert_eq!(error.matches("No quote was created.").count(), 1, "{error}");
    }
}

#[tokio::test]
async fn cancellation_of_a_taken_quote_names_the_command_that_shows_the_order() {
    let id = "0197b0c4-7a5e-7d44-9b0a-1c2d3e4f5a6c";
    let error = refused(Code::QuoteTaken, QuoteCommand::Cancel { id: id.parse().unwrap() }).await;
    assert!(error.ends_with(&format!(" quote get {id}` shows the order.")), "{error}");
}

#[test]
fn outcome_of_a_cancellation_states_whether_a_reservation_was_released() {
    assert!(cancellation_outcome(QuoteState::Released).contains("is released"));
    assert!(cancellation_outcome(QuoteState::Expired).contains("has expired"));
    assert_eq!(cancellation_outcome(QuoteState::Open), "");
}
