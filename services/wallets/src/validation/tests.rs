use serde_json::{Value, json};

use super::*;

fn errors_of<T>(result: Result<T, Vec<FieldError>>) -> Vec<(String, String)> {
    let errors = result.err().unwrap_or_default();
    errors.into_iter().map(|error| (error.field, error.message)).collect()
}

fn amount_error(amount: &str) -> String {
    let payload =
        OperationPayload { operation_type: Some("DEPOSIT".to_owned()), amount: Some(DecimalText::from(amount)) };
    let errors = errors_of(validate_operation(WalletId(uuid::Uuid::nil()), &payload));
    match &errors[..] {
        [] => String::new(),
        [(field, message)] if field == "amount" => message.clone(),
        errors => panic!("{amount}: {errors:?}"),
    }
}

#[test]
fn amount_that_is_not_a_plain_positive_decimal_is_refused_with_the_reason() {
    for (amount, reason) in [
        ("0", "must be greater than 0"),
        ("-0", "must be greater than 0"),
        ("-1", "must be greater than 0"),
        ("0.000000001", "must have at most 8 decimals"),
        ("1000000000", "must be less than 1000000000"),
        ("999999999999999999999999999999", "must have at most 28 digits"),
        ("1e3", "must be written without an exponent, such as 1000"),
        ("1E-2", "must be written without an exponent, such as 1000"),
        ("1e400", "must be written without an exponent, such as 1000"),
        ("NaN", "must be a decimal number, such as 69 or 0.25"),
        ("Infinity", "must be a decimal number, such as 69 or 0.25"),
        ("", "must be a decimal number, such as 69 or 0.25"),
        (" 1", "must be a decimal number, such as 69 or 0.25"),
        ("+1", "must be a decimal number, such as 69 or 0.25"),
        ("1,5", "must be a decimal number, such as 69 or 0.25"),
        ("1_000", "must be a decimal number, such as 69 or 0.25"),
        ("0x10", "must be a decimal number, such as 69 or 0.25"),
        (".5", "must be a decimal number, such as 69 or 0.25"),
        ("01", "must be written without leading zeros, such as 69 or 0.25"),
        ("१२", "must be a decimal number, such as 69 or 0.25"),
        ("１", "must be a decimal number, such as 69 or 0.25"),
    ] {
        assert_eq!(amount_error(amount), format!("{reason}, but is {amount:?}"));
    }
    for amount in ["1", "1.0", "0.00000001", "999999999.99999999", "1.10000000000000"] {
        assert_eq!(amount_error(amount), "", "{amount}");
    }
}

#[test]
fn json_number_may_have_an_exponent() {
    let amount = |json: &str| {
        let payload = format!(r#"{{"operation_type":"DEPOSIT","amount":{json}}}"#);
        let payload = serde_json::from_str(&payload).unwrap();
        validate_operation(WalletId(uuid::Uuid::nil()), &payload).map(|command| command.amount).map_err(|_| ())
    };
    assert_eq!(amount("1e3"), Ok("1000".parse().unwrap()));
    assert_eq!(amount("1E-8"), Ok("0.00000001".parse().unwrap()));
    for invalid in ["1e-9", "1e9", "1e400", "-1e3", "\"1e3\""] {
        assert_eq!(amount(invalid), Err(()), "{invalid}");
    }
}

#[test]
fn every_missing_and_wrong_field_is_named() {
    let id = WalletId(uuid::Uuid::nil());
    let fields = |errors: Vec<(String, String)>| errors.into_iter().map(|(field, _)| field).collect::<Vec<_>>();
    assert_eq!(fields(errors_of(validate_operation(id, &OperationPayload::default()))), ["operation_type", "amount"]);
    let wrong = OperationPayload { operation_type: Some("deposit".to_owned()), amount: Some("x".into()) };
    let errors = errors_of(validate_operation(id, &wrong));
    assert_eq!(
        errors[0],
        (
            "operation_type".to_owned(),
            "must be one of DEPOSIT, WITHDRAW, but is \"deposit\" (did you mean DEPOSIT?)".to_owned()
        )
    );
    assert_eq!(errors[1].0, "amount");
    assert_eq!(fields(errors_of(validate_transfer(&TransferPayload::default()))), ["from", "to", "amount"]);
    let wrong = TransferPayload { from: Some("1".to_owned()), to: Some(id.to_string()), amount: Some("-1".into()) };
    assert_eq!(fields(errors_of(validate_transfer(&wrong))), ["from", "amount"]);
}

#[test]
fn currency_of_a_wallet_is_case_insensitive_and_must_be_allowed() {
    let allowed = [Currency::USD, Currency::RUB, Currency::BTC];
    let validate =
        |currency: Value| validate_wallet(&serde_json::from_value(json!({ "currency": currency })).unwrap(), &allowed);
    assert_eq!(validate("rub".into()), Ok(Currency::RUB));
    assert_eq!(validate("BTC".into()), Ok(Currency::BTC));
    for code in ["EUR", "US", "", "доллар"] {
        let expected = ("currency".to_owned(), must_be_one_of(code, allowed));
        assert_eq!(errors_of(validate(code.into())), [expected], "{code}");
    }
    assert_eq!(errors_of(validate(Value::Null)), [("currency".to_owned(), "is required".to_owned())]);
}
