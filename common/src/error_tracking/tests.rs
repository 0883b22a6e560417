use std::sync::Mutex;

use serde_json::{Map, Value};
use tokio::{io::AsyncReadExt, net::TcpListener};

use super::*;
use crate::time::Timestamp;

fn record(level: Level, message: &str) -> LogRecord {
    LogRecord {
        at: Timestamp::now(),
        level,
        service: "create-order".to_owned(),
        request_id: Some("r-1".to_owned()),
        trace_id: Some("t-1".to_owned()),
        message: message.to_owned(),
        fields: Map::from_iter([("error".to_owned(), "no such host".into())]),
        target: module_path!(),
    }
}

fn sink(received: &Arc<Mutex<Vec<String>>>) -> WarningSink {
    let received = received.clone();
    WarningSink {
        receive: Box::new(move |record| received.lock().unwrap().push(record.message)),
        transport_target: "none",
        transport_crates: &[],
    }
}

#[test]
fn invalid_dsn_is_reported_without_its_value() {
    let mut env = Env::from_pairs([("SENTRY_DSN", "secret.example")]);
    assert!(Config::from_env(&mut env).is_none());
    let error = env.finish().unwrap_err().to_string();
    assert!(error.contains("SENTRY_DSN=") && !error.contains("secret"), "{error}");
    assert!(Config::from_env(&mut Env::default()).is_none());
}

#[test]
fn warning_has_no_event_and_critical_record_is_fatal() {
    assert!(to_event(&record(Level::Warning, "slow")).is_none());
    assert_eq!(to_event(&record(Level::Critical, "lost")).unwrap().level, EventLevel::Fatal);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_is_sent_with_its_service_and_ids_and_reaches_the_other_sink() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dsn = format!("http://key@{}/7", listener.local_addr().unwrap());
    let mut env = Env::from_pairs([("SENTRY_DSN", dsn.as_str()), ("SENTRY_ENVIRONMENT", "shop")]);
    let tracker = ErrorTracker::start(Config::from_env(&mut env));
    env.finish().unwrap();
    let passed_on = Arc::default();
    let sink = tracker.with_sink(sink(&passed_on));
    (sink.receive)(record(Level::Warning, "slow"));
    (sink.receive)(record(Level::Error, "failed"));
    assert_eq!(*passed_on.lock().unwrap(), ["slow", "failed"]);

    let (mut stream, _) = listener.accept().await.unwrap();
    let mut received = Vec::new();
    // The event is the last line of the request.
    let event: Value = loop {
        assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0);
        let text = String::from_utf8(received.clone()).unwrap();
        let last = text.lines().find(|line| line.contains("\"failed\"")).map(serde_json::from_str);
        if let Some(Ok(event)) = last {
            assert!(text.starts_with("POST /api/7/envelope/"), "{text}");
            break event;
        }
    };
    for (pointer, value) in [
        ("/level", Value::Null),
        ("/message", "failed".into()),
        ("/tags/service", "create-order".into()),
        ("/tags/request_id", "r-1".into()),
        ("/tags/trace_id", "t-1".into()),
        ("/extra/error", "no such host".into()),
        ("/environment", "shop".into()),
        ("/server_name", instance_name().into()),
    ] {
        // The level `error` is the default and is omitted.
        assert_eq!(event.pointer(pointer).cloned().unwrap_or_default(), value, "{pointer}\n{event}");
    }
}

#[tokio::test]
async fn tracker_without_a_configuration_changes_nothing() {
    let tracker = ErrorTracker::start(None);
    let passed_on = Arc::default();
    (tracker.with_sink(sink(&passed_on)).receive)(record(Level::Error, "failed"));
    assert_eq!(*passed_on.lock().unwrap(), ["failed"]);
    tracker.stop().await;
}
