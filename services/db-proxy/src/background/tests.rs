use std::{future::pending, pin::pin, time::Duration};

use tokio::{sync::oneshot, time::timeout};

use super::*;

#[tokio::test(start_paused = true)]
async fn stop_ends_every_task_except_the_writers() {
    let (mut tasks, mut supervisor, stop) =
        (BackgroundTasks::default(), TaskSupervisor::default(), CancellationToken::new());
    let (routes, routes_dropped) = oneshot::channel::<()>();
    tasks.add_writer(async {
        let _ = routes_dropped.await;
    });
    tasks.add_until_stopped("check", pending());
    tasks.start(&stop, &mut supervisor);
    stop.cancel();
    let mut ended = pin!(supervisor.run(async { Ok(()) }, &stop));
    assert!(
        timeout(Duration::from_secs(60), &mut ended).await.is_err(),
        "the writer ended before its routes were dropped"
    );
    drop(routes);
    assert!(timeout(Duration::from_secs(60), ended).await.unwrap().is_ok());
}
