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
fn json_of_a_problem_contains_the_next_step_and_the_seconds_to_wait() {
    let problem = || Problem::new(Code::TooManyRequests, "Too many requests.").retry_after(Duration::from_secs(7));
    let limited = document(client_error(problem()));
    assert_eq!((&limited["code"], &limited["status"]), (&json!("too_many_requests"), &json!(429)));
    assert_eq!((&limited[NEXT_STEP], &limited[RETRY_AFTER]), (&json!("Try again in 7 s."), &json!(7)));

    let unknown = document(client_error(problem()).with_unknown_change(&key(), change()));
    assert_eq!((&unknown["code"], &unknown[RETRY_AFTER]), (&json!("outcome_unknown"), &json!(7)));
    assert_eq!(unknown["idempotency_key"], "my-key");
    assert_eq!(unknown[NEXT_STEP], "Find out.");
}

fn key() -> IdempotencyKey {
    "my-key".parse().unwrap()
}

fn change() -> UnknownChange {
    UnknownChange { possible_effect: "It may exist.", next_step: "Find out.".to_owned() }
}

/// A problem with this code, as a service sends it.
fn sent_problem(code: Code) -> ClientError {
    let problem = Problem::new(code, "This is the detail.").retry_after(Duration::from_secs(5));
    let mut body: Value = serde_json::from_str(&problem.clone().to_json()).unwrap();
    body["request_id"] = "id-7".into();
    ClientError::from_problem(&problem, body.to_string().as_bytes())
}

#[test]
fn json_of_an_unknown_outcome_has_the_members_of_a_problem_document() {
    let expected = document(sent_problem(Code::OutcomeUnknown));
    for code in [Code::OutcomeUnknown, Code::TooManyRequests] {
        let unknown = document(sent_problem(code).with_unknown_change(&key(), change()));
        for member in ["type", "title", "status", "request_id", RETRY_AFTER] {
            assert!(!unknown[member].is_null(), "{member} is not in {unknown}");
            assert_eq!(unknown[member], expected[member], "{code}");
        }
        assert_eq!(unknown[DETAIL], "This is the detail. It may exist.");
    }
    // Without a response there is no status.
    let no_response = ClientError::new("no_response", "There is no response.", "Wait.");
    let unknown = document(no_response.with_unknown_change(&key(), change()));
    assert_eq!((&unknown["title"], &unknown["status"]), (&expected["title"], &Value::Null));
    assert_eq!(unknown[DETAIL], "There is no response. It may exist.");
}

const HEALTH_HINT: &str = "`buydesk health` shows what is missing.";

#[test]
fn error_of_an_order_without_effect_states_the_cause() {
    let reason = "create-order cannot work: db-proxy: database";
    let error = sent_problem(Code::OutcomeUnknown).into_denial("No order was placed", reason, HEALTH_HINT);
    assert_eq!(
        error.to_string(),
        "No order was placed, because create-order cannot work: db-proxy: database. (upstream_unavailable, request id id-7)\n\
         Try again in 5 s. `buydesk health` shows what is missing."
    );
    let error = document(error);
    assert_eq!((&error["code"], &error["status"]), (&json!("upstream_unavailable"), &json!(503)));
    assert_eq!((&error["request_id"], &error[IDEMPOTENCY_KEY]), (&json!("id-7"), &Value::Null));
}

#[test]
fn error_of_an_order_that_was_not_sent_keeps_the_next_step() {
    let error =
        ClientError::new("no_response", "There is no response.", "Is it running?").with_denial("No order was placed.");
    assert_eq!(error.to_string(), "There is no response. No order was placed.\nIs it running?");
    assert_eq!(document(error)[DETAIL], "There is no response. No order was placed.");
}

#[test]
fn compared_field_of_a_message_is_replaced_by_its_option() {
    let options = [("from", "--from"), ("to", "--to"), ("min_amount", "--min-amount"), ("max_amount", "--max-amount")];
    let options = options.map(|(field, option)| FieldOption { field, option });
    for (field, message, expected) in [
        ("from", "must not be later than to", "--from must not be later than --to"),
        (
            "from",
            r#"must not be later than to ("2026-01-01"), but is "than to""#,
            r#"--from must not be later than --to ("2026-01-01"), but is "than to""#,
        ),
        (
            "min_amount",
            "must not be greater than max_amount (1.00), but is 5.00",
            "--min-amount must not be greater than --max-amount (1.00), but is 5.00",
        ),
        (
            "to",
            r#"must be another currency or coin than from, but is "BTC""#,
            r#"--to must be another currency or coin than --from, but is "BTC""#,
        ),
        (
            "to",
            "must be a wallet in EUR, the currency of from, but is in USD",
            "--to must be a wallet in EUR, the currency of --from, but is in USD",
        ),
        ("to", "must not be longer than top", "--to must not be longer than top"),
    ] {
        let error = client_error(Problem::validation(vec![FieldError::new(field, message)])).naming_options(&options);
        assert_eq!(error.to_string(), format!("{expected} (validation_failed)"));
    }
}

#[test]
fn time_of_the_next_attempt_is_stated_once() {
    let problem = Problem::new(Code::DatabaseUnavailable, "The database is unavailable. Try again in a moment.");
    let waiting = client_error(problem.clone().retry_after(Duration::from_secs(2)));
    assert_eq!(waiting.to_string(), "The database is unavailable. (database_unavailable)\nTry again in 2 s.");
    assert_eq!(document(waiting)[DETAIL], "The database is unavailable.");
    // Without the header, the sentence of the service is the only advice.
    let problem = Problem { retry_after: None, ..problem };
    assert!(client_error(problem).to_string().contains(" Try again in a moment. ("));
}

#[test]
fn refusal_of_an_argument_by_program_or_service_is_an_invalid_argument() {
    assert!(ClientError::invalid_arguments("--metadata must not have the same name twice").is_invalid_argument());
    assert!(client_error(Problem::validation(Vec::new())).is_invalid_argument());
    for code in [Code::LimitExceeded, Code::PriceUnavailable, Code::OutcomeUnknown] {
        assert!(!sent_problem(code).is_invalid_argument(), "{code}");
    }
}

#[test]
fn invalid_field_is_replaced_by_the_option_that_sets_it() {
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
    // The detail is unchanged: it names the field, as the service sent it.
    assert!(document["detail"].as_str().unwrap().starts_with("amount: "), "{document}");
}

#[test]
fn problem_without_invalid_fields_keeps_its_text() {
    let problem = Problem::new(Code::LimitExceeded, "Only 0.5 BTC are left.");
    assert_eq!(client_error(problem).naming_options(OPTIONS).to_string(), "Only 0.5 BTC are left. (limit_exceeded)");
}

#[test]
fn only_an_error_that_may_be_transient_has_a_retry_wait() {
    let no_response = || ClientError::new("no_response", "There is no response.", "Wait.");
    assert_eq!(no_response().with_effect(Effect::NotSent).retry_wait(), Some(Duration::ZERO));
    assert_eq!(no_response().with_effect(Effect::Unknown).retry_wait(), Some(Duration::ZERO));
    for code in [Code::DatabaseUnavailable, Code::TooManyRequests, Code::OutcomeUnknown] {
        assert_eq!(sent_problem(code).retry_wait(), Some(Duration::from_secs(5)), "{code}");
    }
    for code in [Code::Unauthorized, Code::NotFound, Code::ValidationFailed] {
        assert_eq!(sent_problem(code).retry_wait(), None, "{code}");
    }
    assert_eq!(ClientError::invalid_arguments("--cursor is wrong").retry_wait(), None);
}

#[test]
fn error_of_a_change_states_whether_the_change_may_have_been_made() {
    let failed = |effect| -> anyhow::Result<()> {
        Err(ClientError::new("no_response", "There is no response.", "Is it running?").with_effect(effect).into())
    };
    let change =
        || UnknownChange { possible_effect: "The user may have been changed.", next_step: "Look at it.".to_owned() };
    let of = |effect| of_change(failed(effect), change()).unwrap_err();
    assert_eq!(of(Effect::Refused).to_string(), "There is no response.\nIs it running?");
    assert_eq!(of(Effect::NotSent).to_string(), "There is no response. Nothing was changed.\nIs it running?");
    let unknown = of(Effect::Unknown);
    assert_eq!(unknown.to_string(), "There is no response.\nThe user may have been changed.\nLook at it.");
    let document: Value = serde_json::from_str(&error_document(&unknown)).unwrap();
    assert_eq!((&document["code"], &document[NEXT_STEP]), (&json!("outcome_unknown"), &json!("Look at it.")));
    assert_eq!(document[DETAIL], "There is no response. The user may have been changed.");
    assert_eq!(document[IDEMPOTENCY_KEY], Value::Null);
}

#[test]
fn invalid_settings_have_a_next_step_in_json() {
    let mut env = common::config::Env::from_pairs([("BACKUP_DIR", "x")]);
    env.add_fault("BACKUP_KEY_FILE", None, "it must be the path of a key file");
    env.add_error("BACKUP_DIR", "x", "a folder");
    let error = anyhow::Error::from(env.finish().unwrap_err());
    let document: Value = serde_json::from_str(&error_document(&error)).unwrap();
    assert_eq!(document["code"], "invalid_settings");
    assert_eq!(
        document[DETAIL],
        "some settings are invalid: BACKUP_KEY_FILE is not set; it must be the path of a key file; BACKUP_DIR=\"x\" is not \
         allowed; it must be a folder"
    );
    assert!(document[NEXT_STEP].as_str().unwrap().starts_with("Correct these settings"), "{document}");
}

#[test]
fn advice_is_added_unless_the_error_has_a_next_step() {
    let advised = |error: ClientError| {
        let advice = |code| (code == Code::EmailTaken).then(|| "Look at it.".to_owned());
        document(with_advice(Err::<(), _>(error.into()), advice).unwrap_err().downcast().unwrap())
    };
    assert_eq!(advised(client_error(Problem::new(Code::EmailTaken, "Taken.")))[NEXT_STEP], "Look at it.");
    assert_eq!(advised(client_error(Problem::new(Code::NotFound, "Nothing.")))[NEXT_STEP], Value::Null);
    assert_eq!(advised(sent_problem(Code::EmailTaken))[NEXT_STEP], "Try again in 5 s.");
    assert_eq!(advised(ClientError::new("other", "Other.", "Wait."))[NEXT_STEP], "Wait.");
}
