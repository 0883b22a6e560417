use poem::http::HeaderValue;

use super::*;

fn reason(values: &[&[u8]], parsed: Option<&str>) -> String {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(IdempotencyKey::HEADER, HeaderValue::from_bytes(value).unwrap());
    }
    let parsed = parsed.map(|key| key.parse().unwrap());
    let problem = RequestKey::from_header(parsed, &headers).unwrap_err();
    assert_eq!(problem.errors[0].field, IdempotencyKey::HEADER);
    problem.errors[0].message.clone()
}

#[test]
fn refused_header_is_shown() {
    let rule = "must be 1 to 128 visible ASCII characters, such as a UUID, but is";
    assert_eq!(reason(&["ключ".as_bytes()], None), format!("{rule} \"ключ\""));
    assert_eq!(reason(&[b"a\xff"], None), format!(r#"{rule} "a\xff""#));
    assert_eq!(reason(&[b"a", b"b"], Some("a")), "must be sent once, but is sent 2 times");
}
