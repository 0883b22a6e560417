//! The metrics of price streams.

use common::metrics::Metrics;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    source: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    source: &'static str,
    kind: &'static str,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct StreamMetrics {
    connected: Family<SourceLabels, Gauge>,
    connects: Family<SourceLabels, Counter>,
    messages: Family<KindLabels, Counter>,
    disconnects: Family<KindLabels, Counter>,
}

impl StreamMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let new = Self::default();
        metrics.register(
            "price_feed_connected",
            "1 while a price stream is connected, otherwise 0",
            new.connected.clone(),
        );
        metrics.register("price_feed_connects", "Connection attempts of price streams", new.connects.clone());
        metrics.register("price_feed_messages", "Messages of price streams by their effect", new.messages.clone());
        let help = "Ended connections and failed attempts of price streams by reason";
        metrics.register("price_feed_ends", help, new.disconnects.clone());
        new
    }

    pub(super) fn record_attempt(&self, source: &'static str) {
        self.connects.get_or_create(&SourceLabels { source }).inc();
    }

    pub(super) fn set_connected(&self, source: &'static str, connected: bool) {
        self.connected.get_or_create(&SourceLabels { source }).set(i64::from(connected));
    }

    pub(super) fn record_message(&self, source: &'static str, kind: &'static str) {
        self.messages.get_or_create(&KindLabels { source, kind }).inc();
    }

    pub(super) fn record_disconnect(&self, source: &'static str, kind: &'static str) {
        self.disconnects.get_or_create(&KindLabels { source, kind }).inc();
    }
}
