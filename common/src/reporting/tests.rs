use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};

use futures_util::FutureExt;
use poem::{EndpointExt, IntoResponse, Request, endpoint::make};
use tokio::{net::TcpListener, sync::mpsc};

use super::*;
use crate::{
    api::{Code, Problem},
    server::Server,
};

const LIMIT: Duration = Duration::from_secs(10);

fn warning(status: &str) -> Report {
    Report { level: Level::Warning, service: "x".to_owned(), status: status.to_owned(), data: ().into() }
}

/// Stands in for health-check: hands on what it is sent, and answers what it is told.
fn receiver(listener: TcpListener, answer: Arc<AtomicU16>) -> mpsc::UnboundedReceiver<Report> {
    let (sender, reports) = mpsc::unbounded_channel();
    let endpoint = make(move |mut request: Request| {
        let (sender, answer) = (sender.clone(), Arc::clone(&answer));
        async move {
            let report: Report = serde_json::from_slice(&request.take_body().into_vec().await?).unwrap();
            assert_eq!(request.header("authorization"), Some("Bearer a-token-of-16-and-more"));
            Ok::<_, poem::Error>(match answer.load(Ordering::Relaxed) {
                202 => {
                    let _ = sender.send(report);
                    StatusCode::ACCEPTED.into_response()
                }
                422 => Problem::validation(Vec::new()).into_response(),
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
    Config { url, token: Secret::new("a-token-of-16-and-more"), alive_interval: Duration::from_mins(1) }
}

async fn started(answer: u16) -> (mpsc::UnboundedReceiver<Report>, Arc<AtomicU16>, Config) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(listener.local_addr().unwrap());
    let answer = Arc::new(AtomicU16::new(answer));
    (receiver(listener, Arc::clone(&answer)), answer, config)
}

async fn next(reports: &mut mpsc::UnboundedReceiver<Report>) -> Report {
    tokio::time::timeout(LIMIT, reports.recv()).await.expect("a report comes in time").unwrap()
}

#[tokio::test]
async fn calls_come_at_once_and_again_and_the_last_says_that_it_stops() {
    let mut source = report_queue("x");
    let ready: ReadinessCheck = Arc::new(|| async { vec![Component::missing("database", "away")] }.boxed());
    let stop = CancellationToken::new();
    let calling = tokio::spawn(send_heartbeats("x", ready, Duration::from_millis(1), source.queue(), stop.clone()));
    for _ in 0..3 {
        let report = source.next().await;
        let call: Heartbeat = serde_json::from_value(report.data).unwrap();
        assert_eq!((report.status.as_str(), call.ready, call.parts.len()), (Report::ALIVE, false, 1));
        assert_eq!((call.instance.as_str(), call.interval_secs), (instance_name(), 1));
    }
    stop.cancel();
    calling.await.unwrap();
    // A call that nobody took yet gives way to the last one.
    assert_eq!(source.try_next().unwrap().status, Report::STOPPING);
    assert_eq!(source.try_next(), None);
}

#[tokio::test]
async fn reports_arrive_and_the_last_ones_are_sent_at_the_end() {
    let (mut reports, _, config) = started(202).await;
    let source = report_queue("x");
    let sender = source.queue();
    let done = CancellationToken::new();
    let running = tokio::spawn(send_reports(config, source, done.clone()));
    sender.send(warning("first"));
    assert_eq!(next(&mut reports).await.status, "first");
    for n in 0..20 {
        sender.send(warning(&n.to_string()));
    }
    done.cancel();
    running.await.unwrap();
    // The end may have come while the first was on its way, which is then sent again.
    let mut arrived = std::collections::BTreeSet::new();
    while arrived.len() < 20 {
        arrived.extend(next(&mut reports).await.status.parse::<u8>());
    }
}

#[tokio::test]
async fn the_end_is_not_held_up_by_a_health_check_that_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(listener.local_addr().unwrap());
    // It takes connections and never answers.
    let source = report_queue("x");
    source.queue().send(warning("w"));
    let done = CancellationToken::new();
    done.cancel();
    let start = Instant::now();
    send_reports(config, source, done).await;
    assert!(start.elapsed() < FLUSH_DEADLINE * 2);
}

#[tokio::test]
async fn a_report_waits_until_it_is_taken_and_the_loss_is_told() {
    let (mut reports, answer, config) = started(503).await;
    let mut source = report_queue("x");
    source.queue().send(warning("kept"));
    let caller = ServiceClient::new(http_client(), SERVICE, config.url, config.token);
    source.queue().send(warning("bad"));
    let kept = source.try_next();
    let backoff = (Duration::from_millis(1), Duration::from_millis(5));
    let mut sender = ReportSender { caller, source, backoff, pending: kept, faults: 0, failures: 0, refused: 0 };
    for _ in 0..=MAX_FAULTS {
        assert!(!sender.try_send().await);
    }
    assert!(sender.failures == MAX_FAULTS + 1 && sender.pending.is_some());

    answer.store(202, Ordering::Relaxed);
    assert!(sender.try_send().await);
    assert_eq!(next(&mut reports).await.status, "kept");
    assert!(sender.failures == 0 && sender.pending.is_none());

    answer.store(422, Ordering::Relaxed);
    sender.pending = sender.source.try_next();
    assert!(sender.try_send().await, "what is refused is not sent again");
    answer.store(202, Ordering::Relaxed);
    sender.pending = Some(warning("next"));
    assert!(sender.try_send().await);
    assert_eq!(next(&mut reports).await.status, "next");
    assert!(sender.try_send().await);
    assert_eq!(next(&mut reports).await.data["refused"], 1);
    assert_eq!(sender.pending, None);
}

#[test]
fn a_report_is_dropped_only_where_it_is_itself_the_trouble() {
    let verdict = |code| verdict(&CallError::Problem(SERVICE, Box::new(Problem::new(code, ""))));
    assert_eq!(verdict(Code::Unauthorized), Verdict::Keep);
    assert_eq!(verdict(Code::Overloaded), Verdict::Keep);
    assert_eq!(verdict(Code::PayloadTooLarge), Verdict::Drop);
    assert_eq!(verdict(Code::ValidationFailed), Verdict::Drop);
    assert_eq!(verdict(Code::Internal), Verdict::KeepFor(MAX_FAULTS));
}

#[test]
fn an_instance_has_a_name_that_harms_nobody() {
    assert!(instance_name().bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b)));
}
