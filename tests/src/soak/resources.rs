//! Resident memory and file descriptors of the service processes over time.

#[cfg(test)]
mod tests;

use std::fs;

use crate::{Platform, Stack};

/// From the second quarter of a run to the last quarter, memory may grow by this share or by [`MEMORY_MARGIN_KIB`],
/// whichever is more. Allocators return pages late, and buffers keep the size of their largest content.
const MEMORY_MARGIN_PERCENT: u64 = 10;
/// See [`MEMORY_MARGIN_PERCENT`].
const MEMORY_MARGIN_KIB: u64 = 4 * 1024;
/// The page caches of db-proxy on SQLite: six connections with 2 MiB each. They fill slowly when reads are rare.
const PAGE_CACHES_KIB: u64 = 6 * 2 * 1024;
/// The number of file descriptors may grow by this number, because connection pools grow during bursts of requests.
const DESCRIPTOR_MARGIN: u64 = 8;
const MIN_SAMPLES: usize = 8;

/// One sample of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    pub resident_kib: u64,
    pub descriptors: u64,
}

/// All samples of the processes of a run.
pub struct ResourceLog {
    services: Vec<ServiceSamples>,
}

struct ServiceSamples {
    name: &'static str,
    process: u32,
    samples: Vec<Sample>,
}

impl ResourceLog {
    /// Starts a log of all services of the platform, which must run in their own processes.
    pub async fn new(platform: &Platform) -> Self {
        let mut services = Vec::new();
        for service in platform.all_services() {
            let process = service.process_id().await;
            services.push(ServiceSamples { name: service.name, process, samples: Vec::new() });
        }
        Self { services }
    }

    pub fn sample(&mut self) {
        for service in &mut self.services {
            let process = service.process;
            service.samples.push(Sample::read(process).unwrap_or_else(|| panic!("{} has ended", service.name)));
        }
    }

    /// The newest sample of each process: resident memory in MiB, and file descriptors.
    pub fn latest(&self) -> String {
        let latest = |service: &ServiceSamples| {
            let last = service.samples.last()?;
            Some(format!("{} {} MiB {} fds", service.name, mib(last.resident_kib), last.descriptors))
        };
        self.services.iter().filter_map(latest).collect::<Vec<_>>().join(", ")
    }

    /// For each process, the medians of the second quarter and of the last quarter of its samples.
    pub fn summary(&self) -> String {
        let medians = |service: &ServiceSamples| {
            let Quarters { second, last } = Quarters::of(&service.samples)?;
            let (before, after) = (mib(second.resident_kib), mib(last.resident_kib));
            let (fds_before, fds_after) = (second.descriptors, last.descriptors);
            Some(format!("{} {before} to {after} MiB and {fds_before} to {fds_after} fds", service.name))
        };
        self.services.iter().filter_map(medians).collect::<Vec<_>>().join(", ")
    }

    /// A violation for each process whose memory or file descriptors grew beyond the margins, or that has too few
    /// samples.
    pub fn violations(&self, stack: Stack) -> Vec<String> {
        let of_service = |service: &ServiceSamples| {
            let has_page_caches = stack == Stack::Embedded && service.name == "db-proxy";
            let bounded_caches_kib = if has_page_caches { PAGE_CACHES_KIB } else { 0 };
            growth(&service.samples, bounded_caches_kib).map(|growth| format!("{growth}: {}", service.name))
        };
        self.services.iter().filter_map(of_service).collect()
    }
}

impl Sample {
    fn read(process: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let resident_kib = resident.split_whitespace().next()?.parse().ok()?;
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).ok()?.count();
        Some(Self { resident_kib, descriptors: u64::try_from(descriptors).ok()? })
    }
}

/// The medians of two quarters of a run. The first quarter is ignored, because caches and pools fill during it.
struct Quarters {
    second: Sample,
    last: Sample,
}

impl Quarters {
    /// `None` if the run was too short.
    fn of(samples: &[Sample]) -> Option<Self> {
        let quarter = samples.len() / 4;
        (samples.len() >= MIN_SAMPLES).then(|| Self {
            second: median(&samples[quarter..2 * quarter]),
            last: median(&samples[samples.len() - quarter..]),
        })
    }
}

/// Describes the growth from the second quarter to the last quarter if it exceeds the margins. A run that is too short
/// for quarters is a violation too.
fn growth(samples: &[Sample], bounded_caches_kib: u64) -> Option<String> {
    let Some(Quarters { second, last }) = Quarters::of(samples) else {
        return Some(format!("TOO SHORT: {} samples, fewer than {MIN_SAMPLES}", samples.len()));
    };
    let margin = (second.resident_kib * MEMORY_MARGIN_PERCENT / 100).max(MEMORY_MARGIN_KIB) + bounded_caches_kib;
    if last.resident_kib > second.resident_kib + margin {
        let (before, after) = (mib(second.resident_kib), mib(last.resident_kib));
        return Some(format!("MEMORY GROWS: from {before} to {after} MiB"));
    }
    if last.descriptors > second.descriptors + DESCRIPTOR_MARGIN {
        return Some(format!("FILE DESCRIPTORS GROW: from {} to {}", second.descriptors, last.descriptors));
    }
    None
}

fn median(samples: &[Sample]) -> Sample {
    let median_of = |value: fn(&Sample) -> u64| {
        let mut values: Vec<_> = samples.iter().map(value).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    Sample {
        resident_kib: median_of(|sample| sample.resident_kib),
        descriptors: median_of(|sample| sample.descriptors),
    }
}

/// Formats KiB as MiB with one decimal.
fn mib(kib: u64) -> String {
    format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024)
}
