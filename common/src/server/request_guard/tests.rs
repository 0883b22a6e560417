use super::*;
use crate::{config::Env, server::ServerConfig};

fn guard(address: &str, settings: &[(&'static str, &'static str)]) -> RequestGuard {
    let mut env = Env::from_pairs(settings.iter().copied());
    let config = ServerConfig::from_env(&mut env);
    env.finish().unwrap();
    RequestGuard::new(address.parse().unwrap(), config.allowed_hosts, config.cors_origins)
}

fn request(method: Method, headers: &[(&str, &str)]) -> Request {
    let request = Request::builder().method(method).uri_str("/api/v1/orders");
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).finish()
}

/// The status of the response, or 200 if the request is admitted.
fn status(guard: &RequestGuard, request: &Request) -> u16 {
    match guard.check(request) {
        Admission::Admitted(_) => 200,
        Admission::Responded(response) => response.status().as_u16(),
    }
}

#[test]
fn host_name_of_another_site_is_refused_on_loopback() {
    let guard = guard("127.0.0.1:8001", &[("ALLOWED_HOSTS", "shop.example")]);
    let with_host = |host| status(&guard, &request(Method::GET, &[("host", host)]));
    for allowed in ["localhost", "localhost:8001", "127.0.0.1:8001", "[::1]:8001", "shop.example", "shop.example:443"] {
        assert_eq!(with_host(allowed), 200, "{allowed}");
    }
    for refused in ["evil.example", "evil.example:8001", "127.0.0.1.evil.example", "localhost:8001@evil.example", ""] {
        assert_eq!(with_host(refused), 421, "{refused}");
    }
    assert_eq!(status(&guard, &request(Method::GET, &[])), 200);
    let absolute = Request::builder().uri_str("http://evil.example/").header("host", "localhost").finish();
    assert_eq!(status(&guard, &absolute), 421);
}

#[test]
fn host_names_are_checked_on_loopback_or_if_configured() {
    let evil = request(Method::GET, &[("host", "evil.example")]);
    assert_eq!(status(&guard("0.0.0.0:8001", &[]), &evil), 200);
    assert_eq!(status(&guard("192.0.2.1:8001", &[("ALLOWED_HOSTS", "localhost")]), &evil), 421);
    assert_eq!(status(&guard("[::ffff:127.0.0.1]:8001", &[]), &evil), 421);
}

#[test]
fn writes_that_another_site_causes_are_refused() {
    let guard = guard("127.0.0.1:8001", &[]);
    let host = ("host", "localhost:8001");
    for (headers, expected) in [
        (&[][..], 200),
        (&[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:8001")], 200),
        (&[("sec-fetch-site", "none")], 200),
        (&[("origin", "http://localhost:8001")], 200),
        (&[("origin", "https://LOCALHOST:8001")], 200),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site"), ("origin", "http://localhost:3000")], 403),
        (&[("sec-fetch-site", "something new")], 403),
        (&[("origin", "http://localhost:3000")], 403),
        (&[("origin", "https://evil.example")], 403),
        (&[("origin", "null")], 403),
        (&[("origin", "http://localhost:8001.evil.example")], 403),
    ] {
        let headers = [&[host], headers].concat();
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!(status(&guard, &request(method, &headers)), expected, "{headers:?}");
        }
        assert_eq!(status(&guard, &request(Method::GET, &headers)), 200, "{headers:?}");
    }
}

#[test]
fn page_of_configured_origin_may_send_requests_and_read_responses() {
    let guard = guard("127.0.0.1:8001", &[("CORS_ORIGINS", "https://shop.example")]);
    let headers = [("host", "localhost"), ("origin", "https://shop.example"), ("sec-fetch-site", "cross-site")];
    let Admission::Admitted(origin) = guard.check(&request(Method::POST, &headers)) else { panic!("refused") };
    let mut response = Response::default();
    guard.add_headers(origin, &mut response);
    assert_eq!(response.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(response.header("vary"), Some("origin"));

    let preflight = [headers[0], headers[1], ("access-control-request-method", "POST")];
    let Admission::Responded(response) = guard.check(&request(Method::OPTIONS, &preflight)) else {
        panic!("not answered")
    };
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(response.header("access-control-allow-headers").unwrap().contains("idempotency-key"));

    let evil = [("host", "localhost"), ("origin", "https://evil.example")];
    assert_eq!(status(&guard, &request(Method::POST, &evil)), 403);
    let Admission::Admitted(origin) = guard.check(&request(Method::OPTIONS, &evil)) else { panic!("answered") };
    let mut response = Response::default();
    guard.add_headers(origin, &mut response);
    assert_eq!(response.header("access-control-allow-origin"), None);
}

#[test]
fn refusal_is_a_problem_with_the_request_id() {
    let guard = guard("127.0.0.1:8001", &[]);
    let Admission::Responded(response) =
        guard.check(&request(Method::GET, &[("host", "evil.example"), ("x-request-id", "abc-123")]))
    else {
        panic!("admitted")
    };
    assert_eq!(response.header("x-request-id"), Some("abc-123"));
    assert_eq!(response.content_type(), Some("application/problem+json"));
}

#[tokio::test]
async fn refusal_names_the_host_or_the_origin() {
    let guard = guard("127.0.0.1:8001", &[("ALLOWED_HOSTS", "shop.example")]);
    let detail = async |headers: &[(&str, &str)]| {
        let Admission::Responded(response) = guard.check(&request(Method::POST, headers)) else { panic!("admitted") };
        response.into_body().into_string().await.unwrap()
    };
    let other_host =
        "The host name evil.example does not belong to this service. If the name is right, add it to ALLOWED_HOSTS.";
    let refused = detail(&[("host", "evil.example:8001")]).await;
    assert!(refused.contains(other_host), "{refused}");
    assert!(!refused.contains("shop.example"), "{refused}");
    let refused = detail(&[("host", "")]).await;
    assert!(refused.contains(r#"The host name \"\" does not"#), "{refused}");

    let refused = detail(&[("host", "localhost"), ("origin", "https://evil.example")]).await;
    assert!(refused.contains("A web page of another origin (https://evil.example) sent this request. "), "{refused}");
    let refused = detail(&[("host", "localhost"), ("sec-fetch-site", "cross-site")]).await;
    assert!(refused.contains("A web page of another origin sent this request. "), "{refused}");
}
