use poem::{EndpointExt, Route, Server, endpoint::make, http::StatusCode, listener::TcpAcceptor};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::alerts::tests::alert;

#[test]
fn postable_alert_ends_after_its_lifetime_or_at_its_resolution() {
    let now: Timestamp = "2026-01-02T03:10:00Z".parse().unwrap();
    let silenced = Alert { silence: Some("s".to_owned()), ..alert("A", "silenced", AlertState::Firing) };
    let alerts = [alert("A", "x", AlertState::Firing), alert("A", "y", AlertState::Resolved), silenced];
    let sent = serde_json::to_value(postable_alerts(&alerts, now)).unwrap();
    let labels =
        json!({ "alertname": "A", "subject": "x", "service": "db-proxy", "severity": "critical", "job": "buydesk" });
    assert_eq!(sent[0]["labels"], labels);
    assert_eq!(sent[0]["annotations"], json!({ "summary": "a summary", "runbook_url": "docs/runbooks/a.md#b" }));
    assert_eq!(sent[0]["startsAt"], "2026-01-02T03:04:05.000000Z");
    assert_eq!(sent[0]["endsAt"], "2026-01-02T03:14:00.000000Z");
    assert_eq!(
        (&sent[1]["labels"]["subject"], &sent[1]["endsAt"]),
        (&json!("y"), &json!("2026-01-02T03:05:05.000000Z"))
    );
    assert_eq!(sent.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn changed_alerts_are_sent_immediately_and_again_after_a_failure() {
    let (sender, mut received) = mpsc::unbounded_channel();
    let hook = make(move |mut request: poem::Request| {
        let sender = sender.clone();
        async move {
            let body: Value = serde_json::from_slice(&request.take_body().into_vec().await.unwrap()).unwrap();
            let is_refused = body[0]["labels"]["subject"] == "refused";
            let _ = sender.send(body);
            if is_refused { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Secret::new(format!("http://{}/", listener.local_addr().unwrap()));
    let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
    let route = Route::new().at("/api/v2/alerts", hook).boxed();
    tokio::spawn(Server::new_with_acceptor(acceptor).run(route));
    let feed = AlertmanagerFeed::default();
    let task = tokio::spawn(feed.clone().send_all(Some(url).into()));
    feed.publish(vec![alert("A", "refused", AlertState::Firing)]);
    for _ in 0..2 {
        assert_eq!(received.recv().await.unwrap()[0]["labels"]["subject"], "refused");
    }
    feed.publish(vec![alert("A", "b", AlertState::Firing)]);
    let mut next = received.recv().await.unwrap();
    while next[0]["labels"]["subject"] == "refused" {
        next = received.recv().await.unwrap();
    }
    assert_eq!(next[0]["labels"]["subject"], "b");
    // The last request succeeded, so the change is sent without waiting for the next interval.
    feed.publish(vec![alert("A", "c", AlertState::Firing)]);
    assert_eq!(received.recv().await.unwrap()[0]["labels"]["subject"], "c");
    task.abort();
}
