//! What is measured of feeds.

use common::metrics::Metrics;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    source: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    source: &'static str,
    kind: &'static str,
}

/// The measurements of all feeds.
#[derive(Debug, Clone, Default)]
pub(crate) struct StreamMetrics {
    connected: Family<Labels, Gauge>,
    connects: Family<Labels, Counter>,
    messages: Family<KindLabels, Counter>,
    ends: Family<KindLabels, Counter>,
}

impl StreamMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let new = Self::default();
        metrics.register("price_feed_connected", "1 while a feed is connected, and 0 while not", new.connected.clone());
        metrics.register("price_feed_connects", "Connections that were tried", new.connects.clone());
        metrics.register("price_feed_messages", "What came over feeds, by what became of it", new.messages.clone());
        metrics.register("price_feed_ends", "Connections that ended or were not made, by why", new.ends.clone());
        new
    }

    pub(super) fn connecting(&self, source: &'static str) {
        self.connects.get_or_create(&Labels { source }).inc();
    }

    pub(super) fn connected(&self, source: &'static str, yes: bool) {
        self.connected.get_or_create(&Labels { source }).set(i64::from(yes));
    }

    pub(super) fn message(&self, source: &'static str, kind: &'static str) {
        self.messages.get_or_create(&KindLabels { source, kind }).inc();
    }

    pub(super) fn ended(&self, source: &'static str, kind: &'static str) {
        self.ends.get_or_create(&KindLabels { source, kind }).inc();
    }
}
