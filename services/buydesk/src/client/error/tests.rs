use std::time::Duration;

use common::api::FieldError;

use super::*;

const OPTIONS: &[FieldOption] =
    &[FieldOption { field: "amount", option: "--amount" }, FieldOption { field: "metadata", option: "--metadata" }];

fn client_error(problem: Problem) -> ClientError {
    ClientError::from_problem(&problem.clone(), problem.to_json().as_bytes())
}

fn document(error: ClientError) -> Value {
    serde_json::from_str(&error_document(&error.into())).unwrap()
}

#[test]
fn json_of_a_problem_keeps_the_next_step_and_the_seconds_to_wait() {
    let problem = || Problem::new(Code::TooManyRequests, "Too many requests.").retry_after(Duration::from_secs(7));
    let limited = document(client_error(problem()));
    assert_eq!((&limited["code"], &limited["status"]), (&json!("too_many_requests"), &json!(429)));
    assert_eq!((&limited[NEXT_STEP], &limited[RETRY_AFTER]), (&json!("Try again in 7 s."), &json!(7)));

    let key = "my-key".parse().unwrap();
    let unknown = document(client_error(problem()).with_unknown_outcome(&key));
    assert_eq!((&unknown["code"], &unknown[RETRY_AFTER]), (&json!("outcome_unknown"), &json!(7)));
    assert_eq!(unknown["idempotency_key"], "my-key");
    assert!(unknown[NEXT_STEP].as_str().unwrap().contains("--key my-key"), "{unknown}");
}

#[test]
fn wrong_field_is_named_by_the_option_that_sets_it() {
    let errors = [("amount", "must be greater than 0"), ("metadata.cart", "must be short"), ("other", "is unknown")];
    let errors = errors.map(|(field, message)| FieldError::new(field, message));
    let error = client_error(Problem::validation(errors.into())).naming_options(OPTIONS);
    assert_eq!(
        error.to_string(),
        "--amount must be greater than 0; --metadata cart: must be short; other is unknown (validation_failed)"
    );
    let document = document(error);
    let amount = json!({ "field": "amount", "message": "must be greater than 0", "option": "--amount" });
    assert_eq!(document["errors"][0], amount);
    assert_eq!(document["errors"][2]["option"], Value::Null);
    // The detail is that of the service.
    assert!(document["detail"].as_str().unwrap().starts_with("amount: "), "{document}");
}

#[test]
fn problem_without_fields_keeps_its_text() {
    let problem = Problem::new(Code::LimitExceeded, "Only 0.5 BTC are left.");
    assert_eq!(client_error(problem).naming_options(OPTIONS).to_string(), "Only 0.5 BTC are left. (limit_exceeded)");
}
