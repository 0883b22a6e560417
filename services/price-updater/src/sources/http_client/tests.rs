use std::sync::atomic::{AtomicUsize, Ordering};

use poem::{Response, endpoint::make_sync};

use super::*;
use crate::sources::transport::{InProcess, Network};

const LIMITS: RateLimits =
    RateLimits { max_requests: 5, window: Duration::from_secs(5), default_backoff: Duration::from_secs(60) };

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

/// A source that always answers so, and how often it was asked.
fn source(status: u16, headers: &'static [(&'static str, &'static str)]) -> (SourceHttpClient, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let endpoint = make_sync(move |request| {
        assert_eq!(request.uri().path(), "/kraken/x");
        assert!(request.header("user-agent").unwrap().starts_with("buydesk/"));
        count.fetch_add(1, Ordering::SeqCst);
        let response = Response::builder().status(status.try_into().unwrap());
        headers.iter().fold(response, |response, &(name, value)| response.header(name, value)).body("told")
    });
    let base = "http://exchange/kraken/".parse().unwrap();
    (SourceHttpClient::new(Arc::new(InProcess::new(endpoint)), base, LIMITS), asked)
}

async fn get(web: &SourceHttpClient) -> Result<Bytes, SourceError> {
    web.get("/x", soon(), |response| response.require_success().map(|response| response.body.clone()))
        .await
        .map(|fetched| fetched.value)
}

#[test]
fn statuses_are_told_apart() {
    assert!(HttpResponse::of(200, "").require_success().is_ok());
    for status in [418, 429] {
        assert_eq!(
            HttpResponse::of(status, "").require_success().unwrap_err(),
            SourceError::RateLimited { retry_after: None }
        );
    }
    for status in [301, 403, 500, 520] {
        assert_eq!(HttpResponse::of(status, "").require_success().unwrap_err(), SourceError::Status(status));
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let network = Network(common::clients::http_client());
    let web = SourceHttpClient::new(Arc::new(network), "http://127.0.0.1:1".parse().unwrap(), LIMITS);
    let result = get(&web).await;
    assert!(matches!(result, Err(SourceError::Unreachable(_))), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn no_more_is_asked_than_is_permitted() {
    let (web, asked) = source(200, &[("x-simulated", "true")]);
    assert!(web.get("/x", soon(), |_| Ok(())).await.unwrap().simulated);
    for _ in 0..10 {
        let _ = get(&web).await;
    }
    assert_eq!((asked.load(Ordering::SeqCst), web.budget_left()), (5, 0));
    assert_eq!(get(&web).await, Err(SourceError::Paused(Duration::from_secs(5))));
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(web.budget_left(), 5);
    assert!(get(&web).await.is_ok());
}

/// For so long nothing is asked after this answer, and then it is.
async fn left_alone(status: u16, headers: &'static [(&'static str, &'static str)], seconds: u64) {
    let (web, asked) = source(status, headers);
    get(&web).await.unwrap_err();
    tokio::time::advance(Duration::from_millis(seconds * 1000 - 1)).await;
    assert!(matches!(get(&web).await, Err(SourceError::Paused(_))), "{status} {headers:?}");
    assert_eq!((asked.load(Ordering::SeqCst), web.budget_left()), (1, 0));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!matches!(get(&web).await, Err(SourceError::Paused(_))), "{status} {headers:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_wants_fewer_requests_is_left_alone() {
    const DATED: &[(&str, &str)] =
        &[("retry-after", "Fri, 02 Jan 2026 03:06:05 GMT"), ("date", "Fri, 02 Jan 2026 03:04:05 GMT")];
    left_alone(429, &[("retry-after", "90")], 90).await;
    left_alone(418, &[("retry-after", "259200")], 259_200).await;
    left_alone(503, &[("retry-after", "7")], 7).await;
    left_alone(429, &[("retry-after", "0")], 1).await;
    // It does not say for how long.
    left_alone(429, &[], 60).await;
    left_alone(418, &[("retry-after", "soon")], 60).await;
    left_alone(403, &[], 60).await;
    // Whatever clock this machine has.
    left_alone(429, DATED, 120).await;
    left_alone(429, &[("retry-after", "Fri, 02 Jan 2026 03:06:05 GMT")], 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_an_adapter_reads_as_too_many_requests_counts_too() {
    let (web, asked) = source(200, &[]);
    let limited =
        |_: &HttpResponse| Err::<(), _>(SourceError::RateLimited { retry_after: Some(Duration::from_secs(9)) });
    web.get("/x", soon(), limited).await.unwrap_err();
    assert_eq!(get(&web).await, Err(SourceError::Paused(Duration::from_secs(9))));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
