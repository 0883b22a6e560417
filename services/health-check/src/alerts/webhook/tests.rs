use std::sync::atomic::{AtomicU16, Ordering};

use common::{level::Level, time::Timestamp};
use poem::{EndpointExt, Route, Server, endpoint::make, listener::TcpAcceptor};
use tokio::sync::mpsc;

use super::*;
use crate::alerts::{AlertState, tests::alert};

/// Starts a receiver that responds with `status`. Returns its URL and the received alerts.
async fn start_receiver(status: Arc<AtomicU16>) -> (Secret, mpsc::UnboundedReceiver<Alert>) {
    let (sender, received) = mpsc::unbounded_channel();
    let hook = make(move |mut request: poem::Request| {
        let (sender, status) = (sender.clone(), status.clone());
        async move {
            let body = request.take_body().into_vec().await.unwrap();
            let _ = sender.send(serde_json::from_slice(&body).unwrap());
            StatusCode::from_u16(status.load(Ordering::Relaxed)).unwrap()
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Secret::new(format!("http://{}/hook", listener.local_addr().unwrap()));
    let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
    tokio::spawn(Server::new_with_acceptor(acceptor).run(Route::new().at("/hook", hook).boxed()));
    (url, received)
}

#[tokio::test]
async fn notification_is_sent_again_until_it_is_accepted_and_then_the_next_is_sent() {
    let status = Arc::new(AtomicU16::new(503));
    let (url, mut received) = start_receiver(status.clone()).await;
    let queue = WebhookQueue::default();
    let task = tokio::spawn(queue.clone().send_all(Some(url).into()));
    let [first, second] = ["a", "b"].map(|subject| alert("ServiceMissing", subject, AlertState::Firing));
    queue.push(first.clone());
    queue.push(second.clone());
    assert_eq!(received.recv().await, Some(first.clone()));
    assert_eq!(received.recv().await, Some(first.clone()));
    status.store(200, Ordering::Relaxed);
    let mut next = received.recv().await;
    while next.as_ref() == Some(&first) {
        next = received.recv().await;
    }
    assert_eq!(next, Some(second));
    task.abort();
}

#[tokio::test]
async fn refused_notification_is_not_repeated() {
    let (url, mut received) = start_receiver(Arc::new(AtomicU16::new(404))).await;
    let queue = WebhookQueue::default();
    let task = tokio::spawn(queue.clone().send_all(Some(url).into()));
    let [first, second] = [AlertState::Firing, AlertState::Resolved].map(|state| alert("ServiceMissing", "a", state));
    queue.push(first.clone());
    queue.push(second.clone());
    assert_eq!([received.recv().await, received.recv().await], [Some(first), Some(second)]);
    task.abort();
}

#[tokio::test]
async fn full_queue_drops_its_oldest_notification() {
    let queue = WebhookQueue::default();
    for number in 0..=MAX_QUEUED {
        let since = Timestamp::now();
        queue.push(Alert { since, severity: Level::Warning, ..alert("A", &number.to_string(), AlertState::Firing) });
    }
    assert_eq!(queue.next().await.subject, "1");
    assert_eq!(queue.queued().len(), MAX_QUEUED - 1);
}
