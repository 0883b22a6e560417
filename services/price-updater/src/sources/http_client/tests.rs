use std::sync::atomic::{AtomicUsize, Ordering};

use poem::{Response, endpoint::make_sync};

use super::*;
use crate::sources::{
    tests::fixtures::response,
    transport::{InProcess, Network},
};

const LIMITS: RateLimits =
    RateLimits { max_requests: 5, window: Duration::from_secs(5), default_backoff: Duration::from_secs(60) };

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

/// A client of a source that always sends this response, and the counter of the requests that the source receives.
fn client(status: u16, headers: &'static [(&'static str, &'static str)]) -> (SourceHttpClient, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    let endpoint = make_sync(move |request| {
        assert_eq!(request.uri().path(), "/kraken/x");
        assert!(request.header("user-agent").unwrap().starts_with("buydesk/"));
        count.fetch_add(1, Ordering::SeqCst);
        let builder = Response::builder().status(status.try_into().unwrap());
        headers.iter().fold(builder, |builder, &(name, value)| builder.header(name, value)).body("prices")
    });
    let base_url = "http://exchange/kraken/".parse().unwrap();
    (SourceHttpClient::new(Arc::new(InProcess::new(endpoint)), base_url, LIMITS), requests)
}

async fn get(client: &SourceHttpClient) -> Result<Bytes, SourceError> {
    client
        .get("/x", deadline(), |response| response.require_success().map(|response| response.body.clone()))
        .await
        .map(|fetched| fetched.value)
}

#[test]
fn statuses_are_classified() {
    assert!(response(200, "").require_success().is_ok());
    for status in [418, 429] {
        assert_eq!(response(status, "").require_success().unwrap_err(), SourceError::RateLimited { retry_after: None });
    }
    for status in [301, 403, 500, 520] {
        assert_eq!(response(status, "").require_success().unwrap_err(), SourceError::Status(status));
    }
}

#[tokio::test]
async fn refused_connection_is_unreachable() {
    let network = Network(common::clients::http_client());
    let client = SourceHttpClient::new(Arc::new(network), "http://127.0.0.1:1".parse().unwrap(), LIMITS);
    let result = get(&client).await;
    assert!(matches!(result, Err(SourceError::Unreachable(_))), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_limit_are_not_sent() {
    let (client, requests) = client(200, &[("x-simulated", "true")]);
    assert!(client.get("/x", deadline(), |_| Ok(())).await.unwrap().simulated);
    for _ in 0..10 {
        let _ = get(&client).await;
    }
    assert_eq!((requests.load(Ordering::SeqCst), client.rate_limiter().available()), (5, 0));
    assert_eq!(get(&client).await, Err(SourceError::Paused(Duration::from_secs(5))));
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(client.rate_limiter().available(), 5);
    assert!(get(&client).await.is_ok());
}

/// Asserts that this response stops requests for exactly `seconds` seconds.
async fn assert_backoff(status: u16, headers: &'static [(&'static str, &'static str)], seconds: u64) {
    let (client, requests) = client(status, headers);
    get(&client).await.unwrap_err();
    tokio::time::advance(Duration::from_millis(seconds * 1000 - 1)).await;
    assert!(matches!(get(&client).await, Err(SourceError::Paused(_))), "{status} {headers:?}");
    assert_eq!((requests.load(Ordering::SeqCst), client.rate_limiter().available()), (1, 0));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!matches!(get(&client).await, Err(SourceError::Paused(_))), "{status} {headers:?}");
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn rejections_start_a_backoff() {
    const DATED: &[(&str, &str)] =
        &[("retry-after", "Fri, 02 Jan 2026 03:06:05 GMT"), ("date", "Fri, 02 Jan 2026 03:04:05 GMT")];
    assert_backoff(429, &[("retry-after", "90")], 90).await;
    assert_backoff(418, &[("retry-after", "259200")], 259_200).await;
    assert_backoff(503, &[("retry-after", "7")], 7).await;
    assert_backoff(429, &[("retry-after", "0")], 1).await;
    // Without a valid `Retry-After`, the default backoff applies.
    assert_backoff(429, &[], 60).await;
    assert_backoff(418, &[("retry-after", "soon")], 60).await;
    assert_backoff(403, &[], 60).await;
    // A date is compared with the `Date` of the response. Without a `Date`, it is compared with the current time.
    assert_backoff(429, DATED, 120).await;
    assert_backoff(429, &[("retry-after", "Fri, 02 Jan 2026 03:06:05 GMT")], 1).await;
}

#[tokio::test(start_paused = true)]
async fn rate_limit_found_by_the_parser_starts_a_backoff() {
    let (client, requests) = client(200, &[]);
    let limited =
        |_: &HttpResponse| Err::<(), _>(SourceError::RateLimited { retry_after: Some(Duration::from_secs(9)) });
    client.get("/x", deadline(), limited).await.unwrap_err();
    assert_eq!(get(&client).await, Err(SourceError::Paused(Duration::from_secs(9))));
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}
