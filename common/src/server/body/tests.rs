use super::*;
use crate::money::DecimalText;

#[derive(Debug, PartialEq, poem_openapi::Object, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PaymentBody {
    currency: Option<String>,
    amount: Option<DecimalText>,
    quote: Option<String>,
}

fn fault(json: &str) -> (Code, Vec<String>) {
    let problem = parse_json::<PaymentBody>(json.as_bytes()).unwrap_err();
    (problem.code, problem.errors.into_iter().map(|e| e.field).collect())
}

#[test]
fn numbers_are_parsed_exactly() {
    let order: PaymentBody = parse_json(br#"{"currency":"USD","amount":123456789.1234}"#).unwrap();
    assert_eq!(order.amount.unwrap().as_str(), "123456789.1234");
}

#[test]
fn invalid_field_is_named_and_malformed_json_is_a_bad_request() {
    assert_eq!(fault(r#"{"currency":"USD","amount":[]}"#), (Code::ValidationFailed, vec!["amount".to_owned()]));
    assert_eq!(fault(r#"{"currency":7,"amount":1}"#), (Code::ValidationFailed, vec!["currency".to_owned()]));
    assert_eq!(fault(r#"{"curency":"USD"}"#), (Code::ValidationFailed, vec!["curency".to_owned()]));
    let twice = r#"{"amount":1,"currency":"USD","amount":2}"#;
    assert_eq!(fault(twice), (Code::ValidationFailed, vec!["amount".to_owned()]));
    assert_eq!(fault("[]").0, Code::ValidationFailed);
    for malformed in ["", "{", "{\"amount\":NaN}", "{\"amount\":1}x", "{\"amount\":01}", "\u{feff}{}", "{'a':1}"] {
        assert_eq!(fault(malformed), (Code::BadRequest, vec![]), "{malformed}");
    }
}

#[test]
fn form_is_parsed_like_json() {
    let read = |form: &str| parse_form::<PaymentBody>(form.as_bytes());
    let order = read("currency=eur&amount=1%2E50&quote=").unwrap().unwrap();
    assert_eq!((order.currency.as_deref(), order.amount.unwrap().as_str()), (Some("eur"), "1.50"));
    assert_eq!(order.quote, None);
    assert_eq!(read("currency=&amount=").unwrap(), None);
    let fault = |form: &str| read(form).unwrap_err().errors[0].field.clone();
    assert_eq!((fault("amount=1&amount=2"), fault("amuont=1")), ("amount".to_owned(), "amuont".to_owned()));
}

#[test]
fn content_types_are_compared_without_case_and_parameters() {
    for good in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
        assert!(Json::<PaymentBody>::check_content_type(good), "{good}");
    }
    for bad in ["text/plain", "application/x-www-form-urlencoded", "json", "text/json"] {
        assert!(!Json::<PaymentBody>::check_content_type(bad), "{bad}");
    }
}
