//! What the service measures.

use std::time::Duration;

use common::{api::courses::Rejection, metrics::Metrics, time::Timestamp};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublishResult {
    /// Every currency has a price.
    Good,
    /// Some have.
    Partial,
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

/// What is handed to other services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Record,
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

/// Upper bounds of the time that a source takes, in seconds.
const SECONDS: [f64; 9] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

#[derive(Debug, Clone)]
pub(crate) struct UpdaterMetrics {
    rounds: Family<PublishLabels, Counter>,
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
        let histogram = || Histogram::new(SECONDS);
        let new = Self {
            rounds: Family::default(),
            source_errors: Family::default(),
            source_seconds: Family::new_with_constructor(histogram as fn() -> Histogram),
            source_as_of: Family::default(),
            budget_left: Family::default(),
            votes: Family::default(),
            write_errors: Family::default(),
            as_of: Gauge::default(),
            leader: Gauge::default(),
        };
        metrics.register("price_rounds", "Rounds, by how they ended", new.rounds.clone());
        metrics.register("price_source_errors", "Answers of a source that gave no price", new.source_errors.clone());
        metrics.register("price_source_seconds", "Time that a source takes to answer", new.source_seconds.clone());
        let help = "When the newest quote of a source was observed, in seconds since 1970: its age is time() less this";
        metrics.register("price_source_as_of_seconds", help, new.source_as_of.clone());
        metrics.register("price_source_budget_left", "Requests that a source permits now", new.budget_left.clone());
        metrics.register("price_votes", "Votes of a source, by what became of them", new.votes.clone());
        metrics.register("price_write_errors", "What could not be handed over", new.write_errors.clone());
        let help = "When the prices in the cache were observed, in seconds since 1970: their age is time() less this";
        metrics.register("price_as_of_seconds", help, new.as_of.clone());
        metrics.register("price_leader", "1 where this instance asks the sources", new.leader.clone());
        new
    }

    pub(crate) fn round(&self, result: PublishResult) {
        self.rounds.get_or_create(&PublishLabels { result: result.as_str() }).inc();
    }

    pub(crate) fn source_error(&self, source: &'static str, kind: &'static str) {
        self.source_errors.get_or_create(&ErrorLabels { source, kind }).inc();
    }

    pub(crate) fn asked(&self, source: &'static str, latency: Duration) {
        self.source_seconds.get_or_create(&SourceLabels { source }).observe(latency.as_secs_f64());
    }

    pub(crate) fn source(&self, source: &'static str, as_of: Option<Timestamp>, budget_left: u32) {
        let labels = SourceLabels { source };
        if let Some(as_of) = as_of {
            self.source_as_of.get_or_create(&labels).set(seconds(as_of));
        }
        self.budget_left.get_or_create(&labels).set(budget_left.into());
    }

    /// It is not asked any more: how it stands now is not known.
    pub(crate) fn forget(&self, source: &'static str) {
        let labels = SourceLabels { source };
        self.source_as_of.remove(&labels);
        self.budget_left.remove(&labels);
    }

    pub(crate) fn vote(&self, source: &'static str, used: bool, rejected: Option<Rejection>) {
        let result = match rejected {
            None if used => "used",
            // The others were too few or too far apart.
            None => "no_price",
            Some(Rejection::Stale) => "stale",
            Some(Rejection::Frozen) => "frozen",
            Some(Rejection::Outlier) => "outlier",
            Some(Rejection::NoConversion) => "no_conversion",
            Some(Rejection::Unlike) => "unlike",
            Some(Rejection::Simulated) => "simulated",
        };
        self.votes.get_or_create(&VoteLabels { source, result }).inc();
    }

    pub(crate) fn written(&self, as_of: Timestamp) {
        self.as_of.set(seconds(as_of));
    }

    pub(crate) fn not_written(&self, what: Delivery) {
        self.write_errors.get_or_create(&DeliveryLabels { what: what.as_str() }).inc();
    }

    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }
}

fn seconds(time: Timestamp) -> i64 {
    time.micros().div_euclid(1_000_000)
}
