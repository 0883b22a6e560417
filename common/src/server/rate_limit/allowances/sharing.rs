//! The connection of this instance to the store: whether the store is available, and how many instances share the
//! limits.

use std::{
    collections::VecDeque,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::store::{AllowanceStore, Draw, DrawRequest, StoreError, StoreKey};
use crate::{
    concurrency::backoff::Backoff,
    error_chain::format_chain,
    metrics::Metrics,
    server::rate_limit::bucket::Share,
    startup::{OutageLine, OutageLog},
};

/// Deadline of one draw. A request that arrives during a draw can wait for this draw and the next.
const DRAW_DEADLINE: Duration = Duration::from_millis(50);
/// The interval of registrations. They also detect an unavailable store when no request needs it.
const REGISTRATION_INTERVAL: Duration = Duration::from_secs(2);
/// The number of instances is the maximum of the replies to this many registrations. After the store has lost its data,
/// the first replies are too small, because the instances take some seconds to register again.
const INSTANCE_REPORTS: usize = 5;
/// Deadline for ending the registration of this instance.
const DEREGISTRATION_DEADLINE: Duration = Duration::from_millis(500);
/// Base delay before the first registration after a failure; see [`Backoff`].
const MIN_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Maximum base delay before a registration while the store is unavailable.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Requests use the store only after a registration has succeeded, and until a draw or a registration fails. Only
/// registrations try again, so requests do not wait for a store that is unavailable.
pub(in crate::server::rate_limit) struct Sharing {
    store: Box<dyn AllowanceStore>,
    is_available: AtomicBool,
    /// The largest number of instances in the last replies of the store. 1 before the first reply.
    instances: AtomicU32,
    draw_failed: Notify,
    metrics: SharingMetrics,
}

#[derive(Default)]
struct SharingMetrics {
    draws: Family<DrawLabels, Counter>,
    local_decisions: Counter,
    is_available: Gauge,
    instances: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DrawLabels {
    result: &'static str,
}

impl Sharing {
    pub fn new(store: impl AllowanceStore + 'static, metrics: &Metrics) -> Arc<Self> {
        let own = SharingMetrics::default();
        let SharingMetrics { draws, local_decisions, is_available, instances } = &own;
        metrics.register("rate_limit_draws", "Draws from the shared rate limits, by their result", draws.clone());
        let help = "Requests that were counted at this instance alone, because the shared rate limits were unavailable";
        metrics.register("rate_limit_decisions_alone", help, local_decisions.clone());
        let help = "Whether the shared rate limits are available: 1 or 0";
        metrics.register("rate_limit_sharing", help, is_available.clone());
        metrics.register("rate_limit_instances", "Instances that share the rate limits", instances.clone());
        Arc::new(Self {
            store: Box::new(store),
            is_available: AtomicBool::new(false),
            instances: AtomicU32::new(1),
            draw_failed: Notify::new(),
            metrics: own,
        })
    }

    pub fn is_available(&self) -> bool {
        self.is_available.load(Ordering::Relaxed)
    }

    /// The share of this instance in a limit.
    pub fn share(&self, limit: NonZeroU32) -> Share {
        let instances = NonZeroU32::new(self.instances.load(Ordering::Relaxed)).unwrap_or(NonZeroU32::MIN);
        Share { limit, instances }
    }

    /// Counts decisions that were made without the store.
    pub fn record_local_decisions(&self, number: usize) {
        self.metrics.local_decisions.inc_by(number as u64);
    }

    /// Draws from the store. `None` if the store does not reply in time, or replies with an error.
    pub async fn draw(&self, key: StoreKey, request: &DrawRequest) -> Option<Draw> {
        let drawn = timeout(DRAW_DEADLINE, self.store.draw(key, request)).await.unwrap_or(Err(StoreError::Timeout));
        let result = match &drawn {
            Ok(Draw { granted: 0, .. }) => "refused",
            Ok(_) => "granted",
            Err(_) => "failed",
        };
        self.metrics.draws.get_or_create(&DrawLabels { result }).inc();
        match drawn {
            Ok(drawn) => {
                // Only registrations lower the number of instances.
                self.set_instances(drawn.instances.max(self.instances.load(Ordering::Relaxed)));
                Some(drawn)
            }
            Err(error) => {
                tracing::debug!(error = format_chain(&error), "a draw from the shared rate limits failed");
                self.set_available(false);
                self.draw_failed.notify_one();
                None
            }
        }
    }

    /// Registers this instance until `stop` is cancelled.
    pub async fn keep_registered(self: Arc<Self>, stop: CancellationToken) {
        tokio::select! { () = stop.cancelled() => {}, () = self.register_forever() => {} }
        // Otherwise the other instances would count this instance until its registration expires.
        let _ = timeout(DEREGISTRATION_DEADLINE, self.store.deregister()).await;
    }

    async fn register_forever(&self) {
        let (mut backoff, mut outage) = (retry_backoff(), OutageLog::default());
        let mut reports = VecDeque::from([1; INSTANCE_REPORTS]);
        loop {
            match self.store.register().await {
                Ok(instances) => {
                    reports.pop_front();
                    reports.push_back(instances.get());
                    self.set_instances(reports.iter().copied().max().unwrap_or(1));
                    self.set_available(true);
                    backoff = retry_backoff();
                    if outage.record_success() {
                        tracing::info!("the shared rate limits are available again");
                    }
                    tokio::select! {
                        () = sleep(REGISTRATION_INTERVAL) => {}
                        () = self.draw_failed.notified() => sleep(backoff.next_delay()).await,
                    }
                }
                Err(error) => {
                    self.set_available(false);
                    log_outage(&error, outage.record_failure());
                    sleep(backoff.next_delay()).await;
                }
            }
        }
    }

    fn set_available(&self, is_available: bool) {
        self.is_available.store(is_available, Ordering::Relaxed);
        self.metrics.is_available.set(is_available.into());
    }

    fn set_instances(&self, instances: u32) {
        self.instances.store(instances, Ordering::Relaxed);
        self.metrics.instances.set(instances.into());
    }
}

fn retry_backoff() -> Backoff {
    Backoff::new(MIN_RETRY_DELAY, MAX_RETRY_DELAY)
}

fn log_outage(error: &StoreError, line: Option<OutageLine>) {
    let error = format_chain(error);
    match line {
        Some(OutageLine::NotYet) => tracing::info!(error, "the shared rate limits are not available yet"),
        Some(OutageLine::Outage) => {
            tracing::warn!(error, "the shared rate limits are unavailable; this instance counts alone");
        }
        None => {}
    }
}
