use std::net::Ipv4Addr;

use futures_util::FutureExt;

use super::*;
use crate::{
    access::AuthenticatedUser,
    api::keys::Scopes,
    ids::{KeyId, UserId},
};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Checks a request against a limit that is not shared with other instances.
fn check(
    limit: &RateLimit,
    request: &Request,
    client: IpAddr,
    principal: &Principal,
) -> Option<(RateLimitStatus, Result<(), Problem>)> {
    limit.check_request(request, client, principal).now_or_never().expect("the limit does not wait")
}

/// Counts a request from the IP address `client`.
fn count(limit: &RateLimit, client: IpAddr) -> (RateLimitStatus, Result<(), Problem>) {
    let request = Request::builder().method(Method::POST).finish();
    check(limit, &request, client, &Principal::Anonymous).unwrap()
}

/// A user with a new API key that has this limit.
fn user(rate_limit_per_minute: Option<u32>) -> Principal {
    Principal::User(Arc::new(AuthenticatedUser {
        user_id: UserId(uuid::Uuid::new_v4()),
        key_id: KeyId(uuid::Uuid::new_v4()),
        scopes: Scopes::default(),
        rate_limit_per_minute,
    }))
}

/// How many of ten requests are allowed, and the limit that is reported for the last request.
fn allowed_of_ten(limit: &RateLimit, principal: &Principal) -> (usize, Option<u32>) {
    let request = Request::builder().method(Method::POST).finish();
    let results: Vec<_> = (0..10).map(|_| check(limit, &request, CLIENT, principal)).collect();
    let allowed = results.iter().filter(|result| result.as_ref().is_none_or(|(_, allowed)| allowed.is_ok())).count();
    (allowed, results[9].as_ref().map(|(status, _)| status.limit))
}

#[test]
fn each_client_has_its_own_limit() {
    let limit = RateLimit::per_minute(2, TrustedProxies::default());
    let check = |client| count(&limit, ip(client));
    assert_eq!(check("192.0.2.1").0.remaining, 1);
    assert_eq!(check("192.0.2.1").0.remaining, 0);
    let rejected = check("192.0.2.1").1.unwrap_err();
    assert_eq!(rejected.code, Code::TooManyRequests);
    assert!(rejected.retry_after.unwrap() <= Duration::from_secs(30));
    assert!(check("192.0.2.2").1.is_ok());
}

#[tokio::test(start_paused = true)]
async fn reset_is_the_time_until_a_request_is_allowed() {
    let limit = RateLimit::per_minute(2, TrustedProxies::default());
    let check = || count(&limit, ip("192.0.2.1"));
    assert_eq!(check().0.reset, Duration::ZERO, "another request is allowed immediately");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(check().0.reset, Duration::from_secs(20));
    tokio::time::advance(Duration::from_secs(5)).await;
    let (status, refused) = check();
    assert_eq!((status.reset, refused.unwrap_err().retry_after), (Duration::from_secs(15), Some(status.reset)));
    tokio::time::advance(status.reset).await;
    assert!(check().1.is_ok());
}

#[test]
fn clients_beyond_the_maximum_number_have_their_own_limits() {
    let limit = RateLimit::per_minute(1, TrustedProxies::default());
    let number = u32::try_from(MAX_RATE_LIMITED_CLIENTS).unwrap();
    for client in 0..2 * number {
        let client = Ipv4Addr::from_bits(client).into();
        assert!(count(&limit, client).1.is_ok(), "{client}");
    }
}

#[test]
fn zero_turns_the_limit_off() {
    let request = Request::builder().method(Method::POST).finish();
    let limit = RateLimit::per_minute(0, TrustedProxies::default());
    assert!(check(&limit, &request, CLIENT, &Principal::Anonymous).is_none());
}

#[test]
fn requests_with_an_api_key_count_only_for_this_key() {
    let limit = RateLimit::per_minute(2, TrustedProxies::default());
    for _ in 0..2 {
        assert_eq!(allowed_of_ten(&limit, &user(Some(5))), (5, Some(5)));
        // A key without its own limit has the limit of the service.
        assert_eq!(allowed_of_ten(&limit, &user(None)), (2, Some(2)));
    }
    assert_eq!(allowed_of_ten(&limit, &Principal::Anonymous), (2, Some(2)));
}

#[test]
fn changed_limit_of_a_key_applies_immediately_and_earlier_requests_count() {
    let limit = RateLimit::per_minute(2, TrustedProxies::default());
    let Principal::User(key) = user(None) else { unreachable!() };
    let with_limit = |rate_limit_per_minute| {
        Principal::User(Arc::new(AuthenticatedUser { rate_limit_per_minute, ..(*key).clone() }))
    };
    assert_eq!(allowed_of_ten(&limit, &with_limit(Some(3))), (3, Some(3)));
    // Three of the six are used already.
    assert_eq!(allowed_of_ten(&limit, &with_limit(Some(6))), (3, Some(6)));
    // Six requests were accepted, which is more than these lower limits.
    assert_eq!(allowed_of_ten(&limit, &with_limit(Some(5))), (0, Some(5)));
    assert_eq!(allowed_of_ten(&limit, &with_limit(None)), (0, Some(2)));
    // The limit of two lowered the number of counted requests to two.
    assert_eq!(allowed_of_ten(&limit, &with_limit(Some(4))), (2, Some(4)));
}

#[test]
fn limit_of_a_key_applies_also_if_the_service_has_none() {
    let limit = RateLimit::per_minute(0, TrustedProxies::default());
    assert_eq!(allowed_of_ten(&limit, &user(Some(5))), (5, Some(5)));
    assert_eq!(allowed_of_ten(&limit, &user(None)), (10, None));
}

#[test]
fn operators_are_not_limited() {
    let limit = RateLimit::per_minute(1, TrustedProxies::default());
    assert_eq!(allowed_of_ten(&limit, &Principal::Operator), (10, None));
}

#[test]
fn reads_are_not_counted_by_default() {
    let limit = RateLimit::per_minute(1, TrustedProxies::default());
    for (method, counted) in [("GET", false), ("HEAD", false), ("OPTIONS", false), ("POST", true), ("DELETE", true)] {
        let request = Request::builder().method(method.parse().unwrap()).finish();
        assert_eq!(check(&limit, &request, CLIENT, &Principal::Anonymous).is_some(), counted, "{method}");
    }
}

#[test]
fn limited_reads_have_a_limit_of_their_own() {
    let limit = RateLimit::per_minute(1, TrustedProxies::default()).with_reads("/quotes/", 2);
    let allowed = |method: Method, path: &str| {
        let request = Request::builder().method(method).uri_str(path).finish();
        check(&limit, &request, CLIENT, &Principal::Anonymous).map(|(_, allowed)| allowed.is_ok())
    };
    assert_eq!([1, 2, 3].map(|_| allowed(Method::GET, "/quotes/7")), [Some(true), Some(true), Some(false)]);
    assert_eq!(allowed(Method::GET, "/orders/7"), None);
    assert_eq!([1, 2].map(|_| allowed(Method::DELETE, "/quotes/7")), [Some(true), Some(false)]);
}

#[test]
fn reads_of_documentation_and_monitoring_are_not_counted() {
    let limit = RateLimit::per_minute(1, TrustedProxies::default()).counting(CountedRequests::All);
    let get = |path: &'static str| Request::builder().uri_str(path).finish();
    let check = |request: &Request| check(&limit, request, CLIENT, &Principal::Anonymous);
    assert!(check(&get("/api/v1/courses")).is_some_and(|(_, allowed)| allowed.is_ok()));
    assert!(check(&get("/api/v1/courses")).is_some_and(|(_, allowed)| allowed.is_err()));
    for exempt in ["/", "/docs", "/errors", "/livez", "/metrics", "/openapi.json", "/readyz"] {
        assert!(check(&get(exempt)).is_none(), "{exempt}");
    }
    let options = Request::builder().method(Method::OPTIONS).uri_str("/api/v1/courses").finish();
    assert!(check(&options).is_none());
}

#[test]
fn forwarded_for_is_used_only_from_trusted_proxies() {
    let proxy = [ip("10.0.0.1"), ip("10.0.0.2")];
    assert_eq!(client_address(ip("192.0.2.9"), "1.2.3.4", &proxy), ip("192.0.2.9"));
    assert_eq!(client_address(ip("10.0.0.1"), "1.2.3.4", &proxy), ip("1.2.3.4"));
    assert_eq!(client_address(ip("10.0.0.1"), "6.6.6.6, 1.2.3.4, 10.0.0.2", &proxy), ip("1.2.3.4"));
    assert_eq!(client_address(ip("10.0.0.1"), "nonsense", &proxy), ip("10.0.0.1"));
    for entry in ["1.2.3.4:4711", " 1.2.3.4:4711 ", "6.6.6.6,1.2.3.4:4711,10.0.0.2:80", "[::ffff:1.2.3.4]:80"] {
        assert_eq!(client_address(ip("10.0.0.1"), entry, &proxy), ip("1.2.3.4"), "{entry}");
    }
    for entry in ["[2001:db8::1]:4711", "[2001:db8::1]", "2001:db8::1"] {
        assert_eq!(client_address(ip("10.0.0.1"), entry, &proxy), ip("2001:db8::"), "{entry}");
    }
    assert_eq!(client_address(ip("10.0.0.1"), "", &proxy), ip("10.0.0.1"));
}

#[test]
fn ipv6_network_counts_as_one_client() {
    assert_eq!(client_address(ip("2001:db8:1:2:3:4:5:6"), "", &[]), ip("2001:db8:1:2::"));
    assert_eq!(client_address(ip("::ffff:192.0.2.1"), "", &[]), ip("192.0.2.1"));
}

#[test]
fn changed_limit_applies_to_known_clients() {
    let new = |changes, reads| RateLimit::per_minute(changes, TrustedProxies::default()).with_reads("/quotes/", reads);
    let limit = new(4, 0);
    let clone = limit.clone().counting(CountedRequests::Changes);
    assert_eq!(allowed_of_ten(&clone, &Principal::Anonymous), (4, Some(4)));
    limit.apply(&new(6, 3));
    assert_eq!(allowed_of_ten(&clone, &Principal::Anonymous), (2, Some(6)));
    let read = Request::builder().uri_str("/quotes/1").finish();
    let status = |request| check(&clone, request, CLIENT, &Principal::Anonymous);
    assert_eq!(status(&read).unwrap().0.limit, 3);
    limit.apply(&new(0, 0));
    assert!(status(&read).is_none());
    assert_eq!(allowed_of_ten(&clone, &Principal::Anonymous), (10, None));
}
