use tokio::{sync::mpsc, time::Instant};

use super::*;

const DELAY: Duration = Duration::from_secs(5);

/// A shutdown, and the sender of its signals.
fn start(delay: Duration) -> (Shutdown, mpsc::UnboundedSender<()>) {
    let (shutdown, (sender, mut signals)) = (Shutdown::default(), mpsc::unbounded_channel());
    let next_signal = async move || {
        signals.recv().await;
    };
    tokio::spawn(shutdown.clone().follow(next_signal, delay));
    (shutdown, sender)
}

#[tokio::test(start_paused = true)]
async fn service_stops_after_the_delay() {
    let (shutdown, signals) = start(DELAY);
    tokio::task::yield_now().await;
    assert!(!shutdown.draining.is_cancelled());
    let start = Instant::now();
    signals.send(()).unwrap();
    shutdown.draining.cancelled().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    shutdown.stop.cancelled().await;
    assert!(start.elapsed() >= DELAY && start.elapsed() < DELAY + Duration::from_millis(10), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn second_signal_ends_the_delay() {
    let (shutdown, signals) = start(DELAY);
    let start = Instant::now();
    signals.send(()).unwrap();
    signals.send(()).unwrap();
    shutdown.stop.cancelled().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(shutdown.draining.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn service_without_a_delay_stops_immediately() {
    let (shutdown, signals) = start(Duration::ZERO);
    let start = Instant::now();
    signals.send(()).unwrap();
    shutdown.stop.cancelled().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}
