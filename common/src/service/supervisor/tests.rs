use super::*;

/// A server that ends when `stop` is cancelled.
async fn serve(stop: CancellationToken) -> anyhow::Result<()> {
    stop.cancelled().await;
    Ok(())
}

async fn run(supervisor: TaskSupervisor, stop: &CancellationToken) -> Result<(), String> {
    supervisor.run(serve(stop.clone()), stop).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn panic_of_a_task_stops_the_service_with_an_error_that_names_the_task() {
    let (mut supervisor, stop) = (TaskSupervisor::default(), CancellationToken::new());
    let stopped = stop.clone();
    supervisor.spawn("reader", async move { stopped.cancelled().await });
    supervisor.spawn("writer", async { panic!("a bug") });
    assert_eq!(run(supervisor, &stop).await, Err("the background task writer panicked".to_owned()));
    assert!(stop.is_cancelled());
}

#[tokio::test]
async fn finite_task_that_panics_stops_the_service_too() {
    let (mut supervisor, stop) = (TaskSupervisor::default(), CancellationToken::new());
    supervisor.spawn_finite("migration", async { panic!("a bug") });
    assert_eq!(run(supervisor, &stop).await, Err("the background task migration panicked".to_owned()));
}

#[tokio::test]
async fn only_a_finite_task_can_end_before_the_service() {
    let (mut supervisor, stop) = (TaskSupervisor::default(), CancellationToken::new());
    supervisor.spawn("writer", async {});
    assert_eq!(run(supervisor, &stop).await, Err("the background task writer ended before the service".to_owned()));

    let (mut supervisor, stop) = (TaskSupervisor::default(), CancellationToken::new());
    let stop_later = stop.clone();
    supervisor.spawn_finite("migration", async move { stop_later.cancel() });
    assert_eq!(run(supervisor, &stop).await, Ok(()));
}

#[tokio::test]
async fn panic_while_the_service_stops_is_an_error() {
    let (mut supervisor, stop) = (TaskSupervisor::default(), CancellationToken::new());
    let stopped = stop.clone();
    supervisor.spawn("writer", async move {
        stopped.cancelled().await;
        panic!("a bug");
    });
    stop.cancel();
    assert_eq!(run(supervisor, &stop).await, Err("the background task writer panicked".to_owned()));
}

#[tokio::test]
async fn server_that_ends_stops_its_tasks() {
    let (mut supervisor, stop) = (TaskSupervisor::default(), CancellationToken::new());
    let stopped = stop.clone();
    supervisor.spawn("reader", async move { stopped.cancelled().await });
    let error = supervisor.run(async { anyhow::bail!("a broken socket") }, &stop).await.unwrap_err();
    assert_eq!(error.to_string(), "a broken socket");
}

#[tokio::test]
async fn task_runs_in_the_span_of_its_service() {
    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    let service = tracing::info_span!("service", service = "price-updater");
    let (mut supervisor, stop) = (TaskSupervisor::default(), CancellationToken::new());
    let (sender, span) = tokio::sync::oneshot::channel();
    service.in_scope(|| {
        supervisor.spawn_finite("reader", async { sender.send(tracing::Span::current().id()).unwrap() });
    });
    assert_eq!(span.await.unwrap(), service.id());
    stop.cancel();
    assert_eq!(run(supervisor, &stop).await, Ok(()));
}
