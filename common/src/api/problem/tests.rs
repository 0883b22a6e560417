use super::*;

#[tokio::test]
async fn problem_is_parsed_from_its_response() {
    let problem = Problem {
        remaining_bitcoin: Some("0.5".parse().unwrap()),
        balance: Some(Box::new("1.50".parse().unwrap())),
        subcode: Some(Subcode::NoEffect),
        ..Problem::validation(vec![FieldError::new("amount", "must be greater than 0")])
    };
    let response = problem.clone().respond(Some("r-1"));
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(response.content_type(), Some(Problem::CONTENT_TYPE));
    let body = response.into_body().into_vec().await.unwrap();
    assert_eq!(Problem::from_json(&body, None), Some(problem));
}

#[test]
fn unknown_subcode_of_a_newer_service_is_ignored() {
    let sent = Problem { subcode: Some(Subcode::UnknownPath), ..Problem::new(Code::NotFound, "x") }.to_json();
    let parsed = |body: &str| Problem::from_json(body.as_bytes(), None).unwrap().subcode;
    assert_eq!(parsed(&sent), Some(Subcode::UnknownPath));
    assert_eq!(parsed(&sent.replace("unknown_path", "newer")), None);
    assert!(!Problem::new(Code::NotFound, "x").to_json().contains("subcode"));
}

#[test]
fn every_code_is_parsed_from_its_text() {
    for &code in Code::ALL {
        assert_eq!(Code::from_text(code.as_str()), Some(code));
    }
}

#[test]
fn only_429_and_503_have_retry_after() {
    for &code in Code::ALL {
        let expected = matches!(code.status().as_u16(), 429 | 503);
        assert_eq!(Problem::new(code, "x").respond(None).headers().contains_key("retry-after"), expected, "{code}");
    }
}

#[test]
fn retry_after_is_rounded_up_to_seconds() {
    let response = Problem::new(Code::Overloaded, "x").retry_after(Duration::from_millis(1001)).respond(None);
    assert_eq!(response.headers()["retry-after"], "2");
}
