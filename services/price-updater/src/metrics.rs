//! Metrics of price-updater.

use std::time::Duration;

use common::{api::courses::Rejection, metrics::Metrics, time::Timestamp};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

/// The outcome of a publish interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublishResult {
    /// Every currency of the record has an agreed price that orders can use.
    Good,
    /// Some currencies have such a price.
    Partial,
    /// No currency has such a price.
    Failed,
}

impl PublishResult {
    fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}

/// A kind of data that is sent to other services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Record,
    /// The market snapshot. Metrics and logs call it `board`.
    Snapshot,
    Courses,
}

impl Delivery {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Snapshot => "board",
            Self::Courses => "courses",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PublishLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    source: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    source: &'static str,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VoteLabels {
    source: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    what: &'static str,
}

/// Upper bounds of the buckets of the histogram `price_source_seconds`, in seconds.
const LATENCY_BUCKETS: [f64; 9] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

#[derive(Debug, Clone)]
pub(crate) struct UpdaterMetrics {
    publish_results: Family<PublishLabels, Counter>,
    source_errors: Family<ErrorLabels, Counter>,
    source_seconds: Family<SourceLabels, Histogram>,
    source_as_of: Family<SourceLabels, Gauge>,
    budget_left: Family<SourceLabels, Gauge>,
    votes: Family<VoteLabels, Counter>,
    write_errors: Family<DeliveryLabels, Counter>,
    as_of: Gauge,
    leader: Gauge,
}

impl UpdaterMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let histogram = || Histogram::new(LATENCY_BUCKETS);
        let new = Self {
            publish_results: Family::default(),
            source_errors: Family::default(),
            source_seconds: Family::new_with_constructor(histogram as fn() -> Histogram),
            source_as_of: Family::default(),
            budget_left: Family::default(),
            votes: Family::default(),
            write_errors: Family::default(),
            as_of: Gauge::default(),
            leader: Gauge::default(),
        };
        metrics.register("price_rounds", "Publish intervals, by result", new.publish_results.clone());
        metrics.register("price_source_errors", "Errors of a source, by kind", new.source_errors.clone());
        metrics.register(
            "price_source_seconds",
            "Time that a source takes to answer a poll",
            new.source_seconds.clone(),
        );
        let help =
            "Time when the newest ticker of a source was observed, in seconds since 1970: its age is time() minus this";
        metrics.register("price_source_as_of_seconds", help, new.source_as_of.clone());
        metrics.register(
            "price_source_budget_left",
            "Requests that may be sent to a source now",
            new.budget_left.clone(),
        );
        metrics.register("price_votes", "Votes of a source, by result", new.votes.clone());
        metrics.register(
            "price_write_errors",
            "Failed writes to other services, by kind of data",
            new.write_errors.clone(),
        );
        let help =
            "Time when the prices in the cache were observed, in seconds since 1970: their age is time() minus this";
        metrics.register("price_as_of_seconds", help, new.as_of.clone());
        metrics.register(
            "price_leader",
            "1 if this instance is the leader, which polls the sources, and 0 otherwise",
            new.leader.clone(),
        );
        new
    }

    pub(crate) fn record_publish_result(&self, result: PublishResult) {
        self.publish_results.get_or_create(&PublishLabels { result: result.as_str() }).inc();
    }

    pub(crate) fn record_source_error(&self, source: &'static str, kind: &'static str) {
        self.source_errors.get_or_create(&ErrorLabels { source, kind }).inc();
    }

    pub(crate) fn record_poll(&self, source: &'static str, latency: Duration) {
        self.source_seconds.get_or_create(&SourceLabels { source }).observe(latency.as_secs_f64());
    }

    pub(crate) fn set_source_gauges(&self, source: &'static str, as_of: Option<Timestamp>, budget_left: u32) {
        let labels = SourceLabels { source };
        if let Some(as_of) = as_of {
            self.source_as_of.get_or_create(&labels).set(seconds(as_of));
        }
        self.budget_left.get_or_create(&labels).set(budget_left.into());
    }

    /// Removes the gauges of a source that is no longer polled.
    pub(crate) fn remove_source(&self, source: &'static str) {
        let labels = SourceLabels { source };
        self.source_as_of.remove(&labels);
        self.budget_left.remove(&labels);
    }

    pub(crate) fn record_vote(&self, source: &'static str, used: bool, rejected: Option<Rejection>) {
        let result = match rejected {
            None if used => "used",
            // The pair has no agreed price, or the agreed price is withheld.
            None => "no_price",
            Some(Rejection::Stale) => "stale",
            Some(Rejection::Frozen) => "frozen",
            Some(Rejection::Outlier) => "outlier",
            Some(Rejection::NoConversion) => "no_conversion",
            Some(Rejection::OtherKind) => "unlike",
            Some(Rejection::Simulated) => "simulated",
        };
        self.votes.get_or_create(&VoteLabels { source, result }).inc();
    }

    pub(crate) fn set_record_time(&self, as_of: Timestamp) {
        self.as_of.set(seconds(as_of));
    }

    pub(crate) fn record_write_failure(&self, what: Delivery) {
        self.write_errors.get_or_create(&DeliveryLabels { what: what.as_str() }).inc();
    }

    pub(crate) fn set_leader(&self, is_leader: bool) {
        self.leader.set(is_leader.into());
    }
}

/// Seconds since 1970, rounded down.
pub(crate) fn seconds(time: Timestamp) -> i64 {
    time.micros().div_euclid(1_000_000)
}
