use super::*;
use crate::{
    api::{MAX_FIELD_ERRORS, orders::Metadata},
    money::DecimalText,
};

#[derive(Debug, Clone, PartialEq, poem_openapi::Object, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PaymentBody {
    currency: Option<String>,
    amount: Option<DecimalText>,
    quote: Option<String>,
}

/// The code of the problem of an invalid body, and the fields that the problem names.
fn problem_of(json: &str) -> (Code, Vec<String>) {
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
    assert_eq!(problem_of(r#"{"currency":"USD","amount":[]}"#), (Code::ValidationFailed, vec!["amount".to_owned()]));
    assert_eq!(problem_of(r#"{"currency":7,"amount":1}"#), (Code::ValidationFailed, vec!["currency".to_owned()]));
    assert_eq!(problem_of(r#"{"curency":"USD"}"#), (Code::ValidationFailed, vec!["curency".to_owned()]));
    let twice = r#"{"amount":1,"currency":"USD","amount":2}"#;
    assert_eq!(problem_of(twice), (Code::ValidationFailed, vec!["amount".to_owned()]));
    assert_eq!(problem_of("[]").0, Code::ValidationFailed);
    for malformed in ["", "{", "{\"amount\":NaN}", "{\"amount\":1}x", "{\"amount\":01}", "\u{feff}{}", "{'a':1}"] {
        assert_eq!(problem_of(malformed), (Code::BadRequest, vec![]), "{malformed}");
    }
}

#[test]
fn form_is_parsed_like_json() {
    let read = |form: &str| parse_form::<PaymentBody>(form.as_bytes()).map(|body| body.or_problem(|_| Vec::new()));
    let order = read("currency=eur&amount=1%2E50&quote=").unwrap().unwrap();
    assert_eq!((order.currency.as_deref(), order.amount.unwrap().as_str()), (Some("eur"), "1.50"));
    assert_eq!(order.quote, None);
    assert_eq!(read("currency=&amount="), None);
    let fields = |form: &str| -> Vec<String> {
        read(form).unwrap().unwrap_err().errors.into_iter().map(|error| error.field).collect()
    };
    assert_eq!(fields("amount=1&amount=2&curency=1"), ["amount", "curency"]);
}

#[test]
fn form_with_text_that_is_not_utf8_is_refused() {
    let errors = |form: &[u8]| -> Vec<(String, String)> {
        let problem = parse_form::<PaymentBody>(form).unwrap().or_problem(|_| Vec::new()).unwrap_err();
        problem.errors.into_iter().map(|error| (error.field, error.message)).collect()
    };
    let expected = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|&(field, message)| (field.to_owned(), message.to_owned())).collect()
    };
    let value = ("amount", "must be text in UTF-8, but is \"%ff\"");
    assert_eq!(errors(b"amount=%ff&currency=EUR"), expected(&[value]));
    assert_eq!(
        errors(b"amount=%ff&curency=EUR"),
        expected(&[value, ("curency", "is unknown; did you mean currency?")])
    );
    assert_eq!(errors(b"amount=\xff"), expected(&[("amount", "must be text in UTF-8, but is \"%FF\"")]));
    assert_eq!(errors(b"%ff=1")[0].0, "%ff");
}

#[derive(Debug, PartialEq, poem_openapi::Object, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultBody {
    kind: FaultKind,
    seconds: u64,
    exchanges: Vec<String>,
    #[serde(default)]
    #[oai(default)]
    enabled: bool,
    detail: Option<PaymentBody>,
}

#[derive(Debug, PartialEq, poem_openapi::Enum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
enum FaultKind {
    Slow,
    Down,
}

#[track_caller]
fn assert_errors(json: &str, expected: &[(&str, &str)]) {
    let problem = parse_json::<FaultBody>(json.as_bytes()).unwrap_err();
    let errors: Vec<_> = problem.errors.iter().map(|error| (error.field.as_str(), error.message.as_str())).collect();
    assert_eq!(errors, expected, "{json}");
}

#[test]
fn every_invalid_field_is_described_in_terms_of_json() {
    assert_errors(
        r#"{"kind":"quick","seconds":-1,"exchanges":"kraken","enabled":"yes","detail":7}"#,
        &[
            ("kind", "must be one of slow, down, but is \"quick\""),
            ("seconds", "must be a whole number, 0 or more, but is -1"),
            ("exchanges", "must be a list, but is \"kraken\""),
            ("enabled", "must be true or false, but is \"yes\""),
            ("detail", "must be a JSON object, but is 7"),
        ],
    );
    assert_errors(
        r#"{"kind":7,"seconds":1.5,"exchanges":["a",2],"detail":{"amount":{}}}"#,
        &[
            ("kind", "must be one of slow, down, but is 7"),
            ("seconds", "must be a whole number, 0 or more, but is 1.5"),
            ("exchanges[1]", "must be a string, but is 2"),
            ("detail.amount", "must be a decimal number, such as 69 or 0.25, but is an object"),
        ],
    );
}

#[test]
fn unknown_missing_and_repeated_fields_are_named() {
    assert_errors("{}", &[("kind", "is required"), ("seconds", "is required"), ("exchanges", "is required")]);
    assert_errors(
        r#"{"enabled":1}"#,
        &[
            ("enabled", "must be true or false, but is 1"),
            ("kind", "is required"),
            ("seconds", "is required"),
            ("exchanges", "is required"),
        ],
    );
    let misspelt = r#"{"kind":"slow","second":1,"exchanges":[],"enabled":true,"enabled":true}"#;
    assert_errors(misspelt, &[("second", "is unknown; did you mean seconds?"), ("enabled", "must be sent once")]);
    let others_missing = r#"{"second":1,"exchanges":[]}"#;
    assert_errors(others_missing, &[("second", "is unknown; did you mean seconds?"), ("kind", "is required")]);
    let nested = r#"{"kind":"slow","seconds":1,"exchanges":[],"detail":{"curency":"EUR"}}"#;
    assert_errors(nested, &[("detail.curency", "is unknown; did you mean currency?")]);
    let all = "is unknown; the known names are kind, seconds, exchanges, enabled, detail";
    assert_errors(r#"{"kind":"slow","seconds":1,"exchanges":[],"x":1}"#, &[("x", all)]);
    assert_errors("7", &[("body", "must be a JSON object, but is 7")]);
    assert_errors("null", &[("body", "must be a JSON object, but is null")]);
    assert_errors("[]", &[("body", "must be a JSON object, but is a list")]);
}

#[test]
fn number_of_named_fields_is_limited() {
    let fields =
        |name: &dyn Fn(usize) -> String| (0..5_000).map(|n| format!("\"{}\":1", name(n))).collect::<Vec<_>>().join(",");
    let errors = |fields: String| parse_json::<FaultBody>(format!("{{{fields}}}").as_bytes()).unwrap_err().errors;
    assert_eq!(errors(fields(&|n| format!("x{n}"))).len(), MAX_FIELD_ERRORS);
    // Each repeated field is named once.
    assert_eq!(
        errors(fields(&|n| format!("x{}", n % 3))).iter().filter(|error| error.field.starts_with('x')).count(),
        3
    );
}

#[test]
fn only_the_first_error_of_a_large_body_is_named() {
    let fields = |size: usize| -> Vec<String> {
        let json = r#"{"kind":7,"seconds":-1,"exchanges":[8],"enabled":1}"#;
        let json = format!("{json}{}", " ".repeat(size - json.len()));
        let errors = parse_json::<FaultBody>(json.as_bytes()).unwrap_err().errors;
        errors.into_iter().map(|error| error.field).collect()
    };
    assert_eq!(fields(field_errors::MAX_SEARCHED), ["kind", "seconds", "exchanges[0]", "enabled"]);
    assert_eq!(fields(field_errors::MAX_SEARCHED + 1), ["kind"]);
}

#[test]
fn handler_adds_its_errors_about_the_fields_that_were_parsed() {
    let read = |json: &str| UncheckedBody::<PaymentBody>(try_parse_json(json.as_bytes()));
    let check = |payment: &PaymentBody| {
        let amount = payment.amount.as_ref().filter(|amount| amount.as_str() == "x");
        let currency = payment.currency.is_none().then(|| FieldError::missing("currency"));
        amount.map(|_| FieldError::new("amount", "must be a number")).into_iter().chain(currency).collect()
    };
    let fields = |json: &str| -> Vec<String> {
        read(json).or_problem(check).unwrap_err().errors.into_iter().map(|error| error.field).collect()
    };
    assert_eq!(fields(r#"{"currency":7,"amount":"x"}"#), ["currency", "amount"]);
    // A misspelt field is not also reported as missing. Other missing fields are reported.
    assert_eq!(fields(r#"{"curency":"EUR","amount":"x"}"#), ["curency", "amount"]);
    assert_eq!(fields(r#"{"quotes":"7"}"#), ["quotes", "currency"]);
    assert_eq!(fields(r#"{"quote":7}"#), ["quote", "currency"]);
    // A field with a wrong value is not reported as missing.
    assert_eq!(fields(r#"{"currency":[]}"#), ["currency"]);
    // `or_problem` does not check a body that can be parsed.
    assert!(read(r#"{"amount":"x"}"#).or_problem(check).is_ok());
}

/// A body with lists and maps of objects.
#[derive(Debug, Clone, PartialEq, poem_openapi::Object, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanBody {
    steps: Vec<Step>,
    owners: std::collections::BTreeMap<crate::money::Currency, Step>,
    /// The notes.
    notes: Option<Metadata>,
    /// The first step.
    first: Step,
}

#[derive(Debug, Clone, PartialEq, poem_openapi::Object, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[oai(validator(minimum(value = "1"), maximum(value = "60")))]
    at: u64,
    name: String,
    #[serde(default)]
    labels: Vec<String>,
}

fn plan_errors(json: &str) -> Vec<String> {
    let check = |plan: &PlanBody| {
        let at = |(index, step): (usize, &Step)| {
            (step.at > 60).then(|| FieldError::new(format!("steps[{index}].at"), "must be at most 60"))
        };
        let label = |(index, label): (usize, &String)| {
            label.is_empty().then(|| FieldError::new(format!("first.labels[{index}]"), "must not be empty"))
        };
        let labels = plan.first.labels.iter().enumerate().filter_map(label);
        plan.steps.iter().enumerate().filter_map(at).chain(labels).collect()
    };
    let body = UncheckedBody::<PlanBody>::parse(json.as_bytes());
    let errors = body.or_problem(check).unwrap_err().errors;
    errors.into_iter().map(|error| format!("{} {}", error.field, error.message)).collect()
}

#[test]
fn every_wrong_value_in_lists_and_maps_is_named() {
    let json = r#"{
        "steps":[{"at":0.5,"name":7},8,{"at":61,"name":"a"},{"name":"b","labels":[1,"",2],"x":1},{"at":1}],
        "owners":{"EURO":{"at":1,"name":"a"},"USD":{"at":"1","name":"a"}},
        "notes":{"a":1,"b":"c","d":[],"b":"e","\t":null},
        "first":{"name":"a","at":3,"labels":["",{}]}}"#;
    assert_eq!(
        plan_errors(json),
        [
            "steps[0].at must be a whole number from 1 to 60, but is 0.5",
            "steps[0].name must be a string, but is 7",
            "steps[1] must be a JSON object, but is 8",
            "steps[3].labels[0] must be a string, but is 1",
            "steps[3].labels[2] must be a string, but is 2",
            "steps[3].x is unknown; the known names are at, name, labels",
            "steps[3].at is required",
            "steps[4].name is required",
            "owners.EURO must be a code of three letters, such as EUR, but is \"EURO\"",
            "owners.USD.at must be a whole number from 1 to 60, but is \"1\"",
            "notes.a must be a string, but is 1",
            "notes.d must be a string, but is a list",
            "notes.b must be sent once",
            "notes.\\t must be a string, but is null",
            "first.labels[1] must be a string, but is an object",
            "steps[2].at must be at most 60",
            "first.labels[0] must not be empty",
        ]
    );
}

#[test]
fn required_field_with_a_wrong_value_is_not_reported_as_missing() {
    let errors = plan_errors(r#"{"steps":7,"owners":[],"frist":{}}"#);
    assert_eq!(
        errors,
        [
            "steps must be a list, but is 7",
            "owners must be a JSON object, but is a list",
            "frist is unknown; did you mean first?",
        ]
    );
    assert_eq!(
        plan_errors(r#"{"steps":[{"at":100,"name":"a"}],"first":{"at":1,"nmae":"b"}}"#),
        ["first.nmae is unknown; did you mean name?", "owners is required", "steps[0].at must be at most 60"]
    );
    // The check receives a placeholder for `first`. Its errors about `first` are ignored.
    let body = UncheckedBody::<PlanBody>::parse(br#"{"steps":[],"owners":{},"frist":{"at":1,"name":"a"}}"#);
    let checked = body.or_problem(|_| {
        vec![FieldError::new("first.name", "must not be empty"), FieldError::missing_unless("notes", "first")]
    });
    assert_eq!(checked.unwrap_err().errors.len(), 1);
}

#[test]
fn deeply_nested_value_is_refused() {
    let json = format!(r#"{{"steps":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    let expected = ["steps[0] must be a JSON object, but is a list", "owners is required", "first is required"];
    assert_eq!(plan_errors(&json), expected);
    let json = format!(r#"{{"currency":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(problem_of(&json), (Code::ValidationFailed, vec!["currency".to_owned()]));
}

#[test]
fn malformed_json_is_described_without_texts_of_the_parser() {
    let detail_of = |json: &[u8]| parse_json::<PaymentBody>(json).unwrap_err().detail;
    let detail = |json: &str| detail_of(json.as_bytes());
    assert_eq!(detail_of(b"{\"currency\":\"EUR\xff\"}"), "The body is not JSON: its byte 17 is not UTF-8.");
    assert_eq!(detail(""), "The body is empty. It must be a JSON object.");
    assert_eq!(detail("{\"amount\":1"), "The body is not JSON: it ends too early.");
    assert_eq!(detail("{\n'a':1}"), "The body is not JSON: the error is at line 2, column 1.");
    assert_eq!(detail("{}x"), "The body is not JSON: the error is at line 1, column 3.");
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

#[test]
fn refusal_of_a_content_type_names_the_type_that_was_sent() {
    let refused = ContentTypeError::NotSupported { content_type: "text/plain".to_owned() };
    assert_eq!(
        not_of_json_type(&refused).detail,
        "The body must be JSON, but its content type is \"text/plain\". Send the header Content-Type: application/json."
    );
}
