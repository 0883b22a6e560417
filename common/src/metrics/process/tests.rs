use std::{fs::File, time::Instant};

use crate::metrics::Metrics;

/// The value of a metric whose only label is `service`.
fn value_of(metrics: &Metrics, name: &str) -> f64 {
    let text = metrics.encode();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}{{service=\"test\"}} ")));
    line.unwrap_or_else(|| panic!("{name} is missing: {text}")).parse().unwrap()
}

fn process_metrics() -> Metrics {
    let metrics = Metrics::new("test");
    metrics.register_process();
    metrics
}

#[test]
fn open_files_memory_and_processor_time_follow_the_process() {
    let metrics = process_metrics();
    let names = ["process_open_fds", "process_resident_memory_bytes", "process_cpu_seconds_total"];
    let before = names.map(|name| value_of(&metrics, name));
    let files: Vec<_> = (0..50).map(|_| File::open("/dev/null").unwrap()).collect();
    // Every page is written, so that it becomes resident.
    let memory = std::hint::black_box(vec![1_u8; 64 << 20]);
    let start = Instant::now();
    while start.elapsed().as_millis() < 50 {
        std::hint::black_box(memory.iter().map(|&byte| u64::from(byte)).sum::<u64>());
    }
    let after = names.map(|name| value_of(&metrics, name));
    assert!(after[0] >= before[0] + 50.0, "{before:?} {after:?}");
    assert!(after[1] >= before[1] + f64::from(60 << 20), "{before:?} {after:?}");
    assert!(after[2] > before[2], "{before:?} {after:?}");
    drop(files);
    assert!(value_of(&metrics, "process_open_fds") <= after[0] - 50.0);
    assert!(value_of(&metrics, "process_max_fds") >= after[0]);
    assert!(value_of(&metrics, "process_threads") >= 1.0);
    assert!(value_of(&metrics, "process_virtual_memory_bytes") >= after[1]);
}

#[test]
fn start_of_the_process_stays_the_same() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let (first, second) = (process_metrics(), process_metrics());
    let start = value_of(&first, "process_start_time_seconds");
    assert!((now - start).abs() < 600.0, "{start}");
    assert!((value_of(&second, "process_start_time_seconds") - start).abs() < f64::EPSILON);
}

#[tokio::test]
async fn tasks_of_the_runtime_are_counted() {
    let metrics = process_metrics();
    let before = value_of(&metrics, "buydesk_runtime_tasks");
    let tasks: Vec<_> = (0..5).map(|_| tokio::spawn(std::future::pending::<()>())).collect();
    assert!((value_of(&metrics, "buydesk_runtime_tasks") - before - 5.0).abs() < f64::EPSILON);
    assert!(value_of(&metrics, "buydesk_runtime_workers") >= 1.0);
    assert!(value_of(&metrics, "buydesk_runtime_queued_tasks") >= 0.0);
    value_of(&metrics, "buydesk_runtime_busy_seconds_total");
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

#[test]
fn outside_of_a_runtime_only_the_process_is_measured() {
    assert!(!process_metrics().encode().contains("runtime"));
}
