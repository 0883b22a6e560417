//! What the service measures.

use common::metrics::Metrics;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoundResult {
    /// Every currency has a price.
    Good,
    /// Some have.
    Partial,
    Failed,
}

impl RoundResult {
    fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RoundLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    source: &'static str,
    kind: &'static str,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct UpdaterMetrics {
    rounds: Family<RoundLabels, Counter>,
    source_errors: Family<ErrorLabels, Counter>,
    write_errors: Counter,
    as_of: Gauge,
}

impl UpdaterMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let new = Self::default();
        metrics.register("price_rounds", "Rounds, by how they ended", new.rounds.clone());
        metrics.register("price_source_errors", "Answers of a source that gave no price", new.source_errors.clone());
        metrics.register("price_write_errors", "Records that could not be written", new.write_errors.clone());
        let help = "When the prices in the cache were observed, in seconds since 1970: their age is time() less this";
        metrics.register("price_as_of_seconds", help, new.as_of.clone());
        new
    }

    pub(crate) fn round(&self, result: RoundResult) {
        self.rounds.get_or_create(&RoundLabels { result: result.as_str() }).inc();
    }

    pub(crate) fn source_error(&self, source: &'static str, kind: &'static str) {
        self.source_errors.get_or_create(&ErrorLabels { source, kind }).inc();
    }

    pub(crate) fn written(&self, as_of: common::time::Timestamp) {
        self.as_of.set(as_of.micros().div_euclid(1_000_000));
    }

    pub(crate) fn not_written(&self) {
        self.write_errors.inc();
    }
}
