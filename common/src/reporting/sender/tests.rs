use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Instant,
};

use poem::{EndpointExt, IntoResponse, Request, endpoint::make};
use tokio::{net::TcpListener, sync::mpsc};

use super::*;
use crate::{
    api::{Code, Problem, health::Component},
    config::Secret,
    reporting::report_queue,
    server::Server,
};

const TIMEOUT: Duration = Duration::from_secs(10);

fn warning(status: &str) -> Report {
    Report { level: Level::Warning, service: "x".to_owned(), status: status.to_owned(), data: ().into() }
}

/// Runs a fake health-check that forwards accepted reports. `status` selects its responses.
fn serve_health_check(listener: TcpListener, status: Arc<AtomicU16>) -> mpsc::UnboundedReceiver<Report> {
    let (sender, reports) = mpsc::unbounded_channel();
    let endpoint = make(move |mut request: Request| {
        let (sender, status) = (sender.clone(), Arc::clone(&status));
        async move {
            let report: Report = serde_json::from_slice(&request.take_body().into_vec().await?).unwrap();
            assert_eq!(request.header("authorization"), Some("Bearer a-token-of-16-and-more"));
            Ok::<_, poem::Error>(match status.load(Ordering::Relaxed) {
                // A health-check that refuses only reports with details.
                423 if report.data.to_string().contains("detail") => Problem::validation(Vec::new()).into_response(),
                202 | 423 => {
                    let _ = sender.send(report);
                    StatusCode::ACCEPTED.into_response()
                }
                422 => Problem::validation(Vec::new()).into_response(),
                500 => Problem::new(Code::Internal, "a defect").into_response(),
                _ => Problem::new(Code::Overloaded, "full").into_response(),
            })
        }
    });
    let server = Server::new(listener, endpoint.map_to_response().boxed());
    tokio::spawn(server.run_until(CancellationToken::new()));
    reports
}

fn config(address: SocketAddr) -> Config {
    let url = format!("http://{address}").parse().unwrap();
    Config { url, token: Secret::new("a-token-of-16-and-more").into(), heartbeat_interval: Duration::from_mins(1) }
}

async fn start_health_check(status: u16) -> (mpsc::UnboundedReceiver<Report>, Arc<AtomicU16>, Config) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(listener.local_addr().unwrap());
    let status = Arc::new(AtomicU16::new(status));
    (serve_health_check(listener, Arc::clone(&status)), status, config)
}

async fn next_report(reports: &mut mpsc::UnboundedReceiver<Report>) -> Report {
    tokio::time::timeout(TIMEOUT, reports.recv()).await.expect("a report arrives in time").unwrap()
}

#[tokio::test]
async fn remaining_reports_are_sent_when_the_service_stops() {
    let (mut reports, _, config) = start_health_check(202).await;
    let receiver = report_queue("x");
    let queue = receiver.queue();
    let done = CancellationToken::new();
    let running = tokio::spawn(send_reports(config, receiver, done.clone()));
    queue.push(warning("first"));
    assert_eq!(next_report(&mut reports).await.status, "first");
    for n in 0..20 {
        queue.push(warning(&n.to_string()));
    }
    done.cancel();
    running.await.unwrap();
    // `done` possibly interrupts the sending of a report, which is then sent again.
    let mut arrived = std::collections::BTreeSet::new();
    while arrived.len() < 20 {
        arrived.extend(next_report(&mut reports).await.status.parse::<u8>());
    }
}

#[tokio::test]
async fn unresponsive_health_check_delays_the_stop_only_briefly() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(listener.local_addr().unwrap());
    // The listener accepts connections and never responds.
    let receiver = report_queue("x");
    receiver.queue().push(warning("w"));
    let done = CancellationToken::new();
    done.cancel();
    let start = Instant::now();
    send_reports(config, receiver, done).await;
    assert!(start.elapsed() < FLUSH_DEADLINE * 2);
}

#[tokio::test]
async fn report_is_retried_until_accepted_and_dropped_if_it_is_rejected() {
    let (mut reports, status, config) = start_health_check(503).await;
    let receiver = report_queue("x");
    receiver.queue().push(warning("first"));
    receiver.queue().push(warning("invalid"));
    let client = ServiceClient::new(http_client(), SERVICE, config.url, config.token);
    let backoff = BackoffLimits { first: Duration::from_millis(1), longest: Duration::from_millis(5) };
    let mut sender = ReportSender::new(client, receiver, backoff);
    sender.pending = sender.receiver.try_next();
    for _ in 0..=MAX_ATTEMPTS {
        assert!(!sender.try_send().await);
    }
    assert!(sender.failures == MAX_ATTEMPTS + 1 && sender.pending.is_some());

    status.store(202, Ordering::Relaxed);
    assert!(sender.try_send().await);
    assert_eq!(next_report(&mut reports).await.status, "first");
    assert!(sender.failures == 0 && sender.pending.is_none());

    status.store(422, Ordering::Relaxed);
    sender.pending = sender.receiver.try_next();
    assert!(sender.try_send().await, "a rejected report must not remain pending");
    status.store(202, Ordering::Relaxed);
    sender.pending = Some(warning("next"));
    assert!(sender.try_send().await);
    assert_eq!(next_report(&mut reports).await.status, "next");
    assert!(sender.try_send().await);
    assert_eq!(next_report(&mut reports).await.data["refused"], 1);
    assert_eq!(sender.pending, None);
}

/// Neither an earlier outage of health-check nor the errors of an earlier report count towards `MAX_ATTEMPTS`.
#[tokio::test]
async fn internal_errors_are_counted_for_each_report_alone() {
    let (mut reports, status, config) = start_health_check(503).await;
    let client = ServiceClient::new(http_client(), SERVICE, config.url, config.token);
    let backoff = BackoffLimits { first: Duration::from_millis(1), longest: Duration::from_millis(5) };
    let mut sender = ReportSender::new(client, report_queue("x"), backoff);
    let set = |code| status.store(code, Ordering::Relaxed);
    sender.pending = Some(warning("first"));
    for _ in 0..MAX_ATTEMPTS {
        assert!(!sender.try_send().await);
    }
    set(500);
    for _ in 1..MAX_ATTEMPTS {
        assert!(!sender.try_send().await, "the report remains pending");
    }
    set(202);
    sender.refused = 1;
    assert!(sender.try_send().await);
    assert_eq!(next_report(&mut reports).await.status, "first");

    // The next report states that one report was lost.
    set(500);
    for _ in 1..MAX_ATTEMPTS {
        assert!(!sender.try_send().await, "the loss report remains pending");
    }
    assert!(sender.try_send().await, "the loss report is dropped");
}

#[test]
fn only_rejected_reports_are_dropped_without_a_retry() {
    let action = |code| failure_action(&CallError::Problem(SERVICE, Box::new(Problem::new(code, ""))));
    let refused = |refusal| failure_action(&CallError::TokenRefused(SERVICE, "x", refusal));
    assert_eq!(refused(TokenRefusal::Unknown), FailureAction::Retry);
    assert_eq!(refused(TokenRefusal::NotPermitted), FailureAction::Drop);
    assert_eq!(action(Code::Overloaded), FailureAction::Retry);
    assert_eq!(action(Code::PayloadTooLarge), FailureAction::Drop);
    assert_eq!(action(Code::ValidationFailed), FailureAction::Drop);
    assert_eq!(action(Code::Internal), FailureAction::RetryUpTo(MAX_ATTEMPTS));
}

#[tokio::test]
async fn refused_heartbeat_is_sent_again_with_fewer_details() {
    let (mut reports, _, config) = start_health_check(423).await;
    let client = ServiceClient::new(http_client(), SERVICE, config.url, config.token);
    let backoff = BackoffLimits { first: Duration::from_millis(1), longest: Duration::from_millis(5) };
    let mut sender = ReportSender::new(client, report_queue("x"), backoff);
    let heartbeat = Heartbeat {
        instance: "host-1".to_owned(),
        version: String::new(),
        interval_secs: 60,
        uptime_secs: 1,
        ready: false,
        parts: vec![Component::not_ready("a", "detail")],
        port: None,
        update: false,
        next_within_secs: None,
        measurements: Vec::new(),
        machine: None,
    };
    let data = serde_json::to_value(heartbeat).unwrap();
    sender.pending = Some(Report { status: Report::ALIVE.to_owned(), data, ..warning("") });
    assert!(!sender.try_send().await);
    assert!(sender.try_send().await);
    let data = next_report(&mut reports).await.data;
    assert_eq!((&data["ready"], &data["parts"][0]["name"]), (&false.into(), &"a".into()));
    assert_eq!((sender.refused, sender.pending), (0, None));
}
