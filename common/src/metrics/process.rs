//! Metrics of the process and of its runtime, measured whenever the metrics are read.
//!
//! The metrics of the process have the names and units that client libraries of Prometheus use, without a prefix, so ready-made
//! dashboards show them. All services of one process export the same values.

use std::{
    fmt, fs,
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};
use tokio::runtime::RuntimeMetrics;

static START: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

/// CPU time, memory, file descriptors and threads. If the operating system does not show a value in `/proc`, its metric is
/// absent.
#[derive(Debug)]
pub(super) struct ProcessCollector {
    started_at: u64,
}

impl ProcessCollector {
    /// The first call counts as the start of the process.
    pub(super) fn new() -> Self {
        Self { started_at: START.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() }
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        encode_counter(&mut encoder, "process_cpu_seconds", "Processor time that the process has used", cpu_time())?;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let gauges = [
            ("process_start_time_seconds", "Unix time of the start of the process", Some(self.started_at)),
            ("process_resident_memory_bytes", "Resident memory", memory_bytes(&status, "VmRSS")),
            ("process_virtual_memory_bytes", "Virtual memory", memory_bytes(&status, "VmSize")),
            ("process_threads", "Threads of the process", status_number(&status, "Threads")),
            ("process_open_fds", "Open file descriptors", open_files()),
            ("process_max_fds", "How many files the process may open", max_open_files()),
        ];
        for (name, help, value) in gauges {
            encode_gauge(&mut encoder, name, help, value)?;
        }
        Ok(())
    }
}

/// The state of the asynchronous runtime.
pub(super) struct RuntimeCollector {
    pub(super) runtime: RuntimeMetrics,
}

impl Collector for RuntimeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let workers = self.runtime.num_workers();
        let busy = (0..workers).map(|worker| self.runtime.worker_total_busy_duration(worker)).sum();
        let help = "Time that the threads of the asynchronous runtime were busy";
        encode_counter(&mut encoder, "runtime_busy_seconds", help, busy)?;
        let gauges = [
            ("runtime_workers", "Threads of the asynchronous runtime", workers),
            ("runtime_tasks", "Tasks of the asynchronous runtime that have not ended", self.runtime.num_alive_tasks()),
            (
                "runtime_queued_tasks",
                "Tasks that wait for any thread of the runtime",
                self.runtime.global_queue_depth(),
            ),
        ];
        for (name, help, value) in gauges {
            encode_gauge(&mut encoder, name, help, Some(value as u64))?;
        }
        Ok(())
    }
}

impl fmt::Debug for RuntimeCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeCollector").finish_non_exhaustive()
    }
}

fn encode_gauge(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: Option<u64>) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

/// The encoder appends `_total` to the name.
fn encode_counter(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: Duration) -> fmt::Result {
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    ConstCounter::new(value.as_secs_f64()).encode(metric)
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}

/// The resident memory of this process in bytes.
pub(crate) fn resident_memory() -> Option<u64> {
    memory_bytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS")
}

/// The number of open file descriptors of this process.
pub(crate) fn open_files() -> Option<u64> {
    fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64)
}

/// How many files this process may open. `None` if there is no limit.
pub(crate) fn max_open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// The value of a line of `/proc/self/status`, such as `VmRSS:  9000 kB`, in bytes.
fn memory_bytes(status: &str, name: &str) -> Option<u64> {
    status_number(status, name)?.checked_mul(1024)
}

fn status_number(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests;
