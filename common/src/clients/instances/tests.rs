//! Calls to scripted instances of a service.

use std::{
    collections::VecDeque,
    sync::Mutex,
    time::{Duration, Instant},
};

use poem::http::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{
    api::{
        Code, Problem,
        health::{Component, Readiness},
    },
    clients::{CallError, CallOutcome, Retry, ServiceClient, http_client},
    config::Secret,
};

/// Longer than any test needs. If a test reaches it, an expected attempt was not made.
const DEADLINE: Duration = Duration::from_secs(10);

/// How an instance responds to a request.
#[derive(Debug, Clone, Copy)]
enum Reply {
    Success,
    Problem(Code),
    /// Like `Problem`, but after this time.
    SlowProblem(Code, Duration),
    /// The instance closes the connection without a response.
    Nothing,
    NotReady(&'static str),
    Ready,
}

/// An instance that sends the replies in order, one for each request. It repeats the last reply for all further requests.
struct FakeInstance {
    address: String,
    requests: Arc<AtomicUsize>,
}

impl FakeInstance {
    async fn start(replies: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (requests, replies) =
            (Arc::<AtomicUsize>::default(), Arc::new(Mutex::new(VecDeque::from(replies.to_vec()))));
        let counter = requests.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                assert_ne!(stream.read(&mut request).await.unwrap(), 0);
                counter.fetch_add(1, Relaxed);
                let reply = {
                    let mut replies = replies.lock().unwrap();
                    if replies.len() > 1 { replies.pop_front().unwrap() } else { replies[0] }
                };
                let (status, body) = match reply {
                    Reply::Nothing => continue,
                    Reply::Success => ("200 OK", "null".to_owned()),
                    Reply::Problem(code) => ("503 Service Unavailable", Problem::new(code, "refused").to_json()),
                    Reply::SlowProblem(code, delay) => {
                        tokio::time::sleep(delay).await;
                        ("503 Service Unavailable", Problem::new(code, "refused").to_json())
                    }
                    Reply::NotReady(name) => {
                        let readiness = Readiness::from(vec![Component::not_ready(name, "no")]);
                        ("503 Service Unavailable", serde_json::to_string(&readiness).unwrap())
                    }
                    Reply::Ready => ("200 OK", serde_json::to_string(&Readiness::from(Vec::new())).unwrap()),
                };
                let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }
}

/// An address at which nothing listens.
fn unused_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn client_of(addresses: &[&str]) -> ServiceClient {
    let urls: ServiceUrls = addresses.join(",").parse().unwrap();
    ServiceClient::new(http_client(), "db-proxy", urls, Secret::random())
}

async fn call(client: &ServiceClient, retry: Retry) -> CallOutcome {
    let start = Instant::now();
    let outcome = client.call(Method::POST, "/x", Some(&"body"), retry, DEADLINE).await;
    assert!(start.elapsed() < DEADLINE);
    outcome
}

fn problem_code(outcome: &CallOutcome) -> Option<Code> {
    match &outcome.result {
        Err(CallError::Problem(_, problem)) => Some(problem.code),
        _ => None,
    }
}

#[tokio::test]
async fn request_goes_to_the_next_instance_if_the_first_one_is_stopped() {
    let running = FakeInstance::start(&[Reply::Success]).await;
    let client = client_of(&[&unused_address(), &running.address]);
    for requests in 1..4 {
        let outcome = call(&client, Retry::OnlyIfNotSent).await;
        assert_eq!(outcome.result.unwrap(), "null");
        assert!(!outcome.unanswered);
        assert_eq!(running.requests(), requests);
    }
}

#[tokio::test]
async fn request_without_a_response_is_sent_to_the_next_instance_only_if_that_is_safe() {
    for (retry, requests) in [(Retry::Safe, 1), (Retry::OnlyIfNotSent, 0)] {
        let (first, second) =
            (FakeInstance::start(&[Reply::Nothing]).await, FakeInstance::start(&[Reply::Success]).await);
        let client = client_of(&[&first.address, &second.address]);
        let outcome = call(&client, retry).await;
        assert_eq!((first.requests(), second.requests()), (1, requests));
        assert_eq!(outcome.result.is_ok(), retry == Retry::Safe);
        // In both cases, the first instance may have processed the request.
        assert!(outcome.unanswered || outcome.has_unknown_effect());
        // The next call does not go to the instance that failed.
        assert!(call(&client, retry).await.result.is_ok());
        assert_eq!(first.requests(), 1);
    }
}

#[tokio::test]
async fn request_refused_by_one_instance_is_sent_to_the_next_one() {
    for code in [Code::Overloaded, Code::DatabaseUnavailable, Code::CacheUnavailable] {
        let (first, second) =
            (FakeInstance::start(&[Reply::Problem(code)]).await, FakeInstance::start(&[Reply::Success]).await);
        let client = client_of(&[&first.address, &second.address]);
        let outcome = call(&client, Retry::OnlyIfNotSent).await;
        assert!(outcome.result.is_ok() && !outcome.unanswered, "{outcome:?}");
        assert_eq!((first.requests(), second.requests()), (1, 1));
    }
}

#[tokio::test]
async fn refusal_by_all_instances_is_returned_after_one_attempt_at_each() {
    let refusing = [Reply::Problem(Code::DatabaseUnavailable)];
    let (first, second) = (FakeInstance::start(&refusing).await, FakeInstance::start(&refusing).await);
    let outcome = call(&client_of(&[&first.address, &second.address]), Retry::Safe).await;
    assert_eq!(problem_code(&outcome), Some(Code::DatabaseUnavailable));
    assert!(!outcome.has_unknown_effect());
    assert_eq!((first.requests(), second.requests()), (1, 1));
}

/// The instance has waited for the database, which is probably unavailable to all instances.
#[tokio::test]
async fn slow_refusal_is_returned_without_another_attempt() {
    let slow = Reply::SlowProblem(Code::DatabaseUnavailable, Duration::from_millis(600));
    let (first, second) = (FakeInstance::start(&[slow]).await, FakeInstance::start(&[Reply::Success]).await);
    let client = client_of(&[&first.address, &second.address]);
    assert_eq!(problem_code(&call(&client, Retry::Safe).await), Some(Code::DatabaseUnavailable));
    assert_eq!((first.requests(), second.requests()), (1, 0));
    assert!(call(&client, Retry::Safe).await.result.is_ok(), "the next call goes to the other instance");
}

#[tokio::test]
async fn request_with_an_unknown_outcome_is_not_sent_to_another_instance() {
    let (first, second) = (
        FakeInstance::start(&[Reply::Problem(Code::OutcomeUnknown)]).await,
        FakeInstance::start(&[Reply::Success]).await,
    );
    let outcome = call(&client_of(&[&first.address, &second.address]), Retry::Safe).await;
    assert_eq!(problem_code(&outcome), Some(Code::OutcomeUnknown));
    assert_eq!(second.requests(), 0);
}

/// The refusal of the second instance does not show whether the first instance processed the request.
#[tokio::test]
async fn refusal_after_an_attempt_without_a_response_leaves_the_effect_unknown() {
    let (first, second) = (
        FakeInstance::start(&[Reply::Nothing]).await,
        FakeInstance::start(&[Reply::Problem(Code::DatabaseUnavailable)]).await,
    );
    let outcome = call(&client_of(&[&first.address, &second.address]), Retry::Safe).await;
    assert_eq!(problem_code(&outcome), Some(Code::DatabaseUnavailable));
    assert!(outcome.has_unknown_effect());
}

#[tokio::test]
async fn service_is_ready_if_one_of_its_instances_is() {
    let ready = FakeInstance::start(&[Reply::Ready]).await;
    let not_ready = FakeInstance::start(&[Reply::NotReady("database")]).await;
    for first in [&unused_address(), &not_ready.address] {
        assert!(client_of(&[first, &ready.address]).readiness_component().await.ready);
    }
    let component = client_of(&[&unused_address(), &not_ready.address]).readiness_component().await;
    assert_eq!((component.ready, component.detail.as_deref()), (false, Some("database: no")));
    assert_eq!(not_ready.requests(), 2);
}

/// A load balancer in front of the instances sends the next connection to another instance.
#[tokio::test]
async fn stopping_instance_behind_a_balancer_does_not_make_its_service_unready() {
    let balancer = FakeInstance::start(&[Reply::NotReady(Component::SHUTDOWN), Reply::Ready]).await;
    assert!(client_of(&[&balancer.address]).readiness_component().await.ready);
    let stopping = FakeInstance::start(&[Reply::NotReady(Component::SHUTDOWN)]).await;
    assert!(!client_of(&[&stopping.address]).readiness_component().await.ready);
    assert_eq!(stopping.requests(), 2);
}
