//! Measures the machine and the process for heartbeats.

use std::{
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::host_name;
use crate::{
    api::health::{Machine, Measurement},
    metrics::{max_open_files, open_files, resident_memory},
};

/// Maximum age of a sample that is used again. All services of a process share one sample, and the usage of the processors is measured
/// over at least this time.
const MAX_AGE: Duration = Duration::from_secs(5);

/// The measurements of the machine and of the process at one moment.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) machine: Machine,
    pub(super) process: Vec<Measurement>,
}

struct Sampler {
    /// `None` if this operating system is not supported.
    system: Option<System>,
    latest: Option<TimedSample>,
}

struct TimedSample {
    at: Instant,
    sample: Sample,
}

static SAMPLER: Mutex<Option<Sampler>> = Mutex::new(None);

/// Measures the machine and this process, or returns the latest sample if it is recent. Reads files, so it can block.
pub(super) fn sample() -> Sample {
    let mut sampler = SAMPLER.lock().unwrap_or_else(PoisonError::into_inner);
    let Sampler { system, latest } = sampler.get_or_insert_with(|| {
        let kinds = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing().with_usage());
        Sampler { system: System::new_with_specifics(kinds).ok(), latest: None }
    });
    if let Some(recent) = latest.as_ref().filter(|latest| latest.at.elapsed() < MAX_AGE) {
        return recent.sample.clone();
    }
    if let Some(system) = system {
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        system.refresh_cpu_usage();
    }
    // The usage of the processors is measured between two samples, so the first sample contains no usage.
    let machine = measure_machine(system.as_ref(), latest.is_some());
    let sample = Sample { machine, process: measure_process() };
    *latest = Some(TimedSample { at: Instant::now(), sample: sample.clone() });
    sample
}

fn measure_machine(system: Option<&System>, has_previous_sample: bool) -> Machine {
    let mut measurements = system.map(|system| measure_system(system, has_previous_sample)).unwrap_or_default();
    measurements.extend(std::env::current_dir().ok().and_then(|folder| disk_available(&folder)));
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let name = host_name();
    let id = if boot_id.is_empty() { name.clone() } else { boot_id.trim().to_owned() };
    Machine { id, name, measurements }
}

fn measure_system(system: &System, has_previous_sample: bool) -> Vec<Measurement> {
    let processors = system.cpus().len();
    let usage = has_previous_sample.then(|| {
        let used = whole_percent(f64::from(system.global_cpu_usage()));
        Measurement::new(Measurement::PROCESSOR_USED, used, Measurement::PERCENT)
    });
    let load = load_percent(processors).map(|load| Measurement::new(Measurement::LOAD, load, Measurement::PERCENT));
    let memory = Measurement::new(Measurement::MEMORY_AVAILABLE, system.available_memory(), Measurement::BYTES);
    let processors = Measurement::new(Measurement::PROCESSORS, processors, Measurement::PROCESSORS);
    let measurements = [Some(processors), load, usage, Some(memory.with_max(system.total_memory()))];
    measurements.into_iter().flatten().collect()
}

/// The load of the last minute, in percent of the number of processors.
#[expect(clippy::float_arithmetic, reason = "the operating system states the load as a floating-point number")]
fn load_percent(processors: usize) -> Option<i64> {
    let processors = u32::try_from(processors.max(1)).unwrap_or(u32::MAX);
    Some(whole_percent(System::load_average().ok()?.one * 100.0 / f64::from(processors)))
}

#[expect(clippy::cast_possible_truncation, reason = "the conversion of a floating-point number saturates")]
fn whole_percent(percent: f64) -> i64 {
    percent.round() as i64
}

fn measure_process() -> Vec<Measurement> {
    let memory = resident_memory().map(|bytes| Measurement::new(Measurement::MEMORY_USED, bytes, Measurement::BYTES));
    let files = open_files().map(|files| {
        let files = Measurement::new(Measurement::OPEN_FILES, files, "files");
        max_open_files().map_or(files.clone(), |max| files.with_max(max))
    });
    memory.into_iter().chain(files).collect()
}

/// The available space and the size of the disk that contains `folder`. `None` if they cannot be read. Can block.
pub fn disk_available(folder: &Path) -> Option<Measurement> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    // Free blocks that are reserved for the administrator are neither available nor a part of the size.
    let size = disk.f_blocks.saturating_sub(disk.f_bfree.saturating_sub(disk.f_bavail));
    let available = Measurement::new(Measurement::DISK_AVAILABLE, bytes(disk.f_bavail), Measurement::BYTES);
    Some(available.with_max(bytes(size)).with_subject(folder.display().to_string()))
}

#[cfg(test)]
mod tests;
